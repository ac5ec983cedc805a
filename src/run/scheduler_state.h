// What a scheduler holds of a run in memory: levels and calls. Private to scheduler*.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/attempt.h"
#include "run/scheduler.h"

namespace consort::run {

struct Scheduler::Level {
  Level(const agent::Graph& graph, contract::Value input) : scope(graph, std::move(input)) {}
  Scope scope;
  std::string prefix;  // "verdict/"; empty for the root.
  Level* parent = nullptr;
  Call* caller = nullptr;               // The parent's call that this level answers.
  std::optional<Nanoseconds> deadline;  // Its own or an outer one, whichever is first.
  int64_t tokens_max = INT64_MAX;
  int64_t tokens_used = 0;
  int n_before = 0;  // Attempts that failed of the nested agents around it: the next must not be the same again.
  bool done = false;
  bool abandoned = false;  // Its caller has begun another attempt, or an outer one has.

  bool within(const Level& other) const {
    for (const Level* at = this; at != nullptr; at = at->parent) {
      if (at == &other) return true;
    }
    return false;
  }
};

struct Scheduler::Call {
  std::string name;  // With all prefixes.
  Level* level = nullptr;
  size_t step = 0;
  size_t element = 0;
  const agent::Node* node = nullptr;  // The step's own.
  contract::Value input;
  tool::Effect effect = tool::Effect::none;
  int attempt = 1;
  AttemptPlan plan;
  agent::Component* component = nullptr;  // Of this attempt.
  std::vector<contract::Violation> previous;
  int64_t tokens_left = INT64_MAX;
  Nanoseconds attempt_started{0};
  StepResult result;
};

struct Scheduler::Return {
  Call* call = nullptr;
  tl::expected<agent::Outcome, agent::Failure> outcome;
  Nanoseconds ended{0};
};

double to_ms(Nanoseconds n);
contract::Value ms_value(double ms);
// What every end of an attempt carries; usage and calls only where there are any.
contract::Object end_body(double ms, const agent::Usage& usage, const std::vector<agent::Call>& calls);

}  // namespace consort::run

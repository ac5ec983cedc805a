// Component: one responsibility behind a contract, ready to be called. Made from a graph's node by
// `make_component` (kinds generate, decide, retrieve, tool); kind agent has no component of its own: its
// graph is executed by the run, step by step.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/graph.h"
#include "base/clock.h"
#include "contract/json.h"
#include "engine/engine.h"
#include "tool/tool.h"

namespace consort::agent {

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t output_tokens = 0;
  int64_t tool_calls = 0;
  int64_t violations = 0;
  double model_ms = 0;
  Usage& operator+=(const Usage& other);
  contract::Value to_value() const;
};

// One model or tool call inside a step, for the trace.
struct Call {
  std::string kind;        // "generate", "score", "tool", "retrieve"
  std::string name;        // "smollm2-135m:q4_1+planner@1" or the tool's name.
  std::string prompt;      // As the model read it; a tool's input as JSON.
  std::string text;        // Raw output.
  double ms = 0;
  double first_token_ms = 0;
  Usage usage;
  std::vector<contract::Violation> violations;
  contract::Value to_value() const;
};

struct CallScope {
  std::string run;             // Ids for idempotency keys and logs.
  std::string step;
  int attempt = 1;  // Those of the nested agents around the step count, too.
  uint64_t seed = 0;           // H(run's seed, step, attempt).
  std::optional<Nanoseconds> deadline;  // On `clock`.
  const Clock* clock = nullptr;
  int64_t tokens_left = INT64_MAX;      // Of the run's budget.
  std::stop_token stop;
  // Validator's complaints about the last attempt, for a repair; empty at first.
  std::vector<contract::Violation> previous_violations;
  std::function<void(std::string_view)> on_text;
};

struct Outcome {
  contract::Value value;       // Satisfies the output contract.
  Usage usage;
  std::vector<Call> calls;
};

// Failures keep what they cost.
struct Failure {
  Error error;
  Usage usage;
  std::vector<Call> calls;
};

// Resource; `call` is thread-safe.
class Component {
 public:
  virtual ~Component() = default;
  // `input` satisfies the node's input contract.
  virtual tl::expected<Outcome, Failure> call(const contract::Value& input, const CallScope& scope) = 0;
  // Weights, adapter, tool versions, memory digest: with the node's digest, all that an answer depends on.
  virtual contract::Value pins() const = 0;
};

// What components are built from; references outlive them.
struct ComponentHost {
  engine::Engine* engine = nullptr;            // nullptr: no local models (E4: a typed error on use).
  const tool::Registry* tools = nullptr;
  const Clock* clock = nullptr;
  std::function<Result<std::string>(const std::string& adapter, const std::string& model)> resolve_adapter;
};

Result<std::unique_ptr<Component>> make_component(const Node& node, const Graph& graph,
                                                  const ComponentHost& host);

}  // namespace consort::agent

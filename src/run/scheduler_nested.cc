// Nested agents: their levels, their ends, and what is tried when one fails as a whole.
#include <algorithm>
#include <cmath>

#include "run/scheduler_state.h"

namespace consort::run {

using contract::Value;
using store::EventKind;

namespace {

Value calls_value(const std::vector<agent::Call>& calls) {
  contract::Array out;
  for (const agent::Call& call : calls) out.push_back(call.to_value());
  return Value(std::move(out));
}

bool spent_anything(const agent::Usage& usage) {
  return usage.prompt_tokens != 0 || usage.cached_tokens != 0 || usage.output_tokens != 0 ||
         usage.tool_calls != 0 || usage.violations != 0 || usage.model_ms != 0;
}

}  // namespace

double to_ms(Nanoseconds n) { return static_cast<double>(n.count()) / 1e6; }
Value ms_value(double ms) { return Value(std::round(ms * 1000) / 1000); }

contract::Object end_body(double ms, const agent::Usage& usage,
                          const std::vector<agent::Call>& calls) {
  contract::Object body;
  body.set("ms", ms_value(ms));
  if (spent_anything(usage)) body.set("usage", usage.to_value());
  if (!calls.empty()) body.set("calls", calls_value(calls));
  return body;
}

void Scheduler::begin_nested(Call& call, const agent::Node& node) {
  auto fits = contract::check(*node.input, call.input);
  if (!fits) return fail_level(*call.level, std::move(fits).error().with_context("step '" + call.name + "'"));
  if (recorder_.wanted()) {
    recorder_.add(EventKind::step_started, call.name,
                  Value::object({{"component", call.plan.component},
                                 {"attempt", call.attempt},
                                 {"input", value_digest(call.input)}}));
  }
  call.attempt_started = clock_.monotonic();
  const agent::Graph& graph = *node.nested;
  auto level = std::make_unique<Level>(graph, call.input);
  level->prefix = nested_prefix(call.name, call.attempt);
  level->parent = call.level;
  level->caller = &call;
  level->n_before = call.level->n_before + call.attempt - 1;
  level->deadline = call.level->deadline;
  const agent::Budget& budget = graph.definition().budget;
  for (const std::optional<int64_t>& limit_ms : {budget.deadline_ms, node.spec.timeout_ms}) {
    if (!limit_ms) continue;
    Nanoseconds own = call.attempt_started + std::chrono::milliseconds(*limit_ms);
    level->deadline = level->deadline ? std::min(*level->deadline, own) : own;
  }
  level->tokens_max = budget.tokens.value_or(INT64_MAX);
  to_open_.push_back(level.get());
  levels_.push_back(std::move(level));
}

void Scheduler::finish_level(Level& level) {
  level.done = true;
  Value value = level.scope.result();
  auto fits = contract::check(*level.scope.graph().output(), value);
  if (!fits) {
    const std::string& agent = level.scope.graph().definition().name;
    return fail_level(level, std::move(fits).error().with_context("the result of agent '" + agent + "'"));
  }
  if (level.caller == nullptr) {
    output_ = std::move(value);
    finished_ = true;
    return;
  }
  Call& call = *level.caller;
  if (call.plan.component != call.node->spec.name) {  // Of the step's own the edge check has proved it.
    if (auto mine = contract::check(*call.node->output, value); !mine)
      return fail_level(level, std::move(mine).error().with_context("step '" + call.name + "'"));
  }
  contract::Object body;
  double ms = to_ms(clock_.monotonic() - call.attempt_started);
  body.set("ms", ms_value(ms));
  complete(call, std::move(value), std::move(body));
}

void Scheduler::fail_level(Level& level, const Error& error) {
  for (Level* at = &level; at->caller != nullptr && !stopping(); at = at->parent) {
    Call& call = *at->caller;
    const bool may = error.code != ErrorCode::cancelled && error.code != ErrorCode::internal &&
                     !holds_effect(*at) && plan_attempt(call.node->spec, call.attempt + 1).has_value();
    if (!may) continue;
    abandon(*at);
    call.result.error = error;
    call.previous.clear();
    if (recorder_.wanted()) {
      contract::Object body = end_body(to_ms(clock_.monotonic() - call.attempt_started), {}, {});
      body.set("error", to_value(error));
      body.set("violations", contract::Array());
      body.set("will_retry", true);
      recorder_.add(EventKind::step_failed, call.name, Value(std::move(body)));
    }
    ++call.attempt;
    return begin_attempt(call);
  }
  fail_run(error);
}

bool Scheduler::holds_effect(const Level& level) const {
  return std::any_of(calls_.begin(), calls_.end(), [&](const auto& call) {
    return call->effect == tool::Effect::once && call->level != nullptr && call->level->within(level);
  });
}

// What is under way is let go: its values are no longer wanted, and are not recorded.
void Scheduler::abandon(Level& level) {
  for (const auto& each : levels_) each->abandoned = each->abandoned || each->within(level);
  auto gone = [](const Call* call) { return call->level->abandoned; };
  std::erase_if(ready_, gone);
  std::erase_if(starting_, gone);
  std::erase_if(to_open_, [](const Level* each) { return each->abandoned; });
  for (const auto& call : calls_) {
    if (call->level == nullptr || !call->level->abandoned || call->result.state != StepState::started) continue;
    call->result.state = StepState::failed;
  }
}

int64_t Scheduler::tokens_of_abandoned(const Call& call) const {
  int64_t tokens = 0;
  const int attempts = settings_.recorded->find(call.name)->attempts.back().number;
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    // The last one's calls are taken up again, and counted then, unless it has failed.
    if (attempt == attempts && settings_.recorded->find(call.name)->state != StepState::failed) break;
    const std::string prefix = nested_prefix(call.name, attempt);
    for (const StepView& step : settings_.recorded->steps) {
      if (!step.name.starts_with(prefix)) continue;
      for (const AttemptView& each : step.attempts) tokens += each.usage.prompt_tokens + each.usage.output_tokens;
    }
  }
  return tokens;
}

}  // namespace consort::run

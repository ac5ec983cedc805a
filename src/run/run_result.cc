#include "run/run_result.h"

#include <algorithm>
#include <cmath>

namespace consort::run {
namespace {

using contract::Value;

// Microseconds are enough, and keep the text short.
Value ms_value(double ms) { return Value(std::round(ms * 1000) / 1000); }

}  // namespace

Value RunResult::to_value() const {
  contract::Array list;
  for (const StepResult& step : steps) {
    Value one = Value::object({{"name", step.name},
                               {"component", step.component},
                               {"state", run::name(step.state)},
                               {"attempts", step.attempts},
                               {"start_ms", ms_value(step.start_ms)},
                               {"ms", ms_value(step.ms)},
                               {"usage", step.usage.to_value()}});
    if (step.error) one.get_object()->set("error", run::to_value(*step.error));
    list.push_back(std::move(one));
  }
  Value out = Value::object({{"run", run.text},
                             {"state", store::name(state)},
                             {"output", output},
                             {"steps", std::move(list)},
                             {"usage", usage.to_value()}});
  if (error) out.get_object()->set("error", run::to_value(*error));
  return out;
}

int RunResult::exit_code() const {
  if (state == store::RunState::completed) return 0;
  if (interrupted || state == store::RunState::cancelled) return 130;
  if (!error) return 1;
  return std::max(1, traits(error->code).exit_code);
}

RunResult result_of(const RunView& view) {
  RunResult out{.run = view.run, .state = view.state, .output = view.output, .usage = view.usage()};
  out.error = view.error;
  out.interrupted = view.state == store::RunState::waiting && view.waiting_for == "interrupted";
  for (const StepView& step : view.steps) {
    StepResult one{.name = step.name, .state = step.state, .digest = step.digest};
    one.attempts = static_cast<int>(step.attempts.size());
    if (!step.attempts.empty()) {
      const AttemptView& first = step.attempts.front();
      const AttemptView& last = step.attempts.back();
      one.component = last.component;
      one.input_digest = last.input;
      one.error = last.error;
      one.start_ms = static_cast<double>(first.started_ms);
      one.ms = static_cast<double>(last.started_ms - first.started_ms) + last.ms;
      for (const AttemptView& attempt : step.attempts) one.usage += attempt.usage;
    }
    out.steps.push_back(std::move(one));
  }
  return out;
}

}  // namespace consort::run

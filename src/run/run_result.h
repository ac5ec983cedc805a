// RunResult: what `run`, `resume`, and `replay` answer, and the JSON that they print.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/component.h"
#include "run/run_view.h"
#include "store/journal.h"

namespace consort::run {

struct StepResult {
  std::string name;       // "findings[3]"
  std::string component;  // Of the last attempt.
  StepState state = StepState::started;
  int attempts = 0;
  double start_ms = 0;  // Since the run's start.
  double ms = 0;        // From the first attempt's start to the last one's end.
  agent::Usage usage;   // Of all attempts; empty for a nested agent (its steps have their own).
  std::string digest;   // Completed: of the value. Empty in memory unless asked for.
  std::string input_digest;    // Of the last attempt, likewise.
  std::optional<Error> error;  // Failed: of the last attempt.
};

struct RunResult {
  store::RunId run;
  store::RunState state = store::RunState::running;
  contract::Value output;         // Completed only.
  std::vector<StepResult> steps;  // In the order in which they were first started.
  agent::Usage usage;
  std::optional<Error> error;  // Failed, or why it waits.
  bool interrupted = false;    // Waiting because of a stop request: exit code 130.

  // {"run","state","output","steps":[{"name","component","state","attempts","start_ms","ms","usage",
  // "error"?}],"usage","error"?}; docs/formats/run.md.
  contract::Value to_value() const;
  // Of the `consort` program: 0 completed, 130 interrupted, else by the error's code.
  int exit_code() const;
};

// The same from the journal, for `show` and for a run that needs no more work.
RunResult result_of(const RunView& view);

}  // namespace consort::run

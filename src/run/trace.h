// Trace: a run's events as a person reads them: a waterfall of steps with tokens, times, and
// violations, and the prompts and texts of one step.
//
// A view over RunView; it stores nothing and decides nothing. `consort trace` and `show` print it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "run/run_view.h"

namespace consort::run {

struct TraceStyle {
  int width = 100;      // Columns, at least 60; the bars take what the text leaves.
  bool colour = false;  // ANSI colours for failures and repairs.
};

// One line per step: name, component, state, bar on the run's time axis, milliseconds, tokens,
// violations.
std::string trace_text(const RunView& view, const TraceStyle& style = {});
// {"run","agent","state","started","active_ms","steps":[{"name","component","state","start_ms","ms",
// "attempts":[{"attempt","component","state","ms","usage","calls","error"?}]}],"usage"}.
contract::Value trace_value(const RunView& view);
// Every call of one step with its prompt, text, tokens, and violations. Error: not_found 7020 (no
// such step; names those that are near).
Result<std::string> trace_step_text(const RunView& view, std::string_view step);
// What `show RUN` prints: state, times, steps, usage, error or output.
std::string show_text(const RunView& view, const TraceStyle& style = {});

}  // namespace consort::run

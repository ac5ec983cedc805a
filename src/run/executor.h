// Executor: runs agents against the journal. Starts, resumes, and replays.
//
//   Executor executor(journal.get(), clock);
//   CONSORT_ASSIGN(RunResult result, executor.start(*graph, provider, input, {.seed = 7}));
//
// What is promised: a step's result is recorded exactly once and is durable before anything else
// sees it; a step runs at least once; a call with Effect::once runs at most once unless a person
// says otherwise. A run that was killed, interrupted, or lost its power goes on from its last
// durable event: completed steps are never called again, and the output is what it would have been.
//
// Values do not depend on timing: not on which of two concurrent steps returns first, nor on the
// number of threads. Deadlines do, by their nature: they end a run, they never change a value.
//
// Not for: loading models or building graphs (the caller's), or deciding what opens next (scope.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/graph.h"
#include "base/clock.h"
#include "base/result.h"
#include "run/pins.h"
#include "run/provider.h"
#include "run/recorder.h"
#include "run/run_result.h"
#include "store/journal.h"

namespace consort::run {

// What a person decided about a call with an effect whose outcome is not known.
struct Resolution {
  bool retry = false;                    // Call it again.
  std::optional<contract::Value> value;  // Or take this as its value.
};

struct ExecutorOptions {
  // Calls at a time within one run. They mostly wait for the engine, which batches them; more than
  // its batch gains nothing.
  int n_threads = 8;
  // For fault tests alone: SIGKILL this process once so many events are durable. 0 = never.
  int64_t fault_kill_after_event = 0;
};

// What a caller can watch and stop.
struct Watch {
  // Stops the run at the next boundary: in-flight calls are asked to return, and the run is left
  // waiting, to be resumed.
  std::stop_token stop;
  // On the caller's thread, after the event is durable.
  EventListener on_event;
  // New text of a generating step. On any thread; must not block.
  std::function<void(std::string_view step, std::string_view text)> on_text;
};

struct RunOptions {
  uint64_t seed = 0;
  std::optional<int64_t> deadline_ms;  // In place of the agent file's budget.
  std::optional<int64_t> tokens;       // Prompt and output tokens of all attempts.
  contract::Value meta;                // The caller's own notes, kept in run_started.
  Watch watch;
};

struct ResumeOptions {
  std::map<std::string, Resolution> resolutions;  // By step.
  Watch watch;
};

struct ReplayOptions {
  // Components ("planner", "validator/judge") that the provider gives in another version: their pins
  // may differ, and no others.
  std::set<std::string> swaps;
  Watch watch;
};

struct ReplayDifference {
  std::string step;  // Empty: the run's output.
  std::string component;
  // Not equal: an earlier difference reached this step. Equal: it begins here.
  bool input_equal = false;
  std::string recorded;  // Digest of the value; "failed", "skipped", or "none".
  std::string recomputed;
};

struct ReplayReport {
  RunResult result;    // As recomputed.
  int n_compared = 0;  // Steps.
  std::vector<ReplayDifference>
      differences;                        // In the order of the recorded steps. Empty: bit-equal.
  std::vector<PinDifference> pins;        // Swapped.
  std::vector<std::string> not_repeated;  // Steps with effects: taken as recorded.
  bool bit_equal() const { return differences.empty(); }
  // RunResult's document and "replay": {"bit_equal", "compared", "differences", "pins",
  // "not_repeated"}.
  contract::Value to_value() const;
};

// Thread-safe; runs at the same time are independent. Blocking.
class Executor final {
 public:
  // `journal` = nullptr: in memory, nothing is kept and resume is not possible. Both outlive the
  // object.
  Executor(store::Journal* journal, const Clock& clock, ExecutorOptions options = {});

  // A run that fails, waits, or is interrupted is a result with that state. Errors are what keeps
  // it from beginning: 3001 (the input does not match the agent's contract), and
  // those of the journal; after a journal's error in mid-run it can be resumed from
  // its last durable event.
  Result<RunResult> start(const agent::Graph& graph, ComponentProvider& provider,
                          contract::Value input, const RunOptions& options = {});
  // Goes on with a run that is running or waiting. A run that has ended is answered from the
  // journal. Errors: 7010 (pins differ; names them), 7012 (no journal), those of Journal::read.
  Result<RunResult> resume(const store::RunId& run, const agent::Graph& graph,
                           ComponentProvider& provider, const ResumeOptions& options = {});
  // Gives up a run that is running or waiting: nothing resumes it any more, and what it recorded stays.
  // Of a cancelled run: nothing more happens. Errors: 7014 (it has completed or failed), 7012, those of
  // Journal::summary and append.
  Result<void> cancel(const store::RunId& run, std::string_view reason);
  // Recomputes a run that has completed or failed, in memory, from its recorded input and seed.
  // Errors: 7008 (it has not ended), 7010, 7012, those of Journal::read.
  Result<ReplayReport> replay(const store::RunId& run, const agent::Graph& graph,
                              ComponentProvider& provider, const ReplayOptions& options = {});

 private:
  store::Journal* journal_;
  const Clock& clock_;
  ExecutorOptions options_;
};

}  // namespace consort::run

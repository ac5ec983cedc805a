// RunView: what is known about a run, as a pure fold over its events.
//
// Resuming, replaying, `show`, and `trace` all start here; nothing else is ever kept about a run.
// Folding the same events gives the same view, on any machine and in every later version of the
// program: tests/golden/journals holds runs of released versions that must fold as they did.
//
// Not for: deciding what runs next (that is the graph's, see scheduler.h), or reading files: blobs
// are put back by the caller (load_run does). Event bodies: docs/formats/run.md.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/component.h"
#include "base/result.h"
#include "store/journal.h"

namespace consort::run {

enum class StepState { started, completed, failed, skipped };
std::string_view name(StepState state);

// One try of a step: one call of a component.
struct AttemptView {
  int number = 1;         // From 1.
  std::string component;  // The step's own, or the one that it escalated to.
  StepState state = StepState::started;
  uint64_t seed = 0;
  std::string input;       // SHA-256 of the input's JSON, hex.
  int64_t started_ms = 0;  // Since the run's start, by the wall clock.
  double ms = 0;           // Measured by the monotonic clock; 0 while started.
  agent::Usage usage;
  contract::Value calls;       // Array of calls with prompts and texts, as component.h writes them.
  std::optional<Error> error;  // Failed.
  std::vector<contract::Violation> violations;  // Failed: what the next attempt is told.
};

// One execution of a step: "findings[3]", "report#1", "verdict/rules".
struct StepView {
  std::string name;
  StepState state = StepState::started;
  tool::Effect effect = tool::Effect::none;
  std::vector<AttemptView> attempts;  // Empty if skipped.
  contract::Value value;              // Completed. Null for others.
  std::string digest;                 // Completed: SHA-256 of the value's JSON, hex.
};

struct RunView {
  store::RunId run;
  std::string agent;  // "name@version"
  store::RunState state = store::RunState::running;
  contract::Value started;      // The body of run_started: input, pins, seed, budget, meta.
  std::vector<StepView> steps;  // In the order in which they started.
  std::map<std::string, size_t, std::less<>> index;  // Step's name -> place in `steps`.
  contract::Value output;                            // Of a completed run.
  std::optional<Error> error;                        // Of a failed run.
  std::string waiting_for;  // Of a waiting run: "interrupted" or "needs_review".
  std::string waiting_step;
  int64_t started_ms = 0;  // Unix milliseconds.
  int64_t active_ms = 0;   // Time in which some process was executing it.
  int64_t n_events = 0;
  int n_resumed = 0;

  const StepView* find(std::string_view step) const;
  agent::Usage usage() const;  // Of all attempts.
  uint64_t seed() const;
  const contract::Value& input() const;
};

// `events` in order, from seq 1, with blobs in place. Error: corruption 7001 when a body is not
// what docs/formats/run.md says.
Result<RunView> fold(const store::RunId& run, std::span<const store::Event> events);

// Reads, verifies, puts blobs back, folds. Errors: those of Journal::read and inflate, and 7001.
Result<RunView> load_run(const store::Journal& journal, const store::RunId& run);

// Errors and usages as event bodies hold them.
contract::Value to_value(const Error& error);
Result<Error> error_from(const contract::Value& value);
agent::Usage usage_from(const contract::Value& value);
// SHA-256 of the value's JSON as written: digits and key order count, unlike in canonical JSON.
std::string value_digest(const contract::Value& value);

}  // namespace consort::run

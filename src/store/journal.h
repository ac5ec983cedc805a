// Journal: the durable, append-only record of runs. Everything that is known about a run is here; state
// is a fold over its events.
//
// An event that `append` acknowledged survives kill -9 and power loss: one SQLite file in WAL mode with
// synchronous=FULL, one writing connection, one fdatasync per append. Events of a run form a hash chain, so
// that a changed, missing or reordered row is found on reading and named. Events are deltas; a payload
// over kInlineBytesMax goes to the blob store, and the event keeps its digest.
//
// Not for: traces' bulk (prompts and texts are blobs), metrics, or sharing between machines.
// Format: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sha256.h"
#include "contract/json.h"

namespace consort::store {

// "r_" and 26 characters of Crockford base 32: 48 bits of Unix milliseconds, then 80 random bits (ULID).
struct RunId {
  std::string text;
  auto operator<=>(const RunId&) const = default;
};

enum class EventKind {
  run_started,     // Pins: agent, contracts, models, adapters, prompts, memory digests; the input.
  step_started,    // Attempt, seed, digest of the step's input.
  step_completed,  // The value; usage; calls (prompt and text digests).
  step_failed,     // The error; whether it will be retried.
  step_skipped,    // `when` was false.
  run_waiting,     // Parked: an effect of unknown outcome, or an approval.
  run_completed,   // The output's digest.
  run_failed,
  run_cancelled,
  run_resumed,     // A new process took the run up.
};
std::string_view name(EventKind kind);
std::optional<EventKind> event_kind(std::string_view name);

// One durable fact. Value type.
struct Event {
  int64_t seq = 0;        // From 1, without gaps, within the run.
  EventKind kind = EventKind::run_started;
  std::string step;       // "findings[3]#1"; empty for run events.
  int64_t unix_ms = 0;
  contract::Value body;   // Small members inline; {"$blob": "<sha256>", "bytes": n} for large ones.
  Digest chain;           // SHA-256(previous chain || canonical record), see the format page.
};

// What is appended: the journal adds seq, time and chain.
struct NewEvent {
  EventKind kind = EventKind::run_started;
  std::string step;
  contract::Value body;
};

enum class RunState { running, waiting, completed, failed, cancelled };
std::string_view name(RunState state);

// One line of `consort ls runs`, kept beside the events in the same transaction.
struct RunSummary {
  RunId run;
  std::string agent;       // "name@version"
  RunState state = RunState::running;
  int64_t started_ms = 0;
  int64_t updated_ms = 0;
  int64_t n_events = 0;
};

inline constexpr size_t kInlineBytesMax = 64 << 10;
inline constexpr size_t kEventBytesMax = 1 << 20;  // After large members moved to blobs.

class BlobStore;

// Resource: one per home folder and process. Thread-safe; appends are serialised.
class Journal final {
 public:
  // Opens or creates `<home>/journal.db`. Takes the home's writer lock: a second process gets
  // failed_precondition 1201 naming the holder. Errors: corruption 1202, unavailable 1203 (read-only
  // or full disk), unsupported 1204 (a newer format).
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& home, const Clock& clock);
  // Readers need no lock (`consort show` beside a running agent).
  static Result<std::unique_ptr<Journal>> open_read_only(const std::filesystem::path& home);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Creates a run and appends its first event (kind run_started). Blocks for one fdatasync.
  Result<Event> begin(const RunId& run, std::string_view agent, contract::Value pins);
  // Appends all or none, in one transaction and one fdatasync. Members of a body whose JSON exceeds
  // kInlineBytesMax are moved to the blob store first. Errors: not_found 1205, failed_precondition 1206
  // (run already ended), resource_exhausted 1207 (event too large), unavailable 1203: nothing was
  // written and the journal is as before.
  Result<std::vector<Event>> append(const RunId& run, std::vector<NewEvent> events);

  // All events in order, with the chain verified: corruption 1208 names the first bad seq.
  Result<std::vector<Event>> read(const RunId& run) const;
  // Puts blobs back in place of their references.
  Result<contract::Value> inflate(const contract::Value& body) const;
  Result<std::vector<RunSummary>> runs(int limit) const;  // Newest first.
  Result<RunSummary> summary(const RunId& run) const;     // A unique prefix is enough.
  BlobStore& blobs() const;

  // Runs the callback after every durable append, for fault tests: kill here.
  void on_durable_append(std::function<void(const Event&)> callback);

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

RunId new_run_id(const Clock& clock, uint64_t random_high, uint64_t random_low);

}  // namespace consort::store

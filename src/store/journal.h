// Journal: the durable, append-only record of runs. Everything that is known about a run is here;
// its state is a fold over its events (run/run_view.h).
//
//   CONSORT_ASSIGN(auto journal, Journal::open(home, clock));
//   RunId run = new_run_id(clock);
//   CONSORT_TRY(journal->begin(run, "competitive-intelligence@0.1.0", pins));
//   CONSORT_TRY(journal->append(run, {{EventKind::step_completed, "plan", body}}));
//   CONSORT_ASSIGN(std::vector<Event> events, journal->read(run));
//
// What is promised:
//  - An event that `append` acknowledged survives kill -9 and power loss: one SQLite file in WAL
//  mode with
//    synchronous=FULL, one writing connection, one fdatasync per append however many events it
//    carries.
//  - An append is all or nothing, and readers see runs only between appends.
//  - The events of a run form a hash chain, and the run's own line names the last link: a changed,
//    missing, reordered, or cut-off event is found on reading, and named. The chain finds damage;
//    it is no signature, and whoever can write the file can write a new chain.
//  - Growth is linear: an event is a delta, and a member over kInlineBytesMax goes to the blob
//  store once.
//
// Not for: the bulk of traces (prompts and texts are blobs), metrics, or sharing between machines.
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
#include "store/run_id.h"

namespace consort::store {

enum class EventKind {
  run_started,     // Pins: agent, contracts, models, adapters, prompts, memory digests; the input.
  step_started,    // Attempt, seed, digest of the step's input.
  step_completed,  // The value; usage; calls (prompt and text digests).
  step_failed,     // The error; whether it will be retried.
  step_skipped,    // `when` was false.
  run_waiting,     // Parked: interrupted, an effect of unknown outcome, or an approval.
  run_completed,   // The output.
  run_failed,
  run_cancelled,
  run_resumed,  // A new process took the run up.
};
std::string_view name(EventKind kind);
std::optional<EventKind> event_kind(std::string_view name);

// One durable fact. Value type.
struct Event {
  int64_t seq = 0;  // From 1, without gaps, within the run.
  EventKind kind = EventKind::run_started;
  std::string step;  // "findings[3]", "report#1"; empty for events of the whole run.
  int64_t unix_ms = 0;
  contract::Value
      body;      // An object. Large members are references: {"$blob": "<sha256>", "bytes": n}.
  Digest chain;  // Links this event to all before it; see the format page.
};

// What a caller appends: the journal adds seq, time, and chain.
struct NewEvent {
  EventKind kind = EventKind::run_started;
  std::string step;
  contract::Value body;
};

enum class RunState { running, waiting, completed, failed, cancelled };
std::string_view name(RunState state);
std::optional<RunState> run_state(std::string_view name);
// The state of a run whose last event is of this kind.
RunState state_after(EventKind kind);
// Completed, failed, cancelled: nothing can be appended any more.
bool is_ended(RunState state);

// One line of `consort ls runs`, kept beside the events in the same transaction.
struct RunSummary {
  RunId run;
  std::string agent;  // "name@version"
  RunState state = RunState::running;
  int64_t started_ms = 0;  // Of the first and of the last event, Unix milliseconds.
  int64_t updated_ms = 0;
  int64_t n_events = 0;
};

inline constexpr size_t kInlineBytesMax = 64 << 10;  // JSON bytes of one member of a body.
inline constexpr size_t kEventBytesMax =
    1 << 20;  // JSON bytes of a body, after members moved to blobs.
inline constexpr int64_t kEventsPerRunMax = (1 << 24) - 1;

class BlobStore;

// Resource: one per home folder and process. Thread-safe; appends are serialised.
class Journal final {
 public:
  // Opens or creates `<home>/journal.db` and takes the home's writer lock for the object's life.
  // `clock` must outlive it. Errors: failed_precondition 1201 (another process holds the home;
  // names it), corruption 1202, unavailable 1203 (read-only or full disk), unsupported 1204 (a
  // newer format).
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& home,
                                               const Clock& clock);
  // Needs no lock and writes nothing: `consort show` beside a running agent, or on a read-only
  // disk. `append` answers 1206. Errors: not_found 1205 (no journal there), 1202, 1203, 1204.
  static Result<std::unique_ptr<Journal>> open_read_only(const std::filesystem::path& home);
  // Moves the write-ahead log into the database, so that a home at rest is one file.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Creates a run with its first event: kind run_started, body = {"agent": agent} and the members
  // of `pins` (an object). Blocks for one fdatasync. Errors: already_exists 1209, and those of
  // append.
  Result<Event> begin(const RunId& run, std::string_view agent, contract::Value pins);
  // Appends all or none, in one transaction and one fdatasync. Members of a body whose JSON exceeds
  // kInlineBytesMax are moved to the blob store first. Only the last event may end the run.
  // Errors: not_found 1205 (no such run), failed_precondition 1206 (run already ended, or
  // read-only), resource_exhausted 1207 (event too large, or too many), invalid_argument 1210 (step
  // name or body), unavailable 1203: nothing is visible, and the journal is as before. After a
  // failed write or sync what the disk holds is unknown, so every later append answers 1203, too,
  // until the journal is opened anew; events of the failed append may then be there, in order, or
  // not.
  Result<std::vector<Event>> append(const RunId& run, std::vector<NewEvent> events);

  // All events in order, from one snapshot, with chain, count, and summary verified: corruption
  // 1208 has place "<run>/<first bad seq>".
  Result<std::vector<Event>> read(const RunId& run) const;
  // Puts blobs back in place of their references. Errors: not_found 1212, corruption 1211.
  Result<contract::Value> inflate(const contract::Value& body) const;
  Result<std::vector<RunSummary>> runs(
      int limit) const;  // Newest first; not verified, unlike read.
  // A unique prefix of the id is enough. Errors: not_found 1205, invalid_argument 1215 (ambiguous).
  Result<RunSummary> summary(const RunId& run) const;
  BlobStore& blobs() const;

  // Runs the callback on the appending thread for every event, after its append is durable and
  // before `append` returns: fault tests kill the process there. Set it before the journal is
  // shared.
  void on_durable_append(std::function<void(const Event&)> callback);

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::store

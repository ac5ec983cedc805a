#include "store/journal_record.h"

#include <algorithm>
#include <array>

namespace consort::store {
namespace {

constexpr std::array<std::string_view, 10> kKindNames = {
    "run_started", "step_started",  "step_completed", "step_failed",   "step_skipped",
    "run_waiting", "run_completed", "run_failed",     "run_cancelled", "run_resumed"};
constexpr std::array<std::string_view, 5> kStateNames = {"running", "waiting", "completed",
                                                         "failed", "cancelled"};

}  // namespace

std::string_view name(EventKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<EventKind> event_kind(std::string_view name) {
  auto found = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (found == kKindNames.end()) return std::nullopt;
  return static_cast<EventKind>(found - kKindNames.begin());
}

std::string_view name(RunState state) { return kStateNames[static_cast<size_t>(state)]; }

std::optional<RunState> run_state(std::string_view name) {
  auto found = std::find(kStateNames.begin(), kStateNames.end(), name);
  if (found == kStateNames.end()) return std::nullopt;
  return static_cast<RunState>(found - kStateNames.begin());
}

RunState state_after(EventKind kind) {
  switch (kind) {
    case EventKind::run_waiting:
      return RunState::waiting;
    case EventKind::run_completed:
      return RunState::completed;
    case EventKind::run_failed:
      return RunState::failed;
    case EventKind::run_cancelled:
      return RunState::cancelled;
    default:
      return RunState::running;
  }
}

bool is_ended(RunState state) {
  return state == RunState::completed || state == RunState::failed || state == RunState::cancelled;
}

Digest record_chain(const Digest& previous, const RunId& run, const StoredRecord& record) {
  std::string head = previous.hex();
  head.append("\n").append(run.text);
  head.append("\n").append(std::to_string(record.seq));
  head.append("\n").append(record.kind);
  head.append("\n").append(record.step);
  head.append("\n").append(std::to_string(record.unix_ms));
  head.append("\n");
  return Sha256().update(head).update(record.body).finish();
}

Result<Event> decode_record(const Digest& previous, const RunId& run, int64_t seq,
                            const StoredRecord& record) {
  auto damaged = [&](std::string what) {
    return fail(
        make_error(ErrorCode::corruption, 1208, std::move(what))
            .at(run.text + "/" + std::to_string(seq))
            .to_fix("restore the journal from a backup; events before this one are intact"));
  };
  if (record.seq != seq) {
    return damaged("event " + std::to_string(seq) + " is missing from the journal");
  }
  Digest chain = record_chain(previous, run, record);
  if (record.chain != std::string_view(reinterpret_cast<const char*>(chain.bytes.data()), 32)) {
    return damaged("the hash chain breaks at event " + std::to_string(seq));
  }
  // What follows can only fail on a row that somebody wrote with a matching hash.
  std::optional<EventKind> kind = event_kind(record.kind);
  if (!kind) return damaged("the event has a kind that this program does not know");
  if (!check_step_name(record.step)) return damaged("the event's step name is malformed");
  auto body = contract::parse_json(record.body);
  if (!body || !body->is_object()) return damaged("the event's body is not a JSON object");
  return Event{.seq = seq,
               .kind = *kind,
               .step = std::string(record.step),
               .unix_ms = record.unix_ms,
               .body = std::move(*body),
               .chain = chain};
}

Result<void> check_step_name(std::string_view step) {
  bool printable = std::none_of(step.begin(), step.end(), [](unsigned char c) { return c < 0x20; });
  if (step.size() <= kStepNameBytesMax && printable) return {};
  return fail(make_error(ErrorCode::invalid_argument, 1210,
                         "a step name is over 512 bytes or holds control characters")
                  .got(step));
}

}  // namespace consort::store

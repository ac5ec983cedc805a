#include "run/recorder.h"

namespace consort::run {

Recorder::Recorder(store::Journal* journal, const Clock& clock, store::RunId run,
                   EventListener listener, int64_t n_events)
    : journal_(journal),
      clock_(clock),
      run_(std::move(run)),
      listener_(std::move(listener)),
      n_events_(n_events) {}

void Recorder::add(store::EventKind kind, std::string step, contract::Value body) {
  if (wanted()) pending_.push_back({kind, std::move(step), std::move(body)});
}

Result<void> Recorder::flush() {
  if (pending_.empty()) return {};
  std::vector<store::NewEvent> batch = std::move(pending_);
  pending_.clear();
  if (journal_ != nullptr) {
    auto events = journal_->append(run_, std::move(batch));
    if (!events) return fail(std::move(events).error().with_context("recording run " + run_.text));
    n_events_ += static_cast<int64_t>(events->size());
    if (listener_) {
      for (const store::Event& event : *events) listener_(event);
    }
    return {};
  }
  for (store::NewEvent& each : batch) {
    listener_(store::Event{.seq = ++n_events_,
                           .kind = each.kind,
                           .step = std::move(each.step),
                           .unix_ms = clock_.unix_ms(),
                           .body = std::move(each.body)});
  }
  return {};
}

}  // namespace consort::run

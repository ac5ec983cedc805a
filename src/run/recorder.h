// Recorder: collects a run's events and makes them durable together.
//
// The scheduler adds events as it goes and flushes once before anything outside sees their values:
// several completions and the starts that follow from them cost one fdatasync. Without a journal
// (`call`, replays) it only numbers events for the listener, and does nothing when there is none.
#pragma once

#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/journal.h"

namespace consort::run {

using EventListener = std::function<void(const store::Event&)>;

// One thread: the scheduler's.
class Recorder final {
 public:
  // `journal` may be nullptr; both outlive the recorder. `n_events`: already in the run.
  Recorder(store::Journal* journal, const Clock& clock, store::RunId run, EventListener listener,
           int64_t n_events = 0);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // False: nobody would read events, so their bodies need not be built.
  bool wanted() const { return journal_ != nullptr || listener_ != nullptr; }
  void add(store::EventKind kind, std::string step, contract::Value body);
  // Blocks for one fdatasync if anything was added. After an error (those of Journal::append) the
  // events are not in the journal and the run must stop.
  Result<void> flush();

 private:
  store::Journal* journal_;
  const Clock& clock_;
  store::RunId run_;
  EventListener listener_;
  int64_t n_events_;
  std::vector<store::NewEvent> pending_;
};

}  // namespace consort::run

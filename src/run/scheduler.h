// Scheduler: drives one run of a graph to its end. Private to this folder; executor.h is the way
// in.
//
// One thread (the caller's) decides and records; components run on a small pool, or on the caller's
// thread when there is only one call to make. The order of work:
//
//   1. open every step whose values are there (scope.h);
//   2. record completions and the starts that follow, in one append;
//   3. only then call the components that were started;
//   4. wait for at least one to return, and begin again.
//
// So a value is durable before any component, listener, or caller sees it, and a chain of steps
// costs one fdatasync each. Which step returns first changes the order of events, never a value.
//
// With a recorded view (resume), calls that have completed are taken from it and settle at once;
// control flow is derived again from values, so nothing else needs to be stored.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "run/executor.h"
#include "run/provider.h"
#include "run/recorder.h"
#include "run/run_result.h"
#include "run/run_view.h"
#include "run/scope.h"
#include "run/worker_pool.h"

namespace consort::run {

struct SchedulerSettings {
  store::RunId run;
  uint64_t seed = 0;
  std::optional<int64_t>
      deadline_ms;  // Of this process's share; what earlier ones used is taken off.
  std::optional<int64_t> tokens;
  std::stop_token stop;
  std::function<void(std::string_view step, std::string_view text)> on_text;
  int n_threads = 8;
  bool digests = false;               // Fill StepResult's digests even when nothing is recorded.
  const RunView* recorded = nullptr;  // Resume: what is there already.
  double offset_ms = 0;               // Resume: time since the run's start.
  // Replay: calls with effects are not repeated but taken from here.
  const RunView* effects_from = nullptr;
  std::map<std::string, Resolution> resolutions;
};

class Scheduler final {
 public:
  // References outlive the object.
  Scheduler(const agent::Graph& graph, ComponentProvider& provider, Recorder& recorder,
            const Clock& clock, SchedulerSettings settings);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Once. A failed, parked, or interrupted run is a result; an Error is only a journal that cannot
  // be written, and then the run is as its last durable event says.
  Result<RunResult> run(contract::Value input);

 private:
  struct Level;   // A scope with its place among the others, budget, and deadline.
  struct Call;    // One execution of a step, over all its attempts.
  struct Return;  // What came back from a component.

  Result<void> drive();
  bool stopping() const { return error_ || parked_ || interrupted_; }

  void open_steps();
  void open_level(Level& level);
  void begin_call(Level& level, const Opening& opening, size_t element);
  bool take_recorded(Call& call);  // True if the call needs no component any more.
  bool take_resolution(Call& call);
  // The attempt `call.attempt`: by a component (it becomes ready) or by a nested agent (a new level).
  void begin_attempt(Call& call);
  void begin_nested(Call& call, const agent::Node& node);
  void finish_level(Level& level);
  // Something in the level has failed for good: what called it tries again, if it may, else the run fails.
  void fail_level(Level& level, const Error& error);
  bool holds_effect(const Level& level) const;  // A call in it, at any depth, must not be repeated.
  void abandon(Level& level);
  int64_t tokens_of_abandoned(const Call& call) const;  // Resume: of earlier attempts by nested agents.

  void start_calls();
  void start_attempt(Call& call);
  void dispatch();
  Return call_component(Call& call) const;

  void await_returns();
  void take_outcome(Call& call, agent::Outcome outcome, double ms);
  void take_failure(Call& call, agent::Failure failure, double ms);
  void complete(Call& call, contract::Value value, contract::Object body);
  void deliver(Call& call, contract::Value value);

  void spend(Level* level, const agent::Usage& usage);
  int64_t tokens_left(const Level& level) const;
  void check_limits();
  void park(const Call& call, const Error& error);
  void fail_run(Error error);
  double since_start_ms(Nanoseconds at) const;
  static const agent::Step& graph_step(const Level& level, const Opening& opening);
  RunResult conclude();

  const agent::Graph& graph_;
  ComponentProvider& provider_;
  Recorder& recorder_;
  const Clock& clock_;
  SchedulerSettings settings_;
  Nanoseconds started_{0};

  std::vector<std::unique_ptr<Level>> levels_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Level*> to_open_;  // Levels in which something has settled.
  std::deque<Call*> ready_;      // Want an attempt.
  std::vector<Call*> starting_;  // Recorded as started, not yet called.
  int n_outstanding_ = 0;        // Called, and what came back not yet taken.

  contract::Value output_;
  bool finished_ = false;
  std::optional<Error> error_;   // The run fails with this.
  std::optional<Error> parked_;  // The run waits for a person because of this.
  bool interrupted_ = false;

  std::stop_source stop_source_;
  std::mutex returns_mutex_;
  std::condition_variable returned_;
  std::deque<Return> returns_;  // Guarded by returns_mutex_.
  WorkerPool pool_;             // Last: its threads end before what they use.
};

}  // namespace consort::run

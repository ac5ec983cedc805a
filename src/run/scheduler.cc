#include "run/scheduler.h"

#include <algorithm>
#include <cmath>

#include "run/attempt.h"
#include "run/scheduler_state.h"

namespace consort::run {

using agent::Failure;
using agent::Outcome;
using contract::Value;
using store::EventKind;

namespace {

std::string_view effect_name(tool::Effect effect) {
  if (effect == tool::Effect::once) return "once";
  return effect == tool::Effect::idempotent ? "idempotent" : "none";
}

Value violations_value(const std::vector<contract::Violation>& violations) {
  contract::Array out;
  for (const contract::Violation& v : violations) {
    out.push_back(Value::object({{"instance", v.instance},
                                 {"schema", v.schema},
                                 {"keyword", v.keyword},
                                 {"message", v.message}}));
  }
  return Value(std::move(out));
}

}  // namespace

Scheduler::Scheduler(const agent::Graph& graph, ComponentProvider& provider, Recorder& recorder,
                     const Clock& clock, SchedulerSettings settings)
    : graph_(graph),
      provider_(provider),
      recorder_(recorder),
      clock_(clock),
      settings_(std::move(settings)),
      pool_(settings_.n_threads) {}

Scheduler::~Scheduler() = default;

Result<RunResult> Scheduler::run(Value input) {
  started_ = clock_.monotonic();
  auto root = std::make_unique<Level>(graph_, std::move(input));
  if (settings_.deadline_ms) {
    root->deadline = started_ + std::chrono::milliseconds(*settings_.deadline_ms);
  }
  root->tokens_max = settings_.tokens.value_or(INT64_MAX);
  to_open_.push_back(root.get());
  levels_.push_back(std::move(root));
  {
    // Ends before the members that it uses; runs at once if stop was requested already.
    std::stop_callback on_stop(settings_.stop, [this] {
      stop_source_.request_stop();
      returned_.notify_all();
    });
    auto driven = drive();
    if (!driven) {
      // Nothing that is still running may outlive this call.
      stop_source_.request_stop();
      while (n_outstanding_ > 0) await_returns();
      return fail(std::move(driven).error());
    }
  }
  return conclude();
}

Result<void> Scheduler::drive() {
  while (true) {
    open_steps();
    check_limits();
    start_calls();
    if (finished_ && !stopping() && recorder_.wanted()) {
      recorder_.add(EventKind::run_completed, "", Value::object({{"output", output_}}));
    }
    CONSORT_TRY(recorder_.flush());
    dispatch();
    if (n_outstanding_ > 0)
      await_returns();
    else if (to_open_.empty() || stopping())
      break;
  }
  if (!finished_ && !stopping()) {
    fail_run(make_error(ErrorCode::internal, 7099, "the run stands still"));
  }
  if (error_) {
    recorder_.add(EventKind::run_failed, "", Value::object({{"error", to_value(*error_)}}));
  } else if (parked_) {
    recorder_.add(
        EventKind::run_waiting, "",
        Value::object(
            {{"reason", "needs_review"}, {"step", parked_->place}, {"error", to_value(*parked_)}}));
  } else if (interrupted_) {
    recorder_.add(EventKind::run_waiting, "", Value::object({{"reason", "interrupted"}}));
  }
  return recorder_.flush();
}

void Scheduler::open_steps() {
  while (!to_open_.empty() && !stopping()) {
    Level* level = to_open_.back();
    to_open_.pop_back();
    if (!level->done && !level->abandoned) open_level(*level);
  }
}

void Scheduler::open_level(Level& level) {
  auto openings = level.scope.open();
  if (!openings) return fail_level(level, openings.error());
  for (const Opening& opening : *openings) {
    if (level.abandoned) return;  // A call before this one could not begin.
    if (opening.skipped || opening.inputs.empty()) {
      std::string name = level.prefix + level.scope.name_of(opening, 0);
      bool known = settings_.recorded != nullptr && settings_.recorded->find(name) != nullptr;
      if (recorder_.wanted() && !known) {
        recorder_.add(EventKind::step_skipped, name,
                      Value::object({{"reason", opening.skipped ? "when" : "empty"}}));
      }
      auto call = std::make_unique<Call>();
      call->result = StepResult{.name = std::move(name), .state = StepState::skipped};
      call->result.component = graph_step(level, opening).line.component;
      call->result.start_ms = since_start_ms(clock_.monotonic());
      calls_.push_back(std::move(call));
    }
    for (size_t i = 0; i < opening.inputs.size() && !opening.skipped && !level.abandoned; ++i)
      begin_call(level, opening, i);
  }
  if (level.scope.finished() && !level.abandoned) finish_level(level);
}

const agent::Step& Scheduler::graph_step(const Level& level, const Opening& opening) {
  return level.scope.graph().steps()[opening.step];
}

void Scheduler::begin_call(Level& level, const Opening& opening, size_t element) {
  calls_.push_back(std::make_unique<Call>());
  Call& call = *calls_.back();
  call.level = &level;
  call.step = opening.step;
  call.element = element;
  call.node = graph_step(level, opening).node;
  call.input = opening.inputs[element];
  call.name = level.prefix + level.scope.name_of(opening, element);
  call.result.name = call.name;
  call.result.component = call.node->spec.name;
  call.result.start_ms = since_start_ms(clock_.monotonic());
  if (call.node->nested == nullptr) {
    call.effect = provider_.effect(level.scope.graph(), call.node->spec.name);
  }
  if (take_recorded(call)) return;
  begin_attempt(call);
}

void Scheduler::begin_attempt(Call& call) {
  auto plan = plan_attempt(call.node->spec, call.attempt);
  if (!plan) {
    // Only after a resume: the last possible attempt is on record as failed, the run's end is not.
    return fail_level(*call.level,
                      settings_.recorded->find(call.name)->attempts.back().error.value_or(Error{}));
  }
  call.plan = std::move(*plan);
  call.result.attempts = call.attempt;
  call.result.component = call.plan.component;
  const agent::Node& node = call.level->scope.graph().nodes().at(call.plan.component);
  if (node.nested != nullptr) return begin_nested(call, node);
  ready_.push_back(&call);
}

bool Scheduler::take_recorded(Call& call) {
  if (settings_.effects_from != nullptr && call.effect != tool::Effect::none) {
    const StepView* step = settings_.effects_from->find(call.name);
    if (step != nullptr && step->state == StepState::completed) {
      call.result.state = StepState::completed;
      call.result.digest = step->digest;
      call.result.input_digest = value_digest(call.input);
      deliver(call, step->value);
      return true;
    }
  }
  if (settings_.recorded == nullptr) return false;
  const StepView* step = settings_.recorded->find(call.name);
  if (step == nullptr || step->attempts.empty()) return false;
  const AttemptView& first = step->attempts.front();
  const AttemptView& last = step->attempts.back();
  call.result.start_ms = static_cast<double>(first.started_ms);
  for (const AttemptView& attempt : step->attempts) {
    call.result.usage += attempt.usage;
    spend(call.level, attempt.usage);
  }
  spend(call.level, agent::Usage{.prompt_tokens = tokens_of_abandoned(call)});
  call.result.attempts = last.number;
  if (step->state == StepState::completed) {
    call.result.component = last.component;
    call.result.state = StepState::completed;
    call.result.ms = static_cast<double>(last.started_ms - first.started_ms) + last.ms;
    call.result.digest = step->digest;
    call.result.input_digest = last.input;
    deliver(call, step->value);
    return true;
  }
  if (step->state == StepState::failed) {
    call.attempt = last.number + 1;
    call.previous = last.violations;
    return false;
  }
  call.attempt = last.number;
  if (step->attempts.size() > 1)
    call.previous = step->attempts[step->attempts.size() - 2].violations;
  return step->effect == tool::Effect::once && take_resolution(call);
}

// An attempt with an effect was started, and nobody knows how it ended.
bool Scheduler::take_resolution(Call& call) {
  auto found = settings_.resolutions.find(call.name);
  if (found != settings_.resolutions.end() && found->second.retry) return false;
  if (found != settings_.resolutions.end() && found->second.value) {
    auto fits = contract::check(*call.node->output, *found->second.value);
    if (!fits) {
      park(call, std::move(fits).error());
      return true;
    }
    contract::Object body;
    body.set("resolved", true);
    complete(call, *found->second.value, std::move(body));
    return true;
  }
  park(call, make_error(ErrorCode::failed_precondition, 7005,
                        "the process ended while a call with an effect was under way, so it is not "
                        "known whether the effect happened"));
  return true;
}

void Scheduler::start_calls() {
  while (!ready_.empty() && !stopping() &&
         n_outstanding_ + static_cast<int>(starting_.size()) < pool_.n_threads()) {
    Call* call = ready_.front();
    ready_.pop_front();
    start_attempt(*call);
  }
}

void Scheduler::start_attempt(Call& call) {
  call.tokens_left = tokens_left(*call.level);
  if (call.tokens_left <= 0) {
    return fail_level(
        *call.level,
        make_error(ErrorCode::resource_exhausted, 7004, "the token budget is used up")
            .at(call.name)
            .to_fix("raise 'budget: {tokens: ...}' of the agent, or shorten its inputs"));
  }
  const agent::Graph& graph = call.level->scope.graph();
  call.effect = provider_.effect(graph, call.plan.component);  // An escalation's may be another.
  call.component = provider_.find(graph, call.plan.component);
  if (call.component == nullptr) {
    return fail_run(make_error(ErrorCode::unavailable, 7002, "there is no component for this step")
                        .at(call.name)
                        .got(call.plan.component)
                        .to_fix("check that its model and tools are installed: consort doctor"));
  }
  call.attempt_started = clock_.monotonic();
  auto fits = contract::check(*graph.nodes().at(call.plan.component).input, call.input);
  if (recorder_.wanted() || settings_.digests) call.result.input_digest = value_digest(call.input);
  if (recorder_.wanted()) {
    Value body =
        Value::object({{"component", call.plan.component},
                       {"attempt", call.attempt},
                       {"seed", hex64(attempt_seed(settings_.seed, call.name, call.attempt))},
                       {"input", call.result.input_digest}});
    if (call.effect != tool::Effect::none)
      body.get_object()->set("effect", effect_name(call.effect));
    recorder_.add(EventKind::step_started, call.name, std::move(body));
  }
  if (!fits) {
    Error error =
        std::move(fits).error().with_context("the input of '" + call.plan.component + "'");
    return take_failure(call, Failure{.error = std::move(error)}, 0);
  }
  starting_.push_back(&call);
}

void Scheduler::dispatch() {
  std::vector<Call*> now = std::move(starting_);
  starting_.clear();
  bool alone = now.size() == 1 && n_outstanding_ == 0 && ready_.empty();
  n_outstanding_ += static_cast<int>(now.size());
  for (Call* call : now) {
    auto work = [this, call] {
      Return back = call_component(*call);
      {
        std::lock_guard guard(returns_mutex_);
        returns_.push_back(std::move(back));
      }
      returned_.notify_one();
    };
    // Handing the only call to another thread would cost two switches and gain nothing.
    if (alone)
      work();
    else
      pool_.submit(std::move(work));
  }
}

Scheduler::Return Scheduler::call_component(Call& call) const {
  agent::CallScope scope;
  scope.run = settings_.run.text;
  scope.step = call.name;
  scope.attempt = call.attempt + call.level->n_before;
  scope.seed = attempt_seed(settings_.seed, call.name, call.attempt);
  scope.deadline = call.level->deadline;
  scope.clock = &clock_;
  scope.tokens_left = call.tokens_left;
  scope.stop = stop_source_.get_token();
  if (call.plan.repair) scope.previous_violations = call.previous;
  const agent::Node& node = call.level->scope.graph().nodes().at(call.plan.component);
  if (node.spec.timeout_ms) {
    Nanoseconds own = call.attempt_started + std::chrono::milliseconds(*node.spec.timeout_ms);
    scope.deadline = scope.deadline ? std::min(*scope.deadline, own) : own;
  }
  if (settings_.on_text) {
    scope.on_text = [this, &call](std::string_view text) { settings_.on_text(call.name, text); };
  }
  tl::expected<Outcome, Failure> outcome = call.component->call(call.input, scope);
  return Return{&call, std::move(outcome), clock_.monotonic()};
}

void Scheduler::await_returns() {
  std::deque<Return> back;
  {
    // The slices let a deadline pass even while a component ignores it; nothing depends on their
    // length.
    std::unique_lock lock(returns_mutex_);
    while (returns_.empty()) {
      returned_.wait_for(lock, std::chrono::milliseconds(20));
      lock.unlock();
      check_limits();
      lock.lock();
    }
    back.swap(returns_);
  }
  n_outstanding_ -= static_cast<int>(back.size());
  // In the order of the steps, so that what is decided together does not depend on who was first.
  std::sort(back.begin(), back.end(),
            [](const Return& a, const Return& b) { return a.call->name < b.call->name; });
  for (Return& each : back) {
    Call& call = *each.call;
    if (call.level->abandoned) {
      spend(call.level, each.outcome ? each.outcome->usage : each.outcome.error().usage);
      continue;
    }
    double ms = to_ms(each.ended - call.attempt_started);
    if (each.outcome)
      take_outcome(call, std::move(*each.outcome), ms);
    else
      take_failure(call, std::move(each.outcome).error(), ms);
  }
}

void Scheduler::take_outcome(Call& call, Outcome outcome, double ms) {
  std::vector<contract::Violation> violations =
      contract::validate(*call.node->output, outcome.value);
  if (!violations.empty()) {
    const contract::Violation& v = violations.front();
    Error error = make_error(ErrorCode::contract_violation, 3001,
                             "the output of '" + call.plan.component +
                                 "' does not match its contract: " + v.message)
                      .at(v.instance)
                      .got(contract::to_json(outcome.value));
    outcome.usage.violations += static_cast<int64_t>(violations.size());
    agent::Call note{
        .kind = "check", .name = call.plan.component, .violations = std::move(violations)};
    outcome.calls.push_back(std::move(note));
    return take_failure(call, Failure{std::move(error), outcome.usage, std::move(outcome.calls)},
                        ms);
  }
  contract::Object body;
  if (recorder_.wanted()) body = end_body(ms, outcome.usage, outcome.calls);
  call.result.usage += outcome.usage;
  spend(call.level, outcome.usage);
  complete(call, std::move(outcome.value), std::move(body));
}

void Scheduler::take_failure(Call& call, Failure failure, double ms) {
  const ErrorCode code = failure.error.code;
  call.result.usage += failure.usage;
  call.result.ms = to_ms(clock_.monotonic() - started_) - call.result.start_ms;
  // Once a stop was requested a failure says nothing: the attempt is made again, under its number,
  // when the run resumes. With an effect its start is on record and its end is not, which parks the
  // run then.
  if (!stopping() && settings_.stop.stop_requested()) interrupted_ = true;
  if (interrupted_) return;
  spend(call.level, failure.usage);
  call.result.error = failure.error;
  if (call.effect == tool::Effect::once) return park(call, failure.error);

  call.previous.clear();
  for (const agent::Call& made : failure.calls) {
    if (!made.violations.empty()) call.previous = made.violations;
  }
  bool recoverable = !stopping() && code != ErrorCode::cancelled && code != ErrorCode::internal &&
                     plan_attempt(call.node->spec, call.attempt + 1).has_value();
  if (recorder_.wanted()) {
    contract::Object body = end_body(ms, failure.usage, failure.calls);
    body.set("error", to_value(failure.error));
    body.set("violations", violations_value(call.previous));
    body.set("will_retry", recoverable);
    recorder_.add(EventKind::step_failed, call.name, Value(std::move(body)));
  }
  if (recoverable) {
    ++call.attempt;
    return begin_attempt(call);
  }
  call.result.state = StepState::failed;
  Error error = std::move(failure.error).with_context("step '" + call.name + "'");
  if (error.place.empty()) error.place = call.name;
  fail_level(*call.level, error);
}

void Scheduler::complete(Call& call, Value value, contract::Object body) {
  call.result.state = StepState::completed;
  call.result.error.reset();
  call.result.ms = since_start_ms(clock_.monotonic()) - call.result.start_ms;
  if (settings_.digests) call.result.digest = value_digest(value);
  if (recorder_.wanted()) {
    body.set("value", value);
    recorder_.add(EventKind::step_completed, call.name, Value(std::move(body)));
  }
  deliver(call, std::move(value));
}

void Scheduler::deliver(Call& call, Value value) {
  call.level->scope.settle(call.step, call.element, std::move(value));
  if (to_open_.empty() || to_open_.back() != call.level) to_open_.push_back(call.level);
  call.input = Value();  // No longer needed; large inputs should not add up.
}

void Scheduler::spend(Level* level, const agent::Usage& usage) {
  for (; level != nullptr; level = level->parent) {
    level->tokens_used += usage.prompt_tokens + usage.output_tokens;
  }
}

int64_t Scheduler::tokens_left(const Level& level) const {
  int64_t left = INT64_MAX;
  for (const Level* at = &level; at != nullptr; at = at->parent) {
    left = std::min(left, at->tokens_max - at->tokens_used);
  }
  return left;
}

// A finished run is past all limits.
void Scheduler::check_limits() {
  if (finished_ || stopping()) return;
  if (settings_.stop.stop_requested()) {
    interrupted_ = true;
    return;
  }
  Nanoseconds now{0};
  for (const auto& level : levels_) {
    if (level->done || level->abandoned) continue;
    const agent::Definition& agent = level->scope.graph().definition();
    if (level->tokens_used > level->tokens_max) {
      return fail_level(
          *level,
          make_error(ErrorCode::resource_exhausted, 7004,
                     "agent '" + agent.name + "' has used " + std::to_string(level->tokens_used) +
                         " tokens of " + std::to_string(level->tokens_max))
              .to_fix("raise 'budget: {tokens: ...}' of the agent, or shorten its inputs"));
    }
    if (!level->deadline) continue;
    if (now == Nanoseconds(0)) now = clock_.monotonic();
    if (now < *level->deadline) continue;
    return fail_level(*level, make_error(ErrorCode::deadline_exceeded, 7003,
                                         "agent '" + agent.name + "' has reached its deadline")
                                  .to_fix("raise 'budget: {deadline: ...}' of the agent"));
  }
}

void Scheduler::park(const Call& call, const Error& error) {
  if (parked_) return;
  parked_ = error;
  parked_->place = call.name;
  parked_->fix = "find out whether it happened, then resume with --retry " + call.name +
                 " or --value " + call.name + "=JSON";
}

void Scheduler::fail_run(Error error) {
  if (error_) return;
  error_ = std::move(error);
  stop_source_.request_stop();
}

double Scheduler::since_start_ms(Nanoseconds at) const {
  double earlier = settings_.recorded == nullptr ? 0 : settings_.offset_ms;
  return earlier + to_ms(at - started_);
}

RunResult Scheduler::conclude() {
  RunResult out{.run = settings_.run, .state = store::RunState::completed};
  if (error_) {
    out.state = store::RunState::failed;
    out.error = std::move(error_);
  } else if (parked_ || interrupted_) {
    out.state = store::RunState::waiting;
    out.interrupted = interrupted_;
    out.error = parked_ ? *parked_
                        : make_error(ErrorCode::cancelled, 7011, "the run was interrupted")
                              .to_fix("consort resume " + settings_.run.text);
  } else {
    out.output = std::move(output_);
  }
  for (const auto& call : calls_) {
    out.usage += call->result.usage;
    out.steps.push_back(std::move(call->result));
  }
  return out;
}

}  // namespace consort::run

#include "run/executor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "run/attempt.h"
#include "run/run_view.h"
#include "run/scheduler.h"

namespace consort::run {
namespace {

using contract::Value;
using store::RunState;

std::optional<int64_t> int_member(const Value& value, std::string_view key) {
  const Value* member = value.find(key);
  const contract::Number* number = member == nullptr ? nullptr : member->get_number();
  return number == nullptr ? std::nullopt : number->as_int64();
}

Value optional_int(const std::optional<int64_t>& n) { return n ? Value(*n) : Value(); }

Result<void> need_journal(const store::Journal* journal) {
  if (journal != nullptr) return {};
  return fail(
      make_error(ErrorCode::failed_precondition, 7012, "runs in memory cannot be taken up again"));
}

const Value& pins_of(const RunView& view) { return *view.started.find("pins"); }

Value budget_of(const RunView& view) {
  const Value* budget = view.started.find("budget");
  return budget == nullptr ? Value() : *budget;
}

// Those that no swap accounts for.
std::vector<PinDifference> without_swaps(const std::vector<PinDifference>& pins,
                                         const std::set<std::string>& swaps) {
  std::vector<PinDifference> out;
  for (const PinDifference& pin : pins) {
    bool swapped = std::any_of(swaps.begin(), swaps.end(), [&](const std::string& component) {
      std::string mine = contract::pointer_child("", component);
      return pin.pointer == mine || pin.pointer.starts_with(mine + "/");
    });
    if (!swapped) out.push_back(pin);
  }
  return out;
}

std::string outcome_of(const StepResult& step) {
  return step.state == StepState::completed ? step.digest : std::string(name(step.state));
}

// Within an attempt of a nested agent that was given up: how far it came is a matter of timing, and no value
// depends on it.
bool given_up(const std::map<std::string, const StepResult*>& steps, const std::string& step) {
  for (size_t slash = step.find('/'); slash != std::string::npos; slash = step.find('/', slash + 1)) {
    std::string outer = step.substr(0, slash);
    size_t mark = outer.find_last_of("~/");
    if (mark != std::string::npos && outer[mark] == '~') outer.resize(mark);
    auto found = steps.find(outer);
    if (found != steps.end() && nested_prefix(outer, found->second->attempts) != step.substr(0, slash + 1))
      return true;
  }
  return false;
}

void compare_steps(const RunView& view, ReplayReport& report) {
  RunResult recorded = result_of(view);
  std::map<std::string, const StepResult*> now, before;
  for (const StepResult& step : report.result.steps) now[step.name] = &step;
  for (const StepResult& step : recorded.steps) before[step.name] = &step;
  std::erase_if(now, [whole = now](const auto& step) { return given_up(whole, step.first); });
  for (const StepResult& step : recorded.steps) {
    if (given_up(before, step.name)) continue;
    ++report.n_compared;
    auto found = now.find(step.name);
    std::string again = found == now.end() ? "none" : outcome_of(*found->second);
    if (again != outcome_of(step)) {
      bool same_input = found != now.end() && found->second->input_digest == step.input_digest;
      report.differences.push_back(
          {step.name, step.component, same_input, outcome_of(step), again});
    }
    if (found != now.end()) now.erase(found);
  }
  for (const StepResult& step : report.result.steps) {
    if (now.contains(step.name)) {
      report.differences.push_back({step.name, step.component, false, "none", outcome_of(step)});
    }
  }
  std::string output = view.state == RunState::completed ? value_digest(view.output) : "failed";
  std::string again =
      report.result.state == RunState::completed ? value_digest(report.result.output) : "failed";
  if (output != again) report.differences.push_back({"", "", false, output, again});
}

}  // namespace

Executor::Executor(store::Journal* journal, const Clock& clock, ExecutorOptions options)
    : journal_(journal), clock_(clock), options_(options) {
  if (journal_ != nullptr && options_.fault_kill_after_event > 0) {
    auto left = std::make_shared<std::atomic<int64_t>>(options_.fault_kill_after_event);
    journal_->on_durable_append([left](const store::Event&) {
      if (--*left == 0) ::kill(::getpid(), SIGKILL);
    });
  }
}

Result<RunResult> Executor::start(const agent::Graph& graph, ComponentProvider& provider,
                                  Value input, const RunOptions& options) {
  CONSORT_TRY_CONTEXT(contract::check(*graph.input(), input),
                      "the input of agent '" + graph.definition().name + "'");
  store::RunId run = store::new_run_id(clock_);
  const agent::Budget& budget = graph.definition().budget;
  SchedulerSettings settings{.run = run, .seed = options.seed};
  settings.deadline_ms = options.deadline_ms ? options.deadline_ms : budget.deadline_ms;
  settings.tokens = options.tokens ? options.tokens : budget.tokens;
  settings.stop = options.watch.stop;
  settings.on_text = options.watch.on_text;
  settings.n_threads = options_.n_threads;
  Recorder recorder(journal_, clock_, run, options.watch.on_event, 1);
  if (recorder.wanted()) {
    std::string agent = graph.definition().name + "@" + graph.definition().version;
    std::error_code ignored;
    Value body = Value::object(
        {{"definition", std::filesystem::absolute(graph.definition().path, ignored).string()},
         {"seed", hex64(options.seed)},
         {"input", input},
         {"pins", collect_pins(graph, provider)},
         {"budget", Value::object({{"deadline_ms", optional_int(settings.deadline_ms)},
                                   {"tokens", optional_int(settings.tokens)}})},
         {"meta", options.meta}});
    store::Event first{.seq = 1, .unix_ms = clock_.unix_ms(), .body = body};
    if (journal_ != nullptr) {
      CONSORT_ASSIGN(first, journal_->begin(run, agent, std::move(body)));
    }
    if (options.watch.on_event) options.watch.on_event(first);
  }
  Scheduler scheduler(graph, provider, recorder, clock_, std::move(settings));
  return scheduler.run(std::move(input));
}

Result<RunResult> Executor::resume(const store::RunId& run, const agent::Graph& graph,
                                   ComponentProvider& provider, const ResumeOptions& options) {
  CONSORT_TRY(need_journal(journal_));
  CONSORT_ASSIGN(RunView view, load_run(*journal_, run));
  if (is_ended(view.state)) return result_of(view);
  std::vector<PinDifference> changed = compare_pins(pins_of(view), collect_pins(graph, provider));
  if (!changed.empty()) return fail(pins_changed(run.text, changed));

  SchedulerSettings settings{.run = run, .seed = view.seed()};
  Value budget = budget_of(view);
  if (auto deadline_ms = int_member(budget, "deadline_ms")) {
    settings.deadline_ms = std::max<int64_t>(0, *deadline_ms - view.active_ms);
  }
  settings.tokens = int_member(budget, "tokens");
  settings.stop = options.watch.stop;
  settings.on_text = options.watch.on_text;
  settings.n_threads = options_.n_threads;
  settings.recorded = &view;
  settings.offset_ms =
      static_cast<double>(std::max<int64_t>(0, clock_.unix_ms() - view.started_ms));
  settings.resolutions = options.resolutions;
  Recorder recorder(journal_, clock_, run, options.watch.on_event, view.n_events);
  recorder.add(store::EventKind::run_resumed, "", Value(contract::Object()));
  Scheduler scheduler(graph, provider, recorder, clock_, std::move(settings));
  return scheduler.run(view.input());
}

Result<void> Executor::cancel(const store::RunId& run, std::string_view reason) {
  CONSORT_TRY(need_journal(journal_));
  CONSORT_ASSIGN(store::RunSummary summary, journal_->summary(run));
  if (summary.state == RunState::cancelled) return {};
  if (is_ended(summary.state)) {
    return fail(make_error(ErrorCode::failed_precondition, 7014, "the run has ended and cannot be cancelled")
                    .at(run.text)
                    .got(store::name(summary.state)));
  }
  std::vector<store::NewEvent> events;
  events.push_back({store::EventKind::run_cancelled, "", Value::object({{"reason", reason}})});
  CONSORT_ASSIGN(auto appended, journal_->append(run, std::move(events)));
  static_cast<void>(appended);
  return {};
}

Result<ReplayReport> Executor::replay(const store::RunId& run, const agent::Graph& graph,
                                      ComponentProvider& provider, const ReplayOptions& options) {
  CONSORT_TRY(need_journal(journal_));
  CONSORT_ASSIGN(RunView view, load_run(*journal_, run));
  if (view.state != RunState::completed && view.state != RunState::failed) {
    return fail(make_error(ErrorCode::failed_precondition, 7008,
                           "only a run that has ended can be replayed")
                    .at(run.text)
                    .got(store::name(view.state))
                    .to_fix("consort resume " + run.text));
  }
  ReplayReport report;
  report.pins = compare_pins(pins_of(view), collect_pins(graph, provider));
  std::vector<PinDifference> unasked = without_swaps(report.pins, options.swaps);
  if (!unasked.empty()) return fail(pins_changed(run.text, unasked));
  // No deadline: how long it takes today says nothing about the run.
  SchedulerSettings settings{.run = run, .seed = view.seed()};
  settings.tokens = int_member(budget_of(view), "tokens");
  settings.stop = options.watch.stop;
  settings.on_text = options.watch.on_text;
  settings.n_threads = options_.n_threads;
  settings.digests = true;
  settings.effects_from = &view;
  Recorder recorder(nullptr, clock_, run, options.watch.on_event);
  Scheduler scheduler(graph, provider, recorder, clock_, std::move(settings));
  CONSORT_ASSIGN(report.result, scheduler.run(view.input()));
  if (report.result.interrupted) {
    return fail(make_error(ErrorCode::cancelled, 7011, "the replay was interrupted").at(run.text));
  }
  for (const StepView& step : view.steps) {
    if (step.effect != tool::Effect::none) report.not_repeated.push_back(step.name);
  }
  compare_steps(view, report);
  return report;
}

Value ReplayReport::to_value() const {
  contract::Array list;
  for (const ReplayDifference& d : differences) {
    list.push_back(Value::object({{"step", d.step},
                                  {"component", d.component},
                                  {"input_equal", d.input_equal},
                                  {"recorded", d.recorded},
                                  {"recomputed", d.recomputed}}));
  }
  contract::Array changed;
  for (const PinDifference& d : pins) {
    changed.push_back(
        Value::object({{"pin", d.pointer}, {"recorded", d.recorded}, {"now", d.now}}));
  }
  contract::Array kept(not_repeated.begin(), not_repeated.end());
  Value out = result.to_value();
  out.get_object()->set("replay", Value::object({{"bit_equal", bit_equal()},
                                                 {"compared", n_compared},
                                                 {"differences", std::move(list)},
                                                 {"pins", std::move(changed)},
                                                 {"not_repeated", std::move(kept)}}));
  return out;
}

}  // namespace consort::run

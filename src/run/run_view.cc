#include "run/run_view.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "run/attempt.h"

namespace consort::run {
namespace {

using contract::Value;
using store::Event;
using store::EventKind;

constexpr std::array<std::string_view, 4> kStepStates = {"started", "completed", "failed",
                                                         "skipped"};

int64_t int_or(const Value& value, std::string_view key, int64_t fallback) {
  const Value* member = value.find(key);
  const contract::Number* number = member == nullptr ? nullptr : member->get_number();
  return number == nullptr ? fallback : number->as_int64().value_or(fallback);
}

double double_or(const Value& value, std::string_view key, double fallback) {
  const Value* member = value.find(key);
  const contract::Number* number = member == nullptr ? nullptr : member->get_number();
  return number == nullptr ? fallback : number->as_double();
}

uint64_t hex_or(const Value& value, std::string_view key, uint64_t fallback) {
  std::string text = value.string_or(key, "");
  uint64_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return error == std::errc() && end == text.data() + text.size() ? out : fallback;
}

tool::Effect effect_of(const Value& body) {
  std::string text = body.string_or("effect", "none");
  if (text == "once") return tool::Effect::once;
  return text == "idempotent" ? tool::Effect::idempotent : tool::Effect::none;
}

std::vector<contract::Violation> violations_from(const Value& body) {
  std::vector<contract::Violation> out;
  const Value* list = body.find("violations");
  if (list == nullptr || !list->is_array()) return out;
  for (const Value& each : list->as_array()) {
    out.push_back({each.string_or("instance", ""), each.string_or("schema", ""),
                   each.string_or("keyword", ""), each.string_or("message", "")});
  }
  return out;
}

class Folder {
 public:
  explicit Folder(const store::RunId& run) { view_.run = run; }

  Result<void> add(const Event& event) {
    event_ = &event;
    if (event.seq != view_.n_events + 1) return damaged("an event is missing");
    if ((event.kind == EventKind::run_started) != (event.seq == 1)) {
      return damaged("run_started stands at the beginning and nowhere else");
    }
    // Between the end of one process and the start of the next nobody works on the run.
    if (event.seq > 1 && event.kind != EventKind::run_resumed) {
      view_.active_ms += std::max<int64_t>(0, event.unix_ms - last_ms_);
    }
    last_ms_ = event.unix_ms;
    view_.n_events = event.seq;
    view_.state = state_after(event.kind);
    return apply();
  }

  RunView take() { return std::move(view_); }

 private:
  tl::unexpected<Error> damaged(const std::string& what) const {
    return fail(
        make_error(ErrorCode::corruption, 7001, "the journal's events do not fit together: " + what)
            .at(view_.run.text + "/" + std::to_string(event_->seq))
            .to_fix("restore the journal from a backup"));
  }

  Result<void> apply() {
    const Value& body = event_->body;
    switch (event_->kind) {
      case EventKind::run_started:
        return begin();
      case EventKind::step_started:
        return start_step();
      case EventKind::step_completed:
        return complete_step();
      case EventKind::step_failed:
        return fail_step();
      case EventKind::step_skipped: {
        StepView& step = step_named(event_->step);
        step.state = StepState::skipped;
        return {};
      }
      case EventKind::run_waiting:
        view_.waiting_for = body.string_or("reason", "");
        view_.waiting_step = body.string_or("step", "");
        return {};
      case EventKind::run_resumed:
        ++view_.n_resumed;
        view_.waiting_for.clear();
        view_.waiting_step.clear();
        return {};
      case EventKind::run_completed: {
        const Value* output = body.find("output");
        if (output == nullptr) return damaged("run_completed has no output");
        view_.output = *output;
        return {};
      }
      case EventKind::run_failed: {
        const Value* error = body.find("error");
        CONSORT_ASSIGN(view_.error, error_from(error == nullptr ? Value() : *error));
        return {};
      }
      case EventKind::run_cancelled:
        return {};
    }
    return {};
  }

  Result<void> begin() {
    view_.started = event_->body;
    view_.agent = event_->body.string_or("agent", "");
    view_.started_ms = event_->unix_ms;
    if (view_.started.find("input") == nullptr || view_.started.find("pins") == nullptr) {
      return damaged("run_started has no input or no pins");
    }
    return {};
  }

  StepView& step_named(const std::string& name) {
    auto [at, fresh] = view_.index.emplace(name, view_.steps.size());
    if (fresh) {
      view_.steps.emplace_back();
      view_.steps.back().name = name;
    }
    return view_.steps[at->second];
  }

  Result<void> start_step() {
    const Value& body = event_->body;
    StepView& step = step_named(event_->step);
    if (step.state == StepState::completed || step.state == StepState::skipped) {
      return damaged("'" + step.name + "' starts after it has ended");
    }
    int number = static_cast<int>(int_or(body, "attempt", 1));
    // A resumed run starts an interrupted attempt again under its number.
    if (step.attempts.empty() || step.attempts.back().number < number) step.attempts.emplace_back();
    AttemptView& attempt = step.attempts.back();
    attempt = AttemptView{};
    attempt.number = number;
    attempt.component = body.string_or("component", "");
    attempt.seed = hex_or(body, "seed", 0);
    attempt.input = body.string_or("input", "");
    attempt.started_ms = event_->unix_ms - view_.started_ms;
    step.state = StepState::started;
    step.effect = effect_of(body);
    return {};
  }

  // The attempt that this event ends.
  Result<AttemptView*> open_attempt(StepView& step) {
    if (step.state == StepState::completed) return damaged("'" + step.name + "' ends twice");
    if (step.attempts.empty() || step.attempts.back().state != StepState::started) {
      return damaged("'" + step.name + "' ends without having started");
    }
    AttemptView* attempt = &step.attempts.back();
    const Value& body = event_->body;
    attempt->ms = double_or(body, "ms", 0);
    if (const Value* usage = body.find("usage")) attempt->usage = usage_from(*usage);
    if (const Value* calls = body.find("calls")) attempt->calls = *calls;
    return attempt;
  }

  Result<void> complete_step() {
    StepView& step = step_named(event_->step);
    CONSORT_ASSIGN(AttemptView * attempt, open_attempt(step));
    const Value* value = event_->body.find("value");
    if (value == nullptr) return damaged("'" + step.name + "' completes without a value");
    attempt->state = step.state = StepState::completed;
    step.value = *value;
    step.digest = value_digest(*value);
    return {};
  }

  Result<void> fail_step() {
    StepView& step = step_named(event_->step);
    CONSORT_ASSIGN(AttemptView * attempt, open_attempt(step));
    attempt->state = step.state = StepState::failed;
    const Value* error = event_->body.find("error");
    CONSORT_ASSIGN(attempt->error, error_from(error == nullptr ? Value() : *error));
    attempt->violations = violations_from(event_->body);
    // Of a nested agent: what was under way in this attempt was let go.
    const std::string within = nested_prefix(step.name, attempt->number);
    for (StepView& each : view_.steps) {
      if (each.state != StepState::started || !each.name.starts_with(within)) continue;
      each.state = StepState::failed;
      if (!each.attempts.empty()) each.attempts.back().state = StepState::failed;
    }
    return {};
  }

  RunView view_;
  const Event* event_ = nullptr;
  int64_t last_ms_ = 0;
};

}  // namespace

std::string_view name(StepState state) { return kStepStates[static_cast<size_t>(state)]; }

const StepView* RunView::find(std::string_view step) const {
  auto found = index.find(step);
  return found == index.end() ? nullptr : &steps[found->second];
}

agent::Usage RunView::usage() const {
  agent::Usage total;
  for (const StepView& step : steps) {
    for (const AttemptView& attempt : step.attempts) total += attempt.usage;
  }
  return total;
}

uint64_t RunView::seed() const { return hex_or(started, "seed", 0); }

const Value& RunView::input() const {
  static const Value kNull;
  const Value* input = started.find("input");
  return input == nullptr ? kNull : *input;
}

Result<RunView> fold(const store::RunId& run, std::span<const Event> events) {
  Folder folder(run);
  for (const Event& event : events) CONSORT_TRY(folder.add(event));
  return folder.take();
}

Result<RunView> load_run(const store::Journal& journal, const store::RunId& run) {
  CONSORT_ASSIGN(std::vector<Event> events, journal.read(run));
  for (Event& event : events) {
    CONSORT_ASSIGN(event.body, journal.inflate(event.body));
  }
  return fold(run, events);
}

Value to_value(const Error& error) {
  Value out = Value::object(
      {{"code", traits(error.code).name}, {"number", error.number}, {"message", error.message}});
  contract::Object& members = *out.get_object();
  if (!error.place.empty()) members.set("place", error.place);
  if (!error.value.empty()) members.set("value", error.value);
  if (!error.fix.empty()) members.set("fix", error.fix);
  return out;
}

Result<Error> error_from(const Value& value) {
  std::string code = value.string_or("code", "");
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    if (traits(static_cast<ErrorCode>(i)).name != code) continue;
    return Error{.code = static_cast<ErrorCode>(i),
                 .number = static_cast<int>(int_or(value, "number", 0)),
                 .message = value.string_or("message", ""),
                 .place = value.string_or("place", ""),
                 .value = value.string_or("value", ""),
                 .fix = value.string_or("fix", "")};
  }
  return fail(
      make_error(ErrorCode::corruption, 7001, "a recorded error has an unknown code").got(code));
}

agent::Usage usage_from(const Value& value) {
  return agent::Usage{.prompt_tokens = int_or(value, "prompt_tokens", 0),
                      .cached_tokens = int_or(value, "cached_tokens", 0),
                      .output_tokens = int_or(value, "output_tokens", 0),
                      .tool_calls = int_or(value, "tool_calls", 0),
                      .violations = int_or(value, "violations", 0),
                      .model_ms = double_or(value, "model_ms", 0)};
}

std::string value_digest(const Value& value) { return sha256(contract::to_json(value)).hex(); }

}  // namespace consort::run

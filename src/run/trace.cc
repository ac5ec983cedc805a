#include "run/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "run/run_result.h"

namespace consort::run {
namespace {

using contract::Value;

// Columns that a text takes, as far as names need it: UTF-8 characters, not bytes.
size_t columns(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(std::string text, size_t width) {
  size_t used = columns(text);
  if (used > width) return cut_utf8(text, width > 3 ? width - 3 : 0);
  return text.append(width - used, ' ');
}

double end_ms(const StepResult& step) { return step.start_ms + step.ms; }

// "   ====   ": where on the run's axis the step lay. At least one mark, so that short steps are
// seen.
std::string bar(const StepResult& step, double total_ms, size_t width) {
  auto place = [&](double ms) {
    double x = total_ms > 0 ? ms / total_ms * static_cast<double>(width) : 0;
    return std::min(width - 1, static_cast<size_t>(std::max(0.0, x)));
  };
  std::string out(width, ' ');
  for (size_t i = place(step.start_ms); i <= place(end_ms(step)); ++i) {
    out[i] = step.state == StepState::failed ? 'x' : '=';
  }
  return out;
}

int64_t violations_of(const StepView& step) {
  int64_t n = 0;
  for (const AttemptView& attempt : step.attempts) n += attempt.usage.violations;
  return n;
}

Value attempt_value(const AttemptView& attempt) {
  Value out = Value::object(
      {{"attempt", attempt.number},
       {"component", attempt.component},
       {"state", name(attempt.state)},
       {"start_ms", attempt.started_ms},
       {"ms", attempt.ms},
       {"usage", attempt.usage.to_value()},
       {"calls", attempt.calls.is_array() ? attempt.calls : Value(contract::Array{})}});
  if (attempt.error) out.get_object()->set("error", to_value(*attempt.error));
  return out;
}

std::string header(const RunView& view) {
  return fmt::format("run {}  {}  {}\nstarted {}, active {:.1f} s, {} events{}\n", view.run.text,
                     view.agent, name(view.state), format_rfc3339(view.started_ms),
                     static_cast<double>(view.active_ms) / 1000, view.n_events,
                     view.n_resumed > 0 ? fmt::format(", resumed {} times", view.n_resumed) : "");
}

std::string ending(const RunView& view) {
  if (view.error) return "error: " + view.error->to_string() + "\n";
  if (view.state == store::RunState::waiting) {
    std::string out = "waiting: " + view.waiting_for;
    if (!view.waiting_step.empty()) out += " (" + view.waiting_step + ")";
    return out + "; consort resume " + view.run.text + "\n";
  }
  return "";
}

std::string call_text(const Value& call, size_t number) {
  auto ms = call.find("ms") != nullptr && call.find("ms")->is_number()
                ? call.find("ms")->as_number().as_double()
                : 0;
  std::string out = fmt::format("-- call {}: {} {} ({:.1f} ms)\n", number,
                                call.string_or("kind", "?"), call.string_or("name", "?"), ms);
  if (const Value* usage = call.find("usage")) {
    agent::Usage u = usage_from(*usage);
    out += fmt::format("   tokens: {} in ({} cached), {} out\n", u.prompt_tokens, u.cached_tokens,
                       u.output_tokens);
  }
  out += "   prompt:\n" + call.string_or("prompt", "") + "\n   text:\n" +
         call.string_or("text", "") + "\n";
  const Value* violations = call.find("violations");
  if (violations != nullptr && violations->is_array()) {
    for (const Value& v : violations->as_array()) {
      out += fmt::format("   violation at '{}': {}\n", v.string_or("instance", ""),
                         v.string_or("message", ""));
    }
  }
  return out;
}

}  // namespace

std::string trace_text(const RunView& view, const TraceStyle& style) {
  RunResult result = result_of(view);
  double total_ms = 1;
  size_t name_width = 4, component_width = 9;
  for (const StepResult& step : result.steps) {
    total_ms = std::max(total_ms, end_ms(step));
    name_width = std::max(name_width, columns(step.name));
    component_width = std::max(component_width, columns(step.component));
  }
  name_width = std::min<size_t>(name_width, 32);
  component_width = std::min<size_t>(component_width, 16);
  size_t fixed = name_width + component_width + 36;
  size_t width = static_cast<size_t>(std::max(style.width, 60));
  size_t bar_width = width > fixed + 10 ? width - fixed : 10;
  std::string out = header(view);
  out +=
      fmt::format("{}  {}  {}  {:>9}  {:>7}  {}\n", padded("step", name_width),
                  padded("component", component_width), padded("", bar_width), "ms", "tokens", "");
  for (const StepResult& step : result.steps) {
    int64_t violations = violations_of(*view.find(step.name));
    std::string notes;
    if (step.state != StepState::completed) notes += std::string(name(step.state)) + " ";
    if (step.attempts > 1) notes += fmt::format("{} tries ", step.attempts);
    if (violations > 0) notes += fmt::format("{} violations", violations);
    std::string line =
        fmt::format("{}  {}  {}  {:>9.1f}  {:>7}  {}", padded(step.name, name_width),
                    padded(step.component, component_width), bar(step, total_ms, bar_width),
                    step.ms, step.usage.prompt_tokens + step.usage.output_tokens, notes);
    const char* colour = step.state == StepState::failed ? "\x1b[31m"
                         : step.attempts > 1             ? "\x1b[33m"
                                                         : "";
    bool coloured = style.colour && *colour != '\0';
    out += (coloured ? colour + line + "\x1b[0m" : line) + "\n";
  }
  agent::Usage usage = result.usage;
  out += fmt::format(
      "total: {:.1f} ms, {} tokens in ({} cached), {} out, {} tool calls, {} violations\n",
      total_ms, usage.prompt_tokens, usage.cached_tokens, usage.output_tokens, usage.tool_calls,
      usage.violations);
  return out + ending(view);
}

Value trace_value(const RunView& view) {
  RunResult result = result_of(view);
  contract::Array steps;
  for (size_t i = 0; i < view.steps.size(); ++i) {
    contract::Array attempts;
    for (const AttemptView& attempt : view.steps[i].attempts)
      attempts.push_back(attempt_value(attempt));
    steps.push_back(Value::object({{"name", view.steps[i].name},
                                   {"component", result.steps[i].component},
                                   {"state", name(view.steps[i].state)},
                                   {"start_ms", result.steps[i].start_ms},
                                   {"ms", result.steps[i].ms},
                                   {"attempts", std::move(attempts)}}));
  }
  return Value::object({{"run", view.run.text},
                        {"agent", view.agent},
                        {"state", name(view.state)},
                        {"started", format_rfc3339(view.started_ms)},
                        {"active_ms", view.active_ms},
                        {"steps", std::move(steps)},
                        {"usage", view.usage().to_value()}});
}

Result<std::string> trace_step_text(const RunView& view, std::string_view step) {
  const StepView* found = view.find(step);
  if (found == nullptr) {
    std::string near;
    for (const StepView& each : view.steps) {
      if (each.name.find(step) != std::string::npos) near += (near.empty() ? "" : ", ") + each.name;
    }
    return fail(make_error(ErrorCode::not_found, 7020, "the run has no such step")
                    .at(view.run.text)
                    .got(step)
                    .to_fix(near.empty()
                                ? "list the steps with `consort trace " + view.run.text + "`"
                                : "did you mean one of: " + cut_utf8(near, 200)));
  }
  std::string out = fmt::format("step {}  {}\n", found->name, name(found->state));
  for (const AttemptView& attempt : found->attempts) {
    out += fmt::format("- attempt {} by {}: {} in {:.1f} ms\n", attempt.number, attempt.component,
                       name(attempt.state), attempt.ms);
    if (attempt.calls.is_array()) {
      size_t number = 0;
      for (const Value& call : attempt.calls.as_array()) out += call_text(call, ++number);
    }
    if (attempt.error) out += "   error: " + attempt.error->to_string() + "\n";
  }
  if (found->state == StepState::completed)
    out += "value: " + contract::to_json_pretty(found->value) + "\n";
  return out;
}

std::string show_text(const RunView& view, const TraceStyle& style) {
  std::string out = trace_text(view, style);
  out += "input: " + contract::to_json_pretty(view.input()) + "\n";
  if (view.state == store::RunState::completed) {
    out += "output: " + contract::to_json_pretty(view.output) + "\n";
  }
  return out;
}

}  // namespace consort::run

// show and trace: what is known about a run, a model, or a component.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/component_name.h"
#include "cli/models.h"
#include "cli/session.h"
#include "run/trace.h"

namespace consort::cli {
namespace {

using contract::Value;

run::TraceStyle stdout_style() {
  run::TraceStyle style;
  winsize size{};
  bool terminal = isatty(STDOUT_FILENO) == 1;
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60)
    style.width = size.ws_col;
  const char* no_color = std::getenv("NO_COLOR");
  style.colour = terminal && (no_color == nullptr || no_color[0] == '\0');
  return style;
}

Result<run::RunView> load(Context& context, const std::string& text) {
  CONSORT_ASSIGN(auto journal, store::Journal::open_read_only(context.home()));
  CONSORT_ASSIGN(store::RunId id, find_run(*journal, text));
  return run::load_run(*journal, id);
}

Result<int> show_model(Context& context, const KnownModel& m) {
  Value value = Value::object({{"model", m.ref},
                               {"state", m.present ? "ready" : "not fetched"},
                               {"bytes", m.bytes},
                               {"sha256", m.sha256},
                               {"path", m.path.string()},
                               {"imported", m.imported},
                               {"summary", m.summary}});
  print_line(context.json ? contract::to_json(value) : contract::to_json_pretty(value));
  return kExitOk;
}

Result<int> show_component(Context& context, const std::string& name) {
  CONSORT_ASSIGN(ComponentRef found, find_component(name));
  const agent::Node& node = *found.node;
  contract::Array tools;
  for (const std::string& t : node.spec.tools) tools.push_back(t);
  Value value = Value::object({{"component", name},
                               {"kind", agent::name(node.spec.kind)},
                               {"model", node.spec.model},
                               {"adapter", node.spec.adapter},
                               {"use", node.spec.use},
                               {"tools", std::move(tools)},
                               {"digest", node.digest.hex()},
                               {"input", node.input->document()},
                               {"output", node.output->document()},
                               {"prompt", node.prompt_text}});
  print_line(context.json ? contract::to_json(value) : contract::to_json_pretty(value));
  return kExitOk;
}

Result<int> show(Context& context, const std::string& name) {
  if (name == "last" || name.rfind("r_", 0) == 0) {
    CONSORT_ASSIGN(run::RunView view, load(context, name));
    if (context.json)
      print_document(context, run::result_of(view).to_value());
    else
      print(run::show_text(view, stdout_style()));
    return kExitOk;
  }
  auto models = known_models(context.home());
  if (models) {
    for (const KnownModel& m : *models) {
      if (m.ref == name) return show_model(context, m);
    }
  }
  return show_component(context, name);
}

Result<int> trace(Context& context, const std::string& name, const std::string& step) {
  CONSORT_ASSIGN(run::RunView view, load(context, name));
  if (!step.empty() && context.json) {
    const run::StepView* found = view.find(step);
    if (found == nullptr) {
      auto text = run::trace_step_text(view, step);  // Its error names the steps that are near.
      if (!text) return fail(std::move(text).error());
    }
    Value whole = run::trace_value(view);
    for (const Value& one : whole.find("steps")->as_array()) {
      if (one.string_or("name", "") == step) print_document(context, one);
    }
  } else if (!step.empty()) {
    CONSORT_ASSIGN(std::string text, run::trace_step_text(view, step));
    print(text);
  } else if (context.json) {
    print_document(context, run::trace_value(view));
  } else {
    print(run::trace_text(view, stdout_style()));
  }
  return kExitOk;
}

}  // namespace

void add_show(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("show", "what is known about a run, a model, or a component");
  command->add_option("NAME", *name, "run id or 'last'; model; AGENT:COMPONENT")->required();
  command->callback(
      [&context, name] { context.action = [&context, name] { return show(context, *name); }; });
}

void add_trace(CLI::App& app, Context& context) {
  struct Options {
    std::string run, step;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("trace", "steps of a run with times, tokens, violations");
  command->add_option("RUN", o->run, "run id, the beginning of one, or 'last'")->required();
  command->add_option("--prompt", o->step,
                      "one step's prompts and texts, as the model read and wrote them");
  command->callback([&context, o] {
    context.action = [&context, o] { return trace(context, o->run, o->step); };
  });
}

}  // namespace consort::cli

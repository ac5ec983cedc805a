// validate and graph: a definition, resolved and type-checked, without loading anything.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "agent/graph.h"
#include "cli/commands.h"
#include "cli/graph_text.h"

namespace consort::cli {
namespace {

using agent::Graph;
using contract::Value;

std::string_view verdict_name(contract::Verdict verdict) {
  return verdict == contract::Verdict::proved    ? "proved"
         : verdict == contract::Verdict::refuted ? "refuted"
                                                 : "unknown";
}

Value edges_value(const Graph& graph) {
  contract::Array out;
  for (const agent::EdgeReport& edge : graph.edges()) {
    contract::Object line;
    line.set("from", edge.from);
    line.set("to", edge.to);
    line.set("verdict", verdict_name(edge.result.verdict));
    if (!edge.result.reason.empty()) line.set("reason", edge.result.reason);
    out.push_back(std::move(line));
  }
  return out;
}

Value graph_value(const Graph& graph) {
  const agent::Definition& d = graph.definition();
  contract::Array steps;
  for (const agent::Step& step : graph.steps()) {
    contract::Object line;
    line.set("name", step.line.name);
    line.set("component", step.line.component);
    line.set("kind", agent::name(step.node->spec.kind));
    line.set("fan_out", step.fan_out);
    line.set("conditional", step.line.when.has_value());
    contract::Array after;
    for (size_t i : step.depends) after.push_back(graph.steps()[i].line.name);
    line.set("after", std::move(after));
    if (step.node->nested) line.set("agent", graph_value(*step.node->nested));
    steps.push_back(std::move(line));
  }
  contract::Array loops;
  for (const agent::RedoLoop& loop : graph.loops()) {
    loops.push_back(Value::object(
        {{"name", loop.name}, {"redo", loop.redo}, {"when", loop.when.text}, {"max", loop.max}}));
  }
  contract::Object budget;
  budget.set("deadline_ms", d.budget.deadline_ms ? Value(*d.budget.deadline_ms) : Value());
  budget.set("tokens", d.budget.tokens ? Value(*d.budget.tokens) : Value());
  return Value::object({{"agent", d.name},
                        {"version", d.version},
                        {"digest", graph.digest().hex()},
                        {"steps", std::move(steps)},
                        {"loops", std::move(loops)},
                        {"edges", edges_value(graph)},
                        {"budget", std::move(budget)}});
}

void print_graph_report(const Graph& graph, int depth) {
  const agent::Definition& d = graph.definition();
  std::string indent(static_cast<size_t>(depth) * 2, ' ');
  print_line(fmt::format("{}{} {}: {} steps, {} edges, digest {}", indent, d.name, d.version,
                         graph.steps().size(), graph.edges().size(),
                         graph.digest().hex().substr(0, 16)));
  for (const agent::EdgeReport& edge : graph.edges()) {
    print_line(fmt::format(
        "{}  {:<8} {} -> {}{}", indent, verdict_name(edge.result.verdict), edge.from, edge.to,
        edge.result.verdict == contract::Verdict::proved ? "" : ": " + edge.result.reason));
  }
  std::string deadline =
      d.budget.deadline_ms ? fmt::format("{} ms", *d.budget.deadline_ms) : "none";
  std::string tokens =
      d.budget.tokens ? fmt::format("{} tokens", *d.budget.tokens) : "no token limit";
  print_line(fmt::format("{}  budget: deadline {}, {}", indent, deadline, tokens));
  for (const auto& [name, node] : graph.nodes()) {
    if (node.nested) print_graph_report(*node.nested, depth + 1);
  }
}

Result<int> run_validate(Context& context, const std::string& path) {
  CONSORT_ASSIGN(auto graph, load_graph(path));
  if (context.json) {
    contract::Object out = graph_value(*graph).as_object();
    out.set("valid", true);
    print_document(context, out);
  } else {
    print_graph_report(*graph, 0);
    print_line("valid");
  }
  return kExitOk;
}

Result<int> run_graph(Context& context, const std::string& path, bool svg, bool mermaid) {
  if (svg && mermaid)
    return fail(usage("--svg and --mermaid exclude each other").to_fix("give one of them"));
  CONSORT_ASSIGN(auto graph, load_graph(path));
  if (svg) {
    print(graph_svg(*graph));
  } else if (mermaid) {
    print(graph_mermaid(*graph));
  } else if (context.json) {
    print_document(context, graph_value(*graph));
  } else {
    print(graph_tree(*graph));
  }
  return kExitOk;
}

}  // namespace

void add_validate(CLI::App& app, Context& context) {
  auto path = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("validate", "check an agent file: types, edges, budgets, keywords");
  command->add_option("AGENT", *path, "agent file, or its folder")->required();
  command->callback([&context, path] {
    context.action = [&context, path] { return run_validate(context, *path); };
  });
}

void add_graph(CLI::App& app, Context& context) {
  struct Options {
    std::string path;
    bool svg = false, mermaid = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("graph", "draw the flow of an agent");
  command->add_option("AGENT", o->path, "agent file, or its folder")->required();
  command->add_flag("--svg", o->svg, "as a picture");
  command->add_flag("--mermaid", o->mermaid, "as a Mermaid flowchart");
  command->callback([&context, o] {
    context.action = [&context, o] { return run_graph(context, o->path, o->svg, o->mermaid); };
  });
}

}  // namespace consort::cli

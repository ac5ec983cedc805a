#include "cli/graph_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agent/definition.h"

namespace consort::cli {
namespace {

using agent::Graph;
using agent::Step;

std::string call_text(const Step& step) {
  std::string arguments;
  for (const agent::Argument& a : step.line.arguments) {
    if (!arguments.empty()) arguments += ", ";
    bool plain = a.name.empty() || a.name == a.value.text;
    arguments += plain ? a.value.text : a.name + "=" + a.value.text;
  }
  return step.line.component + "(" + arguments + ")";
}

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void tree(const Graph& graph, const std::string& indent, std::string& out) {
  const agent::Definition& d = graph.definition();
  std::vector<std::string> lines;
  for (size_t i = 0; i < graph.steps().size(); ++i) {
    const Step& step = graph.steps()[i];
    std::string line = fmt::format("{}: {}  [{}]", step.line.name, call_text(step),
                                   agent::name(step.node->spec.kind));
    if (step.fan_out) line += " one call per element";
    if (step.line.when) line += " when " + step.line.when->text;
    std::string nested;
    const std::string below = indent + (i + 1 < graph.steps().size() ? "│  " : "   ");
    if (step.node->nested) tree(*step.node->nested, below, nested);
    for (size_t l = 0; l < graph.loops().size(); ++l) {
      if (graph.loop_after()[l] != i) continue;
      const agent::RedoLoop& loop = graph.loops()[l];
      nested += fmt::format("{}{}: while {}, again from {}, at most {} times\n", below, loop.name,
                            loop.when.text, loop.redo, loop.max);
    }
    lines.push_back(line + "\n" + nested);
  }
  for (size_t i = 0; i < lines.size(); ++i)
    out += indent + (i + 1 < lines.size() ? "├─ " : "└─ ") + lines[i];
  if (indent.empty()) out += "returns " + d.result.text + "\n";
}

// Depth of each step: one more than the deepest that it reads.
std::vector<int> depths(const Graph& graph) {
  std::vector<int> depth(graph.steps().size(), 1);
  for (size_t i = 0; i < depth.size(); ++i) {
    for (size_t before : graph.steps()[i].depends) depth[i] = std::max(depth[i], depth[before] + 1);
  }
  return depth;
}

}  // namespace

Result<std::shared_ptr<const Graph>> load_graph(const std::string& path) {
  CONSORT_ASSIGN(agent::Definition definition, agent::load_definition(path));
  return Graph::build(std::move(definition));
}

std::string graph_tree(const Graph& graph) {
  const agent::Definition& d = graph.definition();
  std::string out =
      fmt::format("{} {}: {} -> {}\n", d.name, d.version, d.in.schema ? "(inline)" : d.in.text,
                  d.out.schema ? "(inline)" : d.out.text);
  tree(graph, "", out);
  return out;
}

std::string graph_mermaid(const Graph& graph) {
  std::string out = "flowchart LR\n  input([input])\n";
  for (const Step& step : graph.steps()) {
    out += fmt::format("  {}[\"{}<br/>{} · {}\"]\n", step.line.name, escape(step.line.name),
                       escape(step.line.component), agent::name(step.node->spec.kind));
  }
  for (const Step& step : graph.steps()) {
    std::map<std::string, bool> roots;  // Name -> by fan-out.
    for (const agent::Argument& a : step.line.arguments) {
      for (const std::string& root : a.value.roots()) roots[root] |= a.value.fans_out();
    }
    if (step.line.when) {
      for (const std::string& root : step.line.when->roots()) roots.emplace(root, false);
    }
    for (const auto& [root, fan] : roots) {
      out += fmt::format("  {} {} {}\n", root, fan ? "-->|each|" : "-->", step.line.name);
    }
  }
  for (size_t l = 0; l < graph.loops().size(); ++l) {
    const agent::RedoLoop& loop = graph.loops()[l];
    out += fmt::format("  {} -.->|\"{}: at most {}\"| {}\n",
                       graph.steps()[graph.loop_after()[l]].line.name, escape(loop.name), loop.max,
                       loop.redo);
  }
  return out + fmt::format("  {} --> output([output])\n", graph.definition().result.root);
}

std::string graph_svg(const Graph& graph) {
  constexpr int kWidth = 190, kHeight = 54, kGapX = 70, kGapY = 26, kMargin = 24;
  const std::vector<int> depth = depths(graph);
  const int columns = depth.empty() ? 1 : *std::max_element(depth.begin(), depth.end()) + 1;
  std::vector<int> used(static_cast<size_t>(columns) + 1, 0);
  std::map<std::string, std::pair<int, int>> at;
  at["input"] = {kMargin, kMargin};
  used[0] = 1;
  for (size_t i = 0; i < graph.steps().size(); ++i) {
    auto column = static_cast<size_t>(depth[i]);
    at[graph.steps()[i].line.name] = {kMargin + depth[i] * (kWidth + kGapX),
                                      kMargin + used[column]++ * (kHeight + kGapY)};
  }
  const int rows = *std::max_element(used.begin(), used.end());
  const int width = 2 * kMargin + columns * (kWidth + kGapX) - kGapX;
  const int height = 2 * kMargin + rows * (kHeight + kGapY) + kGapY;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n<title>{2}</title>\n"
      "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
      "markerHeight=\"8\" "
      "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#64748b\"/></marker></defs>\n",
      width, height, escape(graph.definition().name));
  auto line = [&](const std::string& from, const std::string& to, bool back) {
    if (!at.contains(from) || !at.contains(to)) return;
    auto [x1, y1] = at[from];
    auto [x2, y2] = at[to];
    if (back) {
      out += fmt::format(
          "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"#b45309\" "
          "stroke-dasharray=\"5 4\" marker-end=\"url(#arrow)\"/>\n",
          x1 + kWidth / 2, y1 + kHeight, x1 + kWidth / 2, y1 + kHeight + 44, x2 + kWidth / 2,
          y2 + kHeight + 44, x2 + kWidth / 2, y2 + kHeight + 2);
      return;
    }
    const int sx = x1 + kWidth, sy = y1 + kHeight / 2, ty = y2 + kHeight / 2;
    out += fmt::format(
        "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"#64748b\" "
        "marker-end=\"url(#arrow)\"/>\n",
        sx, sy, sx + kGapX / 2, sy, x2 - kGapX / 2, ty, x2 - 1, ty);
  };
  for (const Step& step : graph.steps()) {
    std::set<std::string> roots;
    for (const agent::Argument& a : step.line.arguments) roots.merge(a.value.roots());
    if (step.line.when) roots.merge(step.line.when->roots());
    for (const std::string& root : roots) line(root, step.line.name, false);
  }
  for (size_t l = 0; l < graph.loops().size(); ++l) {
    line(graph.steps()[graph.loop_after()[l]].line.name, graph.loops()[l].redo, true);
  }
  auto box = [&](const std::string& name, const std::string& below, bool result) {
    auto [x, y] = at[name];
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#f1f5f9\" "
        "stroke=\"{}\" stroke-width=\"{}\"/>\n<text x=\"{}\" y=\"{}\" font-weight=\"600\" "
        "fill=\"#0f172a\">{}</text>\n<text x=\"{}\" y=\"{}\" fill=\"#475569\">{}</text>\n",
        x, y, kWidth, kHeight, result ? "#0f766e" : "#64748b", result ? 2 : 1, x + 12, y + 22,
        escape(name), x + 12, y + 41, escape(below));
  };
  box("input", graph.definition().in.text, false);
  for (const Step& step : graph.steps()) {
    box(step.line.name,
        fmt::format("{} · {}{}", step.line.component, agent::name(step.node->spec.kind),
                    step.fan_out ? " × n" : ""),
        graph.definition().result.root == step.line.name);
  }
  return out + "</svg>\n";
}

}  // namespace consort::cli

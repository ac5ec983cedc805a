// An agent's flow, drawn: a text tree, Mermaid, or SVG.
#pragma once

#include <memory>
#include <string>

#include "agent/graph.h"

namespace consort::cli {

// Definition and graph of an agent file or its folder. Errors: 60xx, 61xx, 62xx, 21xx.
Result<std::shared_ptr<const agent::Graph>> load_graph(const std::string& path);

std::string graph_tree(const agent::Graph& graph);
std::string graph_mermaid(const agent::Graph& graph);
// Self-contained; one column of steps per depth of dependence. Colours work on light and dark
// pages.
std::string graph_svg(const agent::Graph& graph);

}  // namespace consort::cli

// The four kinds of component, each in its own file; private to this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/component.h"

namespace consort::agent {

Result<std::unique_ptr<Component>> make_generate(const Node&, const Graph&, const ComponentHost&);
Result<std::unique_ptr<Component>> make_decide(const Node&, const Graph&, const ComponentHost&);
Result<std::unique_ptr<Component>> make_retrieve(const Node&, const Graph&, const ComponentHost&);
Result<std::unique_ptr<Component>> make_tool_component(const Node&, const Graph&, const ComponentHost&);

// What a prompt sees: the members of the input by name, and the whole as `input`.
contract::Value prompt_variables(const Node& node, const contract::Value& input);
// For a trace, when the rendered prompt is not known.
std::string format_messages(const std::vector<engine::Message>& messages);

// A model of the agent file, with the adapter resolved.
struct BoundModel {
  std::string model;    // The engine's name: the reference.
  std::string adapter;  // The engine's name of the adapter; empty = base.
  std::string label() const { return adapter.empty() ? model : model + "+" + adapter; }
};
// Errors: 6310 remote models are not hosted here, 6311 no engine.
Result<BoundModel> bind_model(const ComponentSpec& spec, const Graph& graph, const ComponentHost& host);

}  // namespace consort::agent

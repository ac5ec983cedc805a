#include "agent/component.h"

#include "agent/component_kinds.h"

namespace consort::agent {

using contract::Value;

Value prompt_variables(const Node& node, const Value& input) {
  contract::Object variables;
  if (const contract::Object* members = input.get_object()) {
    for (const auto& [key, member] : *members) variables.set(key, member);
  }
  // Optional members that were not given are null, not undefined.
  for (const auto& [name, type] : node.spec.in_members) {
    if (variables.find(name) == nullptr) variables.set(name, Value());
  }
  variables.set("input", input);
  return Value(std::move(variables));
}

std::string format_messages(const std::vector<engine::Message>& messages) {
  std::string out;
  for (const engine::Message& m : messages) out += "--- " + m.role + "\n" + m.content + "\n";
  return out;
}

Result<std::unique_ptr<Component>> make_component(const Node& node, const Graph& graph,
                                                  const ComponentHost& host) {
  switch (node.spec.kind) {
    case ComponentKind::generate: return make_generate(node, graph, host);
    case ComponentKind::decide: return make_decide(node, graph, host);
    case ComponentKind::retrieve: return make_retrieve(node, graph, host);
    case ComponentKind::tool: return make_tool_component(node, graph, host);
    case ComponentKind::agent: break;
  }
  return fail(ErrorCode::internal, 6300, "an agent has no component of its own");
}

}  // namespace consort::agent

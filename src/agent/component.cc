#include "agent/component.h"

#include "agent/component_kinds.h"

namespace consort::agent {

using contract::Value;

Usage& Usage::operator+=(const Usage& other) {
  prompt_tokens += other.prompt_tokens;
  cached_tokens += other.cached_tokens;
  output_tokens += other.output_tokens;
  tool_calls += other.tool_calls;
  violations += other.violations;
  model_ms += other.model_ms;
  return *this;
}

Value Usage::to_value() const {
  return Value::object({{"prompt_tokens", prompt_tokens},
                        {"cached_tokens", cached_tokens},
                        {"output_tokens", output_tokens},
                        {"tool_calls", tool_calls},
                        {"violations", violations},
                        {"model_ms", model_ms}});
}

Value Call::to_value() const {
  contract::Array broken;
  for (const contract::Violation& v : violations) {
    broken.push_back(Value::object({{"instance", v.instance}, {"schema", v.schema}, {"message", v.message}}));
  }
  return Value::object({{"kind", kind},
                        {"name", name},
                        {"prompt", prompt},
                        {"text", text},
                        {"ms", ms},
                        {"first_token_ms", first_token_ms},
                        {"usage", usage.to_value()},
                        {"violations", std::move(broken)}});
}

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

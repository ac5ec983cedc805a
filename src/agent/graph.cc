#include "agent/graph.h"

#include "agent/graph_builder.h"

namespace consort::agent {

using contract::Value;

Result<std::shared_ptr<const Graph>> Graph::build(Definition definition) {
  return GraphBuilder::build(std::move(definition), {});
}

std::vector<Value> bind_inputs(const Step& step, const Lookup& lookup,
                               const std::vector<Argument>& overrides) {
  std::vector<Argument> arguments = step.line.arguments;
  for (const Argument& extra : overrides) {
    bool replaced = false;
    for (Argument& a : arguments) {
      if (a.name == extra.name) {
        a = extra;
        replaced = true;
      }
    }
    if (!replaced) arguments.push_back(extra);
  }
  const bool single = step.node->spec.in_type.has_value();
  contract::Object fixed;
  Value whole;
  const contract::Array* elements = nullptr;
  Value fan_value;
  for (const Argument& a : arguments) {
    Value v = evaluate(a.value, lookup);
    if (step.fan_out && a.name == step.fan_argument) {
      fan_value = std::move(v);
      elements = fan_value.get_array();
      if (!single) fixed.set(a.name, Value());  // Keeps the members' order.
    } else if (single) {
      whole = std::move(v);
    } else if (!v.is_null() || !step.node->input->document().find("required") ||
               [&] {
                 const Value* required = step.node->input->document().find("required");
                 for (const Value& r : required->as_array()) {
                   if (r.as_string() == a.name) return true;
                 }
                 return false;
               }()) {
      fixed.set(a.name, std::move(v));
    }
  }
  std::vector<Value> out;
  if (!step.fan_out) {
    out.push_back(single ? std::move(whole) : Value(std::move(fixed)));
    return out;
  }
  if (elements == nullptr) return out;  // A skipped or empty list: no calls.
  for (const Value& element : *elements) {
    if (single) {
      out.push_back(element);
    } else {
      contract::Object input = fixed;
      input.set(step.fan_argument, element);
      out.push_back(std::move(input));
    }
  }
  return out;
}

}  // namespace consort::agent

#include "agent/narrow.h"

#include <algorithm>
#include <cctype>

namespace consort::agent {

using contract::Array;
using contract::Object;
using contract::Schema;
using contract::Value;

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

std::vector<std::string> split_pointer(const std::string& pointer) {
  std::vector<std::string> out;
  size_t at = 0;
  while (at < pointer.size()) {
    size_t end = pointer.find('/', at + 1);
    if (end == std::string::npos) end = pointer.size();
    std::string step = pointer.substr(at + 1, end - at - 1);
    for (size_t i = 0; (i = step.find("~1", i)) != std::string::npos; ++i) step.replace(i, 2, "/");
    for (size_t i = 0; (i = step.find("~0", i)) != std::string::npos; ++i) step.replace(i, 2, "~");
    out.push_back(step);
    at = end;
  }
  return out;
}

// A definition in place of a reference, so that the copy alone can be changed.
Value inlined(Value schema, const Value& definitions) {
  for (int hops = 0; hops < 32; ++hops) {
    const Value* ref = schema.find("$ref");
    if (ref == nullptr || !ref->is_string()) break;
    std::string name = ref->as_string();
    if (name.substr(0, 8) == "#/$defs/") name = name.substr(8);
    const Value* definition = definitions.find(name);
    if (definition == nullptr) break;
    schema = Value(*definition);
  }
  return schema;
}

Result<Value> set_step(Value schema, const std::vector<std::string>& steps, size_t at, const Value& value,
                       const Value& definitions) {
  schema = inlined(std::move(schema), definitions);
  const std::string& step = steps[at];
  if (at + 1 == steps.size()) {
    Object* object = schema.get_object();
    if (object == nullptr) return fail(ErrorCode::invalid_argument, 6303, "not a schema object");
    object->set(step, value);
    return schema;
  }
  if (Array* array = schema.get_array()) {
    char* end = nullptr;
    size_t index = std::strtoul(step.c_str(), &end, 10);
    if (*end != '\0' || index >= array->size()) {
      return fail(make_error(ErrorCode::invalid_argument, 6303, "no such element in the schema").got(step));
    }
    CONSORT_ASSIGN((*array)[index], set_step((*array)[index], steps, at + 1, value, definitions));
    return schema;
  }
  Object* object = schema.get_object();
  Value* child = object == nullptr ? nullptr : object->find(step);
  if (child == nullptr) {
    return fail(make_error(ErrorCode::invalid_argument, 6303, "the schema has nothing at this step")
                    .got(step)
                    .to_fix("correct the JSON Pointer under 'narrow'"));
  }
  CONSORT_ASSIGN(*child, set_step(*child, steps, at + 1, value, definitions));
  return schema;
}

void collect_numerals(const Value& value, size_t max, std::vector<std::string>& out) {
  auto add_from = [&](const std::string& text) {
    for (size_t i = 0; i < text.size() && out.size() < max;) {
      if (!digit(text[i])) {
        ++i;
        continue;
      }
      size_t end = i;
      while (end < text.size() &&
             (digit(text[end]) ||
              ((text[end] == '.' || text[end] == ',') && end + 1 < text.size() && digit(text[end + 1])))) {
        ++end;
      }
      std::string numeral = text.substr(i, end - i);
      if (numeral.size() <= 32 && std::find(out.begin(), out.end(), numeral) == out.end()) {
        out.push_back(numeral);
      }
      i = end;
    }
  };
  switch (value.type()) {
    case contract::Type::string: add_from(value.as_string()); break;
    case contract::Type::number: add_from(value.as_number().text); break;
    case contract::Type::array:
      for (const Value& item : value.as_array()) collect_numerals(item, max, out);
      break;
    case contract::Type::object:
      for (const auto& [key, member] : value.as_object()) collect_numerals(member, max, out);
      break;
    default: break;
  }
}

// Adds the pattern to every free string of a schema document (no enum, const, format or pattern of its own),
// copying references in. Recursive schemas are left as they are below kNestingMax references.
void add_pattern(Value& schema, const std::string& pattern, const Value& definitions, int depth) {
  if (depth > 24) return;
  schema = inlined(std::move(schema), definitions);
  Object* object = schema.get_object();
  if (object == nullptr) return;
  const Value* type = object->find("type");
  bool text = type != nullptr && type->is_string() && type->as_string() == "string";
  if (text) {
    for (const char* keyword : {"enum", "const", "format", "pattern"}) {
      if (object->find(keyword) != nullptr) return;
    }
    object->set("pattern", pattern);
    return;
  }
  for (const char* keyword : {"properties", "$defs"}) {
    Value* members = object->find(keyword);
    if (members == nullptr || members->get_object() == nullptr) continue;
    Object changed;
    for (const auto& [key, member] : members->as_object()) {
      Value copy = member;
      add_pattern(copy, pattern, definitions, depth + 1);
      changed.set(key, std::move(copy));
    }
    *members = Value(std::move(changed));
  }
  for (const char* keyword : {"items", "additionalProperties"}) {
    Value* child = object->find(keyword);
    if (child != nullptr && child->is_object()) add_pattern(*child, pattern, definitions, depth + 1);
  }
  for (const char* keyword : {"anyOf", "prefixItems"}) {
    Value* list = object->find(keyword);
    if (list == nullptr || list->get_array() == nullptr) continue;
    for (Value& item : *list->get_array()) add_pattern(item, pattern, definitions, depth + 1);
  }
}

Value distinct(const Value& list) {
  Array out;
  for (const Value& v : list.as_array()) {
    if (std::find(out.begin(), out.end(), v) == out.end()) out.push_back(v);
  }
  return out;
}

}  // namespace

Result<Value> set_at(const Value& schema, const std::string& pointer, const Value& value,
                     const Value& definitions) {
  std::vector<std::string> steps = split_pointer(pointer);
  if (steps.empty()) return fail(ErrorCode::invalid_argument, 6303, "the pointer is empty");
  auto out = set_step(schema, steps, 0, value, definitions);
  if (!out) return fail(std::move(out).error().at(pointer));
  return out;
}

std::vector<std::string> numerals_in(const Value& value, size_t max) {
  std::vector<std::string> out;
  collect_numerals(value, max, out);
  return out;
}

std::string numeral_pattern(const std::vector<std::string>& numerals) {
  if (numerals.empty()) return "^[^0-9]*$";
  std::string any;
  for (const std::string& n : numerals) {
    if (!any.empty()) any += "|";
    for (char c : n) any += c == '.' ? std::string("\\.") : std::string(1, c);
  }
  // A numeral ends where something stands that could not continue it: no digit, and no '.' or ',' before one.
  return "^[^0-9]*(?:(?:" + any + ")(?:[^0-9.,]|[.,][^0-9])[^0-9]*)*(?:(?:" + any + ")[.,]?)?$";
}

Result<std::shared_ptr<const Schema>> narrow(const Node& node, const Value& contracts, const Value& input) {
  if (node.spec.narrow.empty() && node.spec.numerals.empty()) return node.output;
  Value document = node.output->document();
  Lookup lookup = [&](const std::string& name) -> const Value* {
    return name == "input" ? &input : input.find(name);
  };
  for (const auto& [pointer, text] : node.spec.narrow) {
    CONSORT_ASSIGN(Expression expression, parse_expression(text));
    Value allowed = evaluate(expression, lookup);
    if (pointer.size() > 5 && pointer.substr(pointer.size() - 5) == "/enum") {
      if (!allowed.is_array() || allowed.as_array().empty()) {
        return fail(make_error(ErrorCode::failed_precondition, 6301,
                               "narrowing '" + node.spec.name + "': '" + text + "' gives no values")
                        .at(pointer)
                        .got(contract::to_json(allowed)));
      }
      allowed = distinct(allowed);
    }
    CONSORT_ASSIGN(document, set_at(document, pointer, allowed, contracts));
  }
  if (!node.spec.numerals.empty()) {
    add_pattern(document, numeral_pattern(numerals_in(input)), contracts, 0);
  }
  auto schema = Schema::compile(document, node.spec.name + ".out (narrowed)", contracts);
  if (!schema) return fail(std::move(schema).error().with_context("narrowing '" + node.spec.name + "'"));
  contract::Containment inside = contract::contains(*node.output, **schema);
  if (inside.verdict == contract::Verdict::refuted) {
    return fail(make_error(ErrorCode::contract_violation, 6302,
                           "narrowing '" + node.spec.name + "' would admit values outside its contract: " +
                               inside.reason)
                    .got(inside.witness ? contract::to_json(*inside.witness) : ""));
  }
  return schema;
}

}  // namespace consort::agent

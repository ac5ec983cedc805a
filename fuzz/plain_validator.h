// A second reading of JSON Schema 2020-12, straight over the document: slow, recursive, without
// $id, anchors, dynamic references, annotations and formats. It shares no code with the kernel but
// JSON values, decimals and patterns. For fuzzing alone.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "contract/decimal.h"
#include "contract/json.h"
#include "contract/regex.h"
#include "contract/utf8.h"

namespace consort::fuzz {

class PlainValidator {
 public:
  explicit PlainValidator(const contract::Value& root) : root_(root) {}

  // Nothing if a keyword is met that this reading does not have, or the steps are used up.
  std::optional<bool> valid(const contract::Value& value) {
    left_ = 20'000;
    knows_ = true;
    const bool result = holds(root_, value, 0);
    return knows_ ? std::optional(result) : std::nullopt;
  }

 private:
  using Value = contract::Value;
  using Decimal = contract::Decimal;

  bool gives_up() {
    knows_ = false;
    return false;
  }
  static Decimal number(const Value& value) { return Decimal::parse(value.as_number().text); }
  static size_t count(const Value& value) {
    const auto size = value.as_number().as_int64();
    return size ? static_cast<size_t>(*size) : SIZE_MAX;
  }
  static bool has_type(const std::string& type, const Value& value) {
    if (type == "integer") return value.is_number() && number(value).is_integer();
    return contract::name(value.type()) == type;
  }

  bool holds(const Value& schema, const Value& value, int depth) {
    if (--left_ < 0 || depth > 100) return gives_up();
    if (const bool* all = schema.get_bool()) return *all;
    if (!schema.is_object()) return gives_up();
    bool ok = true;
    for (const auto& [keyword, argument] : schema.as_object()) {
      ok &= one(schema, keyword, argument, value, depth + 1);
      if (!knows_) return false;
    }
    return ok;
  }

  bool one(const Value& schema, const std::string& k, const Value& a, const Value& v, int depth) {
    static constexpr std::string_view kSilent[] = {
        "$comment", "title",     "description", "default",    "examples", "$defs",   "deprecated",
        "readOnly", "writeOnly", "then",        "else",       "format",   "$schema", "minContains",
        "maxContains"};
    if (std::find(std::begin(kSilent), std::end(kSilent), k) != std::end(kSilent)) return true;
    const auto every = [&](const Value& list) {
      size_t n = 0;
      for (const Value& s : list.as_array()) n += holds(s, v, depth);
      return n;
    };
    if (k == "$ref") return reference(a, v, depth);
    if (k == "allOf") return every(a) == a.as_array().size();
    if (k == "anyOf") return every(a) > 0;
    if (k == "oneOf") return every(a) == 1;
    if (k == "not") return !holds(a, v, depth);
    if (k == "if") {
      const Value* next = schema.find(holds(a, v, depth) ? "then" : "else");
      return !next || holds(*next, v, depth);
    }
    if (k == "type") {
      if (a.is_string()) return has_type(a.as_string(), v);
      for (const Value& one : a.as_array()) {
        if (has_type(one.as_string(), v)) return true;
      }
      return false;
    }
    if (k == "const") return v == a;
    if (k == "enum") return std::count(a.as_array().begin(), a.as_array().end(), v) > 0;
    if (v.is_number()) return of_number(k, a, number(v));
    if (v.is_string()) return of_string(k, a, v.as_string());
    if (v.is_array()) return of_array(schema, k, a, v.as_array(), depth);
    if (v.is_object()) return of_object(schema, k, a, v.as_object(), depth);
    return is_known(k) || gives_up();
  }

  bool reference(const Value& a, const Value& v, int depth) {
    const std::string& text = a.as_string();
    if (text.empty() || text[0] != '#' || (text.size() > 1 && text[1] != '/') ||
        text.find_first_of("~%") != std::string::npos) {
      return gives_up();
    }
    const Value* target = contract::at_pointer(root_, text.substr(1));
    return target ? holds(*target, v, depth) : gives_up();
  }

  static bool is_known(const std::string& k) {
    static constexpr std::string_view kKnown[] = {
        "minimum",       "maximum",          "exclusiveMinimum", "exclusiveMaximum",     "multipleOf",
        "minLength",     "maxLength",        "pattern",          "items",                "prefixItems",
        "contains",      "minItems",         "maxItems",         "uniqueItems",          "properties",
        "required",      "minProperties",    "maxProperties",    "additionalProperties", "propertyNames",
        "dependentRequired", "dependentSchemas", "patternProperties"};
    return std::find(std::begin(kKnown), std::end(kKnown), k) != std::end(kKnown);
  }

  bool of_number(const std::string& k, const Value& a, const Decimal& n) {
    if (k == "minimum") return compare(n, number(a)) >= 0;
    if (k == "maximum") return compare(n, number(a)) <= 0;
    if (k == "exclusiveMinimum") return compare(n, number(a)) > 0;
    if (k == "exclusiveMaximum") return compare(n, number(a)) < 0;
    if (k == "multipleOf") {
      // By whole numbers, where both are small enough.
      const auto whole = a.as_number().as_int64();
      const auto mine = contract::Number{n.text()}.as_int64();
      return whole && mine ? *mine % *whole == 0 : gives_up();
    }
    return is_known(k) || gives_up();
  }

  bool of_string(const std::string& k, const Value& a, const std::string& text) {
    if (k == "minLength") return contract::count_code_points(text) >= count(a);
    if (k == "maxLength") return contract::count_code_points(text) <= count(a);
    if (k == "pattern") return found(a.as_string(), text);
    return is_known(k) || gives_up();
  }

  bool found(const std::string& pattern, const std::string& text) {
    const auto [at, fresh] = patterns_.try_emplace(pattern);
    if (fresh) {
      if (auto dfa = contract::compile_pattern(pattern)) at->second = std::move(*dfa);
    }
    return at->second ? at->second->matches(text) : gives_up();
  }

  bool of_array(const Value& schema, const std::string& k, const Value& a,
                const contract::Array& list, int depth) {
    if (k == "minItems") return list.size() >= count(a);
    if (k == "maxItems") return list.size() <= count(a);
    if (k == "uniqueItems") {
      for (size_t i = 0; a.as_bool() && i < list.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (list[i] == list[j]) return false;
        }
      }
      return true;
    }
    bool ok = true;
    if (k == "prefixItems") {
      const contract::Array& prefix = a.as_array();
      for (size_t i = 0; i < std::min(prefix.size(), list.size()); ++i) {
        ok &= holds(prefix[i], list[i], depth);
      }
      return ok;
    }
    if (k == "items") {
      const Value* prefix = schema.find("prefixItems");
      for (size_t i = prefix ? prefix->as_array().size() : 0; i < list.size(); ++i) {
        ok &= holds(a, list[i], depth);
      }
      return ok;
    }
    if (k == "contains") {
      size_t n = 0;
      for (const Value& item : list) n += holds(a, item, depth);
      const Value* min = schema.find("minContains");
      const Value* max = schema.find("maxContains");
      return n >= (min ? count(*min) : 1) && n <= (max ? count(*max) : SIZE_MAX);
    }
    return is_known(k) || gives_up();
  }

  bool of_object(const Value& schema, const std::string& k, const Value& a,
                 const contract::Object& object, int depth) {
    if (k == "minProperties") return object.size() >= count(a);
    if (k == "maxProperties") return object.size() <= count(a);
    bool ok = true;
    if (k == "required") {
      for (const Value& key : a.as_array()) ok &= object.find(key.as_string()) != nullptr;
      return ok;
    }
    if (k == "dependentRequired") {
      for (const auto& [key, others] : a.as_object()) {
        for (const Value& other : others.as_array()) {
          ok &= !object.find(key) || object.find(other.as_string());
        }
      }
      return ok;
    }
    if (k == "dependentSchemas") {
      for (const auto& [key, below] : a.as_object()) {
        if (object.find(key)) ok &= holds(below, Value(object), depth);
      }
      return ok;
    }
    for (const auto& [key, member] : object) {
      if (k == "properties") {
        if (const Value* below = a.find(key)) ok &= holds(*below, member, depth);
      } else if (k == "patternProperties") {
        for (const auto& [pattern, below] : a.as_object()) {
          if (found(pattern, key)) ok &= holds(below, member, depth);
        }
      } else if (k == "propertyNames") {
        ok &= holds(a, Value(key), depth);
      } else if (k == "additionalProperties") {
        if (!is_declared(schema, key)) ok &= holds(a, member, depth);
      } else if (!is_known(k)) {
        return gives_up();
      }
    }
    return is_known(k) ? ok : gives_up();
  }

  bool is_declared(const Value& schema, const std::string& key) {
    const Value* named = schema.find("properties");
    if (named && named->find(key)) return true;
    const Value* patterns = schema.find("patternProperties");
    if (!patterns) return false;
    const contract::Object& list = patterns->as_object();
    return std::any_of(list.begin(), list.end(), [&](const auto& p) { return found(p.first, key); });
  }

  const Value& root_;
  std::map<std::string, std::optional<contract::Dfa>> patterns_;
  int left_ = 0;
  bool knows_ = true;
};

}  // namespace consort::fuzz

#include "contract/load_keywords.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "contract/load.h"
#include "contract/regex.h"

namespace consort::contract {
namespace {

constexpr size_t kEnumMax = 10'000;
constexpr size_t kPatternStatesMax = 2'000'000;

template <typename T>
T& part(std::unique_ptr<T>& slot) {
  if (!slot) slot = std::make_unique<T>();
  return *slot;
}

}  // namespace

Result<void> KeywordReader::read(Subschema& out, const std::string& keyword, const Value& argument,
                                 const Object& siblings, const std::string& at) {
  CONSORT_ASSIGN(bool done, in_place(out, keyword, argument, siblings, at));
  if (!done) {
    CONSORT_ASSIGN(done, arrays(out, keyword, argument, siblings, at));
  }
  if (!done) {
    CONSORT_ASSIGN(done, objects(out, keyword, argument, at));
  }
  if (!done && has_validation_) {
    CONSORT_ASSIGN(done, type_and_values(out, keyword, argument, at));
    if (!done) {
      CONSORT_ASSIGN(done, numbers(out, keyword, argument, siblings, at));
    }
    if (!done) {
      CONSORT_ASSIGN(done, counts(out, keyword, argument, at));
    }
    if (!done) {
      CONSORT_ASSIGN(done, strings(out, keyword, argument, at));
    }
  }
  if (!done) CONSORT_TRY(unknown(keyword, argument, at));
  return {};
}

void KeywordReader::finish(Subschema& out) {
  if (!out.has_enum) return;
  std::vector<Value> kept;
  // Equal values have equal canonical texts; those with equal texts are compared.
  std::unordered_multimap<std::string, size_t> by_text;
  for (Value& value : out.values) {
    if (!(out.types & type_bit(value))) continue;
    const Number* number = value.get_number();
    std::string text = number ? Decimal::parse(number->text).text() : canonical_json(value);
    const auto [first, last] = by_text.equal_range(text);
    if (std::any_of(first, last, [&](const auto& entry) { return kept[entry.second] == value; })) {
      continue;
    }
    by_text.emplace(std::move(text), kept.size());
    kept.push_back(std::move(value));
  }
  out.values = std::move(kept);
}

Result<bool> KeywordReader::type_and_values(Subschema& out, const std::string& keyword,
                                            const Value& argument, const std::string& at) {
  if (keyword == "type") {
    const Array names = argument.get_array() ? *argument.get_array() : Array{argument};
    if (names.empty()) return fail(load_malformed(at, "type names no type", argument));
    out.types = 0;
    for (const Value& entry : names) {
      const std::string type_name = entry.get_string() ? *entry.get_string() : "";
      const uint8_t bits = type_named(type_name);
      if (bits == 0) {
        return fail(load_malformed(
            at, "type is one of null, boolean, integer, number, string, array, object", entry));
      }
      out.types |= bits;
    }
    return true;
  }
  const bool is_const = keyword == "const" && out.dialect >= Dialect::draft6;
  if (keyword != "enum" && !is_const) return false;
  if (!is_const && !argument.get_array()) {
    return fail(load_malformed(at, "enum is an array", argument));
  }
  const Array values = is_const ? Array{argument} : *argument.get_array();
  if (values.size() > kEnumMax) return fail(load_limit(at, "enum with too many values"));
  if (out.has_enum) {
    std::erase_if(out.values, [&](const Value& value) {
      return std::find(values.begin(), values.end(), value) == values.end();
    });
  } else {
    out.values = values;
  }
  out.has_enum = true;
  out.is_const |= is_const;
  return true;
}

Result<bool> KeywordReader::numbers(Subschema& out, const std::string& keyword,
                                    const Value& argument, const Object& siblings,
                                    const std::string& at) {
  static constexpr std::pair<std::string_view, std::optional<Decimal> NumberKeywords::*> kSlots[] =
      {{"minimum", &NumberKeywords::minimum},
       {"maximum", &NumberKeywords::maximum},
       {"exclusiveMinimum", &NumberKeywords::exclusive_minimum},
       {"exclusiveMaximum", &NumberKeywords::exclusive_maximum},
       {"multipleOf", &NumberKeywords::multiple_of}};
  for (const auto& [known, slot] : kSlots) {
    if (keyword != known) continue;
    auto target = slot;
    if (out.dialect == Dialect::draft4) {
      if (keyword.substr(0, 9) == "exclusive") {
        if (!argument.get_bool()) return fail(load_malformed(at, keyword + " is a boolean", argument));
        return true;  // Read with its bound.
      }
      const bool low = keyword == "minimum";
      const Value* exclusive = siblings.find(low ? "exclusiveMinimum" : "exclusiveMaximum");
      if (keyword != "multipleOf" && exclusive && exclusive->get_bool() && *exclusive->get_bool()) {
        target = low ? &NumberKeywords::exclusive_minimum : &NumberKeywords::exclusive_maximum;
      }
    }
    const Number* number = argument.get_number();
    if (!number) return fail(load_malformed(at, keyword + " is a number", argument));
    Decimal value = Decimal::parse(number->text);
    if (keyword == "multipleOf" && (value.is_zero() || value.negative)) {
      return fail(load_malformed(at, "multipleOf is greater than 0", argument));
    }
    if (std::abs(value.point) > 400 || value.digits.size() > 400) {
      return fail(load_limit(at, keyword + " with more than 400 digits"));
    }
    part(out.number).*target = std::move(value);
    return true;
  }
  return false;
}

Result<bool> KeywordReader::counts(Subschema& out, const std::string& keyword,
                                   const Value& argument, const std::string& at) {
  const auto count = [&]() -> Result<uint64_t> {
    const Number* number = argument.get_number();
    if (!number || !number->is_integer() || (number->text[0] == '-' && number->as_int64() != 0)) {
      return fail(load_malformed(at, keyword + " is an integer >= 0", argument));
    }
    const auto integer = number->as_int64();
    if (!integer) return fail(load_limit(at, keyword + " is too large"));
    return static_cast<uint64_t>(*integer);
  };
  const bool modern = out.dialect >= Dialect::draft2019_09;
  if (keyword == "minLength") {
    CONSORT_ASSIGN(part(out.string).min_length, count());
  } else if (keyword == "maxLength") {
    CONSORT_ASSIGN(part(out.string).max_length, count());
  } else if (keyword == "minItems") {
    CONSORT_ASSIGN(part(out.array).min_items, count());
  } else if (keyword == "maxItems") {
    CONSORT_ASSIGN(part(out.array).max_items, count());
  } else if (keyword == "minProperties") {
    CONSORT_ASSIGN(part(out.object).min_properties, count());
  } else if (keyword == "maxProperties") {
    CONSORT_ASSIGN(part(out.object).max_properties, count());
  } else if (keyword == "minContains" && modern) {
    CONSORT_ASSIGN(part(out.array).min_contains, count());
  } else if (keyword == "maxContains" && modern) {
    CONSORT_ASSIGN(part(out.array).max_contains, count());
  } else {
    return false;
  }
  return true;
}

Result<std::shared_ptr<const Pattern>> KeywordReader::pattern(const std::string& text,
                                                              const char* keyword,
                                                              const std::string& at) {
  auto& shared = patterns_.patterns[text];
  if (!shared) {
    auto dfa = compile_pattern(text, patterns_.work_left);
    if (!dfa) return fail(std::move(dfa).error().at(at));
    patterns_.n_states += dfa->n_states();
    if (patterns_.n_states > kPatternStatesMax) {
      return fail(load_limit(at, "patterns of more than 2,000,000 states together"));
    }
    shared = std::make_shared<const Pattern>(Pattern{text, keyword, std::move(*dfa)});
  }
  return shared;
}

namespace {

// Formats of the standard that nothing here checks: every string passes, and a mask refuses them by
// name, since it would let a model write what is not in the format.
const Format* unenforced_format(std::string_view name) {
  static constexpr auto kAny = [](std::string_view) { return true; };
  static const Format kUnenforced[] = {{"iri", "", kAny},
                                       {"iri-reference", "", kAny},
                                       {"idn-email", "", kAny},
                                       {"idn-hostname", "", kAny},
                                       {"uri-template", "", kAny}};
  for (const Format& format : kUnenforced) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

}  // namespace

Result<bool> KeywordReader::strings(Subschema& out, const std::string& keyword,
                                    const Value& argument, const std::string& at) {
  if (keyword != "pattern" && keyword != "format") return false;
  const std::string* text = argument.get_string();
  if (!text) return fail(load_malformed(at, keyword + " is a string", argument));
  if (keyword == "pattern") {
    CONSORT_ASSIGN(part(out.string).pattern, pattern(*text, "pattern", at));
    return true;
  }
  const Format* format = find_format(*text, out.dialect < Dialect::draft7);
  if (!format && options_.strict) {
    return fail(load_refused(at, "format '" + *text + "' is not supported",
                             "use a format of docs/formats/contract.md, or a pattern"));
  }
  if (!format) format = unenforced_format(*text);
  if (format && options_.assert_formats) part(out.string).format = format;
  return true;
}

Result<std::vector<std::string>> KeywordReader::strings_of(const Value& argument,
                                                           const std::string& at) {
  const Array* names = argument.get_array();
  std::vector<std::string> result;
  if (!names) return fail(load_malformed(at, "an array of strings is needed", argument));
  std::unordered_set<std::string_view> seen;
  for (const Value& entry : *names) {
    const std::string* key = entry.get_string();
    if (!key) return fail(load_malformed(at, "an array of strings is needed", argument));
    if (seen.insert(*key).second) result.push_back(*key);
  }
  return result;
}

}  // namespace consort::contract

// Reads a schema document keyword by keyword; whatever is not in the subset is refused by name.
#include "contract/schema_raw.h"

#include <algorithm>
#include <functional>

#include "contract/regex.h"
#include "contract/uri.h"

namespace consort::contract {
namespace {

constexpr int kDepthMax = 200;
constexpr size_t kSchemasMax = 20'000;
constexpr size_t kEnumMax = 10'000;

constexpr std::string_view kKeywords[] = {"type",
                                          "properties",
                                          "required",
                                          "additionalProperties",
                                          "minProperties",
                                          "maxProperties",
                                          "items",
                                          "prefixItems",
                                          "minItems",
                                          "maxItems",
                                          "minLength",
                                          "maxLength",
                                          "minimum",
                                          "maximum",
                                          "exclusiveMinimum",
                                          "exclusiveMaximum",
                                          "multipleOf",
                                          "enum",
                                          "const",
                                          "pattern",
                                          "anyOf",
                                          "oneOf",
                                          "allOf",
                                          "$ref",
                                          "$defs",
                                          "format",
                                          "title",
                                          "description",
                                          "$comment",
                                          "default",
                                          "examples",
                                          "deprecated",
                                          "readOnly",
                                          "writeOnly",
                                          "$schema",
                                          "$id"};

constexpr std::string_view kAnnotations[] = {"title",    "description", "$comment", "default",
                                             "examples", "deprecated",  "readOnly", "writeOnly"};

// RFC 3339 as patterns. A leap second is accepted where it can be: 23:59:60 UTC.
constexpr std::string_view kDate =
    "(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
    "|[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))";
constexpr std::string_view kTime =
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?"
    "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
    "|23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))";
constexpr std::string_view kUuid =
    "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

std::optional<std::string> format_pattern(std::string_view format) {
  const auto whole = [](std::string inner) { return "^" + inner + "$"; };
  if (format == "date") return whole(std::string(kDate));
  if (format == "time") return whole(std::string(kTime));
  if (format == "date-time") return whole(std::string(kDate) + "[Tt]" + std::string(kTime));
  if (format == "uuid") return whole(std::string(kUuid));
  return std::nullopt;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string suggestion(std::string_view keyword) {
  std::string_view best;
  size_t distance = std::min<size_t>(3, keyword.size() / 2 + 1);
  for (std::string_view known : kKeywords) {
    if (const size_t d = edit_distance(keyword, known); d < distance) {
      distance = d;
      best = known;
    }
  }
  return best.empty() ? "remove it, or express it with the keywords of docs/formats/contract.md"
                      : "did you mean '" + std::string(best) + "'?";
}

class Reader {
 public:
  Reader(const Value& document, const Value& definitions)
      : document_(document), definitions_(definitions) {}

  Result<std::unique_ptr<RawProgram>> read() {
    if (const std::string* id =
            document_.find("$id") ? document_.find("$id")->get_string() : nullptr) {
      id_ = *id;
    }
    CONSORT_ASSIGN(const Raw* root, schema(document_, Place{"", ""}, 0));
    program_->root = root;
    while (!pending_.empty()) {
      Pending pending = std::move(pending_.back());
      pending_.pop_back();
      CONSORT_ASSIGN(pending.from->ref, resolve(pending));
    }
    CONSORT_TRY(refuse_loops());
    return std::move(program_);
  }

 private:
  struct Place {
    std::string document;  // "" = the main one, else the name of a definition.
    std::string pointer;
    std::string text() const { return document + "#" + pointer; }
    Place child(std::string_view key) const { return {document, pointer_child(pointer, key)}; }
    Place child(size_t index) const { return {document, pointer_child(pointer, index)}; }
  };
  struct Pending {
    Raw* from;
    std::string target;
    Place place;
  };

  static Error refused(const Place& place, std::string message, std::string fix) {
    return make_error(ErrorCode::unsupported, 2101, std::move(message))
        .at(place.text())
        .to_fix(std::move(fix));
  }
  static Error malformed(const Place& place, std::string message, const Value& got) {
    return make_error(ErrorCode::invalid_argument, 2102, std::move(message))
        .at(place.text())
        .got(cut_utf8(to_json(got), 200))
        .to_fix("see the keyword's definition in JSON Schema 2020-12");
  }
  static Error limit(const Place& place, std::string message) {
    return make_error(ErrorCode::resource_exhausted, 2104, std::move(message))
        .at(place.text())
        .to_fix("split the schema");
  }

  Result<const Raw*> schema(const Value& value, const Place& place, int depth) {
    auto found = by_place_.find(place.text());
    if (found != by_place_.end()) return found->second;
    if (depth > kDepthMax) return fail(limit(place, "schema nested too deeply"));
    if (program_->raws.size() >= kSchemasMax) {
      return fail(limit(place, "more than " + std::to_string(kSchemasMax) + " subschemas"));
    }
    Raw& raw = program_->raws.emplace_back();
    raw.id = program_->raws.size() - 1;
    raw.pointer = place.text();
    by_place_.emplace(place.text(), &raw);
    if (const bool* boolean = value.get_bool()) {
      raw.is_false = !*boolean;
      return &raw;
    }
    const Object* object = value.get_object();
    if (!object) return fail(malformed(place, "a schema is an object or a boolean", value));
    for (const auto& [keyword, argument] : *object) {
      CONSORT_TRY(read_keyword(raw, keyword, argument, place, depth));
    }
    tighten(raw);
    return &raw;
  }

  Result<void> read_keyword(Raw& raw, const std::string& keyword, const Value& argument,
                            const Place& place, int depth) {
    const Place at = place.child(keyword);
    if (std::find(std::begin(kAnnotations), std::end(kAnnotations), keyword) !=
        std::end(kAnnotations)) {
      return {};
    }
    if (keyword == "$schema") return dialect(argument, at);
    if (keyword == "$id") {
      if (!argument.get_string()) return fail(malformed(at, "$id is a string", argument));
      if (place.pointer.empty()) return {};
      return fail(refused(at, "$id inside a schema changes what $ref means and is not supported",
                          "use $defs and '#/$defs/NAME'"));
    }
    if (keyword == "type") return type(raw, argument, at);
    if (keyword == "enum") return enumeration(raw, argument, at);
    if (keyword == "const") return constant(raw, argument);
    if (keyword == "pattern" || keyword == "format") return pattern(raw, keyword, argument, at);
    if (keyword == "$ref") {
      const std::string* target = argument.get_string();
      if (!target) return fail(malformed(at, "$ref is a string", argument));
      pending_.push_back({&raw, *target, at});
      return {};
    }
    if (keyword == "required") return required(raw, argument, at);
    if (auto done = number_keyword(raw, keyword, argument, at); !done || *done) {
      if (!done) return fail(std::move(done).error());
      return {};
    }
    return applicator(raw, keyword, argument, at, depth);
  }

  Result<void> dialect(const Value& argument, const Place& at) {
    const std::string* uri = argument.get_string();
    if (!uri) return fail(malformed(at, "$schema is a string", argument));
    std::string_view name = *uri;
    if (!name.empty() && name.back() == '#') name.remove_suffix(1);
    if (name == "https://json-schema.org/draft/2020-12/schema") return {};
    return fail(refused(at, "dialect '" + *uri + "' is not supported",
                        "write the schema in https://json-schema.org/draft/2020-12/schema"));
  }

  Result<void> type(Raw& raw, const Value& argument, const Place& at) {
    Array names = argument.get_array() ? *argument.get_array() : Array{argument};
    raw.types = 0;
    for (const Value& entry : names) {
      const std::string type_name = entry.get_string() ? *entry.get_string() : "";
      const uint8_t bits = type_named(type_name);
      if (bits == 0) {
        return fail(malformed(
            at, "type is one of null, boolean, integer, number, string, array, object", entry));
      }
      raw.types |= bits;
      raw.types_text += (raw.types_text.empty() ? "" : " or ") + type_name;
    }
    if (names.empty()) return fail(malformed(at, "type names no type", argument));
    return {};
  }

  Result<void> enumeration(Raw& raw, const Value& argument, const Place& at) {
    const Array* values = argument.get_array();
    if (!values) return fail(malformed(at, "enum is an array", argument));
    if (values->size() > kEnumMax) return fail(limit(at, "enum with too many values"));
    set_values(raw, *values);
    return {};
  }

  Result<void> constant(Raw& raw, const Value& argument) {
    raw.is_const = true;
    set_values(raw, {argument});
    return {};
  }

  // enum and const together: both hold.
  static void set_values(Raw& raw, const Array& values) {
    Array kept;
    std::set<std::string> seen;
    for (const Value& value : values) {
      const bool in_both = !raw.values || std::find(raw.values->begin(), raw.values->end(),
                                                    value) != raw.values->end();
      // Equal values may differ in text (1 and 1.0): compare within the canonical text's bucket.
      if (in_both && (seen.insert(canonical_json(value)).second ||
                      std::find(kept.begin(), kept.end(), value) == kept.end())) {
        kept.push_back(value);
      }
    }
    raw.values = std::move(kept);
  }

  Result<void> pattern(Raw& raw, const std::string& keyword, const Value& argument,
                       const Place& at) {
    const std::string* text = argument.get_string();
    if (!text) return fail(malformed(at, keyword + " is a string", argument));
    std::string source = *text;
    if (keyword == "format") {
      auto found = format_pattern(*text);
      if (!found) {
        return fail(refused(at, "format '" + *text + "' is not supported",
                            "use date, time, date-time or uuid, or a pattern"));
      }
      source = *found;
    }
    auto& shared = pattern_cache_[source];
    if (!shared) {
      auto dfa = compile_pattern(source);
      if (!dfa) return fail(std::move(dfa).error().at(at.text()));
      shared = std::make_shared<const Pattern>(Pattern{*text, keyword, std::move(*dfa)});
    }
    raw.patterns.push_back(shared);
    return {};
  }

  Result<void> required(Raw& raw, const Value& argument, const Place& at) {
    const Array* names = argument.get_array();
    if (!names) return fail(malformed(at, "required is an array of strings", argument));
    for (const Value& entry : *names) {
      const std::string* key = entry.get_string();
      if (!key) return fail(malformed(at, "required is an array of strings", argument));
      if (std::find(raw.required.begin(), raw.required.end(), *key) == raw.required.end()) {
        raw.required.push_back(*key);
      }
    }
    return {};
  }

  // Keywords whose argument is a number; true if `keyword` is one.
  Result<bool> number_keyword(Raw& raw, const std::string& keyword, const Value& argument,
                              const Place& at) {
    const std::pair<std::string_view, std::optional<Decimal>*> numbers[] = {
        {"minimum", &raw.inclusive_min},
        {"maximum", &raw.inclusive_max},
        {"exclusiveMinimum", &raw.exclusive_min},
        {"exclusiveMaximum", &raw.exclusive_max},
        {"multipleOf", &raw.multiple_of}};
    for (const auto& [known, slot] : numbers) {
      if (keyword != known) continue;
      const Number* number = argument.get_number();
      if (!number) return fail(malformed(at, keyword + " is a number", argument));
      *slot = Decimal::parse(number->text);
      if (keyword == "multipleOf" && ((*slot)->is_zero() || (*slot)->negative)) {
        return fail(malformed(at, "multipleOf is greater than 0", argument));
      }
      if (std::abs((*slot)->point) > 400 || (*slot)->digits.size() > 400) {
        return fail(limit(at, keyword + " with more than 400 digits"));
      }
      return true;
    }
    const auto count = [&]() -> Result<uint64_t> {
      const Number* number = argument.get_number();
      const auto integer = number ? number->as_int64() : std::nullopt;
      if (!integer || *integer < 0) {
        if (number && number->is_integer() && number->text[0] != '-') {
          return fail(limit(at, keyword + " is too large"));
        }
        return fail(malformed(at, keyword + " is an integer >= 0", argument));
      }
      return static_cast<uint64_t>(*integer);
    };
    const std::pair<std::string_view, uint64_t*> minima[] = {
        {"minLength", &raw.min_length},
        {"minItems", &raw.min_items},
        {"minProperties", &raw.min_properties}};
    for (const auto& [known, slot] : minima) {
      if (keyword != known) continue;
      CONSORT_ASSIGN(*slot, count());
      return true;
    }
    const std::pair<std::string_view, std::optional<uint64_t>*> maxima[] = {
        {"maxLength", &raw.max_length},
        {"maxItems", &raw.max_items},
        {"maxProperties", &raw.max_properties}};
    for (const auto& [known, slot] : maxima) {
      if (keyword != known) continue;
      CONSORT_ASSIGN(*slot, count());
      return true;
    }
    return false;
  }

  Result<void> applicator(Raw& raw, const std::string& keyword, const Value& argument,
                          const Place& at, int depth) {
    if (keyword == "additionalProperties") {
      CONSORT_ASSIGN(raw.additional, schema(argument, at, depth + 1));
      return {};
    }
    if (keyword == "items") {
      CONSORT_ASSIGN(raw.items, schema(argument, at, depth + 1));
      return {};
    }
    if (keyword == "properties" || keyword == "$defs") {
      const Object* members = argument.get_object();
      if (!members) return fail(malformed(at, keyword + " is an object of schemas", argument));
      for (const auto& [key, member] : *members) {
        CONSORT_ASSIGN(const Raw* child, schema(member, at.child(key), depth + 1));
        if (keyword == "$defs") continue;
        raw.property_index.emplace(key, raw.properties.size());
        raw.properties.emplace_back(key, child);
      }
      return {};
    }
    const std::pair<std::string_view, std::vector<const Raw*>*> lists[] = {
        {"prefixItems", &raw.prefix},
        {"anyOf", &raw.any_of},
        {"oneOf", &raw.one_of},
        {"allOf", &raw.all_of}};
    for (const auto& [known, list] : lists) {
      if (keyword != known) continue;
      const Array* schemas = argument.get_array();
      if (!schemas || schemas->empty()) {
        return fail(malformed(at, keyword + " is a non-empty array of schemas", argument));
      }
      for (size_t i = 0; i < schemas->size(); ++i) {
        CONSORT_ASSIGN(const Raw* child, schema((*schemas)[i], at.child(i), depth + 1));
        list->push_back(child);
      }
      return {};
    }
    return fail(refused(at, "keyword '" + keyword + "' is not supported", suggestion(keyword))
                    .got(keyword));
  }

  static void tighten(Raw& raw) {
    const auto tighter = [](const std::optional<Decimal>& inclusive,
                            const std::optional<Decimal>& exclusive,
                            int sign) -> std::optional<Limit> {
      if (!inclusive && !exclusive) return std::nullopt;
      if (!exclusive) return Limit{*inclusive, false};
      if (!inclusive) return Limit{*exclusive, true};
      if (compare(*inclusive, *exclusive) * sign > 0) return Limit{*inclusive, false};
      return Limit{*exclusive, true};
    };
    raw.minimum = tighter(raw.inclusive_min, raw.exclusive_min, 1);
    raw.maximum = tighter(raw.inclusive_max, raw.exclusive_max, -1);
  }

  Result<const Raw*> resolve(const Pending& pending) {
    const auto unresolved = [&] {
      return make_error(ErrorCode::not_found, 2103, "$ref leads nowhere")
          .at(pending.place.text())
          .got(cut_utf8(pending.target, 200))
          .to_fix("use '#', '#/$defs/NAME', or the name of a schema defined beside this one");
    };
    std::string_view target = pending.target;
    if (!id_.empty() && pending.place.document.empty() && target.substr(0, id_.size()) == id_ &&
        (target.size() == id_.size() || target[id_.size()] == '#')) {
      target.remove_prefix(id_.size());
      if (target.empty()) target = "#";
    }
    std::string document = pending.place.document;
    const size_t hash = std::min(target.find('#'), target.size());
    if (hash > 0) {
      document = std::string(target.substr(0, hash));
      if (!definitions_.find(document)) return fail(unresolved());
      program_->used_definitions.insert(document);
    }
    auto pointer = percent_decoded(hash < target.size() ? target.substr(hash + 1) : "");
    if (!pointer || (!pointer->empty() && (*pointer)[0] != '/')) return fail(unresolved());
    const Value& source = document.empty() ? document_ : *definitions_.find(document);
    if (const Value* found = at_pointer(source, *pointer)) {
      return schema(*found, Place{document, *pointer}, 0);
    }
    // "#/$defs/NAME" may also name a definition given beside the document.
    constexpr std::string_view kDefs = "/$defs/";
    if (pointer->substr(0, kDefs.size()) == kDefs) {
      const std::string rest = pointer->substr(kDefs.size());
      for (const auto& [key, definition] : object_of(definitions_)) {
        const std::string step = pointer_child("", key).substr(1);
        if (rest != step && rest.substr(0, step.size() + 1) != step + "/") continue;
        const std::string inner = rest.substr(step.size());
        if (const Value* found = at_pointer(definition, inner)) {
          program_->used_definitions.insert(key);
          return schema(*found, Place{key, inner}, 0);
        }
      }
    }
    return fail(unresolved());
  }

  static const Object& object_of(const Value& value) {
    static const Object kNone;
    return value.get_object() ? *value.get_object() : kNone;
  }

  // A schema that applies itself to the same instance has no meaning.
  Result<void> refuse_loops() {
    std::vector<int> colour(program_->raws.size(), 0);
    std::vector<std::pair<const Raw*, size_t>> stack;
    for (const Raw& start : program_->raws) {
      if (colour[start.id] != 0) continue;
      stack.emplace_back(&start, 0);
      colour[start.id] = 1;
      while (!stack.empty()) {
        auto& [raw, next] = stack.back();
        const Raw* child = in_place(*raw, next++);
        if (!child) {
          colour[raw->id] = 2;
          stack.pop_back();
        } else if (colour[child->id] == 1) {
          return fail(make_error(ErrorCode::invalid_argument, 2102,
                                 "schema refers to itself without going into the value")
                          .at(child->pointer)
                          .to_fix("put the reference below properties or items"));
        } else if (colour[child->id] == 0) {
          colour[child->id] = 1;
          stack.emplace_back(child, 0);
        }
      }
    }
    return {};
  }

  static const Raw* in_place(const Raw& raw, size_t index) {
    if (raw.ref && index-- == 0) return raw.ref;
    for (const auto* list : {&raw.all_of, &raw.any_of, &raw.one_of}) {
      if (index < list->size()) return (*list)[index];
      index -= list->size();
    }
    return nullptr;
  }

  const Value& document_;
  const Value& definitions_;
  std::string id_;
  std::unique_ptr<RawProgram> program_ = std::make_unique<RawProgram>();
  std::map<std::string, const Raw*> by_place_;
  std::map<std::string, std::shared_ptr<const Pattern>> pattern_cache_;
  std::vector<Pending> pending_;
};

}  // namespace

Result<std::unique_ptr<RawProgram>> read_raw(const Value& document, const Value& definitions) {
  return Reader(document, definitions).read();
}

}  // namespace consort::contract

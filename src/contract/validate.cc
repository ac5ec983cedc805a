// Validation by the schema as written, so that a violation names the keyword its author wrote.
#include <algorithm>

#include "contract/schema.h"
#include "contract/schema_ir.h"
#include "contract/schema_raw.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

std::string shown(const Value& value) { return cut_utf8(to_json(value), 80); }

class Validator {
 public:
  explicit Validator(size_t max) : max_(max) {}

  std::vector<Violation> take() { return std::move(violations_); }

  // Recursion is bounded: a schema cannot reach itself without going into the value, whose depth
  // the parser bounds.
  bool check(const Raw& raw, const Value& value, const std::string& at) {
    const size_t before = n_found_;
    if (raw.is_false) add(raw, "false", at, "nothing is allowed here, got " + shown(value));
    if (!(raw.types & type_bit(value))) {
      add(raw, "type", at, "expected " + raw.types_text + ", got " + kind(value));
    }
    if (raw.values &&
        std::find(raw.values->begin(), raw.values->end(), value) == raw.values->end()) {
      add(raw, raw.is_const ? "const" : "enum", at,
          shown(value) + " is not " + (raw.is_const ? "" : "one of ") + listed(*raw.values));
    }
    switch (value.type()) {
      case Type::number:
        number(raw, value, at);
        break;
      case Type::string:
        string(raw, value, at);
        break;
      case Type::array:
        array(raw, value.as_array(), at);
        break;
      case Type::object:
        object(raw, value.as_object(), at);
        break;
      default:
        break;
    }
    if (!full() && raw.ref) check(*raw.ref, value, at);
    for (const Raw* child : raw.all_of) {
      if (!full()) check(*child, value, at);
    }
    if (!raw.any_of.empty() && !full()) any_of(raw, value, at);
    if (!raw.one_of.empty() && !full()) one_of(raw, value, at);
    return n_found_ == before;
  }

 private:
  bool full() const { return violations_.size() >= max_; }

  void add(const Raw& raw, std::string_view keyword, const std::string& at, std::string message) {
    ++n_found_;
    if (full()) return;
    std::string place = raw.pointer;
    if (keyword != "false") place += "/" + std::string(keyword);
    violations_.push_back({at, place, std::string(keyword), std::move(message)});
  }

  static std::string kind(const Value& value) {
    std::string result(name(value.type()));
    if (value.is_number() && value.as_number().is_integer()) result = "integer";
    return result + (value.is_null() ? "" : " " + shown(value));
  }

  static std::string listed(const std::vector<Value>& values) {
    std::string result;
    for (const Value& value : values) {
      if (result.size() > 160) return result + ", ...";
      result += (result.empty() ? "" : ", ") + shown(value);
    }
    return result;
  }

  void number(const Raw& raw, const Value& value, const std::string& at) {
    const Decimal number = Decimal::parse(value.as_number().text);
    const auto bound = [&](const std::optional<Decimal>& limit, std::string_view keyword, int sign,
                           bool exclusive, std::string_view words) {
      if (!limit) return;
      const int order = compare(number, *limit) * sign;
      if (order < 0 || (order == 0 && exclusive)) {
        add(raw, keyword, at, shown(value) + " is not " + std::string(words) + " " + limit->text());
      }
    };
    bound(raw.inclusive_min, "minimum", 1, false, ">=");
    bound(raw.exclusive_min, "exclusiveMinimum", 1, true, ">");
    bound(raw.inclusive_max, "maximum", -1, false, "<=");
    bound(raw.exclusive_max, "exclusiveMaximum", -1, true, "<");
    if (raw.multiple_of && !is_multiple(number, *raw.multiple_of).value_or(false)) {
      add(raw, "multipleOf", at, shown(value) + " is not a multiple of " + raw.multiple_of->text());
    }
  }

  void string(const Raw& raw, const Value& value, const std::string& at) {
    const std::string& text = value.as_string();
    const uint64_t length = count_code_points(text);
    if (length < raw.min_length) {
      add(raw, "minLength", at,
          "string of " + std::to_string(length) + " characters, at least " +
              std::to_string(raw.min_length) + " needed");
    }
    if (raw.max_length && length > *raw.max_length) {
      add(raw, "maxLength", at,
          "string of " + std::to_string(length) + " characters, at most " +
              std::to_string(*raw.max_length) + " allowed");
    }
    for (const auto& pattern : raw.patterns) {
      if (pattern->dfa.matches(text)) continue;
      add(raw, pattern->keyword, at,
          shown(value) + (pattern->keyword == "format" ? " is not a " : " does not match ") +
              pattern->text);
    }
  }

  void array(const Raw& raw, const Array& array, const std::string& at) {
    if (array.size() < raw.min_items) {
      add(raw, "minItems", at,
          "array of " + std::to_string(array.size()) + " items, at least " +
              std::to_string(raw.min_items) + " needed");
    }
    if (raw.max_items && array.size() > *raw.max_items) {
      add(raw, "maxItems", at,
          "array of " + std::to_string(array.size()) + " items, at most " +
              std::to_string(*raw.max_items) + " allowed");
    }
    for (size_t i = 0; i < array.size() && !full(); ++i) {
      const Raw* item = i < raw.prefix.size() ? raw.prefix[i] : raw.items;
      if (item) check(*item, array[i], pointer_child(at, i));
    }
  }

  void object(const Raw& raw, const Object& object, const std::string& at) {
    for (const std::string& key : raw.required) {
      if (!object.find(key)) add(raw, "required", at, "key '" + cut_utf8(key, 80) + "' is missing");
    }
    if (object.size() < raw.min_properties) {
      add(raw, "minProperties", at,
          "object of " + std::to_string(object.size()) + " keys, at least " +
              std::to_string(raw.min_properties) + " needed");
    }
    if (raw.max_properties && object.size() > *raw.max_properties) {
      add(raw, "maxProperties", at,
          "object of " + std::to_string(object.size()) + " keys, at most " +
              std::to_string(*raw.max_properties) + " allowed");
    }
    for (const auto& [key, member] : object) {
      if (full()) return;
      if (const Raw* property = raw.property(key)) {
        check(*property, member, pointer_child(at, key));
      } else if (raw.additional && raw.additional->is_false) {
        add(raw, "additionalProperties", pointer_child(at, key),
            "key '" + cut_utf8(key, 80) + "' is not declared");
      } else if (raw.additional) {
        check(*raw.additional, member, pointer_child(at, key));
      }
    }
  }

  // The branches' own violations are told only when there is one branch whose type fits.
  void any_of(const Raw& raw, const Value& value, const std::string& at) {
    const Raw* nearest = nullptr;
    size_t n_near = 0;
    for (const Raw* branch : raw.any_of) {
      Validator probe(1);
      if (probe.check(*branch, value, at)) return;
      const Raw* target = branch;
      while (target->ref && target->types == kAllTypes) target = target->ref;
      if (target->types & type_bit(value)) {
        nearest = branch;
        ++n_near;
      }
    }
    add(raw, "anyOf", at,
        shown(value) + " fits none of the " + std::to_string(raw.any_of.size()) + " alternatives");
    if (n_near == 1 && !full()) check(*nearest, value, at);
  }

  void one_of(const Raw& raw, const Value& value, const std::string& at) {
    size_t n_fit = 0;
    for (const Raw* branch : raw.one_of) {
      Validator probe(1);
      n_fit += probe.check(*branch, value, at);
    }
    if (n_fit == 1) return;
    add(raw, "oneOf", at,
        shown(value) + " fits " + std::to_string(n_fit) + " of the " +
            std::to_string(raw.one_of.size()) + " alternatives, exactly one is needed");
  }

  size_t max_;
  size_t n_found_ = 0;
  std::vector<Violation> violations_;
};

}  // namespace

std::vector<Violation> validate(const Schema& schema, const Value& value, size_t max) {
  Validator validator(max);
  validator.check(*schema.raw().root, value, "");
  std::vector<Violation> result = validator.take();
  if (result.empty() && schema.is_closed() && max > 0 && !accepts(schema.root(), value)) {
    result.push_back({"", "#", "additionalProperties", "a key is not declared by the schema"});
  }
  return result;
}

Result<void> check(const Schema& schema, const Value& value) {
  const std::vector<Violation> violations = validate(schema, value, 1);
  if (violations.empty()) return {};
  const Violation& first = violations[0];
  const Value* offender = at_pointer(value, first.instance);
  std::string message = first.message;
  if (!schema.id().empty()) message += " (schema " + schema.id() + ", " + first.schema + ")";
  return fail(make_error(ErrorCode::contract_violation, 3001, std::move(message))
                  .at(first.instance)
                  .got(offender ? cut_utf8(to_json(*offender), 200) : "")
                  .to_fix("change the value so that it matches '" + first.keyword + "'"));
}

}  // namespace consort::contract

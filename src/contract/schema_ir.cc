// Questions about single rules of the IR: numbers, strings, and whether a value is accepted.
#include "contract/schema_ir.h"

#include <algorithm>
#include <numeric>

#include "contract/utf8.h"

namespace consort::contract {
namespace {

// value * 10^shift as a 128-bit integer; nullopt past 36 digits or if not an integer.
std::optional<__int128> scaled(const Decimal& value, int64_t shift) {
  if (value.is_zero()) return 0;
  const int64_t length = value.point + shift;
  const auto size = static_cast<int64_t>(value.digits.size());
  if (length < size || length > 36) return std::nullopt;
  __int128 result = 0;
  for (int64_t i = 0; i < length; ++i) {
    result = result * 10 + (i < size ? value.digits[static_cast<size_t>(i)] - '0' : 0);
  }
  return value.negative ? -result : result;
}

Decimal unscaled(__int128 value, int64_t shift) {
  std::string text;
  const bool negative = value < 0;
  if (negative) value = -value;
  do {
    text += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value > 0);
  std::reverse(text.begin(), text.end());
  Decimal result = Decimal::parse((negative ? "-" : "") + text);
  if (!result.is_zero()) result.point -= shift;
  return result;
}

}  // namespace

std::optional<Decimal> least_common_multiple(const Decimal& a, const Decimal& b) {
  const int64_t shift = std::max(a.fraction_digits(), b.fraction_digits());
  const auto x = scaled(a, shift);
  const auto y = scaled(b, shift);
  constexpr __int128 kMax = 1'000'000'000'000'000'000;
  if (!x || !y || *x > kMax || *y > kMax) return std::nullopt;
  const __int128 gcd = std::gcd(static_cast<int64_t>(*x), static_cast<int64_t>(*y));
  const __int128 lcm = *x / gcd * *y;
  if (lcm > kMax) return std::nullopt;
  return unscaled(lcm, shift);
}

std::optional<Decimal> next_multiple(const Decimal& value, const Decimal& step, bool exclusive) {
  const int64_t shift = std::max(value.fraction_digits(), step.fraction_digits());
  const auto v = scaled(value, shift);
  const auto s = scaled(step, shift);
  if (!v || !s) return std::nullopt;
  __int128 quotient = *v / *s;
  if (quotient * *s < *v) ++quotient;
  if (exclusive && quotient * *s == *v) ++quotient;
  return unscaled(quotient * *s, shift);
}

bool is_empty(const NumberRule& rule) {
  if (!rule.min || !rule.max) return false;
  const int order = compare(rule.min->value, rule.max->value);
  if (order > 0) return true;
  if (order == 0) {
    return rule.min->exclusive || rule.max->exclusive || !accepts(rule, rule.min->value);
  }
  if (!rule.step) return false;
  const auto first = next_multiple(rule.min->value, *rule.step, rule.min->exclusive);
  if (!first) return false;  // Too many digits to tell: taken as inhabited, which claims nothing.
  const int past = compare(*first, rule.max->value);
  return past > 0 || (past == 0 && rule.max->exclusive);
}

bool accepts(const NumberRule& rule, const Decimal& value) {
  if (rule.min) {
    const int order = compare(value, rule.min->value);
    if (order < 0 || (order == 0 && rule.min->exclusive)) return false;
  }
  if (rule.max) {
    const int order = compare(value, rule.max->value);
    if (order > 0 || (order == 0 && rule.max->exclusive)) return false;
  }
  return !rule.step || is_multiple(value, *rule.step).value_or(false);
}

bool accepts(const StringRule& rule, std::string_view text) {
  const uint64_t length = count_code_points(text);
  if (length < rule.min_length || (rule.max_length && length > *rule.max_length)) return false;
  return std::all_of(rule.patterns.begin(), rule.patterns.end(),
                     [&](const auto& pattern) { return pattern->dfa.matches(text); });
}

Result<Dfa> string_language(const StringRule& rule) {
  // A pattern's language holds well-formed UTF-8 only, so the first one needs no intersection.
  Dfa result = rule.patterns.empty() ? any_string() : rule.patterns[0]->dfa;
  for (size_t i = 1; i < rule.patterns.size(); ++i) {
    CONSORT_ASSIGN(result, intersect(result, rule.patterns[i]->dfa));
  }
  return with_length(result, rule.min_length, rule.max_length);
}

uint8_t type_bit(const Value& value) {
  switch (value.type()) {
    case Type::null:
      return kNull;
    case Type::boolean:
      return kBoolean;
    case Type::number:
      return value.as_number().is_integer() ? kInteger : kFraction;
    case Type::string:
      return kString;
    case Type::array:
      return kArray;
    case Type::object:
      return kObject;
  }
  return 0;
}

uint8_t type_named(std::string_view name) {
  static constexpr std::pair<std::string_view, uint8_t> kNames[] = {
      {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger}, {"number", kNumber},
      {"string", kString}, {"array", kArray},     {"object", kObject}};
  for (const auto& [known, bits] : kNames) {
    if (known == name) return bits;
  }
  return 0;
}

bool admits(const Simple& simple, uint8_t type_bits) {
  if (!(simple.types & type_bits)) return false;
  if (!simple.values) return true;
  return std::any_of(simple.values->begin(), simple.values->end(),
                     [&](const Value& value) { return type_bit(value) & type_bits; });
}

bool accepts(const Simple& simple, const Value& value) {
  if (!(simple.types & type_bit(value))) return false;
  if (simple.values) {
    return std::find(simple.values->begin(), simple.values->end(), value) != simple.values->end();
  }
  if (const Number* number = value.get_number()) {
    return accepts(simple.number, Decimal::parse(number->text));
  }
  if (const std::string* text = value.get_string()) return accepts(simple.string, *text);
  if (const Array* array = value.get_array()) {
    const ArrayRule& rule = simple.array;
    if (array->size() < rule.min_items || (rule.max_items && array->size() > *rule.max_items)) {
      return false;
    }
    for (size_t i = 0; i < array->size(); ++i) {
      if (!accepts(rule.item(i), (*array)[i])) return false;
    }
  }
  if (const Object* object = value.get_object()) {
    const ObjectRule& rule = simple.object;
    if (object->size() < rule.min_properties ||
        (rule.max_properties && object->size() > *rule.max_properties)) {
      return false;
    }
    for (const Property& property : rule.properties) {
      const Value* member = object->find(property.key);
      if (!member && property.required) return false;
      if (member && !accepts(*property.node, *member)) return false;
    }
    for (const auto& [key, member] : *object) {
      if (!rule.find(key) && !accepts(*rule.additional, member)) return false;
    }
  }
  return true;
}

bool accepts(const Node& node, const Value& value) {
  return std::any_of(node.alternatives.begin(), node.alternatives.end(),
                     [&](const Simple* simple) { return accepts(*simple, value); });
}

}  // namespace consort::contract

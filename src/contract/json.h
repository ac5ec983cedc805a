// JSON values as contracts see them: RFC 8259, key order kept, numbers kept exactly as written.
//
// Key order is meaning here (the author's order is the order in which a model writes), and a number
// keeps its text until someone asks for a double, so that 12345678901234567890.10 survives a run.
// Equality is JSON Schema's: 1 == 1.0, key order ignored.
//
// Not for: bulk JSON Lines (simdjson) or building HTTP bodies.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace consort::contract {

class Value;

// A decimal number as written. `text` follows the RFC 8259 grammar.
struct Number {
  std::string text = "0";
  // Nearest double; beyond the range of doubles, +-the largest finite one.
  double as_double() const;
  // Set when the value is an integer (1, 1.0 and 1e3 are) that fits.
  std::optional<int64_t> as_int64() const;
  bool is_integer() const;  // Mathematically, of any size.
};
// Exact comparison of decimals of any length: -1, 0, 1.
int compare(const Number& a, const Number& b);

using Member = std::pair<std::string, Value>;
using Array = std::vector<Value>;

// Members in insertion order; keys are unique. Look-up is linear up to 16 members, then by index.
class Object {
 public:
  Object();
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  const Value* find(std::string_view key) const;  // nullptr when absent.
  Value* find(std::string_view key);
  void set(std::string key, Value value);  // Replaces in place or appends.
  bool erase(std::string_view key);
  size_t size() const;
  bool empty() const { return size() == 0; }
  std::vector<Member>::const_iterator begin() const;
  std::vector<Member>::const_iterator end() const;

 private:
  void reindex();

  std::vector<Member> members_;
  // Key -> position; present past 16 members.
  std::unique_ptr<std::unordered_map<std::string, size_t>> index_;
};

enum class Type { null, boolean, number, string, array, object };
std::string_view name(Type type);

// A JSON value: copy, compare, serialise. Copying is deep.
class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool b) : data_(b) {}
  Value(int n) : Value(static_cast<int64_t>(n)) {}
  Value(int64_t n);
  Value(uint64_t n);
  Value(double d);  // Shortest text that reads back the same; CONSORT_CHECKs finite.
  Value(Number n) : data_(std::move(n)) {}
  Value(std::string s) : data_(std::move(s)) {}
  Value(std::string_view s) : data_(std::string(s)) {}
  Value(const char* s) : data_(std::string(s)) {}
  Value(Array a) : data_(std::move(a)) {}
  Value(Object o) : data_(std::move(o)) {}
  // object({{"a", 1}, {"b", "x"}})
  static Value object(std::initializer_list<Member> members);

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_null() const { return type() == Type::null; }
  bool is_bool() const { return type() == Type::boolean; }
  bool is_number() const { return type() == Type::number; }
  bool is_string() const { return type() == Type::string; }
  bool is_array() const { return type() == Type::array; }
  bool is_object() const { return type() == Type::object; }

  // The get_ forms return nullptr on another type; the as_ forms CONSORT_CHECK it.
  const bool* get_bool() const { return std::get_if<bool>(&data_); }
  const Number* get_number() const { return std::get_if<Number>(&data_); }
  const std::string* get_string() const { return std::get_if<std::string>(&data_); }
  const Array* get_array() const { return std::get_if<Array>(&data_); }
  Array* get_array() { return std::get_if<Array>(&data_); }
  const Object* get_object() const { return std::get_if<Object>(&data_); }
  Object* get_object() { return std::get_if<Object>(&data_); }
  bool as_bool() const;
  const Number& as_number() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;

  // Member of an object; nullptr if this is no object or has no such key.
  const Value* find(std::string_view key) const;
  // Member as a string, or `fallback`.
  std::string string_or(std::string_view key, std::string_view fallback) const;

  bool operator==(const Value& other) const;  // JSON Schema equality.

 private:
  std::variant<std::monostate, bool, Number, std::string, Array, Object> data_;
};

struct ParseLimits {
  uint64_t bytes_max = 64ull << 20;
  int depth_max = 128;                // Of nested arrays and objects; at most 4096 is honoured.
  bool allow_duplicate_keys = false;  // The last one wins. For files that others wrote.
};

// Strict RFC 8259 (UTF-8 valid, no lone surrogate, no duplicate keys, one value, nothing after it).
// No recursion on input depth. Errors 2001 (syntax), 2002 (limit), 2003 (duplicate key), each at
// "line:column".
Result<Value> parse_json(std::string_view text, const ParseLimits& limits = {});

// Compact (no spaces), keys in order, non-ASCII as UTF-8. Ill-formed UTF-8 in a string that did not
// come from parse_json is written as U+FFFD, so that the text is JSON always.
std::string to_json(const Value& value);
// Two-space indent, for people.
std::string to_json_pretty(const Value& value);
// RFC 8785: keys sorted by UTF-16 code units, numbers as ECMAScript prints doubles (those
// beyond the range of doubles, which RFC 8785 leaves out, as digits and exponent). The digest of a
// value is the SHA-256 of this text.
std::string canonical_json(const Value& value);

// RFC 6901. "/a/0/b" -> value; nullptr if nothing is there. `pointer_child` appends one escaped
// step.
const Value* at_pointer(const Value& value, std::string_view pointer);
std::string pointer_child(std::string_view pointer, std::string_view key);
std::string pointer_child(std::string_view pointer, size_t index);

}  // namespace consort::contract

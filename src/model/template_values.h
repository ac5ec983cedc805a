// Values, filters, tests and methods of templates; Python's meaning where templates depend on it
// (truth, str(), slices by character, floor division). Internal to template.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "contract/json.h"
#include "model/template.h"

namespace consort::model::jinja {

struct Statement;  // template_ast.h
class TValue;

struct Undefined {
  std::string what;  // "variable 'x'", "member 'y'"
};
// `weight` counts all values inside (shared ones once for each use), so that work on a value can be
// charged before it is done: [x, x] thirty times over is small in memory and huge to print.
// `height` is the depth of nesting.
struct List {
  std::vector<TValue> items;
  uint64_t weight = 1;
  int height = 1;
  bool is_tuple = false;  // Printed with parentheses.
};
// Keys in insertion order. A namespace is opaque: it is equal to itself only and prints as its
// kind.
class Dict {
 public:
  const TValue* find(std::string_view key) const;
  void set(std::string_view key, TValue value);
  const std::vector<std::pair<std::string, TValue>>& items() const { return items_; }
  void clear();
  bool is_namespace = false;
  uint64_t weight = 1;
  int height = 1;

 private:
  std::vector<std::pair<std::string, TValue>> items_;
  std::unordered_map<std::string, size_t> index_;  // Only past 16 entries.
};
struct Loop {
  std::shared_ptr<const List> items;
  size_t index = 0;
  int depth = 1;
};
struct Callable;

// Copying is cheap: lists and dictionaries are shared; only a namespace changes after it is made.
class TValue {
 public:
  using Data =
      std::variant<Undefined, std::nullptr_t, bool, int64_t, double, contract::Number,
                   std::shared_ptr<const std::string>, std::shared_ptr<const List>,
                   std::shared_ptr<Dict>, std::shared_ptr<Loop>, std::shared_ptr<const Callable>>;
  TValue() = default;
  TValue(Data data) : data_(std::move(data)) {}
  static TValue none() { return TValue(Data(nullptr)); }
  static TValue of(bool b) { return TValue(Data(b)); }
  static TValue of(int64_t n) { return TValue(Data(n)); }
  static TValue of(double d) { return TValue(Data(d)); }
  static TValue of(std::string text) {
    return TValue(Data(std::make_shared<const std::string>(std::move(text))));
  }
  static TValue of(List list);
  static TValue undefined(std::string what) { return TValue(Data(Undefined{std::move(what)})); }
  static TValue from(const contract::Value& value);

  const Data& data() const { return data_; }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data_);
  }
  bool is_undefined() const { return get<Undefined>() != nullptr; }
  bool is_none() const { return get<std::nullptr_t>() != nullptr; }
  const std::string* string() const {
    const auto* text = get<std::shared_ptr<const std::string>>();
    return text == nullptr ? nullptr : text->get();
  }
  const List* list() const {
    const auto* list = get<std::shared_ptr<const List>>();
    return list == nullptr ? nullptr : list->get();
  }
  Dict* dict() const {
    const auto* dict = get<std::shared_ptr<Dict>>();
    return dict == nullptr ? nullptr : dict->get();
  }
  uint64_t weight() const;
  int height() const;
  std::optional<int64_t> integer() const;  // bool and int64
  std::optional<double> number() const;    // Any of bool, int64, double, Number.

 private:
  Data data_;
};

struct Callable {
  std::string name;
  TValue self;                       // Of a method.
  const Statement* macro = nullptr;  // Of a macro.
};

struct Arguments {
  std::vector<TValue> positional;
  std::vector<std::pair<std::string, TValue>> named;
  // Positional `index`, else named `name`, else nullptr.
  const TValue* find(size_t index, std::string_view name) const;
};

// Counts work and bytes; a limit hit is error 3405.
struct Meter {
  const TemplateLimits& limits;
  uint64_t steps = 0;
  uint64_t bytes = 0;
  Result<void> step(uint64_t n = 1);
  Result<void> grow(uint64_t n);
};

bool truth(const TValue& value);
bool equal(const TValue& a, const TValue& b);
std::string_view type_name(const TValue& value);
// -1, 0, 1; error 3403 unless both are numbers or both strings.
Result<int> compare(const TValue& a, const TValue& b);
Result<bool> contains(const TValue& haystack, const TValue& needle);
std::string to_text(
    const TValue& value);  // Python's str(); nothing for undefined. Charge weight() first.
Result<std::string> to_text(const TValue& value, Meter& meter);  // Charged.
// As json.dumps(ensure_ascii=False): ", " and ": " when `indent` < 0.
Result<std::string> to_json_text(const TValue& value, int64_t indent, Meter& meter);
Result<std::shared_ptr<const List>> iterate(const TValue& value);
// Characters [start, stop) by `step` of a string or list, as Python's slices.
Result<TValue> slice(const TValue& value, std::optional<int64_t> start, std::optional<int64_t> stop,
                     int64_t step);
TValue attribute(const TValue& value, std::string_view name);  // Undefined when absent.
TValue index(const TValue& value, const TValue& key);

Result<TValue> arithmetic(char op, const TValue& a, const TValue& b,
                          Meter& meter);  // + - * / % p(ow) f(loor)

// Errors: 3402 no such filter/test/method, 3403 wrong argument.
Result<TValue> apply_filter(std::string_view name, const TValue& value, const Arguments& arguments,
                            Meter& meter);
bool is_filter(std::string_view name);
Result<bool> apply_test(std::string_view name, const TValue& value, const Arguments& arguments);
bool is_test(std::string_view name);
Result<TValue> call_method(const Callable& method, const Arguments& arguments, Meter& meter);
Result<TValue> call_function(std::string_view name, const Arguments& arguments, Meter& meter);
bool is_function(std::string_view name);

// Without a place: the evaluator adds it.
Error wrong(std::string message);     // 3403
Error not_here(std::string message);  // 3402

}  // namespace consort::model::jinja

// Filters, tests, methods and functions of templates, by name.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/template_values.h"
#include "model/unicode.h"

namespace consort::model::jinja {
namespace {

// Python's str.strip() also takes U+001C to U+001F.
bool is_blank(uint32_t c) {
  return char_class(c) == CharClass::whitespace || (c >= 0x1c && c <= 0x1f);
}

std::string strip(std::string_view text, const std::string* chars, bool left, bool right) {
  std::vector<std::pair<size_t, uint32_t>> all;  // Offset and code point.
  for (size_t at = 0; at < text.size();) {
    const LenientChar c = decode_lenient(text.substr(at));
    all.emplace_back(at, c.code_point);
    at += c.bytes;
  }
  const auto goes = [&](uint32_t c) {
    if (chars == nullptr) return is_blank(c);
    std::string one;
    append_utf8(c, one);
    return chars->find(one) != std::string::npos;
  };
  size_t first = 0, last = all.size();
  while (left && first < last && goes(all[first].second)) ++first;
  while (right && last > first && goes(all[last - 1].second)) --last;
  if (first == last) return "";
  const size_t begin = all[first].first;
  return std::string(
      text.substr(begin, (last == all.size() ? text.size() : all[last].first) - begin));
}

enum class Case { upper, lower, title, capital };
std::string change_case(std::string_view text, Case wanted) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const LenientChar c = decode_lenient(text.substr(at));
    at += c.bytes;
    const bool up = wanted == Case::upper || (wanted != Case::lower && !inside);
    append_utf8(up ? to_upper(c.code_point) : to_lower(c.code_point), out);
    inside = wanted == Case::capital || char_class(c.code_point) == CharClass::letter;
  }
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to,
                        int64_t count) {
  if (from.empty()) return std::string(text);
  std::string out;
  size_t at = 0;
  for (size_t found; count != 0 && (found = text.find(from, at)) != std::string_view::npos;
       --count) {
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return out.append(text.substr(at));
}

TValue split(std::string_view text, const std::string* by, int64_t count) {
  List out;
  size_t at = 0;
  if (by != nullptr && !by->empty()) {
    for (size_t found; count != 0 && (found = text.find(*by, at)) != std::string_view::npos;
         --count) {
      out.items.push_back(TValue::of(std::string(text.substr(at, found - at))));
      at = found + by->size();
    }
    out.items.push_back(TValue::of(std::string(text.substr(at))));
    return TValue::of(std::move(out));
  }
  const auto blank = [&](size_t i) {
    return static_cast<uint8_t>(text[i]) < 0x80 && is_blank(static_cast<uint8_t>(text[i]));
  };
  while (true) {
    while (at < text.size() && blank(at)) ++at;
    if (at >= text.size()) break;
    size_t end = at;
    if (count == 0)
      end = text.size();
    else
      while (end < text.size() && !blank(end)) ++end;
    out.items.push_back(TValue::of(std::string(text.substr(at, end - at))));
    at = end;
    --count;
  }
  return TValue::of(std::move(out));
}

Result<const std::string*> need_string(const TValue& value, std::string_view where) {
  if (const std::string* text = value.string()) return text;
  return fail(wrong(fmt::format("'{}' needs a string, not {}", where, type_name(value))));
}

std::optional<int64_t> as_integer(const TValue* value) {
  return value == nullptr ? std::nullopt : value->integer();
}

TValue member(const TValue& value, const std::string& path) {
  TValue at = value;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('.', start), path.size());
    at = attribute(at, path.substr(start, end - start));
    start = end + 1;
  }
  return at;
}

Result<TValue> length(const TValue& value) {
  if (const std::string* text = value.string()) {
    int64_t n = 0;
    for (size_t at = 0; at < text->size();
         at += std::max<size_t>(1, utf8_length(std::string_view(*text).substr(at))))
      ++n;
    return TValue::of(n);
  }
  if (const Dict* dict = value.dict())
    return TValue::of(static_cast<int64_t>(dict->items().size()));
  CONSORT_ASSIGN(const auto list, iterate(value));
  return TValue::of(static_cast<int64_t>(list->items.size()));
}

Result<TValue> sorted(const TValue& value, const Arguments& arguments, Meter& meter) {
  CONSORT_ASSIGN(const auto list, iterate(value));
  const TValue* by = arguments.find(2, "attribute");
  const TValue* reverse = arguments.find(0, "reverse");
  std::vector<std::pair<TValue, TValue>> keyed;
  for (const TValue& item : list->items)
    keyed.emplace_back(by != nullptr && by->string() ? member(item, *by->string()) : item, item);
  for (size_t i = 1; i < keyed.size(); ++i) CONSORT_TRY(compare(keyed[0].first, keyed[i].first));
  CONSORT_TRY(meter.step(keyed.size() * 16));
  const auto folded = [](const TValue& v) {
    return v.string() ? TValue::of(change_case(*v.string(), Case::lower)) : v;
  };
  for (auto& [key, item] : keyed) key = folded(key);
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
    return compare(a.first, b.first).value_or(0) < 0;
  });
  List out;
  for (auto& [key, item] : keyed) out.items.push_back(std::move(item));
  if (reverse != nullptr && truth(*reverse)) std::reverse(out.items.begin(), out.items.end());
  return TValue::of(std::move(out));
}

// select, reject, selectattr, rejectattr.
Result<TValue> select(std::string_view name, const TValue& value, const Arguments& arguments,
                      Meter& meter) {
  const bool by_attribute = name.ends_with("attr"), keep = name.starts_with("select");
  if (by_attribute && (arguments.positional.empty() || !arguments.positional[0].string()))
    return fail(wrong(fmt::format("'{}' needs the name of a member", name)));
  const size_t test_at = by_attribute ? 1 : 0;
  Arguments rest;
  std::string test;
  if (arguments.positional.size() > test_at) {
    CONSORT_ASSIGN(const std::string* given, need_string(arguments.positional[test_at], name));
    test = *given;
    if (!is_test(test)) return fail(not_here("a test that is not implemented").got(test));
    rest.positional.assign(arguments.positional.begin() + static_cast<ptrdiff_t>(test_at) + 1,
                           arguments.positional.end());
  }
  CONSORT_ASSIGN(const auto list, iterate(value));
  List out;
  for (const TValue& item : list->items) {
    CONSORT_TRY(meter.step());
    const TValue subject = by_attribute ? member(item, *arguments.positional[0].string()) : item;
    bool passes = truth(subject);
    if (!test.empty()) {
      CONSORT_ASSIGN(passes, apply_test(test, subject, rest));
    }
    if (passes == keep) out.items.push_back(item);
  }
  return TValue::of(std::move(out));
}

Result<TValue> map(const TValue& value, const Arguments& arguments, Meter& meter) {
  CONSORT_ASSIGN(const auto list, iterate(value));
  const TValue* by = arguments.find(99, "attribute");
  const TValue* fallback = arguments.find(99, "default");
  List out;
  Arguments rest;
  if (by == nullptr) {
    if (arguments.positional.empty() || !arguments.positional[0].string())
      return fail(wrong("'map' needs a filter or attribute=..."));
    if (!is_filter(*arguments.positional[0].string()))
      return fail(
          not_here("a filter that is not implemented").got(*arguments.positional[0].string()));
    rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
    rest.named = arguments.named;
  }
  for (const TValue& item : list->items) {
    CONSORT_TRY(meter.step());
    if (by != nullptr) {
      TValue found = by->string() ? member(item, *by->string()) : index(item, *by);
      if (found.is_undefined() && fallback != nullptr) found = *fallback;
      out.items.push_back(std::move(found));
    } else {
      CONSORT_ASSIGN(TValue mapped,
                     apply_filter(*arguments.positional[0].string(), item, rest, meter));
      out.items.push_back(std::move(mapped));
    }
  }
  return TValue::of(std::move(out));
}

Result<TValue> join(const TValue& value, const Arguments& arguments, Meter& meter) {
  CONSORT_ASSIGN(const auto list, iterate(value));
  const TValue* by = arguments.find(0, "d");
  const TValue* attribute_name = arguments.find(1, "attribute");
  const std::string between = by != nullptr ? to_text(*by) : "";
  std::string out;
  for (size_t i = 0; i < list->items.size(); ++i) {
    if (i > 0) out += between;
    const TValue& item = list->items[i];
    const std::string text =
        to_text(attribute_name && attribute_name->string() ? member(item, *attribute_name->string())
                                                           : item);
    CONSORT_TRY(meter.grow(text.size() + between.size()));
    out += text;
  }
  return TValue::of(std::move(out));
}

Result<TValue> indent(const TValue& value, const Arguments& arguments, Meter& meter) {
  const int64_t width = as_integer(arguments.find(0, "width")).value_or(4);
  const TValue* first = arguments.find(1, "first");
  const TValue* blank = arguments.find(2, "blank");
  if (width < 0 || width > 1000) return fail(wrong("'indent' needs a width from 0 to 1000"));
  const std::string text = to_text(value), pad(static_cast<size_t>(width), ' ');
  std::string out = first != nullptr && truth(*first) ? pad : "";
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool empty_line = i + 1 >= text.size() || text[i + 1] == '\n';
    if (text[i] == '\n' && (!empty_line || (blank != nullptr && truth(*blank)))) {
      CONSORT_TRY(meter.grow(pad.size()));
      out += pad;
    }
  }
  return TValue::of(std::move(out));
}

Result<TValue> number_filter(std::string_view name, const TValue& value,
                             const Arguments& arguments) {
  if (name == "int" || name == "float") {
    const TValue* fallback = arguments.find(0, "default");
    std::optional<double> n = value.number();
    if (name == "int" && value.integer()) return TValue::of(*value.integer());
    if (const std::string* text = value.string()) {
      const std::string trimmed = strip(*text, nullptr, true, true);
      int64_t whole = 0;
      const char* end = trimmed.data() + trimmed.size();
      if (auto [at, code] = std::from_chars(trimmed.data(), end, whole);
          code == std::errc() && at == end && name == "int")
        return TValue::of(whole);
      double real = 0;
      if (auto [at, code] = std::from_chars(trimmed.data(), end, real);
          code == std::errc() && at == end)
        n = real;
    }
    if (!n)
      return fallback != nullptr ? *fallback
             : name == "int"     ? TValue::of(int64_t{0})
                                 : TValue::of(0.0);
    if (name == "float") return TValue::of(*n);
    if (!(std::fabs(*n) < 9.2e18)) return fail(wrong("an integer beyond 64 bits"));
    return TValue::of(static_cast<int64_t>(*n));
  }
  const auto n = value.number();
  if (!n) return fail(wrong(fmt::format("'{}' needs a number, not {}", name, type_name(value))));
  if (name == "abs") {
    if (value.integer() && *value.integer() != INT64_MIN)
      return TValue::of(std::abs(*value.integer()));
    return TValue::of(std::fabs(*n));
  }
  const int64_t precision = as_integer(arguments.find(0, "precision")).value_or(0);
  const TValue* method = arguments.find(1, "method");
  const std::string how = method != nullptr && method->string() ? *method->string() : "common";
  if (precision < 0 || precision > 15) return fail(wrong("'round' needs a precision from 0 to 15"));
  const double factor = std::pow(10.0, static_cast<double>(precision));
  if (how == "ceil") return TValue::of(std::ceil(*n * factor) / factor);
  if (how == "floor") return TValue::of(std::floor(*n * factor) / factor);
  if (how != "common") return fail(wrong("'round' knows common, ceil and floor").got(how));
  double rounded = 0;  // printf rounds the exact binary value half to even, as Python's round().
  const std::string text = fmt::format("{:.{}f}", *n, static_cast<int>(precision));
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return TValue::of(rounded);
}

constexpr std::string_view kFilters[] = {
    "abs",     "batch",   "capitalize", "count",  "d",      "default",    "dictsort", "e",
    "escape",  "first",   "float",      "indent", "int",    "items",      "join",     "last",
    "length",  "list",    "lower",      "map",    "max",    "min",        "reject",   "rejectattr",
    "replace", "reverse", "round",      "safe",   "select", "selectattr", "sort",     "string",
    "sum",     "title",   "tojson",     "trim",   "unique", "upper",      "wordcount"};
constexpr std::string_view kTests[] = {
    "boolean", "callable", "defined",  "divisibleby", "eq",   "equalto",   "even",
    "false",   "float",    "ge",       "gt",          "in",   "integer",   "iterable",
    "le",      "lower",    "lt",       "mapping",     "ne",   "none",      "number",
    "odd",     "sameas",   "sequence", "string",      "true", "undefined", "upper"};
constexpr std::string_view kFunctions[] = {"dict", "namespace", "raise_exception", "range"};

template <size_t N>
bool listed(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

bool is_filter(std::string_view name) { return listed(kFilters, name); }
bool is_test(std::string_view name) { return listed(kTests, name); }
bool is_function(std::string_view name) { return listed(kFunctions, name); }

Result<TValue> apply_filter(std::string_view name, const TValue& value, const Arguments& arguments,
                            Meter& meter) {
  // A filter reads its value at most a few times: charged once here, so that to_text below is paid
  // for.
  CONSORT_TRY(meter.step(value.weight()));
  if (const std::string* text = value.string()) CONSORT_TRY(meter.grow(text->size()));
  for (const TValue& argument : arguments.positional) CONSORT_TRY(meter.step(argument.weight()));
  const auto text_of = [](std::string text) { return TValue::of(std::move(text)); };
  if (name == "default" || name == "d") {
    const TValue* falsy_too = arguments.find(1, "boolean");
    const bool replace =
        value.is_undefined() || (falsy_too != nullptr && truth(*falsy_too) && !truth(value));
    const TValue* fallback = arguments.find(0, "default_value");
    return !replace ? value : fallback != nullptr ? *fallback : TValue::of(std::string());
  }
  if (name == "trim") {
    const TValue* chars = arguments.find(0, "chars");
    return text_of(strip(to_text(value), chars != nullptr ? chars->string() : nullptr, true, true));
  }
  if (name == "upper") return text_of(change_case(to_text(value), Case::upper));
  if (name == "lower") return text_of(change_case(to_text(value), Case::lower));
  if (name == "title") return text_of(change_case(to_text(value), Case::title));
  if (name == "capitalize") return text_of(change_case(to_text(value), Case::capital));
  if (name == "string" || name == "safe") return text_of(to_text(value));
  if (name == "length" || name == "count") return length(value);
  if (name == "tojson") {
    const int64_t width = as_integer(arguments.find(0, "indent")).value_or(-1);
    if (width > 32) return fail(wrong("'tojson' needs an indent of at most 32"));
    CONSORT_ASSIGN(std::string json, to_json_text(value, width, meter));
    return text_of(std::move(json));
  }
  if (name == "join") return join(value, arguments, meter);
  if (name == "indent") return indent(value, arguments, meter);
  if (name == "int" || name == "float" || name == "abs" || name == "round")
    return number_filter(name, value, arguments);
  if (name == "map") return map(value, arguments, meter);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
    return select(name, value, arguments, meter);
  if (name == "sort") return sorted(value, arguments, meter);
  if (name == "replace") {
    const TValue *from = arguments.find(0, "old"), *to = arguments.find(1, "new");
    if (from == nullptr || to == nullptr) return fail(wrong("'replace' needs two strings"));
    const std::string out = replace_all(to_text(value), to_text(*from), to_text(*to),
                                        as_integer(arguments.find(2, "count")).value_or(-1));
    CONSORT_TRY(meter.grow(out.size()));
    return text_of(out);
  }
  if (name == "e" || name == "escape") {
    std::string out;
    for (const char c : to_text(value)) {
      if (c == '&')
        out += "&amp;";
      else if (c == '<')
        out += "&lt;";
      else if (c == '>')
        out += "&gt;";
      else if (c == '"')
        out += "&#34;";
      else if (c == '\'')
        out += "&#39;";
      else
        out += c;
    }
    return text_of(std::move(out));
  }
  if (name == "wordcount") {
    return length(split(to_text(value), nullptr, -1));
  }
  if (name == "items" || name == "dictsort") {
    const Dict* dict = value.dict();
    if (dict == nullptr)
      return fail(wrong(fmt::format("'{}' needs a dictionary, not {}", name, type_name(value))));
    List out;
    for (const auto& [key, item] : dict->items())
      out.items.push_back(TValue::of(List{.items = {TValue::of(key), item}, .is_tuple = true}));
    if (name == "dictsort")
      std::stable_sort(out.items.begin(), out.items.end(), [](const TValue& a, const TValue& b) {
        return change_case(*a.list()->items[0].string(), Case::lower) <
               change_case(*b.list()->items[0].string(), Case::lower);
      });
    return TValue::of(std::move(out));
  }
  // What is left takes a sequence.
  CONSORT_ASSIGN(const auto list, iterate(value));
  CONSORT_TRY(meter.step(list->items.size()));
  if (name == "list") return TValue(TValue::Data(list));
  if (name == "first" || name == "last") {
    if (list->items.empty())
      return TValue::undefined(fmt::format("the {} element of nothing", name));
    return name == "first" ? list->items.front() : list->items.back();
  }
  if (name == "reverse") {
    List out{{list->items.rbegin(), list->items.rend()}};
    if (!value.string()) return TValue::of(std::move(out));
    std::string text;
    for (const TValue& item : out.items) text += *item.string();
    return text_of(std::move(text));
  }
  if (name == "unique") {
    List out;
    for (const TValue& item : list->items) {
      CONSORT_TRY(meter.step(out.items.size() + (item.list() || item.dict() ? value.weight() : 0)));
      if (std::none_of(out.items.begin(), out.items.end(),
                       [&](const TValue& seen) { return equal(seen, item); }))
        out.items.push_back(item);
    }
    return TValue::of(std::move(out));
  }
  if (name == "batch") {
    const int64_t n = as_integer(arguments.find(0, "linecount")).value_or(0);
    if (n < 1) return fail(wrong("'batch' needs a positive number"));
    List out, row;
    for (const TValue& item : list->items) {
      row.items.push_back(item);
      if (static_cast<int64_t>(row.items.size()) == n)
        out.items.push_back(TValue::of(std::exchange(row, {})));
    }
    if (!row.items.empty()) out.items.push_back(TValue::of(std::move(row)));
    return TValue::of(std::move(out));
  }
  const TValue* by = arguments.find(name == "sum" ? 0 : 1, "attribute");
  TValue best =
      name == "sum" ? TValue::of(int64_t{0}) : TValue::undefined("the extreme of nothing");
  for (size_t i = 0; i < list->items.size(); ++i) {
    const TValue item =
        by != nullptr && by->string() ? member(list->items[i], *by->string()) : list->items[i];
    if (name == "sum") {
      CONSORT_ASSIGN(best, arithmetic('+', best, item, meter));
    } else if (i == 0) {
      best = item;
    } else {
      CONSORT_ASSIGN(const int order, compare(item, best));
      if (name == "min" ? order < 0 : order > 0) best = item;
    }
  }
  return best;
}

Result<bool> apply_test(std::string_view name, const TValue& value, const Arguments& arguments) {
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.string() != nullptr;
  if (name == "boolean") return value.get<bool>() != nullptr;
  if (name == "true") return value.get<bool>() != nullptr && *value.get<bool>();
  if (name == "false") return value.get<bool>() != nullptr && !*value.get<bool>();
  if (name == "number") return value.number().has_value();
  if (name == "integer") return value.get<int64_t>() != nullptr;
  if (name == "float")
    return value.get<double>() != nullptr || value.get<contract::Number>() != nullptr;
  if (name == "mapping") return value.dict() != nullptr;
  if (name == "sequence" || name == "iterable")
    return value.string() || value.list() || value.dict();
  if (name == "callable") return value.get<std::shared_ptr<const Callable>>() != nullptr;
  if (name == "lower")
    return value.string() && change_case(*value.string(), Case::lower) == *value.string();
  if (name == "upper")
    return value.string() && change_case(*value.string(), Case::upper) == *value.string();
  if (name == "odd" || name == "even") {
    if (!value.integer())
      return fail(wrong(fmt::format("'{}' needs an integer, not {}", name, type_name(value))));
    return (*value.integer() % 2 != 0) == (name == "odd");
  }
  if (arguments.positional.empty()) return fail(wrong(fmt::format("'{}' needs an argument", name)));
  const TValue& other = arguments.positional[0];
  if (name == "eq" || name == "equalto") return equal(value, other);
  if (name == "ne") return !equal(value, other);
  if (name == "sameas") return value.data().index() == other.data().index() && equal(value, other);
  if (name == "in") return contains(other, value);
  if (name == "divisibleby") {
    if (!value.integer() || !other.integer() || *other.integer() == 0)
      return fail(wrong("'divisibleby' needs two integers, the second not zero"));
    return *other.integer() == -1 || *value.integer() % *other.integer() == 0;
  }
  CONSORT_ASSIGN(const int order, compare(value, other));
  return name == "lt"   ? order < 0
         : name == "le" ? order <= 0
         : name == "gt" ? order > 0
                        : order >= 0;
}

TValue attribute(const TValue& value, std::string_view name) {
  if (const Dict* dict = value.dict()) {
    if (const TValue* found = dict->find(name)) return *found;
  }
  if (const auto* loop = value.get<std::shared_ptr<Loop>>()) {
    const Loop& at = **loop;
    const auto n = static_cast<int64_t>(at.items->items.size()), i = static_cast<int64_t>(at.index);
    if (name == "index") return TValue::of(i + 1);
    if (name == "index0") return TValue::of(i);
    if (name == "revindex") return TValue::of(n - i);
    if (name == "revindex0") return TValue::of(n - i - 1);
    if (name == "first") return TValue::of(i == 0);
    if (name == "last") return TValue::of(i + 1 == n);
    if (name == "length") return TValue::of(n);
    if (name == "depth") return TValue::of(static_cast<int64_t>(at.depth));
    if (name == "depth0") return TValue::of(static_cast<int64_t>(at.depth - 1));
    if (name == "previtem" && i > 0) return at.items->items[at.index - 1];
    if (name == "nextitem" && i + 1 < n) return at.items->items[at.index + 1];
  }
  static constexpr std::string_view kString[] = {
      "capitalize", "count",      "endswith", "find",   "join",   "lower",
      "lstrip",     "replace",    "rfind",    "rsplit", "rstrip", "split",
      "splitlines", "startswith", "strip",    "title",  "upper"};
  static constexpr std::string_view kDict[] = {"get", "items", "keys", "values"};
  const bool method = (value.string() && listed(kString, name)) ||
                      (value.dict() && listed(kDict, name)) ||
                      (value.get<std::shared_ptr<Loop>>() && name == "cycle");
  if (method)
    return TValue(TValue::Data(
        std::make_shared<const Callable>(Callable{std::string(name), value, nullptr})));
  return TValue::undefined(fmt::format("member '{}'", name));
}

Result<TValue> call_method(const Callable& method, const Arguments& arguments, Meter& meter) {
  const std::string& name = method.name;
  const TValue* first = arguments.find(0, "");
  if (const auto* loop = method.self.get<std::shared_ptr<Loop>>()) {
    if (arguments.positional.empty()) return fail(wrong("'cycle' needs values"));
    return arguments.positional[(*loop)->index % arguments.positional.size()];
  }
  if (const Dict* dict = method.self.dict()) {
    CONSORT_TRY(meter.step(dict->items().size()));
    if (name == "get") {
      if (first == nullptr) return fail(wrong("'get' needs a key"));
      const TValue* found = first->string() ? dict->find(*first->string()) : nullptr;
      const TValue* fallback = arguments.find(1, "default");
      return found != nullptr ? *found : fallback != nullptr ? *fallback : TValue::none();
    }
    if (name == "items") return apply_filter("items", method.self, {}, meter);
    List out;
    for (const auto& [key, value] : dict->items())
      out.items.push_back(name == "keys" ? TValue::of(key) : value);
    return TValue::of(std::move(out));
  }
  const std::string& text = *method.self.string();
  CONSORT_TRY(meter.grow(text.size()));
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    return TValue::of(strip(text, first != nullptr ? first->string() : nullptr, name != "rstrip",
                            name != "lstrip"));
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize")
    return apply_filter(name, method.self, {}, meter);
  if (name == "replace") return apply_filter(name, method.self, arguments, meter);
  if (name == "split") {
    const TValue* by = arguments.find(0, "sep");
    return split(text, by != nullptr ? by->string() : nullptr,
                 as_integer(arguments.find(1, "maxsplit")).value_or(-1));
  }
  if (name == "splitlines") {
    List out;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find_first_of("\r\n", at), text.size());
      out.items.push_back(TValue::of(text.substr(at, end - at)));
      at = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
    }
    return TValue::of(std::move(out));
  }
  if (first == nullptr) return fail(wrong(fmt::format("'{}' needs an argument", name)));
  if (name == "startswith" || name == "endswith") {
    CONSORT_ASSIGN(const auto options, first->list()
                                           ? iterate(*first)
                                           : Result<std::shared_ptr<const List>>(
                                                 std::make_shared<const List>(List{{*first}})));
    for (const TValue& option : options->items) {
      CONSORT_ASSIGN(const std::string* with, need_string(option, name));
      if (name == "startswith" ? text.starts_with(*with) : text.ends_with(*with))
        return TValue::of(true);
    }
    return TValue::of(false);
  }
  if (name == "join") {
    Arguments between;
    between.positional.push_back(method.self);
    return apply_filter("join", *first, between, meter);
  }
  CONSORT_ASSIGN(const std::string* needle, need_string(*first, name));
  if (name == "count") {
    if (needle->empty()) return fail(wrong("'count' of an empty string"));
    int64_t n = 0;
    for (size_t at = 0; (at = text.find(*needle, at)) != std::string::npos; at += needle->size())
      ++n;
    return TValue::of(n);
  }
  if (name == "rsplit") {
    const int64_t count = as_integer(arguments.find(1, "maxsplit")).value_or(-1);
    if (needle->empty()) return fail(wrong("'rsplit' by an empty string"));
    List out;
    size_t end = text.size();
    for (int64_t i = 0; i != count && end >= needle->size(); ++i) {
      const size_t at = text.rfind(*needle, end - needle->size());
      if (at == std::string::npos) break;
      out.items.push_back(TValue::of(text.substr(at + needle->size(), end - at - needle->size())));
      end = at;
    }
    out.items.push_back(TValue::of(text.substr(0, end)));
    std::reverse(out.items.begin(), out.items.end());
    return TValue::of(std::move(out));
  }
  const size_t at = name == "find" ? text.find(*needle) : text.rfind(*needle);
  if (at == std::string::npos) return TValue::of(int64_t{-1});
  return length(TValue::of(text.substr(0, at)));
}

Result<TValue> call_function(std::string_view name, const Arguments& arguments, Meter& meter) {
  if (name == "raise_exception") {
    const TValue* message = arguments.find(0, "message");
    return fail(make_error(
        ErrorCode::invalid_argument, 3406,
        "the template refuses this input: " + cut_utf8(message ? to_text(*message) : "", 400)));
  }
  if (name == "range") {
    int64_t bounds[3] = {0, 0, 1};
    const size_t n = arguments.positional.size();
    if (n < 1 || n > 3) return fail(wrong("'range' needs one to three integers"));
    for (size_t i = 0; i < n; ++i) {
      const auto bound = arguments.positional[i].integer();
      if (!bound) return fail(wrong("'range' needs integers"));
      bounds[n == 1 ? 1 : i] = *bound;
    }
    if (bounds[2] == 0) return fail(wrong("'range' with a step of zero"));
    List out;
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
      CONSORT_TRY(meter.grow(32));
      out.items.push_back(TValue::of(i));
      if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    return TValue::of(std::move(out));
  }
  auto dict = std::make_shared<Dict>();
  dict->is_namespace = name == "namespace";
  if (const TValue* base = arguments.find(0, ""); base != nullptr && base->dict() != nullptr)
    for (const auto& [key, value] : base->dict()->items()) dict->set(key, value);
  for (const auto& [key, value] : arguments.named) dict->set(key, value);
  return TValue(TValue::Data(std::move(dict)));
}

}  // namespace consort::model::jinja

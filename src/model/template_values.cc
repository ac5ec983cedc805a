#include "model/template_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "model/unicode.h"

namespace consort::model::jinja {

Error wrong(std::string message) {
  return make_error(ErrorCode::invalid_argument, 3403, std::move(message));
}
Error not_here(std::string message) {
  return make_error(ErrorCode::unsupported, 3402, std::move(message));
}

Result<void> Meter::step(uint64_t n) {
  steps += n;
  if (steps <= limits.steps_max) return {};
  return fail(make_error(ErrorCode::resource_exhausted, 3405,
                         fmt::format("the template takes more than {} steps", limits.steps_max))
                  .to_fix("simplify the template or give it less data"));
}
Result<void> Meter::grow(uint64_t n) {
  bytes += n;
  if (bytes <= limits.output_bytes_max) return step(n / 64);
  return fail(
      make_error(ErrorCode::resource_exhausted, 3405,
                 fmt::format("the template writes more than {} bytes", limits.output_bytes_max))
          .to_fix("simplify the template or give it less data"));
}

namespace {
constexpr uint64_t kWeightMax = UINT64_MAX / 4;
uint64_t add_weight(uint64_t a, uint64_t b) { return std::min(kWeightMax, a + b); }
}  // namespace

TValue TValue::of(List list) {
  list.weight = 1;
  list.height = 1;
  for (const TValue& item : list.items) {
    list.weight = add_weight(list.weight, item.weight());
    list.height = std::max(list.height, item.height() + 1);
  }
  return TValue(Data(std::make_shared<const List>(std::move(list))));
}
uint64_t TValue::weight() const {
  if (const std::string* text = string()) return 1 + text->size() / 64;
  if (const List* all = list()) return all->weight;
  if (const Dict* all = dict()) return all->is_namespace ? 1 : all->weight;
  return 1;
}
int TValue::height() const {
  if (const List* all = list()) return all->height;
  if (const Dict* all = dict()) return all->is_namespace ? 0 : all->height;
  return 0;
}
void Dict::clear() {
  items_.clear();
  index_.clear();
}

const TValue* Dict::find(std::string_view key) const {
  if (!index_.empty()) {
    const auto found = index_.find(std::string(key));
    return found == index_.end() ? nullptr : &items_[found->second].second;
  }
  for (const auto& [name, value] : items_)
    if (name == key) return &value;
  return nullptr;
}
void Dict::set(std::string_view key, TValue value) {
  weight = add_weight(weight, add_weight(value.weight(), 1));
  height = std::max(height, value.height() + 1);
  if (const TValue* found = find(key)) {
    *const_cast<TValue*>(found) = std::move(value);  // Into our own items_.
    return;
  }
  items_.emplace_back(std::string(key), std::move(value));
  if (!index_.empty()) index_.emplace(items_.back().first, items_.size() - 1);
  if (index_.empty() && items_.size() > 16)
    for (size_t i = 0; i < items_.size(); ++i) index_.emplace(items_[i].first, i);
}

TValue TValue::from(const contract::Value& value) {
  switch (value.type()) {
    case contract::Type::null:
      return none();
    case contract::Type::boolean:
      return of(value.as_bool());
    case contract::Type::number: {
      const contract::Number& number = value.as_number();
      const bool plain = number.text.find_first_of(".eE") == std::string::npos;
      if (const auto integer = number.as_int64(); integer && plain) return of(*integer);
      return TValue(Data(number));
    }
    case contract::Type::string:
      return of(value.as_string());
    case contract::Type::array: {
      List list;
      for (const contract::Value& item : value.as_array()) list.items.push_back(from(item));
      return of(std::move(list));
    }
    case contract::Type::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : value.as_object()) dict->set(key, from(item));
      return TValue(Data(std::move(dict)));
    }
  }
  return none();
}

std::optional<int64_t> TValue::integer() const {
  if (const bool* b = get<bool>()) return *b ? 1 : 0;
  if (const int64_t* n = get<int64_t>()) return *n;
  return std::nullopt;
}
std::optional<double> TValue::number() const {
  if (const auto n = integer()) return static_cast<double>(*n);
  if (const double* d = get<double>()) return *d;
  if (const auto* n = get<contract::Number>()) return n->as_double();
  return std::nullopt;
}

const TValue* Arguments::find(size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

std::string_view type_name(const TValue& value) {
  static constexpr std::string_view kNames[] = {"undefined",  "none",   "boolean", "integer",
                                                "number",     "number", "string",  "list",
                                                "dictionary", "loop",   "function"};
  return kNames[value.data().index()];
}

bool truth(const TValue& value) {
  if (const auto n = value.number()) return *n != 0;
  if (const std::string* text = value.string()) return !text->empty();
  if (const List* list = value.list()) return !list->items.empty();
  if (const Dict* dict = value.dict()) return !dict->items().empty();
  return !value.is_undefined() && !value.is_none();
}

namespace {
bool equal_at(const TValue& a, const TValue& b, int depth) {
  if (depth > 300) return false;  // Past the height that an assignment allows.
  const auto ia = a.integer(), ib = b.integer();
  if (ia && ib) return *ia == *ib;
  const auto na = a.number(), nb = b.number();
  if (na || nb) return na && nb && *na == *nb;
  if (a.string() && b.string()) return *a.string() == *b.string();
  if (a.is_undefined() || a.is_none()) return a.data().index() == b.data().index();
  if (a.list() && b.list()) {
    const auto &x = a.list()->items, &y = b.list()->items;
    return std::equal(
        x.begin(), x.end(), y.begin(), y.end(),
        [depth](const TValue& l, const TValue& r) { return equal_at(l, r, depth + 1); });
  }
  if (a.dict() && b.dict()) {
    if (a.dict() == b.dict()) return true;
    if (a.dict()->is_namespace || b.dict()->is_namespace) return false;
    if (a.dict()->items().size() != b.dict()->items().size()) return false;
    for (const auto& [key, value] : a.dict()->items()) {
      const TValue* other = b.dict()->find(key);
      if (other == nullptr || !equal_at(value, *other, depth + 1)) return false;
    }
    return true;
  }
  return false;
}

// Python's repr of a double: shortest digits that read back the same.
std::string double_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  char buffer[400];
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string quoted(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"'
                                                                                            : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\')
      out += '\\', out += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    else
      out += c;
  }
  return out += quote;
}

void write_text(const TValue& value, bool nested, int depth, std::string& out) {
  if (depth > 64) {
    out += "...";
  } else if (const bool* b = value.get<bool>()) {
    out += *b ? "True" : "False";
  } else if (const int64_t* n = value.get<int64_t>()) {
    out += std::to_string(*n);
  } else if (const double* d = value.get<double>()) {
    out += double_text(*d);
  } else if (const auto* number = value.get<contract::Number>()) {
    out += number->text;  // As it was written: no digit is lost on the way to a prompt.
  } else if (const std::string* text = value.string()) {
    out += nested ? quoted(*text) : *text;
  } else if (value.is_none()) {
    out += "None";
  } else if (const List* list = value.list()) {
    out += list->is_tuple ? '(' : '[';
    for (size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out += ", ";
      write_text(list->items[i], true, depth + 1, out);
    }
    if (list->is_tuple && list->items.size() == 1) out += ',';
    out += list->is_tuple ? ')' : ']';
  } else if (const Dict* dict = value.dict(); dict != nullptr && !dict->is_namespace) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : dict->items()) {
      if (!std::exchange(first, false)) out += ", ";
      out += quoted(key) + ": ";
      write_text(item, true, depth + 1, out);
    }
    out += '}';
  } else if (!value.is_undefined()) {
    out += fmt::format("<{}>", type_name(value));
  }
}

std::string json_string(std::string_view text) { return contract::to_json(contract::Value(text)); }

Result<void> write_json(const TValue& value, int64_t indent, int depth, std::string& out,
                        Meter& meter) {
  CONSORT_TRY(meter.step());
  if (depth > 64) return fail(wrong("a value nested deeper than 64 levels in tojson"));
  const auto line = [&](int levels) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent * levels), ' ');
  };
  const std::string_view comma = indent < 0 ? ", " : ",";
  if (const bool* b = value.get<bool>()) {
    out += *b ? "true" : "false";
  } else if (value.is_none()) {
    out += "null";
  } else if (value.number()) {
    if (const double* d = value.get<double>(); d != nullptr && !std::isfinite(*d))
      return fail(wrong("JSON has no such number"));
    write_text(value, false, 0, out);
  } else if (const std::string* text = value.string()) {
    out += json_string(*text);
  } else if (const List* list = value.list()) {
    out += '[';
    for (size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out += comma;
      line(depth + 1);
      CONSORT_TRY(write_json(list->items[i], indent, depth + 1, out, meter));
    }
    if (!list->items.empty()) line(depth);
    out += ']';
  } else if (const Dict* dict = value.dict(); dict != nullptr && !dict->is_namespace) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : dict->items()) {
      if (!std::exchange(first, false)) out += comma;
      line(depth + 1);
      out += json_string(key) + ": ";
      CONSORT_TRY(write_json(item, indent, depth + 1, out, meter));
    }
    if (!dict->items().empty()) line(depth);
    out += '}';
  } else {
    return fail(wrong(fmt::format("tojson cannot write a value of type {}", type_name(value))));
  }
  return {};
}

// Start of each character, and the end.
std::vector<size_t> characters(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size(); at += std::max<size_t>(1, utf8_length(text.substr(at))))
    starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

}  // namespace

bool equal(const TValue& a, const TValue& b) { return equal_at(a, b, 0); }

std::string to_text(const TValue& value) {
  std::string out;
  write_text(value, false, 0, out);
  return out;
}

Result<std::string> to_text(const TValue& value, Meter& meter) {
  CONSORT_TRY(meter.step(value.weight()));
  std::string out = to_text(value);
  CONSORT_TRY(meter.grow(out.size()));
  return out;
}

Result<std::string> to_json_text(const TValue& value, int64_t indent, Meter& meter) {
  CONSORT_TRY(meter.step(value.weight()));
  std::string out;
  CONSORT_TRY(write_json(value, indent, 0, out, meter));
  CONSORT_TRY(meter.grow(out.size()));
  return out;
}

Result<int> compare(const TValue& a, const TValue& b) {
  const auto ia = a.integer(), ib = b.integer();
  if (ia && ib) return *ia < *ib ? -1 : *ia > *ib;
  const auto na = a.number(), nb = b.number();
  if (na && nb) return *na < *nb ? -1 : *na > *nb;
  if (a.string() && b.string()) {
    const int order = a.string()->compare(*b.string());
    return order < 0 ? -1 : order > 0;
  }
  return fail(wrong(fmt::format("{} and {} cannot be compared", type_name(a), type_name(b))));
}

Result<bool> contains(const TValue& haystack, const TValue& needle) {
  if (const std::string* text = haystack.string()) {
    if (needle.string() == nullptr) return fail(wrong("only a string can be in a string"));
    return text->find(*needle.string()) != std::string::npos;
  }
  if (const List* list = haystack.list())
    return std::any_of(list->items.begin(), list->items.end(),
                       [&](const TValue& item) { return equal(item, needle); });
  if (const Dict* dict = haystack.dict())
    return needle.string() != nullptr && dict->find(*needle.string()) != nullptr;
  if (haystack.is_undefined()) return false;
  return fail(wrong(fmt::format("nothing can be in a value of type {}", type_name(haystack))));
}

Result<std::shared_ptr<const List>> iterate(const TValue& value) {
  if (const auto* list = value.get<std::shared_ptr<const List>>()) return *list;
  auto out = std::make_shared<List>();
  if (const std::string* text = value.string()) {
    const auto starts = characters(*text);
    for (size_t i = 0; i + 1 < starts.size(); ++i)
      out->items.push_back(TValue::of(text->substr(starts[i], starts[i + 1] - starts[i])));
  } else if (const Dict* dict = value.dict()) {
    for (const auto& [key, item] : dict->items()) out->items.push_back(TValue::of(key));
  } else if (!value.is_undefined()) {
    return fail(wrong(fmt::format("a value of type {} cannot be iterated", type_name(value))));
  }
  return std::shared_ptr<const List>(std::move(out));
}

Result<TValue> slice(const TValue& value, std::optional<int64_t> start, std::optional<int64_t> stop,
                     int64_t step) {
  const std::string* text = value.string();
  const List* list = value.list();
  if (text == nullptr && list == nullptr)
    return fail(wrong(fmt::format("a value of type {} cannot be sliced", type_name(value))));
  if (step == 0) return fail(wrong("a slice's step is zero"));
  const std::vector<size_t> starts = text != nullptr ? characters(*text) : std::vector<size_t>();
  const auto n = static_cast<int64_t>(text != nullptr ? starts.size() - 1 : list->items.size());
  const auto clamp = [&](int64_t i) {
    if (i < 0) i = i < -n ? -1 : i + n;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  const int64_t from = start ? clamp(*start) : step > 0 ? 0 : n - 1;
  const int64_t to = stop ? clamp(*stop) : step > 0 ? n : -1;
  std::string out_text;
  List out_list;
  step = std::clamp<int64_t>(step, -n - 1, n + 1);
  for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
    if (text != nullptr)
      out_text.append(*text, starts[i], starts[i + 1] - starts[i]);
    else
      out_list.items.push_back(list->items[i]);
  }
  return text != nullptr ? TValue::of(std::move(out_text)) : TValue::of(std::move(out_list));
}

TValue index(const TValue& value, const TValue& key) {
  if (const Dict* dict = value.dict()) {
    const TValue* found = key.string() != nullptr ? dict->find(*key.string()) : nullptr;
    return found != nullptr ? *found : TValue::undefined(fmt::format("member '{}'", to_text(key)));
  }
  const auto i = key.integer();
  const auto missing = [&] { return TValue::undefined(fmt::format("element {}", to_text(key))); };
  if (!i) return key.string() != nullptr ? attribute(value, *key.string()) : missing();
  const auto place = [&](size_t size) {
    const auto n = static_cast<int64_t>(size);
    return *i >= -n && *i < n ? std::optional<size_t>(static_cast<size_t>(*i < 0 ? *i + n : *i))
                              : std::nullopt;
  };
  if (const List* list = value.list()) {
    const auto at = place(list->items.size());
    return at ? list->items[*at] : missing();
  }
  if (const std::string* text = value.string()) {
    const auto starts = characters(*text);
    const auto at = place(starts.size() - 1);
    return at ? TValue::of(text->substr(starts[*at], starts[*at + 1] - starts[*at])) : missing();
  }
  return missing();
}

Result<TValue> arithmetic(char op, const TValue& a, const TValue& b, Meter& meter) {
  if (op == '+' && a.string() && b.string()) {
    CONSORT_TRY(meter.grow(a.string()->size() + b.string()->size()));
    return TValue::of(*a.string() + *b.string());
  }
  if (op == '+' && a.list() && b.list()) {
    CONSORT_TRY(meter.grow(16 * (a.list()->items.size() + b.list()->items.size())));
    List out = *a.list();
    out.items.insert(out.items.end(), b.list()->items.begin(), b.list()->items.end());
    return TValue::of(std::move(out));
  }
  if (op == '*' && a.string() && b.integer()) {
    const auto times = static_cast<uint64_t>(std::max<int64_t>(0, *b.integer()));
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(times, a.string()->size(), &bytes)) bytes = UINT64_MAX / 2;
    CONSORT_TRY(meter.grow(bytes));
    std::string out;
    for (uint64_t i = 0; i < times && bytes > 0; ++i) out += *a.string();
    return TValue::of(std::move(out));
  }
  if (op == '%' && a.string()) return fail(not_here("formatting a string with %"));
  const auto ia = a.integer(), ib = b.integer();
  const auto na = a.number(), nb = b.number();
  if (!na || !nb)
    return fail(wrong(fmt::format("arithmetic between {} and {}", type_name(a), type_name(b))));
  const bool divides = op == '/' || op == 'f' || op == '%';
  if (divides && *nb == 0) return fail(wrong("division by zero"));
  if (ia && ib && op != '/' && !(op == 'p' && *ib < 0)) {
    int64_t out = 0;
    bool over = false;
    switch (op) {
      case '+':
        over = __builtin_add_overflow(*ia, *ib, &out);
        break;
      case '-':
        over = __builtin_sub_overflow(*ia, *ib, &out);
        break;
      case '*':
        over = __builtin_mul_overflow(*ia, *ib, &out);
        break;
      case 'p': {
        out = 1;
        int64_t base = *ia;
        for (int64_t e = *ib; e > 0 && !over; e >>= 1) {
          if (e & 1) over = __builtin_mul_overflow(out, base, &out);
          if (e > 1 && __builtin_mul_overflow(base, base, &base)) over = true;
        }
        break;
      }
      default: {
        if (*ib == -1) {
          over = op == 'f' && __builtin_sub_overflow(int64_t{0}, *ia, &out);
          break;
        }
        const int64_t quotient = *ia / *ib, rest = *ia % *ib;
        const bool down = rest != 0 && (rest < 0) != (*ib < 0);
        out = op == 'f' ? quotient - down : rest + (down ? *ib : 0);
      }
    }
    if (over) return fail(wrong("an integer beyond 64 bits"));
    return TValue::of(out);
  }
  switch (op) {
    case '+':
      return TValue::of(*na + *nb);
    case '-':
      return TValue::of(*na - *nb);
    case '*':
      return TValue::of(*na * *nb);
    case '/':
      return TValue::of(*na / *nb);
    case 'f':
      return TValue::of(std::floor(*na / *nb));
    case 'p':
      return TValue::of(std::pow(*na, *nb));
    default:
      return TValue::of(*na - std::floor(*na / *nb) * *nb);
  }
}

}  // namespace consort::model::jinja

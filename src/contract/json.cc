// Values, members and exact decimal numbers. Parsing is in json_parse.cc, writing in json_write.cc.
#include "contract/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "contract/decimal.h"

namespace consort::contract {
namespace {

constexpr size_t kLinearMembers = 16;

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case Type::null:
      return "null";
    case Type::boolean:
      return "boolean";
    case Type::number:
      return "number";
    case Type::string:
      return "string";
    case Type::array:
      return "array";
    case Type::object:
      return "object";
  }
  return "null";
}

double Number::as_double() const {
  double result = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc::result_out_of_range) return result;
  const Decimal decimal = Decimal::parse(text);
  if (decimal.point < 0) return decimal.negative ? -0.0 : 0.0;
  const double largest = std::numeric_limits<double>::max();
  return decimal.negative ? -largest : largest;
}

bool Number::is_integer() const { return Decimal::parse(text).is_integer(); }

std::optional<int64_t> Number::as_int64() const {
  const Decimal decimal = Decimal::parse(text);
  if (!decimal.is_integer() || decimal.point > 19) return std::nullopt;
  if (decimal.is_zero()) return 0;
  std::string digits(decimal.negative ? 1 : 0, '-');
  digits += decimal.digits;
  digits.append(static_cast<size_t>(decimal.point) - decimal.digits.size(), '0');
  int64_t result = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return result;
}

int compare(const Number& a, const Number& b) {
  return compare(Decimal::parse(a.text), Decimal::parse(b.text));
}

Object::Object() = default;
Object::Object(const Object& other)
    : members_(other.members_),
      index_(other.index_ ? std::make_unique<std::unordered_map<std::string, size_t>>(*other.index_)
                          : nullptr) {}
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object& other) {
  if (this != &other) *this = Object(other);
  return *this;
}
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

const Value* Object::find(std::string_view key) const {
  if (index_) {
    auto found = index_->find(std::string(key));
    return found == index_->end() ? nullptr : &members_[found->second].second;
  }
  for (const Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Value* Object::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

void Object::set(std::string key, Value value) {
  if (Value* found = find(key)) {
    *found = std::move(value);
    return;
  }
  if (index_) index_->emplace(key, members_.size());
  members_.emplace_back(std::move(key), std::move(value));
  if (!index_ && members_.size() > kLinearMembers) reindex();
}

bool Object::erase(std::string_view key) {
  auto found = std::find_if(members_.begin(), members_.end(),
                            [&](const Member& member) { return member.first == key; });
  if (found == members_.end()) return false;
  members_.erase(found);
  if (index_) reindex();
  return true;
}

void Object::reindex() {
  index_.reset();
  if (members_.size() <= kLinearMembers) return;
  index_ = std::make_unique<std::unordered_map<std::string, size_t>>();
  for (size_t i = 0; i < members_.size(); ++i) index_->emplace(members_[i].first, i);
}

size_t Object::size() const { return members_.size(); }
std::vector<Member>::const_iterator Object::begin() const { return members_.begin(); }
std::vector<Member>::const_iterator Object::end() const { return members_.end(); }

Value::Value(int64_t n) : data_(Number{std::to_string(n)}) {}
Value::Value(uint64_t n) : data_(Number{std::to_string(n)}) {}

Value::Value(double d) {
  CONSORT_CHECK(std::isfinite(d));
  char buffer[32];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, d);
  CONSORT_CHECK(error == std::errc());
  data_ = Number{std::string(buffer, end)};
}

Value Value::object(std::initializer_list<Member> members) {
  Object object;
  for (const Member& member : members) object.set(member.first, member.second);
  return Value(std::move(object));
}

bool Value::as_bool() const {
  CONSORT_CHECK(is_bool());
  return *get_bool();
}
const Number& Value::as_number() const {
  CONSORT_CHECK(is_number());
  return *get_number();
}
const std::string& Value::as_string() const {
  CONSORT_CHECK(is_string());
  return *get_string();
}
const Array& Value::as_array() const {
  CONSORT_CHECK(is_array());
  return *get_array();
}
const Object& Value::as_object() const {
  CONSORT_CHECK(is_object());
  return *get_object();
}

const Value* Value::find(std::string_view key) const {
  const Object* object = get_object();
  return object ? object->find(key) : nullptr;
}

std::string Value::string_or(std::string_view key, std::string_view fallback) const {
  const Value* member = find(key);
  const std::string* text = member ? member->get_string() : nullptr;
  return text ? *text : std::string(fallback);
}

bool Value::operator==(const Value& other) const {
  if (type() != other.type()) return false;
  switch (type()) {
    case Type::null:
      return true;
    case Type::boolean:
      return as_bool() == other.as_bool();
    case Type::number:
      return compare(as_number(), other.as_number()) == 0;
    case Type::string:
      return as_string() == other.as_string();
    case Type::array:
      return as_array() == other.as_array();
    case Type::object: {
      const Object& mine = as_object();
      const Object& theirs = other.as_object();
      if (mine.size() != theirs.size()) return false;
      return std::all_of(mine.begin(), mine.end(), [&](const Member& member) {
        const Value* match = theirs.find(member.first);
        return match && *match == member.second;
      });
    }
  }
  return false;
}

namespace {

// One RFC 6901 reference token, unescaped.
std::string unescape_step(std::string_view step) {
  std::string result;
  for (size_t i = 0; i < step.size(); ++i) {
    if (step[i] == '~' && i + 1 < step.size() && (step[i + 1] == '0' || step[i + 1] == '1')) {
      result += step[++i] == '0' ? '~' : '/';
    } else {
      result += step[i];
    }
  }
  return result;
}

const Value* child(const Value& value, const std::string& step) {
  if (const Object* object = value.get_object()) return object->find(step);
  const Array* array = value.get_array();
  if (!array || step.empty() || (step.size() > 1 && step[0] == '0')) return nullptr;
  size_t index = 0;
  auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  if (error != std::errc() || end != step.data() + step.size()) return nullptr;
  return index < array->size() ? &(*array)[index] : nullptr;
}

}  // namespace

const Value* at_pointer(const Value& value, std::string_view pointer) {
  const Value* at = &value;
  if (pointer.empty()) return at;
  if (pointer[0] != '/') return nullptr;
  while (!pointer.empty() && at) {
    pointer.remove_prefix(1);
    const size_t slash = std::min(pointer.find('/'), pointer.size());
    at = child(*at, unescape_step(pointer.substr(0, slash)));
    pointer.remove_prefix(slash);
  }
  return at;
}

std::string pointer_child(std::string_view pointer, std::string_view key) {
  std::string result(pointer);
  result += '/';
  for (char c : key) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

std::string pointer_child(std::string_view pointer, size_t index) {
  return std::string(pointer) + "/" + std::to_string(index);
}

}  // namespace consort::contract

#include "contract/program.h"

namespace consort::contract {

uint8_t type_bits(Type type) {
  switch (type) {
    case Type::null:
      return kNull;
    case Type::boolean:
      return kBoolean;
    case Type::number:
      return kNumber;
    case Type::string:
      return kString;
    case Type::array:
      return kArray;
    case Type::object:
      return kObject;
  }
  return 0;
}

uint8_t type_bit(const Value& value) {
  if (value.type() != Type::number) return type_bits(value.type());
  return value.as_number().is_integer() ? kInteger : kFraction;
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

}  // namespace consort::contract

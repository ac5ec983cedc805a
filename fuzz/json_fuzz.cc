// Any bytes: parse_json refuses or gives a value whose texts read back as the same value.
#include <cstdint>

#include "contract/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort::contract;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = parse_json(text, {.bytes_max = 1 << 20});
  if (!value) return 0;
  const auto again = parse_json(to_json(*value));
  CONSORT_CHECK(again && *again == *value);
  const auto pretty = parse_json(to_json_pretty(*value));
  CONSORT_CHECK(pretty && *pretty == *value);
  CONSORT_CHECK(parse_json(canonical_json(*value)).has_value());
  return 0;
}

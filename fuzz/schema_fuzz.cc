// Any JSON as a schema: compile refuses or gives a schema whose examples are valid, and
// which contains itself or is not decided.
#include <cstdint>

#include "contract/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort::contract;
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = parse_json(text);
  if (!document) return 0;
  const auto schema = Schema::compile(*document, "fuzz");
  if (!schema) return 0;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const auto value = example(**schema, seed);
    if (value) CONSORT_CHECK(validate(**schema, *value, 1).empty());
  }
  CONSORT_CHECK(contains(**schema, **schema).verdict != Verdict::refuted);
  return 0;
}

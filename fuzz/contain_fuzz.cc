// First line: schema A; second: schema B; further ones: values. A refutation's witness must be valid
// in B and not in A; a proof must not be broken by a value that is in B and not in A: the given ones
// and drawn ones. Judged by the validator, and where it can say something, by a plain second reading.
#include <cstdint>
#include <string>

#include "contract/program.h"
#include "contract/schema.h"
#include "plain_validator.h"

namespace {

using namespace consort::contract;

// The second reading may only have nothing to say, never another answer.
void same(const Value& document, const Value& value, bool valid) {
  const auto expected = consort::fuzz::PlainValidator(document).valid(value);
  if (expected) CONSORT_CHECK(*expected == valid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.find("$schema") != std::string_view::npos) return 0;
  const auto line = [&] {
    const std::string_view result = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), result.size() + 1));
    return result;
  };
  const auto a = parse_json(line());
  const auto b = parse_json(line());
  if (!a || !b) return 0;
  CompileOptions options;
  options.assert_formats = false;
  const auto consumer = Schema::compile(*a, "a", Value(), options);
  const auto producer = Schema::compile(*b, "b", Value(), options);
  if (!consumer || !producer) return 0;
  const Containment answer = contains(**consumer, **producer);
  if (answer.verdict == Verdict::refuted) {
    CONSORT_CHECK(answer.witness.has_value() && !answer.reason.empty());
    CONSORT_CHECK(validate(**producer, *answer.witness, 1).empty());
    CONSORT_CHECK(!validate(**consumer, *answer.witness, 1).empty());
    same(*b, *answer.witness, true);
    same(*a, *answer.witness, false);
    return 0;
  }
  CONSORT_CHECK(!answer.witness.has_value());
  if (answer.verdict == Verdict::unknown) {
    CONSORT_CHECK(!answer.reason.empty());
    return 0;
  }
  const auto must_hold = [&](const Value& value) {
    if (validate(**producer, value, 1).empty()) {
      CONSORT_CHECK(validate(**consumer, value, 1).empty());
    }
  };
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    if (const auto value = parse_json(line())) must_hold(*value);
  }
  for (uint64_t seed = 0; seed < 3; ++seed) {
    if (const auto value = example(**producer, seed)) must_hold(*value);
  }
  return 0;
}

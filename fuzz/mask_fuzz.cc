// First line: a schema; the rest steers a generation under its mask, which must end in a valid
// value within its budget.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "contract/schema.h"
#include "mask/mask.h"

namespace {

const std::shared_ptr<const consort::mask::Vocabulary>& vocabulary() {
  static const auto shared = [] {
    std::vector<std::string> pieces;
    for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
    for (const char* piece : {"\":", "\",\"", "{\"", "\"}", "]}", "[[", "true", "null", "ab", "12",
                              "\\u00", "\\n", "\xC3\xA9", "\xA9\"", ", ", "0.", "a\""}) {
      pieces.emplace_back(piece);
    }
    pieces.emplace_back("<end>");
    const auto end = static_cast<int32_t>(pieces.size() - 1);
    return consort::mask::Vocabulary::create(std::move(pieces), {end}).value();
  }();
  return shared;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort;
  if (size > 4096) return 0;
  const uint8_t* newline = std::find(data, data + size, '\n');
  const std::string_view text(reinterpret_cast<const char*>(data),
                              static_cast<size_t>(newline - data));
  const auto document = contract::parse_json(text);
  if (!document) return 0;
  const auto schema = contract::Schema::compile(*document, "fuzz");
  if (!schema) return 0;
  const auto mask = mask::compile(*schema, vocabulary(), {.depth_max = 8});
  if (!mask) return 0;
  const int shortest = mask::shortest_tokens(**mask);
  if (shortest > 2000) return 0;
  mask::Matcher matcher(*mask);
  std::vector<uint64_t> bits((vocabulary()->size() + 63) / 64);
  std::string value;
  const uint8_t* steer = newline;
  for (int left = shortest + 60; !matcher.ended(); --left) {
    CONSORT_CHECK(matcher.allowed(left, bits).has_value());
    size_t n = 0;
    for (uint64_t word : bits) n += static_cast<size_t>(std::popcount(word));
    CONSORT_CHECK(n > 0);
    size_t chosen = (steer < data + size ? *steer++ * size_t{7} : 0) % n;
    int32_t token = 0;
    while (!(bits[static_cast<size_t>(token) / 64] >> (token % 64) & 1) || chosen-- > 0) ++token;
    CONSORT_CHECK(matcher.commit(token).has_value());
    value += vocabulary()->piece(token);
  }
  const auto parsed = contract::parse_json(value);
  CONSORT_CHECK(parsed.has_value());
  CONSORT_CHECK(contract::validate(**schema, *parsed, 1).empty());
  return 0;
}

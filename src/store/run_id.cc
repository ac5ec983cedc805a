#include "store/run_id.h"

#include <sys/random.h>

#include "base/result.h"

namespace consort::store {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

}  // namespace

bool is_run_id(std::string_view text) {
  // The first digit holds 3 bits, so it is at most 7.
  if (text.size() != 28 || !text.starts_with("r_") || text[2] > '7') return false;
  return text.find_first_not_of(kCrockford, 2) == std::string_view::npos;
}

RunId new_run_id(const Clock& clock, uint64_t random_high, uint64_t random_low) {
  unsigned __int128 bits = static_cast<uint64_t>(clock.unix_ms()) & 0xFFFFFFFFFFFFull;
  bits = bits << 16 | (random_high & 0xFFFF);
  bits = bits << 64 | random_low;
  std::string digits(26, '0');
  for (size_t i = 26; i-- > 0; bits >>= 5) digits[i] = kCrockford[static_cast<size_t>(bits & 31)];
  return RunId{"r_" + digits};
}

RunId new_run_id(const Clock& clock) {
  uint64_t random[2] = {0, 0};
  // 16 bytes after the pool is initialised are never cut short (getrandom(2)).
  CONSORT_CHECK(::getrandom(random, sizeof random, 0) == sizeof random);
  return new_run_id(clock, random[0], random[1]);
}

}  // namespace consort::store

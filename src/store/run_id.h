// RunId: the name of one run, made where the run is begun, unique without asking anyone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace consort::store {

// "r_" and 26 characters of Crockford base 32: 48 bits of Unix milliseconds, then 80 random bits
// (the ULID specification). Sorts by the time of creation. Value type.
struct RunId {
  std::string text;
  auto operator<=>(const RunId&) const = default;
};

// True for "r_" and a ULID in canonical (upper) case.
bool is_run_id(std::string_view text);

// Uses the 64 bits of `random_low` and the low 16 bits of `random_high`. Two calls in one
// millisecond differ by their random bits alone: pass bits from the system, not from a run's seed.
RunId new_run_id(const Clock& clock, uint64_t random_high, uint64_t random_low);
// The same with bits from getrandom(2).
RunId new_run_id(const Clock& clock);

}  // namespace consort::store

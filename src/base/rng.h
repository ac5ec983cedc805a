// Seeded random numbers, the same on every machine: xoshiro256** (Blackman and Vigna, 2018) seeded
// by SplitMix64. std:: distributions differ between libraries, so the few we need are here.
#pragma once

#include <cstdint>

namespace consort {

// Value type: copying it forks the stream. One thread at a time.
class Rng {
 public:
  explicit Rng(uint64_t seed);
  uint64_t next();
  double uniform();                 // [0, 1), 53 bits.
  uint64_t below(uint64_t bound);   // [0, bound), unbiased (Lemire 2019); bound > 0.
  double normal();                  // Mean 0, deviation 1 (Box-Muller, one value per call).
  bool operator==(const Rng&) const = default;

 private:
  uint64_t s_[4];
};

}  // namespace consort

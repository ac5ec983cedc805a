// Plain decimal numbers, digit by digit, within exact bounds: is there a value that starts with
// these digits, lies in the range, is a multiple, and has no more than so many digits? Internal.
//
// Emitted form: -?(0|[1-9][0-9]*)(.[0-9]+)?, no exponent, no -0, no fraction where all values are
// integers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contract/decimal.h"
#include "base/result.h"
#include "mask/trie.h"

namespace consort::mask {

struct Bound {
  contract::Decimal value;
  bool exclusive = false;
};

struct NumberGoal {
  std::optional<Bound> min, max;
  std::vector<contract::Decimal> multiples;  // Of each of these.
  bool integers = true, fractions = true;    // Which of them are wanted.
  void at_least(const contract::Decimal& value, bool exclusive);
  void at_most(const contract::Decimal& value, bool exclusive);
  bool is_empty() const;  // By the bounds alone.
};

struct NumberState {
  enum Phase : uint8_t { kNone, kSign, kZero, kInteger, kDot, kFraction };
  uint64_t digits = 0;  // All digits so far as one integer.
  uint8_t n_integer = 0;
  uint8_t n_fraction = 0;
  uint8_t phase = kNone;
  bool negative = false;
  bool operator==(const NumberState&) const = default;
};

class NumberMachine {
 public:
  static constexpr int kDigitsMax = 17;

  // Error 2201: a multipleOf finer than `digits_max` decimals.
  static Result<NumberMachine> create(const NumberGoal& goal, int digits_max,
                                      const std::string& pointer);

  // Fewest bytes that complete the number; 0 if it is complete; kInfinite if none do.
  int cost(const NumberState& state) const;
  bool complete(const NumberState& state) const { return cost(state) == 0; }
  // One byte; false when it does not belong to the number.
  bool step(NumberState& state, uint8_t byte) const;

 private:
  using Wide = __int128;
  bool exists(bool negative, Wide first, Wide last, int n_fraction) const;

  int digits_max_ = kDigitsMax;
  bool fraction_ = true;     // May there be a fraction?
  bool integers_ = true;     // Or must there be one that is not zero?
  Wide unit_ = 1;            // 1 as a scaled integer: 10^digits_max.
  Wide low_[2], high_[2];    // Magnitudes, scaled; [1] is of negative numbers.
  std::vector<Wide> step_;   // By fraction digits: values are multiples of it; 0 = only zero.
  std::vector<Wide> grain_;  // By fraction digits: 10^(digits_max - n).
};

}  // namespace consort::mask

// Plain decimal numbers, digit by digit, within exact bounds: is there a value that starts with
// these digits, lies in the range, is a multiple, and has no more than so many digits? Internal.
//
// Emitted form: -?(0|[1-9][0-9]*)(.[0-9]+)?, no exponent, no -0, no fraction where all values are
// integers. With `any_spelling` whatever JSON has: exponents up to 99 (any without bounds), -0, 1.0, and
// more digits where no bound and no multiple could tell them apart. Still left out there: digits
// before an exponent which would need further digits to come into the bounds.
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
  std::vector<contract::Decimal> multiples;      // Of each of these ...
  std::vector<contract::Decimal> non_multiples;  // ... and of none of these.
  bool integers = true, fractions = true;    // Which of them are wanted.
  bool plain = false;  // Integers are those written without fraction and exponent, as in draft-04.
  void at_least(const contract::Decimal& value, bool exclusive);
  void at_most(const contract::Decimal& value, bool exclusive);
  bool is_empty() const;  // By the bounds alone.
};

struct NumberState {
  enum Phase : uint8_t {
    kNone,
    kSign,
    kZero,
    kInteger,
    kDot,
    kFraction,
    kLongInteger,  // Past the digits that are counted: whatever they are, the value fits.
    kLongDot,
    kLongFraction,
    kExponent,  // After 'e'.
    kExponentSign,
    kExponentDigits,
  };
  uint64_t digits = 0;  // All digits so far as one integer.
  uint8_t n_integer = 0;
  uint8_t n_fraction = 0;
  uint8_t phase = kNone;
  bool negative = false;
  bool exponent_negative = false;
  uint8_t n_exponent = 0;
  uint16_t exponent = 0;
  int16_t exponent_low = 0, exponent_high = 0;  // Those that fit, once there is an 'e'.
  bool operator==(const NumberState&) const = default;
};

class NumberMachine {
 public:
  static constexpr int kDigitsMax = 17;

  // Error 2201: multiples too far apart.
  static Result<NumberMachine> create(const NumberGoal& goal, int digits_max, bool any_spelling,
                                      const std::string& pointer);

  // Fewest bytes that complete the number; 0 if it is complete; kInfinite if none do.
  int cost(const NumberState& state) const;
  bool complete(const NumberState& state) const { return cost(state) == 0; }
  // One byte; false when it does not belong to the number.
  bool step(NumberState& state, uint8_t byte) const;

 private:
  using Wide = __int128;
  bool exists(bool negative, Wide first, Wide last, int n_fraction) const;
  bool is_avoided(Wide value) const;
  int plain_cost(const NumberState& state) const;
  int by_exponent(const NumberState& state) const;
  static int exponent_cost(const NumberState& state);
  bool find_exponents(NumberState& state) const;
  bool fits(const contract::Decimal& value) const;
  bool step_free(NumberState& state, uint8_t byte) const;
  bool step_exponent(NumberState& state, uint8_t byte) const;
  bool step_long(NumberState& state, uint8_t byte) const;
  bool long_integers(bool negative) const;
  bool long_fractions(const NumberState& state) const;

  NumberGoal goal_;
  bool any_spelling_ = false;
  bool free_ = false;  // Neither bounds nor multiples: digits do not matter.
  int digits_max_ = kDigitsMax;
  bool fraction_ = true;     // May there be a fraction?
  bool integers_ = true;     // Or must there be one that is not zero?
  Wide unit_ = 1;            // 1 as a scaled integer: 10^digits_max.
  Wide least_ = 1;           // Values are multiples of it, scaled.
  Wide low_[2], high_[2];    // Magnitudes, scaled; [1] is of negative numbers.
  std::vector<Wide> avoid_;  // And of none of these, scaled.
  std::vector<Wide> step_;   // By fraction digits: values are multiples of it; 0 = only zero.
  std::vector<Wide> grain_;  // By fraction digits: 10^(digits_max - n).
};

}  // namespace consort::mask

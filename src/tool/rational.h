// Rational: exact arithmetic for figures. A value is p/q with integers of any size, so that 0.1 + 0.2
// is 0.3 and a sum of millions and cents loses nothing; rounding happens once, where a result is
// printed, and is half away from zero, as filings round.
//
// Not for: speed (each operation allocates), or functions with irrational results other than `root`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace consort::tool {

// Value type; immutable, safe to share among threads. Operations whose result would exceed
// kRationalBitsMax bits answer resource_exhausted 5322.
inline constexpr unsigned kRationalBitsMax = 1u << 15;

class Rational {
 public:
  Rational();  // 0
  explicit Rational(int64_t value);
  // "-1234.50", "1,234", "1e3", "(254)" is not one. Commas only between groups of three digits.
  // invalid_argument 5321.
  static Result<Rational> parse(std::string_view text);
  // For our own constants: parse, CONSORT_CHECKed.
  static Rational of(std::string_view text);

  Result<Rational> plus(const Rational& other) const;
  Result<Rational> minus(const Rational& other) const;
  Result<Rational> times(const Rational& other) const;
  Result<Rational> over(const Rational& other) const;  // invalid_argument 5324 when other is 0.
  Result<Rational> power(int64_t exponent) const;      // 5324 for 0 ^ negative; |exponent| <= 4096.
  // The n-th root to 30 decimal places (rounded down); 5325 of a negative number. n in [1, 200].
  Result<Rational> root(int n) const;
  Rational negated() const;
  Rational magnitude() const;

  int sign() const;
  bool is_zero() const { return sign() == 0; }
  bool is_integer() const;
  int compare(const Rational& other) const;  // -1, 0, 1
  bool operator==(const Rational& other) const { return compare(other) == 0; }
  bool operator<(const Rational& other) const { return compare(other) < 0; }
  // Half away from zero. digits in [-30, 200]; negative rounds to tens, hundreds...
  Rational rounded(int digits) const;
  double as_double() const;
  // Set when the value is an integer that fits.
  bool fits_int64(int64_t* out) const;

  // Exactly when the decimal ends within `digits_max` places, else rounded to that many; `exact`
  // (optional) says which. No exponent, no trailing zeros.
  std::string to_decimal(int digits_max, bool* exact = nullptr) const;
  // Exactly `digits` places.
  std::string to_fixed(int digits) const;

 private:
  struct Repr;
  explicit Rational(std::shared_ptr<const Repr> repr);
  std::shared_ptr<const Repr> repr_;
};

// "1234567.8" -> "1,234,567.8"; keeps a sign.
std::string group_thousands(std::string_view decimal);

}  // namespace consort::tool

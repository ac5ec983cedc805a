// Decimal: an exact decimal number, normalised so that equal numbers have equal fields.
//
// value = (negative ? -1 : 1) * 0.d1 d2 d3... * 10^point. Digits have no leading and no trailing
// zero; zero has no digits, point 0 and no sign. Exponents saturate at +-10^15, far beyond any text
// that fits in memory could tell apart by its digits.
//
// Not for arithmetic at large: comparison, integrality, divisibility and stepping are what JSON
// Schema needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace consort::contract {

struct Decimal {
  bool negative = false;
  std::string digits;  // '0'..'9', most significant first.
  int64_t point = 0;   // Position of the decimal point, counted from before digits[0].

  // `text` follows the RFC 8259 number grammar (or is a plain integer).
  static Decimal parse(std::string_view text);
  static Decimal from_int(int64_t n);
  bool is_zero() const { return digits.empty(); }
  bool is_integer() const { return static_cast<int64_t>(digits.size()) <= point || is_zero(); }
  // Digits after the decimal point, 0 for integers.
  int64_t fraction_digits() const;
  // Plain notation ("-12.5"); nullopt if that would take more than `chars_max` characters.
  std::optional<std::string> plain(size_t chars_max = 4096) const;
  // Plain if short, else "1.5e300". Always RFC 8259.
  std::string text() const;
  bool operator==(const Decimal&) const = default;
};

int compare(const Decimal& a, const Decimal& b);
// Is `value` an integer multiple of `step` (> 0)? nullopt when the exponents are too far apart to
// decide in `kDigitsMax` digits.
std::optional<bool> is_multiple(const Decimal& value, const Decimal& step);
inline constexpr int64_t kDigitsMax = 20000;

// Largest integer <= value, smallest integer >= value. Nullopt beyond kDigitsMax digits.
std::optional<Decimal> floor(const Decimal& value);
std::optional<Decimal> ceil(const Decimal& value);
// Sum of two decimals; nullopt beyond kDigitsMax digits.
std::optional<Decimal> add(const Decimal& a, const Decimal& b);
Decimal negate(Decimal value);
// Least multiple of `step` that is >= value (> value if `exclusive`); nullopt past 36 digits.
std::optional<Decimal> next_multiple(const Decimal& value, const Decimal& step, bool exclusive);
// Least common multiple of two positive decimals; nullopt past 18 digits.
std::optional<Decimal> least_common_multiple(const Decimal& a, const Decimal& b);

}  // namespace consort::contract

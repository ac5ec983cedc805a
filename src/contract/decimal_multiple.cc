// Multiples of decimals.
#include <algorithm>
#include <numeric>

#include "contract/decimal.h"

namespace consort::contract {
namespace {

// value * 10^shift as a 128-bit integer; nullopt past 36 digits or if not an integer.
std::optional<__int128> scaled(const Decimal& value, int64_t shift) {
  if (value.is_zero()) return 0;
  const int64_t length = value.point + shift;
  const auto size = static_cast<int64_t>(value.digits.size());
  if (length < size || length > 36) return std::nullopt;
  __int128 result = 0;
  for (int64_t i = 0; i < length; ++i) {
    result = result * 10 + (i < size ? value.digits[static_cast<size_t>(i)] - '0' : 0);
  }
  return value.negative ? -result : result;
}

Decimal unscaled(__int128 value, int64_t shift) {
  std::string text;
  const bool negative = value < 0;
  if (negative) value = -value;
  do {
    text += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value > 0);
  std::reverse(text.begin(), text.end());
  Decimal result = Decimal::parse((negative ? "-" : "") + text);
  if (!result.is_zero()) result.point -= shift;
  return result;
}

}  // namespace

std::optional<Decimal> least_common_multiple(const Decimal& a, const Decimal& b) {
  const int64_t shift = std::max(a.fraction_digits(), b.fraction_digits());
  const auto x = scaled(a, shift);
  const auto y = scaled(b, shift);
  constexpr __int128 kMax = 1'000'000'000'000'000'000;
  if (!x || !y || *x > kMax || *y > kMax) return std::nullopt;
  const __int128 gcd = std::gcd(static_cast<int64_t>(*x), static_cast<int64_t>(*y));
  const __int128 lcm = *x / gcd * *y;
  if (lcm > kMax) return std::nullopt;
  return unscaled(lcm, shift);
}

std::optional<Decimal> next_multiple(const Decimal& value, const Decimal& step, bool exclusive) {
  const int64_t shift = std::max(value.fraction_digits(), step.fraction_digits());
  const auto v = scaled(value, shift);
  const auto s = scaled(step, shift);
  if (!v || !s) return std::nullopt;
  __int128 quotient = *v / *s;
  if (quotient * *s < *v) ++quotient;
  if (exclusive && quotient * *s == *v) ++quotient;
  return unscaled(quotient * *s, shift);
}

}  // namespace consort::contract

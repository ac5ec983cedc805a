#include "contract/decimal.h"

#include <algorithm>

namespace consort::contract {
namespace {

constexpr int64_t kExponentMax = 1'000'000'000'000'000;

int64_t parse_exponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int64_t result = 0;
  for (char c : text) result = std::min<int64_t>(result * 10 + (c - '0'), kExponentMax);
  return negative ? -result : result;
}

void normalise(Decimal& decimal) {
  const size_t first = decimal.digits.find_first_not_of('0');
  if (first == std::string::npos) {
    decimal = Decimal{};
    return;
  }
  decimal.digits.erase(0, first);
  decimal.point -= static_cast<int64_t>(first);
  decimal.digits.erase(decimal.digits.find_last_not_of('0') + 1);
}

// |value| * 10^shift as an integer's digits; value must be an integer after the shift.
std::string scaled_digits(const Decimal& value, int64_t shift) {
  std::string digits = value.digits;
  const int64_t length = value.point + shift;
  if (static_cast<int64_t>(digits.size()) < length) {
    digits.append(static_cast<size_t>(length) - digits.size(), '0');
  }
  return digits.empty() ? "0" : digits;
}

// Adds or subtracts magnitudes given as digit strings. subtract needs a >= b.
std::string add_digits(const std::string& a, const std::string& b) {
  std::string result;
  int carry = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()) || carry; ++i) {
    int sum = carry;
    if (i < a.size()) sum += a[a.size() - 1 - i] - '0';
    if (i < b.size()) sum += b[b.size() - 1 - i] - '0';
    result += static_cast<char>('0' + sum % 10);
    carry = sum / 10;
  }
  std::reverse(result.begin(), result.end());
  return result;
}

std::string subtract_digits(const std::string& a, const std::string& b) {
  std::string result;
  int borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int digit = a[a.size() - 1 - i] - '0' - borrow;
    if (i < b.size()) digit -= b[b.size() - 1 - i] - '0';
    borrow = digit < 0;
    result += static_cast<char>('0' + (digit < 0 ? digit + 10 : digit));
  }
  std::reverse(result.begin(), result.end());
  return result;
}

int compare_digits(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  const int order = a.compare(b);
  return order < 0 ? -1 : order > 0;
}

// a mod b == 0 by long division; b fits any length.
bool divides(const std::string& b, const std::string& a) {
  if (b.size() <= 17) {  // The remainder and ten times it fit in 64 bits.
    uint64_t divisor = std::stoull(b);
    uint64_t rest = 0;
    for (char c : a) rest = (rest * 10 + static_cast<uint64_t>(c - '0')) % divisor;
    return rest == 0;
  }
  std::string rest = "0";
  for (char c : a) {
    rest += c;
    rest.erase(0, std::min(rest.find_first_not_of('0'), rest.size() - 1));
    while (compare_digits(rest, b) >= 0) {
      rest = subtract_digits(rest, b);
      rest.erase(0, std::min(rest.find_first_not_of('0'), rest.size() - 1));
    }
  }
  return rest == "0";
}

int64_t scale_of(const Decimal& value) {
  return std::max<int64_t>(0, static_cast<int64_t>(value.digits.size()) - value.point);
}

}  // namespace

Decimal Decimal::parse(std::string_view text) {
  Decimal result;
  if (!text.empty() && text[0] == '-') {
    result.negative = true;
    text.remove_prefix(1);
  }
  const size_t e = text.find_first_of("eE");
  int64_t exponent = 0;
  if (e != std::string_view::npos) {
    exponent = parse_exponent(text.substr(e + 1));
    text = text.substr(0, e);
  }
  const size_t dot = std::min(text.find('.'), text.size());
  result.digits = std::string(text.substr(0, dot));
  result.point = static_cast<int64_t>(dot) + exponent;
  if (dot < text.size()) result.digits += text.substr(dot + 1);
  normalise(result);
  return result;
}

Decimal Decimal::from_int(int64_t n) { return parse(std::to_string(n)); }

int64_t Decimal::fraction_digits() const { return is_zero() ? 0 : scale_of(*this); }

std::optional<std::string> Decimal::plain(size_t chars_max) const {
  if (is_zero()) return "0";
  std::string result = negative ? "-" : "";
  const int64_t size = static_cast<int64_t>(digits.size());
  if (std::max(point, size) - std::min<int64_t>(point, 0) + 3 > static_cast<int64_t>(chars_max)) {
    return std::nullopt;
  }
  if (point <= 0) {
    result += "0.";
    result.append(static_cast<size_t>(-point), '0');
    result += digits;
  } else if (point >= size) {
    result += digits;
    result.append(static_cast<size_t>(point - size), '0');
  } else {
    result += digits.substr(0, static_cast<size_t>(point));
    result += '.';
    result += digits.substr(static_cast<size_t>(point));
  }
  return result;
}

std::string Decimal::text() const {
  if (auto short_form = plain(digits.size() + 24)) return *short_form;
  std::string result = negative ? "-" : "";
  result += digits[0];
  if (digits.size() > 1) result += "." + digits.substr(1);
  return result + "e" + std::to_string(point - 1);
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.is_zero() || b.is_zero()) {
    const int sign_a = a.is_zero() ? 0 : a.negative ? -1 : 1;
    const int sign_b = b.is_zero() ? 0 : b.negative ? -1 : 1;
    return sign_a < sign_b ? -1 : sign_a > sign_b;
  }
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = a.point != b.point ? (a.point < b.point ? -1 : 1) : a.digits.compare(b.digits);
  order = order < 0 ? -1 : order > 0;
  return a.negative ? -order : order;
}

std::optional<bool> is_multiple(const Decimal& value, const Decimal& step) {
  if (value.is_zero()) return true;
  const int64_t shift = std::max(scale_of(value), scale_of(step));
  if (value.point + shift > kDigitsMax || step.point + shift > kDigitsMax) {
    // A huge power of ten: divisible by the step if the step's digits divide some power of ten ...
    if (value.point > step.point + 64 && step.digits.size() <= 17) {
      // ... or the value's digits: strip factors 2 and 5 from the step, test the rest.
      uint64_t rest = std::stoull(step.digits);
      while (rest % 2 == 0) rest /= 2;
      while (rest % 5 == 0) rest /= 5;
      const int64_t room = (value.point - static_cast<int64_t>(value.digits.size())) -
                           (step.point - static_cast<int64_t>(step.digits.size()));
      if (room >= 64) return divides(std::to_string(rest), value.digits);
    }
    if (shift > kDigitsMax) {
      // The value has digits far below the step's last one, so it is no multiple of it, ...
      if (scale_of(value) > scale_of(step)) return false;
    }
    return std::nullopt;
  }
  return divides(scaled_digits(step, shift), scaled_digits(value, shift));
}

std::optional<Decimal> floor(const Decimal& value) {
  if (value.is_integer()) return value;
  Decimal result = value;
  result.digits.resize(static_cast<size_t>(std::max<int64_t>(value.point, 0)));
  result.point = std::max<int64_t>(value.point, 0);
  const bool negative = value.negative;
  normalise(result);
  return negative ? add(result, Decimal::from_int(-1)) : result;
}

std::optional<Decimal> ceil(const Decimal& value) {
  auto result = floor(negate(value));
  if (!result) return std::nullopt;
  return negate(*result);
}

std::optional<Decimal> add(const Decimal& a, const Decimal& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  const int64_t shift = std::max(scale_of(a), scale_of(b));
  if (a.point + shift > kDigitsMax || b.point + shift > kDigitsMax) return std::nullopt;
  const std::string x = scaled_digits(a, shift);
  const std::string y = scaled_digits(b, shift);
  Decimal result;
  if (a.negative == b.negative) {
    result.negative = a.negative;
    result.digits = add_digits(x, y);
  } else if (compare_digits(x, y) >= 0) {
    result.negative = a.negative;
    result.digits = subtract_digits(x, y);
  } else {
    result.negative = b.negative;
    result.digits = subtract_digits(y, x);
  }
  result.point = static_cast<int64_t>(result.digits.size()) - shift;
  normalise(result);
  return result;
}

Decimal negate(Decimal value) {
  if (!value.is_zero()) value.negative = !value.negative;
  return value;
}

}  // namespace consort::contract

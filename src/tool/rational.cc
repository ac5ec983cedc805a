#include "tool/rational.h"

#include <boost/multiprecision/cpp_int.hpp>

namespace consort::tool {

using Int = boost::multiprecision::cpp_int;

// Always reduced, q > 0.
struct Rational::Repr {
  Int p = 0;
  Int q = 1;
};

namespace {

unsigned bits(const Int& x) {
  return x == 0 ? 0 : boost::multiprecision::msb(Int(abs(x))) + 1;
}

Int ten_to(unsigned n) { return boost::multiprecision::pow(Int(10), n); }

Int integer_root(const Int& x, unsigned n) {
  if (x < 2) return x;
  // Newton from above: the first guess is a power of two not below the root.
  Int guess = Int(1) << (bits(x) / n + 1);
  while (true) {
    Int next = (guess * (n - 1) + x / boost::multiprecision::pow(guess, n - 1)) / n;
    if (next >= guess) return guess;
    guess = next;
  }
}

Int round_half_away(const Int& p, const Int& q) {
  Int twice = abs(p) * 2 + q;
  Int result = twice / (q * 2);
  return p < 0 ? Int(-result) : result;
}

}  // namespace

Rational::Rational() : repr_(std::make_shared<const Repr>()) {}
Rational::Rational(int64_t value) : repr_(std::make_shared<const Repr>(Repr{Int(value), Int(1)})) {}
Rational::Rational(std::shared_ptr<const Repr> repr) : repr_(std::move(repr)) {}

Result<Rational> Rational::parse(std::string_view text) {
  auto bad = [&](const char* why) {
    return fail(make_error(ErrorCode::invalid_argument, 5321, std::string("not a decimal number: ") + why)
                    .got(text)
                    .to_fix("write digits such as 1234.5, 1,234.5 or 1e3"));
  };
  size_t i = 0;
  bool negative = false;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  std::string digits;
  size_t since_comma = 0;
  bool comma = false, any = false;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      digits += c, ++since_comma, any = true;
    } else if (c == ',') {
      if (!any || (comma ? since_comma != 3 : since_comma > 3)) return bad("misplaced comma");
      comma = true, since_comma = 0;
    } else {
      break;
    }
  }
  if (comma && since_comma != 3) return bad("misplaced comma");
  unsigned places = 0;
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
      digits += text[i], ++places, any = true;
  }
  if (!any) return bad("no digits");
  int exponent = 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    bool minus = false;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) minus = text[i++] == '-';
    const size_t from = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && i - from < 6; ++i)
      exponent = exponent * 10 + (text[i] - '0');
    if (i == from) return bad("no exponent");
    if (minus) exponent = -exponent;
  }
  if (i != text.size()) return bad("unexpected character");
  if (digits.size() > 4000 || exponent > 4000 || exponent < -4000)
    return fail(make_error(ErrorCode::resource_exhausted, 5322, "number is too long")
                    .got(text)
                    .to_fix("use at most 4,000 digits"));
  const size_t first = digits.find_first_not_of('0');
  digits = first == std::string::npos ? "0" : digits.substr(first);  // A leading 0 would mean octal.
  Repr r{Int(digits), ten_to(places)};
  if (negative) r.p = -r.p;
  if (exponent > 0) r.p *= ten_to(static_cast<unsigned>(exponent));
  if (exponent < 0) r.q *= ten_to(static_cast<unsigned>(-exponent));
  const Int g = gcd(Int(abs(r.p)), r.q);
  if (g > 1) r.p /= g, r.q /= g;
  return Rational(std::make_shared<const Repr>(std::move(r)));
}

Rational Rational::of(std::string_view text) {
  auto parsed = parse(text);
  CONSORT_CHECK(parsed.has_value());
  return *parsed;
}

namespace {
Error too_large() {
  return make_error(ErrorCode::resource_exhausted, 5322, "intermediate result is too large")
      .to_fix("keep results under about 9,000 digits");
}
}  // namespace

#define CONSORT_REDUCED(P, Q)                                             \
  Repr r{P, Q};                                                           \
  if (r.q < 0) r.p = -r.p, r.q = -r.q;                                    \
  const Int g = gcd(Int(abs(r.p)), r.q);                                  \
  if (g > 1) r.p /= g, r.q /= g;                                          \
  if (bits(r.p) > kRationalBitsMax || bits(r.q) > kRationalBitsMax)       \
    return fail(too_large());                                             \
  return Rational(std::make_shared<const Repr>(std::move(r)))

Result<Rational> Rational::plus(const Rational& o) const {
  CONSORT_REDUCED(Int(repr_->p * o.repr_->q + o.repr_->p * repr_->q), Int(repr_->q * o.repr_->q));
}
Result<Rational> Rational::minus(const Rational& o) const { return plus(o.negated()); }
Result<Rational> Rational::times(const Rational& o) const {
  CONSORT_REDUCED(Int(repr_->p * o.repr_->p), Int(repr_->q * o.repr_->q));
}
Result<Rational> Rational::over(const Rational& o) const {
  if (o.is_zero())
    return fail(make_error(ErrorCode::invalid_argument, 5324, "division by zero")
                    .to_fix("check the divisor"));
  CONSORT_REDUCED(Int(repr_->p * o.repr_->q), Int(repr_->q * o.repr_->p));
}

Result<Rational> Rational::power(int64_t exponent) const {
  if (exponent > 4096 || exponent < -4096) return fail(too_large());
  if (exponent < 0 && is_zero())
    return fail(make_error(ErrorCode::invalid_argument, 5324, "zero to a negative power")
                    .to_fix("check the base"));
  const auto n = static_cast<unsigned>(exponent < 0 ? -exponent : exponent);
  if (uint64_t{n} * std::max(bits(repr_->p), bits(repr_->q)) > kRationalBitsMax) return fail(too_large());
  const Int p = boost::multiprecision::pow(repr_->p, n);
  const Int q = boost::multiprecision::pow(repr_->q, n);
  if (exponent < 0) {
    CONSORT_REDUCED(q, p);
  }
  CONSORT_REDUCED(p, q);
}

Result<Rational> Rational::root(int n) const {
  if (n < 1 || n > 200)
    return fail(make_error(ErrorCode::invalid_argument, 5325, "root of an order outside 1 to 200")
                    .got(std::to_string(n))
                    .to_fix("use 1 to 200 periods"));
  if (sign() < 0)
    return fail(make_error(ErrorCode::invalid_argument, 5325, "root of a negative number")
                    .to_fix("check the signs of the arguments"));
  const auto order = static_cast<unsigned>(n);
  if (bits(repr_->p) + 100u * order > kRationalBitsMax) return fail(too_large());
  const Int scaled = repr_->p * boost::multiprecision::pow(ten_to(30), order) / repr_->q;
  const Int whole = integer_root(scaled, order);
  CONSORT_REDUCED(whole, ten_to(30));
}

#undef CONSORT_REDUCED

Rational Rational::negated() const {
  return Rational(std::make_shared<const Repr>(Repr{Int(-repr_->p), repr_->q}));
}
Rational Rational::magnitude() const { return sign() < 0 ? negated() : *this; }
int Rational::sign() const { return repr_->p.sign(); }
bool Rational::is_integer() const { return repr_->q == 1; }
int Rational::compare(const Rational& o) const {
  const Int left = repr_->p * o.repr_->q, right = o.repr_->p * repr_->q;
  return left < right ? -1 : left > right ? 1 : 0;
}

Rational Rational::rounded(int digits) const {
  const Int scale = ten_to(static_cast<unsigned>(digits < 0 ? -digits : digits));
  Repr r = digits >= 0 ? Repr{round_half_away(repr_->p * scale, repr_->q), scale}
                       : Repr{Int(round_half_away(repr_->p, repr_->q * scale) * scale), Int(1)};
  const Int g = gcd(Int(abs(r.p)), r.q);
  if (g > 1) r.p /= g, r.q /= g;
  return Rational(std::make_shared<const Repr>(std::move(r)));
}

double Rational::as_double() const {
  return boost::multiprecision::cpp_rational(repr_->p, repr_->q).convert_to<double>();
}

bool Rational::fits_int64(int64_t* out) const {
  if (repr_->q != 1 || bits(repr_->p) > 62) return false;
  *out = static_cast<int64_t>(repr_->p);
  return true;
}

std::string Rational::to_fixed(int digits) const {
  const Int scaled = round_half_away(repr_->p * ten_to(static_cast<unsigned>(digits)), repr_->q);
  std::string text = Int(abs(scaled)).str();
  if (digits > 0) {
    const auto places = static_cast<size_t>(digits);
    if (text.size() <= places) text.insert(0, places + 1 - text.size(), '0');
    text.insert(text.size() - places, ".");
  }
  return scaled < 0 ? "-" + text : text;
}

std::string Rational::to_decimal(int digits_max, bool* exact) const {
  // q divides 10^k exactly when its only primes are 2 and 5.
  Int q = repr_->q;
  int twos = 0, fives = 0;
  while (q % 2 == 0 && twos <= digits_max) q /= 2, ++twos;
  while (q % 5 == 0 && fives <= digits_max) q /= 5, ++fives;
  const int places = std::max(twos, fives);
  const bool ends = q == 1 && places <= digits_max;
  if (exact != nullptr) *exact = ends;
  std::string text = to_fixed(ends ? places : digits_max);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string group_thousands(std::string_view decimal) {
  size_t from = !decimal.empty() && decimal[0] == '-' ? 1 : 0;
  const size_t point = std::min(decimal.find('.'), decimal.size());
  std::string out(decimal.substr(0, from));
  for (size_t i = from; i < point; ++i) {
    if (i > from && (point - i) % 3 == 0) out += ',';
    out += decimal[i];
  }
  out += decimal.substr(point);
  return out;
}

}  // namespace consort::tool

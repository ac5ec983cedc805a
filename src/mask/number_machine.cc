#include "mask/number_machine.h"

#include <algorithm>

namespace consort::mask {
namespace {

using Wide = __int128;
using contract::Decimal;

Wide power_of_ten(int n) {
  Wide result = 1;
  while (n-- > 0) result *= 10;
  return result;
}

// The integer `value`, held within +-10^36.
Wide wide(const Decimal& value) {
  if (value.is_zero()) return 0;
  Wide result = 0;
  if (value.point > 36) {
    result = power_of_ten(36);
  } else {
    for (int64_t i = 0; i < value.point; ++i) {
      const auto at = static_cast<size_t>(i);
      result = result * 10 + (at < value.digits.size() ? value.digits[at] - '0' : 0);
    }
  }
  return value.negative ? -result : result;
}

// Smallest scaled integer that is >= limit (> if exclusive).
Wide lower(const Bound& limit, int shift) {
  Decimal scaled = limit.value;
  if (!scaled.is_zero()) scaled.point += shift;
  const Wide result = wide(*contract::ceil(scaled));
  return result + (limit.exclusive && scaled.is_integer() ? 1 : 0);
}

Wide greatest_divisor(Wide a, Wide b) {
  while (b != 0) std::swap(a %= b, b);
  return a;
}

// The multiples of `step` that have `digits` decimals at most are those of the result, scaled.
Wide on_grid(const Decimal& step, int digits) {
  Decimal scaled = step;
  scaled.point += digits;
  const int64_t finer = scaled.fraction_digits();
  if (finer <= 0) return wide(scaled);
  Decimal numerator = scaled;
  numerator.point += finer;
  const Wide top = wide(numerator);
  return finer > 36 ? top : top / greatest_divisor(top, power_of_ten(static_cast<int>(finer)));
}

}  // namespace

void NumberGoal::at_least(const Decimal& value, bool exclusive) {
  const int order = min ? compare(value, min->value) : 1;
  if (order > 0 || (order == 0 && exclusive)) min = Bound{value, exclusive};
}
void NumberGoal::at_most(const Decimal& value, bool exclusive) {
  const int order = max ? compare(value, max->value) : -1;
  if (order < 0 || (order == 0 && exclusive)) max = Bound{value, exclusive};
}
bool NumberGoal::is_empty() const {
  if (!min || !max) return false;
  const int order = compare(min->value, max->value);
  return order > 0 || (order == 0 && (min->exclusive || max->exclusive));
}

Result<NumberMachine> NumberMachine::create(const NumberGoal& goal, int digits_max,
                                            bool any_spelling, const std::string& pointer) {
  NumberMachine result;
  result.goal_ = goal;
  result.any_spelling_ = any_spelling;
  result.free_ = any_spelling && goal.integers && !goal.min && !goal.max &&
                 goal.multiples.empty() && goal.non_multiples.empty();
  result.digits_max_ = digits_max;
  result.unit_ = power_of_ten(digits_max);
  const Wide most = power_of_ten(36);
  const Wide low = goal.min ? lower(*goal.min, digits_max) : -most;
  const Wide high =
      goal.max ? -lower({contract::negate(goal.max->value), goal.max->exclusive}, digits_max)
               : most;
  result.low_[0] = std::max<Wide>(low, 0);
  result.high_[0] = high;
  result.low_[1] = std::max<Wide>(-high, any_spelling ? 0 : 1);
  result.high_[1] = -low;
  result.integers_ = goal.integers;
  Wide step = goal.fractions ? 1 : result.unit_;
  for (const Decimal& multiple : goal.multiples) {
    const Wide other = on_grid(multiple, digits_max);
    const Wide factor = other / greatest_divisor(step, other);
    if (factor > most / step) {
      return fail(make_error(ErrorCode::unsupported, 2201, "multiples too far apart to be counted")
                      .at(pointer)
                      .got("multipleOf")
                      .to_fix("use a smaller multipleOf than " + multiple.text()));
    }
    step *= factor;
  }
  result.least_ = step;
  for (const Decimal& multiple : goal.non_multiples) {
    result.avoid_.push_back(on_grid(multiple, digits_max));
  }
  if (!goal.integers) result.avoid_.push_back(result.unit_);
  for (const Wide avoid : result.avoid_) {  // Nothing is left.
    if (step % avoid == 0) result.high_[0] = result.high_[1] = -1;
  }
  result.fraction_ = (any_spelling && !goal.plain) || step % result.unit_ != 0;
  for (int n = 0; n <= digits_max; ++n) {
    const Wide grain = power_of_ten(digits_max - n);
    result.grain_.push_back(grain);
    const Wide factor = grain / greatest_divisor(step, grain);
    result.step_.push_back(factor > most / step ? 0 : step * factor);
  }
  return result;
}

bool NumberMachine::is_avoided(Wide value) const {
  return std::any_of(avoid_.begin(), avoid_.end(),
                     [&](Wide avoid) { return value % avoid == 0; });
}

bool NumberMachine::exists(bool negative, Wide first, Wide last, int n_fraction) const {
  first = std::max(first, low_[negative]);
  last = std::min(last, high_[negative]);
  if (first > last) return false;
  const Wide step = step_[static_cast<size_t>(n_fraction)];
  if (step == 0) return first == 0 && !is_avoided(0);
  // What is avoided leaves no gap as long as this: each takes every second step at most.
  constexpr int kTriesMax = 64;
  Wide found = (last / step) * step;
  for (int tries = 0; tries < kTriesMax && found >= first; ++tries, found -= step) {
    if (!is_avoided(found)) return true;
    if (avoid_.empty()) break;
  }
  return false;
}

int NumberMachine::cost(const NumberState& state) const {
  if (free_) {
    switch (state.phase) {
      case NumberState::kNone:
      case NumberState::kSign:
      case NumberState::kDot:
      case NumberState::kExponent:
      case NumberState::kExponentSign:
        return 1;
      default:
        return 0;
    }
  }
  switch (state.phase) {
    case NumberState::kLongInteger:
    case NumberState::kLongFraction:
      return 0;
    case NumberState::kLongDot:
      return 1;
    case NumberState::kExponent:
    case NumberState::kExponentSign:
    case NumberState::kExponentDigits:
      return exponent_cost(state);
    default: {
      const int plain = plain_cost(state);
      return plain < kInfinite || !any_spelling_ || goal_.plain ? plain : by_exponent(state);
    }
  }
}

int NumberMachine::plain_cost(const NumberState& state) const {
  const Wide digits = state.digits;
  const int fraction_max = fraction_ ? digits_max_ : 0;
  if (state.phase == NumberState::kDot || state.phase == NumberState::kFraction) {
    const int had = state.n_fraction;
    const Wide base = digits * grain_[static_cast<size_t>(had)];
    for (int f = std::max(had, 1); f + state.n_integer <= digits_max_; ++f) {
      const Wide last = base + grain_[static_cast<size_t>(had)] - grain_[static_cast<size_t>(f)];
      if (exists(state.negative, base, last, f)) return f - had;
    }
    return kInfinite;
  }
  int best = kInfinite;
  // Integer parts from first to last, `n` digits in all, `bytes` more than now.
  const auto offer = [&](Wide first, Wide last, int n, int bytes) {
    for (int f = 0; f <= fraction_max && n + f <= digits_max_; ++f) {
      const int total = bytes + (f > 0 ? f + 1 : 0);
      if (total >= best) return;
      const Wide end = (last + 1) * unit_ - grain_[static_cast<size_t>(f)];
      if (exists(state.negative, first * unit_, end, f)) best = total;
    }
  };
  switch (state.phase) {
    case NumberState::kSign:
      offer(0, 0, 1, 1);
      for (int k = 1; k <= digits_max_ && k < best; ++k) {
        offer(power_of_ten(k - 1), power_of_ten(k) - 1, k, k);
      }
      return best;
    case NumberState::kZero:
      offer(0, 0, 1, 0);
      return best;
    case NumberState::kInteger:
      for (int k = 0; k + state.n_integer <= digits_max_ && k < best; ++k) {
        const Wide scale = power_of_ten(k);
        offer(digits * scale, digits * scale + scale - 1, state.n_integer + k, k);
      }
      return best;
    default: {
      NumberState sign = state;
      sign.phase = NumberState::kSign;
      best = plain_cost(sign);
      sign.negative = true;
      return std::min(best, plus(plain_cost(sign), 1));
    }
  }
}

bool NumberMachine::step(NumberState& state, uint8_t byte) const {
  if (free_) return step_free(state, byte);
  if (state.phase >= NumberState::kExponent) return step_exponent(state, byte);
  if (state.phase >= NumberState::kLongInteger) return step_long(state, byte);
  const bool has_digits = state.phase == NumberState::kZero ||
                          state.phase == NumberState::kInteger ||
                          state.phase == NumberState::kFraction;
  if (any_spelling_ && !goal_.plain && has_digits && (byte == 'e' || byte == 'E')) return find_exponents(state);
  const bool digit = byte >= '0' && byte <= '9';
  const auto append = [&] { state.digits = state.digits * 10 + (byte - '0'); };
  switch (state.phase) {
    case NumberState::kNone:
      if (byte == '-') {
        state.negative = true;
        state.phase = NumberState::kSign;
        break;
      }
      [[fallthrough]];
    case NumberState::kSign:
      if (!digit) return false;
      append();
      state.n_integer = 1;
      state.phase = byte == '0' ? NumberState::kZero : NumberState::kInteger;
      break;
    case NumberState::kZero:
    case NumberState::kInteger:
      if (byte == '.') {
        if (!fraction_) return false;
        state.phase = NumberState::kDot;
        break;
      }
      if (!digit || state.phase == NumberState::kZero) return false;
      if (state.n_integer >= digits_max_) {
        if (!any_spelling_ || !long_integers(state.negative)) return false;
        state.phase = NumberState::kLongInteger;
        state.digits = 0;
        return true;
      }
      append();
      ++state.n_integer;
      break;
    default:
      if (!digit) return false;
      if (state.n_integer + state.n_fraction >= digits_max_) {
        if (!any_spelling_) return false;
        if (byte == '0' && state.phase == NumberState::kFraction) return cost(state) < kInfinite;
        if (!long_fractions(state)) return false;
        state.phase = NumberState::kLongFraction;
        state.digits = 0;
        return true;
      }
      append();
      ++state.n_fraction;
      state.phase = NumberState::kFraction;
  }
  return cost(state) < kInfinite;
}

}  // namespace consort::mask

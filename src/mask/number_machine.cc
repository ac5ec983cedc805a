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
                                            const std::string& pointer) {
  NumberMachine result;
  result.digits_max_ = digits_max;
  result.unit_ = power_of_ten(digits_max);
  const Wide most = power_of_ten(36);
  const Wide low = goal.min ? lower(*goal.min, digits_max) : -most;
  const Wide high =
      goal.max ? -lower({contract::negate(goal.max->value), goal.max->exclusive}, digits_max)
               : most;
  result.low_[0] = std::max<Wide>(low, 0);
  result.high_[0] = high;
  result.low_[1] = std::max<Wide>(-high, 1);
  result.high_[1] = -low;
  result.integers_ = goal.integers;
  Wide step = goal.fractions ? 1 : result.unit_;
  result.fraction_ = goal.fractions;
  const auto refuse = [&](const Decimal& multiple, const char* why) {
    return fail(make_error(ErrorCode::unsupported, 2201, why)
                    .at(pointer)
                    .got("multipleOf")
                    .to_fix("use a coarser multipleOf than " + multiple.text()));
  };
  for (const Decimal& multiple : goal.multiples) {
    if (multiple.fraction_digits() > digits_max) {
      return refuse(multiple, "multipleOf has more decimals than digits_max");
    }
    Decimal scaled = multiple;
    scaled.point += digits_max;
    const Wide other = wide(scaled);
    Wide a = step;
    Wide b = other;
    while (b != 0) std::swap(a %= b, b);
    const Wide factor = other / a;
    if (factor > most / step) return refuse(multiple, "multiples too far apart to be counted");
    step *= factor;
  }
  if (step % result.unit_ == 0) {
    result.fraction_ = false;
    if (!result.integers_) result.high_[0] = result.high_[1] = -1;  // Nothing is left.
  }
  for (int n = 0; n <= digits_max; ++n) {
    const Wide grain = power_of_ten(digits_max - n);
    result.grain_.push_back(grain);
    Wide a = step;
    Wide b = grain;
    while (b != 0) std::swap(a %= b, b);
    const Wide factor = grain / a;
    result.step_.push_back(factor > most / step ? 0 : step * factor);
  }
  return result;
}

bool NumberMachine::exists(bool negative, Wide first, Wide last, int n_fraction) const {
  first = std::max(first, low_[negative]);
  last = std::min(last, high_[negative]);
  if (first > last) return false;
  const Wide step = step_[static_cast<size_t>(n_fraction)];
  if (step == 0) return first == 0;
  const Wide found = (last / step) * step;
  if (integers_ || found % unit_ != 0) return found >= first;
  // An integer; of two neighbours one is none, unless all are.
  return step % unit_ != 0 && found - step >= first;
}

int NumberMachine::cost(const NumberState& state) const {
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
      best = cost(sign);
      sign.negative = true;
      return std::min(best, plus(cost(sign), 1));
    }
  }
}

bool NumberMachine::step(NumberState& state, uint8_t byte) const {
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
      if (!digit || state.phase == NumberState::kZero || state.n_integer >= digits_max_) {
        return false;
      }
      append();
      ++state.n_integer;
      break;
    default:
      if (!digit || state.n_integer + state.n_fraction >= digits_max_) return false;
      append();
      ++state.n_fraction;
      state.phase = NumberState::kFraction;
  }
  return cost(state) < kInfinite;
}

}  // namespace consort::mask

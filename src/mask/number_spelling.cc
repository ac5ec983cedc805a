// Numbers in every spelling that JSON has: without bounds, with many digits, with an exponent.
#include <algorithm>

#include "mask/number_machine.h"

namespace consort::mask {

using contract::Decimal;

namespace {

constexpr int kExponentMax = 99;  // Decimals of a thousand digits would take too long.

}  // namespace

bool NumberMachine::step_free(NumberState& state, uint8_t byte) const {
  const bool digit = byte >= '0' && byte <= '9';
  const bool is_integer = !goal_.fractions;
  const auto go = [&](NumberState::Phase phase) {
    state.phase = phase;
    return true;
  };
  switch (state.phase) {
    case NumberState::kNone:
      if (byte == '-') return go(NumberState::kSign);
      [[fallthrough]];
    case NumberState::kSign:
      return digit && go(byte == '0' ? NumberState::kZero : NumberState::kInteger);
    case NumberState::kInteger:
      if (digit) return true;
      [[fallthrough]];
    case NumberState::kZero:
      if (goal_.plain) return false;
      if (byte == '.') return go(NumberState::kDot);
      break;
    case NumberState::kDot:
    case NumberState::kFraction:
      if (digit) return (byte == '0' || !is_integer) && go(NumberState::kFraction);
      if (state.phase == NumberState::kDot) return false;
      break;
    case NumberState::kExponent:
      if (byte == '+' || (byte == '-' && !is_integer)) return go(NumberState::kExponentSign);
      [[fallthrough]];
    default:
      return digit && go(NumberState::kExponentDigits);
  }
  return (byte == 'e' || byte == 'E') && go(NumberState::kExponent);
}

// No bound and no multiple can tell integers of more digits apart?
bool NumberMachine::long_integers(bool negative) const {
  const bool open = negative ? !goal_.min : !goal_.max;
  return open && avoid_.empty() && unit_ % least_ == 0 && low_[negative] <= unit_ * unit_ / 10;
}

// Or decimals that continue these digits?
bool NumberMachine::long_fractions(const NumberState& state) const {
  if (!avoid_.empty() || least_ != 1 || state.phase != NumberState::kFraction) return false;
  const Wide grain = grain_[state.n_fraction];
  const Wide base = Wide{state.digits} * grain;
  return base >= low_[state.negative] && base + grain <= high_[state.negative];
}

bool NumberMachine::step_long(NumberState& state, uint8_t byte) const {
  const bool digit = byte >= '0' && byte <= '9';
  if (state.phase == NumberState::kLongDot) state.phase = NumberState::kLongFraction;
  if (digit) return true;
  if (byte != '.' || state.phase != NumberState::kLongInteger || least_ != 1) return false;
  state.phase = NumberState::kLongDot;
  return true;
}

bool NumberMachine::fits(const Decimal& value) const {
  const auto within = [&](const std::optional<Bound>& bound, int sign) {
    if (!bound) return true;
    const int order = compare(value, bound->value) * sign;
    return order > 0 || (order == 0 && !bound->exclusive);
  };
  return within(goal_.min, 1) && within(goal_.max, -1) &&
         (value.is_integer() ? goal_.integers : goal_.fractions) &&
         std::all_of(goal_.multiples.begin(), goal_.multiples.end(),
                     [&](const Decimal& m) { return is_multiple(value, m).value_or(false); }) &&
         std::all_of(goal_.non_multiples.begin(), goal_.non_multiples.end(),
                     [&](const Decimal& m) { return !is_multiple(value, m).value_or(true); });
}

// Every condition holds from some exponent on, or up to one: what fits is an interval. After 'e'.
bool NumberMachine::find_exponents(NumberState& state) const {
  Decimal mantissa = Decimal::parse((state.negative ? "-" : "") + std::to_string(state.digits));
  state.phase = NumberState::kExponent;
  state.exponent_low = -kExponentMax;
  state.exponent_high = kExponentMax;
  if (mantissa.is_zero()) return fits(mantissa);
  mantissa.point -= state.n_fraction;
  const auto at = [&](int exponent) {
    Decimal value = mantissa;
    value.point += exponent;
    return value;
  };
  // Narrows to where `holds`: it is false below some exponent and true above, or the opposite.
  const auto narrow = [&](bool rising, const auto& holds) {
    int low = state.exponent_low;
    int high = state.exponent_high + 1;
    while (low < high) {  // The first exponent at which `holds` is as at the upper end.
      const int middle = low + (high - low) / 2;
      if (holds(at(middle)) == rising) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (rising) {
      state.exponent_low = static_cast<int16_t>(low);
    } else {
      state.exponent_high = static_cast<int16_t>(low - 1);
    }
    return state.exponent_low <= state.exponent_high;
  };
  const auto beyond = [](const Bound& bound, int sign) {
    return [&bound, sign](const Decimal& value) {
      const int order = compare(value, bound.value) * sign;
      return order > 0 || (order == 0 && !bound.exclusive);
    };
  };
  if (goal_.min && !narrow(!state.negative, beyond(*goal_.min, 1))) return false;
  if (goal_.max && !narrow(state.negative, beyond(*goal_.max, -1))) return false;
  const auto whole = [](const Decimal& value) { return value.is_integer(); };
  const auto broken = [](const Decimal& value) { return !value.is_integer(); };
  if (!goal_.fractions && !narrow(true, whole)) return false;
  if (!goal_.integers && !narrow(false, broken)) return false;
  for (const Decimal& m : goal_.multiples) {
    if (!narrow(true, [&](const Decimal& v) { return is_multiple(v, m).value_or(false); })) {
      return false;
    }
  }
  for (const Decimal& m : goal_.non_multiples) {
    if (!narrow(false, [&](const Decimal& v) { return !is_multiple(v, m).value_or(true); })) {
      return false;
    }
  }
  return true;
}

// Fewest bytes from inside an exponent.
int NumberMachine::exponent_cost(const NumberState& state) {
  if (state.phase == NumberState::kExponent) {
    int best = kInfinite;
    for (const bool negative : {false, true}) {
      NumberState next = state;
      next.phase = NumberState::kExponentSign;
      next.exponent_negative = negative;
      best = std::min(best, plus(exponent_cost(next), negative));
    }
    return best;
  }
  int scale = 1;
  for (int more = 0; state.n_exponent + more <= 3; ++more, scale *= 10) {
    if (state.n_exponent + more == 0) continue;
    const int first = state.exponent * scale;
    const int last = first + scale - 1;
    const int low = state.exponent_negative ? -last : first;
    const int high = state.exponent_negative ? -first : last;
    if (low <= state.exponent_high && high >= state.exponent_low) return more;
  }
  return kInfinite;
}

bool NumberMachine::step_exponent(NumberState& state, uint8_t byte) const {
  if (state.phase == NumberState::kExponent && (byte == '+' || byte == '-')) {
    state.exponent_negative = byte == '-';
    state.phase = NumberState::kExponentSign;
    return exponent_cost(state) < kInfinite;
  }
  if (byte < '0' || byte > '9' || state.n_exponent == 3) return false;
  state.phase = NumberState::kExponentDigits;
  state.exponent = static_cast<uint16_t>(state.exponent * 10 + (byte - '0'));
  ++state.n_exponent;
  return exponent_cost(state) < kInfinite;
}

// Where no plain number continues these digits: fewest bytes with an exponent.
int NumberMachine::by_exponent(const NumberState& state) const {
  NumberState next = state;
  switch (state.phase) {
    case NumberState::kNone: {
      next.phase = NumberState::kSign;
      const int positive = by_exponent(next);
      next.negative = true;
      return std::min(positive, plus(by_exponent(next), 1));
    }
    case NumberState::kSign: {
      int best = kInfinite;
      next.n_integer = 1;
      for (next.digits = 1; next.digits <= 9; ++next.digits) {
        next.phase = NumberState::kInteger;
        best = std::min(best, plus(by_exponent(next), 1));
      }
      return best;
    }
    case NumberState::kDot:
      next.phase = NumberState::kFraction;
      next.digits *= 10;
      next.n_fraction = 1;
      if (next.n_integer >= digits_max_) return kInfinite;
      return plus(by_exponent(next), 1);
    default:
      return find_exponents(next) ? plus(exponent_cost(next), 1) : kInfinite;
  }
}

}  // namespace consort::mask

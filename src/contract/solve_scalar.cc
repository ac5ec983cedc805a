// Numbers and strings of a leaf.
#include <algorithm>

#include "contract/solve.h"

namespace consort::contract {
namespace {

constexpr int kMultiplesTried = 2'000;
constexpr uint64_t kAutomatonLengthMax = 3'000;
constexpr uint64_t kStringMax = 1 << 20;

// The n-th string of `length` characters, in an order of its own; nullopt past the last.
std::optional<std::string> nth_string(uint64_t length, uint64_t n) {
  std::string text(length, 'a');
  for (uint64_t i = 0; i < length && n > 0; ++i, n /= 26) text[i] = static_cast<char>('a' + n % 26);
  if (n > 0) return std::nullopt;
  return text;
}

constexpr const char* kSamples[] = {"2020-01-01",
                                    "12:00:00Z",
                                    "2020-01-01T12:00:00Z",
                                    "P1D",
                                    "a@b.example",
                                    "a.example",
                                    "a",
                                    "127.0.0.1",
                                    "::1",
                                    "http://a.example/",
                                    "00000000-0000-0000-0000-000000000000",
                                    "/a",
                                    "0",
                                    "(",
                                    "",
                                    "a b",
                                    "-"};

}  // namespace

Outcome Solver::numbers(const Goal& goal, const Leaf& leaf) {
  const NumberAtoms& atoms = leaf.number;
  const auto fits = [&](const Decimal& value) {
    if (atoms.low) {
      const int order = compare(value, *atoms.low);
      if (order < 0 || (order == 0 && atoms.low_open)) return false;
    }
    if (atoms.high) {
      const int order = compare(value, *atoms.high);
      if (order > 0 || (order == 0 && atoms.high_open)) return false;
    }
    if (atoms.fraction && value.is_integer()) return false;
    for (const Decimal& step : atoms.multiples) {
      if (!is_multiple(value, step).value_or(false)) return false;
    }
    for (const Decimal& step : atoms.non_multiples) {
      if (is_multiple(value, step).value_or(true)) return false;
    }
    const Value whole(Number{value.text()});
    return std::find(leaf.excluded.begin(), leaf.excluded.end(), whole) == leaf.excluded.end() &&
           holds(goal, whole);
  };
  const auto found = [](const Decimal& value) {
    return Outcome{Answer::found, Value(Number{value.text()})};
  };
  if (atoms.low && atoms.high) {
    const int order = compare(*atoms.low, *atoms.high);
    if (order > 0 || (order == 0 && (atoms.low_open || atoms.high_open))) return {};
    if (order == 0) return fits(*atoms.low) ? found(*atoms.low) : Outcome{};
  }
  std::optional<Decimal> step;
  for (const Decimal& one : atoms.multiples) {
    step = step ? least_common_multiple(*step, one) : std::optional<Decimal>(one);
    if (!step) return unknown("multipleOf with too many digits together");
  }
  if (step) {
    if (atoms.fraction && step->is_integer()) return {};
    for (const Decimal& other : atoms.non_multiples) {
      if (is_multiple(*step, other).value_or(false)) return {};
    }
    // Up from the low end, or down from the high one, or both ways from zero.
    const bool down = !atoms.low && atoms.high;
    const Decimal move = down ? negate(*step) : *step;
    std::optional<Decimal> value = Decimal{};
    if (atoms.low) value = next_multiple(*atoms.low, *step, atoms.low_open);
    if (down) {
      value = next_multiple(negate(*atoms.high), *step, atoms.high_open);
      if (value) value = negate(*value);
    }
    for (int i = 0; i < kMultiplesTried && value; ++i) {
      if (atoms.low && atoms.high && compare(*value, *atoms.high) > 0) return {};
      if (fits(*value)) return found(*value);
      if (!atoms.low && !atoms.high && fits(contract::negate(*value))) {
        return found(contract::negate(*value));
      }
      value = contract::add(*value, move);
    }
    return unknown("too many multiples to try");
  }
  // A dense range: all but countably many values of few digits fit, if any do.
  std::vector<Decimal> bases;
  if (atoms.low) bases.push_back(*atoms.low);
  if (atoms.high) bases.push_back(*atoms.high);
  if (bases.empty()) bases.push_back(Decimal{});
  for (const Decimal& base : bases) {
    if (fits(base)) return found(base);
  }
  for (int exponent = 3; exponent >= -40; --exponent) {
    for (int digits : {1, 3, 7, 13, 17, 1003, 100003, 1000000007}) {
      const Decimal offset =
          Decimal::parse(std::to_string(digits) + "e" + std::to_string(exponent));
      for (const Decimal& base : bases) {
        for (const Decimal& delta : {offset, contract::negate(offset)}) {
          const auto value = contract::add(base, delta);
          if (value && fits(*value)) return found(*value);
        }
      }
    }
  }
  return unknown("no number of few digits was found");
}

std::shared_ptr<const Dfa> Solver::language(const std::vector<SignedDfa>& given, uint64_t min,
                                            std::optional<uint64_t> max) {
  std::vector<SignedDfa> parts = given;
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  const auto key = std::pair(parts, std::pair(min, max.value_or(UINT64_MAX)));
  if (const auto known = languages_.find(key); known != languages_.end()) return known->second;
  const auto build = [&]() -> Result<Dfa> {
    Dfa all = any_string();
    if (!parts.empty()) {
      // One product more than for the others, which are kept.
      const auto [dfa, sign] = parts.back();
      const std::vector<SignedDfa> others(parts.begin(), parts.end() - 1);
      const auto rest = others.empty() ? nullptr : language(others, 0, std::nullopt);
      if (!others.empty() && !rest) return fail(ErrorCode::resource_exhausted, 2104, "a part is too large");
      if (rest) all = *rest;
      CONSORT_ASSIGN(all, sign ? intersect(all, *dfa) : subtract(all, *dfa));
    }
    if (min > 0 || max) {
      if (std::max(min, max.value_or(0)) > kAutomatonLengthMax) {
        return fail(ErrorCode::resource_exhausted, 2104, "length too large for an automaton");
      }
      CONSORT_ASSIGN(all, with_length(all, min, max));
    }
    return all;
  };
  auto built = build();
  work_ += built ? static_cast<int>(built->n_states() / 2) + 10 : kSolveWorkMax / 4;
  auto result = built ? std::make_shared<const Dfa>(std::move(*built)) : nullptr;
  languages_.emplace(key, result);
  return result;
}

Outcome Solver::strings(const Goal& goal, const Leaf& leaf) {
  const StringAtoms& atoms = leaf.string;
  if (atoms.max && *atoms.max < atoms.min) return {};
  const auto fits = [&](const std::string& text) {
    const Value value(text);
    return std::find(leaf.excluded.begin(), leaf.excluded.end(), value) == leaf.excluded.end() &&
           holds(goal, value);
  };
  std::vector<SignedDfa> parts = atoms.dfas;
  parts.insert(parts.end(), goal.dfas.begin(), goal.dfas.end());
  bool is_exact = true, sampled = false;
  for (const auto& [format, sign] : atoms.formats) {
    for (const auto& [other, other_sign] : atoms.formats) {
      if (other == format && other_sign != sign) return {};
    }
    if (const Dfa* dfa = format->language()) {
      parts.emplace_back(dfa, sign);
    } else {
      is_exact = false;
      sampled = true;
    }
  }
  if (sampled) {
    for (const char* sample : kSamples) {
      if (fits(sample)) return {Answer::found, Value(sample)};
    }
  }
  if (parts.empty()) {
    if (atoms.min > kStringMax) return unknown("minLength is larger than what is tried");
    const uint64_t last = std::min(atoms.max.value_or(atoms.min + 2), atoms.min + 2);
    for (uint64_t length = atoms.min; length <= last; ++length) {
      for (uint64_t n = 0; n <= leaf.excluded.size() + 8; ++n) {
        const auto text = nth_string(length, n);
        if (!text) break;
        if (fits(*text)) return {Answer::found, Value(*text)};
      }
    }
    if (is_exact && last == 0) return {};
    return unknown(sampled ? "a format is not regular" : "no string was found");
  }
  std::shared_ptr<const Dfa> all = language(parts, atoms.min, atoms.max);
  if (!all) {
    // Without the lengths: emptiness still proves, and a short member may fit.
    all = language(parts, 0, std::nullopt);
    is_exact = false;
    if (!all) return unknown("patterns make too large an automaton together");
  }
  if (all->is_empty()) return {};
  std::vector<std::string> texts;
  for (const Value& value : leaf.excluded) {
    if (const std::string* text = value.get_string()) texts.push_back(*text);
  }
  Dfa rest;
  const Dfa* left = all.get();
  if (!texts.empty()) {
    auto listed_texts = literal_strings(texts);
    auto less = listed_texts ? subtract(*all, *listed_texts) : Result<Dfa>(*all);
    if (!less) return unknown("patterns make too large an automaton together");
    rest = std::move(*less);
    left = &rest;
    if (rest.is_empty()) return {};
  }
  // Several members, for what the automaton does not say (formats that are not regular).
  Dfa others;
  for (int i = 0; i < (is_exact ? 1 : 8); ++i) {
    const auto text = shortest(*left);
    if (!text) break;
    if (fits(*text)) return {Answer::found, Value(*text)};
    auto one = literal_strings({*text});
    auto less = one ? subtract(*left, *one) : std::move(one);
    if (!less) break;
    others = std::move(*less);
    left = &others;
  }
  return unknown(sampled ? "a format is not regular" : "no string was found");
}

}  // namespace consort::contract

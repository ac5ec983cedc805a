// Numerals: every figure and period that a sentence mentions, with value, unit and printed precision.
//
// What the rule half of the validator compares: a claim's numerals against those printed where it
// points. Pure functions of one text; ASCII digits, English words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tool/rational.h"

namespace consort::tool {

enum class NumeralUnit {
  plain,     // 838 warehouses
  currency,  // $5.3 billion
  percent,   // 7.8%
  points,    // 13.2 points, 50 basis points (as 0.5)
  times,     // 2.7 times, 1.2x
};
std::string_view name(NumeralUnit unit);

enum class Approximation { none, about, above, below };  // about 46%; more than 600; nearly 50

struct Numeral {
  size_t begin = 0, end = 0;  // Bytes in the text, sign, currency, scale and unit included.
  std::string printed;        // Those bytes.
  Rational value;             // Signed, scale applied; percent as printed (12 % is 12).
  Rational half_step;         // Half of the last printed digit's place, scale applied.
  NumeralUnit unit = NumeralUnit::plain;
  std::string currency;       // USD, EUR, GBP; empty unless unit is currency.
  int scale = 0;              // Power of ten of the scale word: 0, 3, 6, 9, 12.
  bool from_word = false;     // "five"
  bool ordinal = false;       // 53rd
  Approximation approximation = Approximation::none;
};

// A mention of a period or date.
enum class Span { unknown, year, quarter, half, nine_months, weeks, instant };
struct Period {
  int year = 0;   // As labelled: of "fiscal 2023", 2023. 0 = none printed ("the second quarter").
  int month = 0, day = 0;  // 0 = not printed.
  Span span = Span::unknown;
  int count = 0;  // Of weeks (12, 36) or the quarter's number (1..4); 0 = not printed.
  bool fiscal = false;
  bool operator==(const Period&) const = default;
};
struct PeriodMention {
  size_t begin = 0, end = 0;
  Period period;
};

struct Mentions {
  std::vector<Numeral> numerals;      // Without those that belong to a period or a name (10-K).
  std::vector<PeriodMention> periods;
};
Mentions find_mentions(std::string_view text);

// The period that a numeral at [begin, end) is said of: the one after it in its clause, else the one before
// it. Periods that it is only compared with ("compared to fiscal 2021", "versus 22 in 2021") do not count.
// `until`: where the next figure of the same kind begins. nullptr = none said.
const PeriodMention* period_of(std::string_view text, const std::vector<PeriodMention>& periods, size_t begin, size_t end, size_t until);

// For each numeral the period that its place alone gives it, nullptr where that does not decide: lists of one length
// ("$5, $6 and $7 million in 2022, 2021 and 2020"), "$5 million in 2022", "2022 ($5 million)". Pointers into `mentions`.
std::vector<const PeriodMention*> place_periods(std::string_view text, const Mentions& mentions);

// Is the mention what something else is compared with?
bool is_comparison(std::string_view text, const PeriodMention& mention);

// One cell of a table: "$ (2,722)", "13.25 %", "-10.0%". nullopt when it is no number.
std::optional<Numeral> parse_cell(std::string_view text);

int month_number(std::string_view word);  // "January", "Jan.", "jan" -> 1; 0 = none.
std::string lower_ascii(std::string_view text);
// Dashes, quotes and spaces made ASCII, white space single, ends trimmed.
std::string normalise_text(std::string_view text);

}  // namespace consort::tool

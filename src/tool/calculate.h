// Calculate: exact arithmetic on figures with units.
//
// A total little language: numbers ("611,289", "4.27", "12 %", "$5 million", "3 bn USD"), names bound
// to values, + - * / ^, parentheses, and the functions of kFunctions. Money, percentages and counts
// do not mix by accident: adding USD to % is an error, USD / USD is a plain ratio, USD / shares is
// USD/shares.
//
// Not for: plain code, loops, or anything that cannot be read back by a person checking a report.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tool/rational.h"

namespace consort::tool {

// A unit as exponents by name: {"USD": 1, "shares": -1}; percentages hold their printed value (12 %
// is 12 with percent = true).
struct Unit {
  std::map<std::string, int> powers;
  bool percent = false;
  bool operator==(const Unit&) const = default;
  std::string to_string() const;  // "", "%", "USD", "USD/share", "USD^2"
};

struct Quantity {
  Rational value;
  Unit unit;
};

struct Step {
  std::string expression;  // "pct_change(572754000000 USD, 611289000000 USD)"
  Quantity result;
};

struct Calculation {
  Quantity result;
  bool exact = true;        // False after a root or where the printed value had to be rounded.
  std::string value;        // Decimal text, at most 12 places (more for values below 1e-6).
  std::vector<Step> steps;  // Each operation in the order in which it was done, at most 100.
};

// "USD", "%", "USD/share", "million USD"; empty = none. invalid_argument 5323.
Result<Quantity> parse_unit(std::string_view text);  // value = the scale: 1000000 for "million USD".

// Errors, place = "column N": 5321 syntax, 5322 limit, 5323 units do not fit, 5324 division by zero,
// 5325 outside the function's domain, 5326 unknown name.
Result<Calculation> calculate(std::string_view expression,
                              const std::map<std::string, Quantity, std::less<>>& variables = {});

// Decimal text of a result, as in Calculation::value.
std::string decimal_text(const Rational& value, bool* exact = nullptr);

}  // namespace consort::tool

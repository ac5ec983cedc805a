#include "tool/report/numerals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace consort::tool {
namespace {

std::string shown(std::string_view text) {
  std::string out;
  for (const Numeral& n : find_mentions(text).numerals)
    out += (out.empty() ? "" : "; ") + n.value.to_decimal(6) + " " + std::string(name(n.unit)) + (n.currency.empty() ? "" : " " + n.currency);
  return out;
}
std::string periods(std::string_view text) {
  std::string out;
  for (const PeriodMention& m : find_mentions(text).periods) {
    const Period& p = m.period;
    out += (out.empty() ? "" : "; ") + std::to_string(p.year) + "-" + std::to_string(p.month) + "-" + std::to_string(p.day) + " s" +
           std::to_string(static_cast<int>(p.span)) + " n" + std::to_string(p.count) + (p.fiscal ? " fiscal" : "");
  }
  return out;
}

TEST(Numerals, ReadsMoneyWithScaleWords) {
  EXPECT_EQ(shown("Revenue was $611.3 billion."), "611300000000 currency USD");
  EXPECT_EQ(shown("Revenue was $611,289 million"), "611289000000 currency USD");
  EXPECT_EQ(shown("about $3bn and 4.2 million dollars"), "3000000000 currency USD; 4200000 currency USD");
  EXPECT_EQ(shown("USD 5 and \u20ac7.50"), "5 currency USD; 7.5 currency EUR");
  EXPECT_EQ(shown("a loss of $(1,269) million; (254)"), "-1269000000 currency USD; -254 plain");
}

TEST(Numerals, ReadsPercentagesPointsAndMultiples) {
  EXPECT_EQ(shown("rose 6.7% or 17 percent"), "6.7 percent; 17 percent");
  EXPECT_EQ(shown("13.2 points, 50 basis points, 2 percentage points"), "13.2 points; 0.5 points; 2 points");
  EXPECT_EQ(shown("was 2.7 times that, or 1.2x"), "2.7 times; 1.2 times");
  EXPECT_EQ(shown("sales fell -10.0% again"), "-10 percent");
}

TEST(Numerals, LeavesNamesPeriodsAndPronounsAlone) {
  EXPECT_EQ(shown("The 10-K for fiscal 2023 covers COVID-19."), "");
  EXPECT_EQ(shown("As of January 31, 2023 one of the two was open."), "");
  EXPECT_EQ(shown("the three months ended April 30, 2023"), "");
}

TEST(Numerals, ReadsSmallNumbersAndOrdinals) {
  const Mentions m = find_mentions("Its five largest customers; a 53rd week; twenty-five stores");
  ASSERT_EQ(m.numerals.size(), 3u);
  EXPECT_TRUE(m.numerals[0].from_word);
  EXPECT_TRUE(m.numerals[1].ordinal);
  EXPECT_EQ(m.numerals[2].value, Rational(25));
}

TEST(Numerals, KnowsThePrintedPrecision) {
  const Mentions m = find_mentions("$611.3 billion, 838 warehouses");
  EXPECT_EQ(m.numerals[0].half_step.to_decimal(3), "50000000");
  EXPECT_EQ(m.numerals[1].half_step.to_decimal(3), "0.5");
}

TEST(Numerals, ReadsPeriods) {
  EXPECT_EQ(periods("in fiscal 2022 and FY2023, FY24"), "2022-0-0 s1 n0 fiscal; 2023-0-0 s1 n0 fiscal; 2024-0-0 s1 n0 fiscal");
  EXPECT_EQ(periods("as of January 31, 2023"), "2023-1-31 s6 n0");
  EXPECT_EQ(periods("the three months ended April 30, 2023"), "2023-4-30 s2 n0");
  EXPECT_EQ(periods("36 weeks ended May 7, 2023"), "2023-5-7 s5 n36");
  EXPECT_EQ(periods("the second quarter of 2023; Q1 fiscal 2024"), "2023-0-0 s2 n2; 2024-0-0 s2 n1 fiscal");
  EXPECT_EQ(periods("2023-01-31"), "2023-1-31 s6 n0");
  EXPECT_EQ(periods("$2022 and 2,022 stores"), "");
}

TEST(Numerals, GivesAFigureThePeriodOfItsClause) {
  const std::string text = "Its year 2022 had 53 weeks, 2021 had 52";
  const Mentions m = find_mentions(text);
  ASSERT_EQ(m.numerals.size(), 2u);
  EXPECT_EQ(period_of(text, m.periods, m.numerals[0].begin, m.numerals[0].end, text.size())->period.year, 2022);
  const std::string compared = "EPS of $4.42 increased 17 percent compared to fiscal 2021";
  const Mentions c = find_mentions(compared);
  EXPECT_EQ(period_of(compared, c.periods, c.numerals[0].begin, c.numerals[0].end, compared.size()), nullptr);
}

TEST(Numerals, ReadsTableCells) {
  EXPECT_EQ(parse_cell("$ (2,722)")->value, Rational(-2722));
  EXPECT_EQ(parse_cell("13.25 %")->unit, NumeralUnit::percent);
  EXPECT_EQ(parse_cell("\u221210.0%")->value.to_decimal(2), "-10");
  EXPECT_EQ(parse_cell("$ 605,881")->currency, "USD");
  EXPECT_FALSE(parse_cell("n/a").has_value());
  EXPECT_FALSE(parse_cell("\u2014").has_value());
}

TEST(Numerals, NormalisesDashesQuotesAndSpaces) {
  EXPECT_EQ(normalise_text("  a\u00a0\u2013 \u201cb\u201d\n c\u2019s "), "a - \"b\" c's");
}

}  // namespace
}  // namespace consort::tool

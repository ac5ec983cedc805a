#include "tool/calculate.h"

#include <gtest/gtest.h>

namespace consort::tool {
namespace {

std::string shown(std::string_view expression) {
  const auto result = calculate(expression);
  if (!result) return result.error().to_string();
  const std::string unit = result->result.unit.to_string();
  return result->value + (unit.empty() ? "" : " " + unit);
}
int number_of(std::string_view expression) {
  const auto result = calculate(expression);
  return result ? 0 : result.error().number;
}

TEST(Calculate, FollowsTheUsualPrecedence) {
  EXPECT_EQ(shown("1 + 2 * 3"), "7");
  EXPECT_EQ(shown("(1 + 2) * 3"), "9");
  EXPECT_EQ(shown("-3 ^ 2"), "-9");
  EXPECT_EQ(shown("2 ^ 3 * 2"), "16");
  EXPECT_EQ(shown("10 - 4 - 3"), "3");
  EXPECT_EQ(shown("2 * -3"), "-6");
}

TEST(Calculate, IsExactWhereBinaryFloatingPointIsNot) {
  EXPECT_EQ(shown("0.1 + 0.2"), "0.3");
  EXPECT_EQ(shown("1.1 * 1.1"), "1.21");
  EXPECT_TRUE(calculate("1 / 8")->exact);
  EXPECT_FALSE(calculate("1 / 3")->exact);
}

TEST(Calculate, ReadsMoneyScalesAndPercent) {
  EXPECT_EQ(shown("$5 million"), "5000000 USD");
  EXPECT_EQ(shown("USD 1.2 bn"), "1200000000 USD");
  EXPECT_EQ(shown("611,289 million USD"), "611289000000 USD");
  EXPECT_EQ(shown("12 % * $5 million"), "600000 USD");
  EXPECT_EQ(shown("12 percent + 3 %"), "15 %");
  EXPECT_EQ(shown("12 % * 2"), "24 %");
  EXPECT_EQ(shown("50 % * 50 %"), "25 %");
  EXPECT_EQ(shown("10 / 50 %"), "20");
}

TEST(Calculate, DerivesUnits) {
  EXPECT_EQ(shown("$6 / $3"), "2");
  EXPECT_EQ(shown("$11,680 million / 2,724 million shares * 0 + 4 USD/share"), "4 USD/share");
  EXPECT_EQ(shown("$10 / 4 shares"), "2.5 USD/share");
  EXPECT_EQ(shown("2.5 USD/share * 4 shares"), "10 USD");
}

TEST(Calculate, RefusesToMixUnits) {
  EXPECT_EQ(number_of("$5 + 12 %"), 5323);
  EXPECT_EQ(number_of("$5 - 5"), 5323);
  EXPECT_EQ(number_of("sum($5, 3 shares)"), 5323);
  EXPECT_EQ(number_of("pct_change($5, 3 %)"), 5323);
  EXPECT_EQ(number_of("5 % %"), 5323);
}

// Walmart 10-K for the year ended January 31, 2023, page 35: total revenues grew 6.7 %.
TEST(Calculate, ReproducesAFilingsOwnGrowthRate) {
  EXPECT_EQ(shown("round(pct_change(572754 million USD, 611289 million USD), 1)"), "6.7 %");
}

TEST(Calculate, KnowsItsFunctions) {
  EXPECT_EQ(shown("cagr(100, 121, 2)"), "10 %");
  EXPECT_TRUE(calculate("cagr(100, 121, 2)")->exact);
  EXPECT_EQ(shown("share(1 USD, 8 USD)"), "12.5 %");
  EXPECT_EQ(shown("ratio($3, $2)"), "1.5");
  EXPECT_EQ(shown("sum(1, 2, 3)"), "6");
  EXPECT_EQ(shown("avg(1, 2, 3, 5)"), "2.75");
  EXPECT_EQ(shown("min(3, -1, 2)"), "-1");
  EXPECT_EQ(shown("max(3, -1, 2)"), "3");
  EXPECT_EQ(shown("difference($3, $5)"), "2 USD");
  EXPECT_EQ(shown("abs(-4 %)"), "4 %");
  // 100 -> 110 over 3 years: 3.2280115456 % (bc: e(l(1.1)/3)).
  EXPECT_EQ(shown("round(cagr(100, 110, 3), 10)"), "3.2280115456 %");
  EXPECT_FALSE(calculate("cagr(100, 110, 3)")->exact);
}

TEST(Calculate, UsesVariables) {
  std::map<std::string, Quantity, std::less<>> variables;
  variables["revenue"] = calculate("611289 million USD")->result;
  variables["income"] = calculate("20428 million USD")->result;
  EXPECT_EQ(calculate("round(share(income, revenue), 2)", variables)->value, "3.34");
  const auto missing = calculate("share(incme, revenue)", variables);
  EXPECT_EQ(missing.error().number, 5326);
  EXPECT_NE(missing.error().fix.find("'income'"), std::string::npos);
}

TEST(Calculate, RefusesMeaninglessChanges) {
  EXPECT_EQ(number_of("pct_change(-5, 3)"), 5325);
  EXPECT_EQ(number_of("pct_change(0, 3)"), 5325);
  EXPECT_EQ(number_of("cagr(1, 2, 0)"), 5325);
  EXPECT_EQ(number_of("cagr(1, 2, 1.5)"), 5325);
  EXPECT_EQ(number_of("2 ^ 0.5"), 5325);
  EXPECT_EQ(number_of("1 / (2 - 2)"), 5324);
}

TEST(Calculate, NamesTheColumnOfASyntaxError) {
  EXPECT_EQ(calculate("1 + ").error().place, "column 5");
  EXPECT_EQ(calculate("1 2").error().place, "column 3");
  for (const char* text : {"", "(1", "1)", "sum(1, 2", "1 +* 2", "$", "foo", "max()", "'x'", "1;2"})
    EXPECT_NE(number_of(text), 0) << text;
}

TEST(Calculate, BoundsItsWork) {
  EXPECT_EQ(number_of(std::string(5000, '1')), 5322);
  EXPECT_EQ(number_of(std::string(200, '(') + "1" + std::string(200, ')')), 5322);
  EXPECT_EQ(number_of(std::string(200, '-') + "1"), 5322);
  EXPECT_EQ(number_of("9 ^ 4000 ^ 2"), 5322);
  EXPECT_EQ(number_of("(9 ^ 4000) ^ 4000"), 5322);
  std::string many = "1";
  for (int i = 0; i < 101; ++i) many += "+1";
  EXPECT_EQ(number_of(many), 5322);
}

TEST(Calculate, ListsItsSteps) {
  const auto result = calculate("pct_change(572754, 611289) / 2");
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->steps.size(), 2u);
  EXPECT_EQ(result->steps[0].expression, "pct_change(572754, 611289)");
}

}  // namespace
}  // namespace consort::tool

#include "tool/rational.h"

#include <gtest/gtest.h>

namespace consort::tool {
namespace {

Rational r(std::string_view text) { return Rational::of(text); }

TEST(Rational, AddsTenthsExactly) {
  EXPECT_EQ(r("0.1").plus(r("0.2"))->to_decimal(12), "0.3");
}

TEST(Rational, ReadsGroupedSignedAndExponentForms) {
  EXPECT_EQ(r("611,289").to_decimal(0), "611289");
  EXPECT_EQ(r("-1234.50").to_decimal(5), "-1234.5");
  EXPECT_EQ(r("1.5e3").to_decimal(5), "1500");
  EXPECT_EQ(r("007").to_decimal(5), "7");
  EXPECT_EQ(r(".5").to_decimal(5), "0.5");
}

TEST(Rational, RefusesWhatIsNotANumber) {
  for (const char* text : {"", "-", ".", "1,23", "1,2345", ",123", "1.2.3", "12a", "(254)", "1e", "0x10", "1234,567"}) {
    const auto parsed = Rational::parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().number, 5321) << text;
  }
  EXPECT_EQ(Rational::parse("1e999999").error().number, 5322);
}

TEST(Rational, KeepsDigitsThatADoubleWouldLose) {
  EXPECT_EQ(r("12345678901234567890.10").plus(r("0.01"))->to_decimal(5), "12345678901234567890.11");
}

TEST(Rational, RoundsHalfAwayFromZero) {
  EXPECT_EQ(r("2.345").rounded(2).to_decimal(9), "2.35");
  EXPECT_EQ(r("-2.345").rounded(2).to_decimal(9), "-2.35");
  EXPECT_EQ(r("2.344999").rounded(2).to_decimal(9), "2.34");
  EXPECT_EQ(r("1250").rounded(-2).to_decimal(9), "1300");
  EXPECT_EQ(r("0.4").to_fixed(0), "0");
  EXPECT_EQ(r("0.5").to_fixed(2), "0.50");
}

TEST(Rational, SaysWhetherADecimalEnds) {
  bool exact = true;
  EXPECT_EQ(Rational(1).over(Rational(3))->to_decimal(5, &exact), "0.33333");
  EXPECT_FALSE(exact);
  EXPECT_EQ(Rational(1).over(Rational(8))->to_decimal(5, &exact), "0.125");
  EXPECT_TRUE(exact);
}

TEST(Rational, DividesByZeroOnlyWithAnError) {
  EXPECT_EQ(Rational(1).over(Rational(0)).error().number, 5324);
  EXPECT_EQ(Rational(0).power(-1).error().number, 5324);
}

TEST(Rational, TakesRoots) {
  EXPECT_EQ(r("1.21").root(2)->to_decimal(12), "1.1");
  // sqrt(2), OEIS A002193.
  EXPECT_EQ(r("2").root(2)->to_fixed(20), "1.41421356237309504880");
  EXPECT_EQ(r("-1").root(2).error().number, 5325);
}

TEST(Rational, StopsAtItsSizeLimit) {
  EXPECT_EQ(r("1e4000").power(4).error().number, 5322);
  EXPECT_EQ(Rational(2).power(4096)->sign(), 1);
  EXPECT_EQ(Rational(2).power(4097).error().number, 5322);
}

TEST(Rational, GroupsThousands) {
  EXPECT_EQ(group_thousands("1234567.8"), "1,234,567.8");
  EXPECT_EQ(group_thousands("-999"), "-999");
  EXPECT_EQ(group_thousands("-1000"), "-1,000");
}

}  // namespace
}  // namespace consort::tool

#include "eval/measure.h"

#include <gtest/gtest.h>

namespace consort::eval {
namespace {

using contract::Value;

Value json(const std::string& text) { return *contract::parse_json(text); }

double score_of(Measure m, const std::string& expected, const std::string& answer, const SqlRows& sql = {}) {
  GoldenSet set{"g", {}, {}};
  GoldenRow row;
  row.expected = json(expected);
  row.table = json(R"({"header":["a"],"rows":[[1]]})");
  auto out = score(m, set, row, json(answer), {0, sql});
  EXPECT_TRUE(out) << out.error().to_string();
  return out.value_or(-1);
}

TEST(Measure, NamesAreReadBack) {
  for (const std::string& n : measure_names()) EXPECT_EQ(name(*measure_of(n)), n);
  EXPECT_FALSE(measure_of("accuracy"));
}

// Probabilities .7 .2 .1 with the first right: Brier's sum is .09 + .04 + .01 = .14, half of it .07.
TEST(Measure, ChoiceReadsTheMostProbableOptionAndBrierAllOfThem) {
  const std::string answer = R"({"mood":{"choice":"a","probabilities":{"a":0.7,"b":0.2,"c":0.1}},"paid":{"noul":0.25}})";
  EXPECT_EQ(score_of(Measure::choice, R"({"mood":"a"})", answer), 1);
  EXPECT_EQ(score_of(Measure::choice, R"({"mood":"b"})", answer), 0);
  EXPECT_EQ(score_of(Measure::choice, R"({"mood":"a","paid":true})", answer), 0);
  EXPECT_EQ(score_of(Measure::choice, R"({"mood":"a","paid":false})", answer), 1);
  EXPECT_NEAR(score_of(Measure::brier, R"({"mood":"a"})", answer), 0.93, 1e-12);
  // .25 of true when false is right: (.0625 + .0625) / 2.
  EXPECT_NEAR(score_of(Measure::brier, R"({"paid":false})", answer), 0.9375, 1e-12);
  EXPECT_EQ(score_of(Measure::choice, R"({"other":"a"})", answer), 0);
}

TEST(Measure, AQueryIsJudgedByItsRowsAndOneThatFailsIsWrong) {
  const SqlRows sql = [](const Value&, const std::string& query) -> Result<Value> {
    if (query == "good") return json("[[2],[1]]");
    return fail(make_error(ErrorCode::invalid_argument, 5302, "no"));
  };
  EXPECT_EQ(score_of(Measure::sql, R"({"rows":[[1],[2]]})", R"({"sql":"good"})", sql), 1);
  EXPECT_EQ(score_of(Measure::sql, R"({"rows":[[1]]})", R"({"sql":"good"})", sql), 0);
  EXPECT_EQ(score_of(Measure::sql, R"({"sql":"good"})", R"({"sql":"bad"})", sql), 0);
  GoldenRow row;
  row.expected = json(R"({"sql":"bad"})");
  row.table = json(R"({"header":["a"],"rows":[]})");
  auto own = score(Measure::sql, {"g", {}, {}}, row, json(R"({"sql":"good"})"), {0, sql});
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().number, 8202);
}

TEST(Measure, ARowWithoutWhatAMeasureReadsIsRefused) {
  GoldenSet set{"g", {}, {}};
  GoldenRow row;
  row.line = 7;
  row.expected = json("\"x\"");
  for (const Measure m : {Measure::sql, Measure::choice, Measure::brier}) {
    auto checked = check_row(m, set, row);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().number, 8202);
    EXPECT_EQ(checked.error().place, "g:7");
  }
  EXPECT_TRUE(check_row(Measure::chrf, set, row));
}

// Wilson's interval of 8 of 10 is 0.4902 to 0.9433 (statsmodels proportion_confint, method "wilson").
TEST(Measure, AMeanOfRightAndWrongHasWilsonsInterval) {
  const Mean m = mean_of({1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, std::vector<std::string>(10), false);
  EXPECT_DOUBLE_EQ(m.value, 0.8);
  EXPECT_NEAR(m.interval.low, 0.4902, 1e-4);
  EXPECT_NEAR(m.interval.high, 0.9433, 1e-4);
}

// 3 losses and 11 gains of 40: scipy.stats.binomtest(3, 14).pvalue is 0.05737.
TEST(Measure, TwoVersionsAreComparedRowByRow) {
  std::vector<double> other(40, 1), scores(40, 1);
  for (size_t i = 0; i < 3; ++i) scores[i] = 0;
  for (size_t i = 3; i < 14; ++i) other[i] = 0;
  const Contrast c = contrast_of(other, scores, std::vector<std::string>(40), false);
  EXPECT_DOUBLE_EQ(c.difference, 0.2);
  EXPECT_EQ(c.gains, 11);
  EXPECT_EQ(c.losses, 3);
  EXPECT_NEAR(c.p.value_or(0), 0.05737, 1e-5);
  EXPECT_LT(c.interval.low, 0.2);
  EXPECT_GT(c.interval.high, 0.2);
  EXPECT_FALSE(contrast_of(other, scores, std::vector<std::string>(40), true).p);
}

TEST(Measure, RowsOfOneClusterTellLessThanAsManyAlone) {
  std::vector<double> scores;
  std::vector<std::string> alone, together;
  for (int i = 0; i < 60; ++i) {
    scores.push_back(i / 6 % 2);
    alone.push_back("");
    together.push_back(std::to_string(i / 6));
  }
  const Mean a = mean_of(scores, alone, false), b = mean_of(scores, together, false);
  EXPECT_DOUBLE_EQ(a.value, b.value);
  EXPECT_GT(b.interval.high - b.interval.low, 1.5 * (a.interval.high - a.interval.low));
}

}  // namespace
}  // namespace consort::eval

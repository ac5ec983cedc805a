#include "eval/paired.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "eval/golden_values.h"

namespace consort::eval {
namespace {

using contract::Value;

PairedCounts counts_of(const Value& v) {
  auto at = [&](std::string_view key) { return *v.find(key)->as_number().as_int64(); };
  return {at("both"), at("champion_only"), at("candidate_only"), at("neither")};
}

TEST(Paired, McNemarIsThatOfStatsmodelsAndScipy) {
  Value pairs = golden_values("pairs");
  ASSERT_GE(pairs.as_array().size(), 8u);
  for (const Value& v : pairs.as_array()) {
    EXPECT_NEAR(mcnemar_exact(counts_of(v)), number(v, "mcnemar"), 1e-9);
    EXPECT_NEAR(mcnemar_better(counts_of(v)), number(v, "better"), 1e-9);
  }
  EXPECT_EQ(mcnemar_exact({5, 0, 0, 5}), 1);
}

TEST(Paired, TangosIntervalIsThatOfTheNumericallyConstrainedLikelihood) {
  const Value pairs = golden_values("pairs");
  for (const Value& v : pairs.as_array()) {
    Interval at95 = tango_interval(counts_of(v), 0.05);
    EXPECT_NEAR(at95.low, number(v, "low"), 2e-6) << contract::to_json(v);
    EXPECT_NEAR(at95.high, number(v, "high"), 2e-6) << contract::to_json(v);
    EXPECT_NEAR(tango_interval(counts_of(v), 0.10).low, number(v, "low90"), 2e-6);
  }
}

// With no discordant pair the statistic is -delta n / sqrt(n |delta| (1 + delta)) for delta < 0, so
// the bound is -z^2 / (n + z^2).
TEST(Paired, WithoutAnyDifferenceTheBoundIsThatOfTheClosedForm) {
  double z = 1.959963984540054;
  EXPECT_NEAR(tango_interval({80, 0, 0, 20}, 0.05).low, -z * z / (100 + z * z), 1e-9);
}

TEST(Paired, QuantilesHolmAndCalibrationAreThoseOfScipyStatsmodelsAndNumpy) {
  const Value quantiles = golden_values("quantiles");
  for (const Value& v : quantiles.as_array())
    EXPECT_NEAR(normal_quantile(v.as_array()[0].as_number().as_double()),
                v.as_array()[1].as_number().as_double(), 1e-9);
  Value h = golden_values("holm");
  std::vector<double> p;
  for (const Value& v : h.find("p")->as_array()) p.push_back(v.as_number().as_double());
  std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < p.size(); ++i)
    EXPECT_NEAR(adjusted[i], h.find("adjusted")->as_array()[i].as_number().as_double(), 1e-12);
  Value c = golden_values("calibration");
  std::vector<double> confidence;
  std::vector<bool> right;
  for (const Value& v : c.find("confidence")->as_array())
    confidence.push_back(v.as_number().as_double());
  for (const Value& v : c.find("right")->as_array()) right.push_back(v.as_bool());
  EXPECT_NEAR(calibration_error(confidence, right), number(c, "error"), 1e-12);
}

// The mean of n independent differences has the normal interval mean +- z s / sqrt(n); drawing ten
// equal copies of each as one cluster must give the same, not one sqrt(10) narrower.
TEST(Paired, TheBootstrapDrawsClustersAndAgreesWithTheNormalIntervalOfIndependentOnes) {
  Rng rng(7);
  std::vector<double> alone, copies;
  std::vector<size_t> own, shared;
  double sum = 0, squares = 0;
  const size_t n = 400;
  for (size_t i = 0; i < n; ++i) {
    double d = 0.02 + 0.2 * rng.normal();
    sum += d;
    squares += d * d;
    alone.push_back(d);
    own.push_back(i);
    for (int k = 0; k < 10; ++k) {
      copies.push_back(d);
      shared.push_back(i);
    }
  }
  double mean = sum / n, deviation = std::sqrt((squares - n * mean * mean) / (n - 1));
  double half = 1.959963984540054 * deviation / std::sqrt(static_cast<double>(n));
  for (const Bootstrap& b : {cluster_bootstrap(alone, own, {.alpha = 0.05}),
                             cluster_bootstrap(copies, shared, {.alpha = 0.05})}) {
    EXPECT_NEAR(b.interval.low, mean - half, 0.1 * half);
    EXPECT_NEAR(b.interval.high, mean + half, 0.1 * half);
  }
  EXPECT_EQ(cluster_bootstrap(alone, own, {.seed = 3}).interval.low,
            cluster_bootstrap(alone, own, {.seed = 3}).interval.low);
}

// n = (1.645 + 0.842)^2 d / margin^2, tabulated in many places: 2 points at 10 % discordance 1,546,
// 3 points 687, 5 points 247.
TEST(Paired, SizesAreThoseOfTheNormalFormula) {
  EXPECT_NEAR(static_cast<double>(size_for_margin(0.02, 0.10, 0.05, 0.80)), 1546, 1.5);
  EXPECT_NEAR(static_cast<double>(size_for_margin(0.03, 0.10, 0.05, 0.80)), 687, 1.5);
  EXPECT_NEAR(static_cast<double>(size_for_margin(0.05, 0.10, 0.05, 0.80)), 248, 1.5);
  // What the size promises without any difference is what Tango's bound then gives.
  int64_t n = size_for_margin(0.05, 1e-9, 0.05, 0.80);
  EXPECT_GT(tango_interval({n, 0, 0, 0}, 0.10).low, -0.05);
  EXPECT_LT(tango_interval({n - 2, 0, 0, 0}, 0.10).low, -0.05);
}

}  // namespace
}  // namespace consort::eval

#include "eval/metrics.h"

#include <gtest/gtest.h>

namespace consort::eval {
namespace {

// The worked example of the literature: gains 3 2 3 0 1 2 among documents with 3 3 3 2 2 2 1 0.
TEST(Ndcg, MatchesThePublishedExample) {
  const std::vector<double> gains = {3, 2, 3, 0, 1, 2};
  EXPECT_NEAR(ndcg_at(gains, {3, 3, 3, 2, 2, 2, 1, 0}, 6), 0.785, 0.0005);
  EXPECT_DOUBLE_EQ(ndcg_at(std::vector<double>{3, 2, 1}, {1, 2, 3}, 10), 1.0);
  EXPECT_DOUBLE_EQ(ndcg_at(gains, {0, 0}, 6), 0.0);
}

// statsmodels.stats.proportion.proportion_confint(..., method="wilson")
TEST(Rate, HasTheWilsonInterval) {
  Rate rate{10, 100};
  EXPECT_NEAR(rate.low(), 0.0552, 0.00005);
  EXPECT_NEAR(rate.high(), 0.1744, 0.00005);
  Rate all{20, 20};
  EXPECT_NEAR(all.low(), 0.8389, 0.00005);
  EXPECT_DOUBLE_EQ(all.high(), 1.0);
  EXPECT_FALSE(Rate{}.value().has_value());
}

TEST(Hit, NeedsEveryDocumentAndTakesAnyOfItsPages) {
  Needed gold{{{{"a", 3}, {"a", 7}}, {{"b", 1}}}, {}};
  const std::vector<Place> ranked = {{"a", 7}, {"c", 1}, {"b", 1}};
  EXPECT_TRUE(hit_at(gold, ranked, 3));
  EXPECT_FALSE(hit_at(gold, ranked, 2));
  EXPECT_FALSE(hit_at({}, ranked, 3));
}

TEST(Hit, APlaceWithTheSameFiguresMakesUpForOneMissingDocument) {
  Needed gold{{{{"a", 3}}}, {{"t", std::nullopt}}};
  EXPECT_TRUE(hit_at(gold, std::vector<Place>{{"t", std::nullopt}}, 5));
  gold.needed.push_back({{"b", 1}});
  EXPECT_FALSE(hit_at(gold, std::vector<Place>{{"t", std::nullopt}}, 5));
}

TEST(Spread, TakesPercentilesByNearestRank) {
  Spread spread;
  for (int i = 1; i <= 20; ++i) spread.add(i);
  EXPECT_DOUBLE_EQ(spread.percentile(0.5), 10);
  EXPECT_DOUBLE_EQ(spread.percentile(0.95), 19);
  EXPECT_DOUBLE_EQ(Spread{}.percentile(0.5), 0);
}

}  // namespace
}  // namespace consort::eval

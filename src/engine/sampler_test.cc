#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace consort::engine {
namespace {

TEST(Sampler, GreedyTakesTheLargestAllowedAndTheLowestIdAmongEquals) {
  const std::vector<float> logits = {1, 5, 5, 9, 5};
  Sampler sampler({.temperature = 0});
  EXPECT_EQ(sampler.choose(logits, {}), 3);
  const std::vector<uint64_t> allowed = {0b10110};
  EXPECT_EQ(sampler.choose(logits, allowed), 1);
}

TEST(Sampler, DrawsFollowTheSoftmaxOfTheAllowedTokens) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, 50.0f};
  const std::vector<uint64_t> allowed = {0b0111};
  Sampler sampler({.temperature = 0.5f, .top_k = 0, .seed = 4});
  std::vector<int> counts(4);
  const int n = 40000;
  for (int i = 0; i < n; ++i) ++counts[static_cast<size_t>(sampler.choose(logits, allowed))];
  const double total = 1 + std::exp(2.0) + std::exp(4.0);
  EXPECT_EQ(counts[3], 0);
  for (int t = 0; t < 3; ++t) {
    const double p = std::exp(2.0 * t) / total;
    EXPECT_NEAR(counts[static_cast<size_t>(t)], n * p, 5 * std::sqrt(n * p * (1 - p)));
  }
}

TEST(Sampler, TopKAndTopPLeaveOnlyTheLikeliest) {
  const std::vector<float> logits = {3, 2, 1, 0};
  Sampler two({.temperature = 5.0f, .top_k = 2, .seed = 1});
  // softmax of (3, 2, 1, 0) is .64 .24 .09 .03: 0.7 is reached by the first two.
  Sampler nucleus({.temperature = 1.0f, .top_k = 0, .top_p = 0.7f, .seed = 1});
  for (int i = 0; i < 500; ++i) {
    EXPECT_LT(two.choose(logits, {}), 2);
    EXPECT_LT(nucleus.choose(logits, {}), 2);
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  std::vector<float> logits(500);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(std::sin(i * 12.9898));
  Sampler a({.temperature = 1, .seed = 9}), b({.temperature = 1, .seed = 9}),
      c({.temperature = 1, .seed = 10});
  int differ = 0;
  for (int i = 0; i < 100; ++i) {
    const int32_t token = a.choose(logits, {});
    EXPECT_EQ(token, b.choose(logits, {}));
    differ += token != c.choose(logits, {}) ? 1 : 0;
  }
  EXPECT_GT(differ, 50);
}

}  // namespace
}  // namespace consort::engine

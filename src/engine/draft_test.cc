#include "engine/draft.h"

#include <gtest/gtest.h>

namespace consort::engine {
namespace {

std::vector<int32_t> propose(Drafter& d, const std::vector<int32_t>& tokens, int n_max = 8) {
  const auto draft = d.propose(tokens, n_max);
  return {draft.begin(), draft.end()};
}

TEST(Drafter, ProposesWhatFollowedTheLastThreeTokensBefore) {
  Drafter d;
  EXPECT_EQ(propose(d, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}), (std::vector<int32_t>{4, 5, 6, 7}));
  EXPECT_EQ(propose(d, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4}, 2), (std::vector<int32_t>{5, 6}));
}

TEST(Drafter, ProposesNothingWhereNothingRepeats) {
  Drafter d;
  EXPECT_TRUE(propose(d, {1, 2}).empty());
  EXPECT_TRUE(propose(d, {1, 2, 3}).empty());
  EXPECT_TRUE(propose(d, {1, 2, 3, 4, 5, 6}).empty());
}

TEST(Drafter, TheLatestPlaceWins) {
  Drafter d;
  EXPECT_EQ(propose(d, {1, 2, 3, 7, 1, 2, 3, 8, 1, 2, 3}, 1), (std::vector<int32_t>{8}));
}

TEST(Drafter, GoesOnRepeatingPastTheEnd) {
  Drafter d;
  EXPECT_EQ(propose(d, {5, 5, 5, 5, 5}), (std::vector<int32_t>{5, 5, 5, 5}));
}

TEST(Drafter, DraftsMoreWhileItIsRightAndHardlyEverWhereItIsWrong) {
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3};
  Drafter good;
  for (int i = 0; i < 8; ++i) good.learn(4, 4);
  EXPECT_EQ(propose(good, tokens).size(), 8u);
  Drafter bad;
  for (int i = 0; i < 8; ++i) bad.learn(4, 0);
  size_t drafted = 0;
  for (int i = 0; i < 240; ++i) drafted += propose(bad, tokens).size();
  EXPECT_GT(drafted, 0u);
  EXPECT_LE(drafted, 20u);
}

}  // namespace
}  // namespace consort::engine

#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace consort {
namespace {

// Expected values: SplitMix64(0) of the authors' reference code (prng.di.unimi.it), whose first
// outputs seed the state, then one step of the published xoshiro256** by hand:
// s = {e220a8397b1dcdaf, 6e789e6aa1b965f4, 06c45d188009454f, f88bb8a8724c81ec}.
TEST(Rng, FirstOutputFollowsThePublishedRecurrence) {
  const uint64_t s1 = 0x6e789e6aa1b965f4ull;
  const uint64_t x = s1 * 5;
  const uint64_t expected = ((x << 7) | (x >> 57)) * 9;
  EXPECT_EQ(Rng(0).next(), expected);
}

TEST(Rng, CopiesForkTheStream) {
  Rng a(7);
  a.next();
  Rng b = a;
  EXPECT_EQ(a.next(), b.next());
}

TEST(Rng, BelowIsUniformByChiSquare) {
  Rng rng(3);
  std::vector<int> counts(10);
  for (int i = 0; i < 100000; ++i) ++counts[rng.below(10)];
  double chi2 = 0;
  for (int c : counts) chi2 += (c - 10000.0) * (c - 10000.0) / 10000.0;
  EXPECT_LT(chi2, 27.88);  // 9 degrees of freedom, p = 0.001.
}

TEST(Rng, NormalHasMeanZeroAndDeviationOne) {
  Rng rng(5);
  double sum = 0, squares = 0;
  for (int i = 0; i < 100000; ++i) {
    double x = rng.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 100000, 0, 0.015);
  EXPECT_NEAR(squares / 100000, 1, 0.03);
}

}  // namespace
}  // namespace consort

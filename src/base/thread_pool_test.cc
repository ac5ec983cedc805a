#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace consort {
namespace {

TEST(ThreadPool, RunsEveryPieceExactlyOnceInManyShortLoops) {
  for (int n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    ASSERT_EQ(pool.n_threads(), n_threads);
    std::vector<int> counts(97, 0);
    for (int loop = 0; loop < 3000; ++loop) {
      pool.parallel_for(1 + loop % 97, [&](int i) { ++counts[static_cast<size_t>(i)]; });
    }
    std::vector<int> expected(97, 0);
    for (int loop = 0; loop < 3000; ++loop) {
      for (int i = 0; i < 1 + loop % 97; ++i) ++expected[static_cast<size_t>(i)];
    }
    EXPECT_EQ(counts, expected) << n_threads;
  }
}

TEST(ThreadPool, WakesWorkersThatHaveGoneToSleep) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  for (int loop = 0; loop < 5; ++loop) {
    // Long enough, in most runs, for the workers to pass their spin limit and sleep.
    volatile uint64_t sink = 0;
    for (int i = 0; i < 3000000; ++i) sink = sink + static_cast<uint64_t>(i);
    pool.parallel_for(10, [&](int i) { sum += i; });
  }
  EXPECT_EQ(sum.load(), 5 * 45);
}

TEST(ThreadPool, AnEmptyLoopReturnsAtOnce) {
  ThreadPool pool(2);
  pool.parallel_for(0, [](int) { FAIL(); });
}

TEST(ThreadPool, WritesOfThePiecesAreVisibleToTheCaller) {
  ThreadPool pool(4);
  std::vector<uint64_t> values(1000);
  for (uint64_t round = 0; round < 500; ++round) {
    pool.parallel_for(1000, [&](int i) {
      values[static_cast<size_t>(i)] = round * 1000 + static_cast<uint64_t>(i);
    });
    const uint64_t sum = std::accumulate(values.begin(), values.end(), uint64_t{0});
    ASSERT_EQ(sum, round * 1000 * 1000 + 999 * 1000 / 2);
  }
}

}  // namespace
}  // namespace consort

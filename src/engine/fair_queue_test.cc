#include "engine/fair_queue.h"

#include <gtest/gtest.h>

namespace consort::engine {
namespace {

// The queue never looks into a task: any address will do.
Task* task(uintptr_t i) { return reinterpret_cast<Task*>(i); }

std::vector<uintptr_t> order(const FairQueue& queue, FairQueue::Limits limits = {}) {
  std::vector<uintptr_t> out;
  for (Task* t : queue.order(limits)) out.push_back(reinterpret_cast<uintptr_t>(t));
  return out;
}

TEST(FairQueue, TheUrgentGoFirstThenTheOrderOfArrival) {
  FairQueue queue;
  ASSERT_TRUE(queue.push({task(1), "a", 0, 10}, {}, {}));
  ASSERT_TRUE(queue.push({task(2), "a", 0, 10}, {}, {}));
  ASSERT_TRUE(queue.push({task(3), "a", 5, 10}, {}, {}));
  EXPECT_EQ(order(queue), (std::vector<uintptr_t>{3, 1, 2}));
}

TEST(FairQueue, AnOwnerWithManyRequestsDoesNotKeepAnotherWaiting) {
  FairQueue queue;
  for (uintptr_t i = 1; i <= 50; ++i) ASSERT_TRUE(queue.push({task(i), "noisy", 0, 100}, {}, {}));
  ASSERT_TRUE(queue.push({task(51), "quiet", 0, 100}, {}, {}));
  queue.start(task(1));
  EXPECT_EQ(order(queue)[0], 51u);
}

TEST(FairQueue, OwnersGetTokensEvenlyNotRequests) {
  FairQueue queue;
  for (uintptr_t i = 1; i <= 4; ++i) ASSERT_TRUE(queue.push({task(i), "long", 0, 300}, {}, {}));
  for (uintptr_t i = 5; i <= 10; ++i) ASSERT_TRUE(queue.push({task(i), "short", 0, 100}, {}, {}));
  const std::vector<uintptr_t> found = order(queue);
  // After one long request three short ones go.
  EXPECT_EQ(std::vector<uintptr_t>(found.begin(), found.begin() + 5),
            (std::vector<uintptr_t>{1, 5, 6, 7, 2}));
}

TEST(FairQueue, WhoWasAwayCannotSaveUp) {
  FairQueue queue;
  ASSERT_TRUE(queue.push({task(1), "a", 0, 1000}, {}, {}));
  queue.start(task(1));
  ASSERT_TRUE(queue.push({task(2), "b", 0, 10}, {}, {}));
  ASSERT_TRUE(queue.push({task(3), "a", 0, 10}, {}, {}));
  // b begins at a's level: neither is ahead by the past.
  EXPECT_EQ(order(queue), (std::vector<uintptr_t>{3, 2}));
}

TEST(FairQueue, AnOwnerTakesNoMoreThanItsPlaces) {
  FairQueue queue;
  const FairQueue::Limits limits{.owner_active_max = 2};
  for (uintptr_t i = 1; i <= 3; ++i) ASSERT_TRUE(queue.push({task(i), "a", 0, 10}, limits, {}));
  EXPECT_EQ(order(queue, limits).size(), 2u);
  queue.start(task(1));
  queue.start(task(2));
  EXPECT_TRUE(order(queue, limits).empty());
  queue.end("a", 10, 10);
  EXPECT_EQ(order(queue, limits), (std::vector<uintptr_t>{3}));
}

TEST(FairQueue, WhatCannotWaitIsToldAtOnce) {
  FairQueue queue;
  const FairQueue::Limits limits{.queue_max = 3, .owner_queue_max = 2};
  ASSERT_TRUE(queue.push({task(1), "a", 0, 1000}, limits, {}));
  ASSERT_TRUE(queue.push({task(2), "a", 0, 1000}, limits, {}));
  EXPECT_EQ(queue.push({task(3), "a", 0, 10}, limits, {}).error().number, 4117);
  queue.measure(100, 1.0);  // 100 tokens a second: 20 s ahead.
  EXPECT_EQ(queue.push({task(3), "b", 0, 10}, limits, std::chrono::seconds(10)).error().number,
            4102);
  EXPECT_TRUE(queue.push({task(3), "b", 0, 10}, limits, std::chrono::seconds(30)));
  EXPECT_EQ(queue.push({task(4), "c", 0, 10}, limits, {}).error().number, 4102);
  queue.remove(task(1));
  EXPECT_TRUE(queue.push({task(4), "c", 0, 10}, limits, {}));
  EXPECT_EQ(queue.waiting_tokens(), 1020);
}

}  // namespace
}  // namespace consort::engine

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
  ASSERT_TRUE(queue.push({task(1), "a", 0, {10, 0}}, {}));
  ASSERT_TRUE(queue.push({task(2), "a", 0, {10, 0}}, {}));
  ASSERT_TRUE(queue.push({task(3), "a", 5, {10, 0}}, {}));
  EXPECT_EQ(order(queue), (std::vector<uintptr_t>{3, 1, 2}));
}

TEST(FairQueue, AnOwnerWithManyRequestsDoesNotKeepAnotherWaiting) {
  FairQueue queue;
  for (uintptr_t i = 1; i <= 50; ++i) ASSERT_TRUE(queue.push({task(i), "noisy", 0, {100, 0}}, {}));
  ASSERT_TRUE(queue.push({task(51), "quiet", 0, {100, 0}}, {}));
  queue.start(task(1));
  EXPECT_EQ(order(queue)[0], 51u);
}

TEST(FairQueue, OwnersGetTokensEvenlyNotRequests) {
  FairQueue queue;
  for (uintptr_t i = 1; i <= 4; ++i) ASSERT_TRUE(queue.push({task(i), "long", 0, {300, 0}}, {}));
  for (uintptr_t i = 5; i <= 10; ++i) ASSERT_TRUE(queue.push({task(i), "short", 0, {100, 0}}, {}));
  const std::vector<uintptr_t> found = order(queue);
  // After one long request three short ones go.
  EXPECT_EQ(std::vector<uintptr_t>(found.begin(), found.begin() + 5),
            (std::vector<uintptr_t>{1, 5, 6, 7, 2}));
}

TEST(FairQueue, WhoWasAwayCannotSaveUp) {
  FairQueue queue;
  ASSERT_TRUE(queue.push({task(1), "a", 0, {1000, 0}}, {}));
  queue.start(task(1));
  ASSERT_TRUE(queue.push({task(2), "b", 0, {10, 0}}, {}));
  ASSERT_TRUE(queue.push({task(3), "a", 0, {10, 0}}, {}));
  // Served alike, but a has one in the batch.
  EXPECT_EQ(order(queue), (std::vector<uintptr_t>{2, 3}));
  // b began at a's level: neither is ahead by the past, and a's next goes before b's second.
  queue.end("a", 1000, 1000);
  ASSERT_TRUE(queue.push({task(4), "b", 0, {10, 0}}, {}));
  EXPECT_EQ(order(queue), (std::vector<uintptr_t>{3, 2, 4}));
}

TEST(FairQueue, AnOwnerTakesNoMoreThanItsPlaces) {
  FairQueue queue;
  const FairQueue::Limits limits{.owner_active_max = 2};
  for (uintptr_t i = 1; i <= 3; ++i) ASSERT_TRUE(queue.push({task(i), "a", 0, {10, 0}}, limits));
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
  ASSERT_TRUE(queue.push({task(1), "a", 0, {1000, 0}}, limits));
  ASSERT_TRUE(queue.push({task(2), "a", 0, {1000, 0}}, limits));
  EXPECT_EQ(queue.push({task(3), "a", 0, {10, 0}}, limits).error().number, 4117);
  EXPECT_TRUE(queue.push({task(3), "b", 0, {10, 0}}, limits));
  EXPECT_EQ(queue.push({task(4), "c", 0, {10, 0}}, limits).error().number, 4102);
  queue.remove(task(1));
  EXPECT_TRUE(queue.push({task(4), "c", 0, {10, 0}}, limits));
}

TEST(FairQueue, AFullQueueStillTakesOneOfAnOwnerWhoHasNoneInIt) {
  FairQueue queue;
  const FairQueue::Limits limits{.queue_max = 8};
  for (uintptr_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(queue.push({task(i), "noisy", 0, {10, 0}}, limits).has_value(), i <= 8) << i;
  }
  EXPECT_TRUE(queue.push({task(11), "quiet", 0, {10, 0}}, limits));
  EXPECT_FALSE(queue.push({task(12), "quiet", 0, {10, 0}}, limits));
}

TEST(FairQueue, WorkAheadIsTheOwnersOwnAndAFairShareOfTheOthers) {
  FairQueue queue;
  ASSERT_TRUE(queue.push({task(1), "a", 0, {100, 10}}, {}));
  ASSERT_TRUE(queue.push({task(2), "b", 0, {200, 20}}, {}));
  ASSERT_TRUE(queue.push({task(3), "a", -1, {900, 90}}, {}));  // Less urgent: goes behind.
  queue.set_active({{"a", {5, 7}}});
  Work ahead = queue.ahead({task(4), "a", 0, {100, 10}});
  EXPECT_EQ(ahead.prompt, 100 + 5 + 200);
  EXPECT_EQ(ahead.answer, 10 + 7 + 20);
  // An owner with four times as much to do is passed by.
  for (uintptr_t i = 10; i < 60; ++i) ASSERT_TRUE(queue.push({task(i), "b", 0, {200, 0}}, {}));
  ahead = queue.ahead({task(4), "a", 0, {100, 10}});
  EXPECT_EQ(ahead.prompt, 100 + 5);
}

}  // namespace
}  // namespace consort::engine

#include "engine/next_use.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace consort::engine {
namespace {

TEST(NextUses, TheNearestUseOfAnyRunCounts) {
  NextUses uses;
  uses.expect("1", {{"a", ""}, {"b", "x"}, {"c", ""}});
  uses.expect("2", {{"c", ""}, {"c", ""}, {"a", "y"}});
  EXPECT_EQ(uses.distance("a", ""), 0u);
  EXPECT_EQ(uses.distance("a", "y"), 2u);
  EXPECT_EQ(uses.distance("b", ""), 1u);
  EXPECT_EQ(uses.distance("b", "x"), 1u);
  EXPECT_EQ(uses.distance("c", ""), 0u);
  EXPECT_EQ(uses.distance("b", "z"), std::nullopt);
  EXPECT_EQ(uses.distance("d", ""), std::nullopt);
  EXPECT_EQ(uses.soon(1), (std::vector<Use>{{"a", ""}, {"c", ""}, {"b", "x"}}));
  uses.expect("1", {});
  EXPECT_EQ(uses.distance("b", ""), std::nullopt);
}

TEST(NextUses, WhatNobodyExpectsGoesFirstThenTheFarthest) {
  std::vector<Evictable> all = {{"near", "", 1, 1}, {"old", "", 2, {}}, {"far", "", 9, 7},
                                {"new", "", 8, {}}, {"now", "", 3, 0},  {"far too", "", 4, 7}};
  std::sort(all.begin(), all.end(), goes_before);
  std::vector<std::string> order;
  for (const Evictable& e : all) order.push_back(e.model);
  EXPECT_EQ(order, (std::vector<std::string>{"old", "new", "far too", "far", "near", "now"}));
}

}  // namespace
}  // namespace consort::engine

#include "engine/pages.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"

namespace consort::engine {
namespace {

std::vector<int32_t> counting(int n, int32_t first = 0) {
  std::vector<int32_t> out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), first);
  return out;
}

TEST(PagePool, StopsAtTheBudgetAndGivesBytesBack) {
  ByteBudget budget(1000);
  {
    PagePool pool(300, budget);
    std::vector<Page*> pages = {pool.allocate(), pool.allocate(), pool.allocate()};
    EXPECT_EQ(pool.allocate(), nullptr);
    EXPECT_EQ(budget.used(), 900u);
    pool.release(pages[0]);
    EXPECT_EQ(pool.allocate(), pages[0]);
    for (Page* page : pages) pool.release(page);
    pool.trim();
    EXPECT_EQ(budget.used(), 0u);
  }
  EXPECT_FALSE(budget.try_add(1001));
  EXPECT_TRUE(budget.try_add(1000));
}

TEST(PrefixTree, FindsTheLongestKnownRunOfFullPagesOfTheSameAdapter) {
  ByteBudget budget(1 << 20);
  PagePool pool(64, budget);
  PrefixTree tree(pool);
  const std::vector<int32_t> tokens = counting(100);
  std::vector<Page*> pages = {pool.allocate(), pool.allocate(), pool.allocate()};
  tree.insert(0, tokens, pages);
  std::vector<Page*> found = tree.find(0, counting(70), 9);
  EXPECT_EQ(found, std::vector<Page*>({pages[0], pages[1]}));
  for (Page* page : found) pool.release(page);
  EXPECT_TRUE(tree.find(1, tokens, 9).empty());
  EXPECT_TRUE(tree.find(0, counting(70, 1), 9).empty());
  found = tree.find(0, tokens, 1);
  EXPECT_EQ(found.size(), 1u);
  pool.release(found[0]);
  for (Page* page : pages) pool.release(page);
  EXPECT_EQ(pool.n_in_use(), 3);
  tree.forget(0);
  EXPECT_EQ(pool.n_in_use(), 0);
}

TEST(PrefixTree, EvictsTheLeastRecentlyUsedLeafThatNobodyHolds) {
  ByteBudget budget(1 << 20);
  PagePool pool(64, budget);
  PrefixTree tree(pool);
  std::vector<Page*> a = {pool.allocate(), pool.allocate()}, b = {pool.allocate()};
  tree.insert(0, counting(64), a);
  tree.insert(0, counting(32, 500), b);
  pool.release(a[0]);
  pool.release(a[1]);
  EXPECT_TRUE(tree.evict_one());  // a's second page: older than b, which is held anyway.
  EXPECT_EQ(a[1]->refs, 0);
  EXPECT_TRUE(tree.evict_one());
  EXPECT_EQ(a[0]->refs, 0);
  EXPECT_FALSE(tree.evict_one());
  pool.release(b[0]);
  EXPECT_TRUE(tree.evict_one());
  EXPECT_EQ(pool.n_in_use(), 0);
}

TEST(PrefixTree, RandomUseLeaksNoPage) {
  ByteBudget budget(64 * 40);
  PagePool pool(64, budget);
  PrefixTree tree(pool);
  Rng rng(11);
  std::vector<std::vector<Page*>> held;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t adapter = rng.below(3);
    std::vector<int32_t> tokens;
    for (uint64_t i = 0, n = 1 + rng.below(4); i < n; ++i) {
      const std::vector<int32_t> page(32, static_cast<int32_t>(rng.below(3)));
      tokens.insert(tokens.end(), page.begin(), page.end());
    }
    std::vector<Page*> pages = tree.find(adapter, tokens, 9);
    while (pages.size() < tokens.size() / 32) {
      Page* page = pool.allocate();
      while (page == nullptr && tree.evict_one()) page = pool.allocate();
      if (page == nullptr) break;
      pages.push_back(page);
    }
    tree.insert(adapter, tokens, pages);
    held.push_back(std::move(pages));
    while (held.size() > rng.below(6)) {
      const size_t at = rng.below(held.size());
      for (Page* page : held[at]) pool.release(page);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (rng.below(500) == 0) tree.forget(rng.below(3));
  }
  for (const auto& pages : held) {
    for (Page* page : pages) pool.release(page);
  }
  EXPECT_EQ(pool.n_in_use(), static_cast<int>(tree.size()));
  tree.clear();
  EXPECT_EQ(pool.n_in_use(), 0);
}

}  // namespace
}  // namespace consort::engine

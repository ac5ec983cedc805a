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
  tree.insert({7, 0}, tokens, pages);
  std::vector<Page*> found = tree.find({7, 0}, counting(70), 9);
  EXPECT_EQ(found, std::vector<Page*>({pages[0], pages[1]}));
  for (Page* page : found) pool.release(page);
  EXPECT_TRUE(tree.find({1, 0}, tokens, 9).empty());
  EXPECT_TRUE(tree.find({7, 0}, counting(70, 1), 9).empty());
  EXPECT_TRUE(tree.find({}, tokens, 9).empty());
  found = tree.find({7, 0}, tokens, 1);
  EXPECT_EQ(found.size(), 1u);
  pool.release(found[0]);
  for (Page* page : pages) pool.release(page);
  EXPECT_EQ(pool.n_in_use(), 3);
  tree.forget(7);
  EXPECT_EQ(pool.n_in_use(), 0);
}

TEST(PrefixTree, PagesBeforeAnInvocationAreTheBasesAndSharedByAllAdapters) {
  ByteBudget budget(1 << 20);
  PagePool pool(64, budget);
  PrefixTree tree(pool);
  const std::vector<int32_t> tokens = counting(128);
  const auto n_found = [&](Acting acting) {
    const std::vector<Page*> found = tree.find(acting, tokens, 9);
    for (Page* page : found) pool.release(page);
    return found.size();
  };
  std::vector<Page*> pages;
  for (int i = 0; i < 4; ++i) pages.push_back(pool.allocate());
  tree.insert({1, 70}, tokens, pages);  // Acts from the third page's seventh position on.
  EXPECT_EQ(n_found({}), 2u);
  EXPECT_EQ(n_found({2, 70}), 2u);
  EXPECT_EQ(n_found({2, 40}), 1u);
  EXPECT_EQ(n_found({2, 0}), 0u);
  EXPECT_EQ(n_found({1, 70}), 4u);
  // The same tokens, another invocation: the third page differs.
  EXPECT_EQ(n_found({1, 71}), 2u);
  for (Page* page : pages) pool.release(page);
  tree.forget(1);
  EXPECT_EQ(pool.n_in_use(), 2);
}

TEST(PagePool, AMappedPageCountsAndIsNotReused) {
  ByteBudget budget(1000);
  PagePool pool(300, budget);
  auto bytes = std::make_shared<std::vector<uint8_t>>(300);
  Page* page = pool.adopt(bytes->data(), bytes);
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(budget.used(), 300u);
  EXPECT_EQ(bytes.use_count(), 2);
  pool.release(page);
  EXPECT_EQ(bytes.use_count(), 1);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_NE(pool.allocate()->data, bytes->data());
}

TEST(PrefixTree, EvictsTheLeastRecentlyUsedLeafThatNobodyHolds) {
  ByteBudget budget(1 << 20);
  PagePool pool(64, budget);
  PrefixTree tree(pool);
  std::vector<Page*> a = {pool.allocate(), pool.allocate()}, b = {pool.allocate()};
  tree.insert({}, counting(64), a);
  tree.insert({}, counting(32, 500), b);
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
    const Acting acting{rng.below(3), static_cast<int>(rng.below(3)) * 20};
    std::vector<int32_t> tokens;
    for (uint64_t i = 0, n = 1 + rng.below(4); i < n; ++i) {
      const std::vector<int32_t> page(32, static_cast<int32_t>(rng.below(3)));
      tokens.insert(tokens.end(), page.begin(), page.end());
    }
    std::vector<Page*> pages = tree.find(acting, tokens, 9);
    while (pages.size() < tokens.size() / 32) {
      Page* page = pool.allocate();
      while (page == nullptr && tree.evict_one()) page = pool.allocate();
      if (page == nullptr) break;
      pages.push_back(page);
    }
    tree.insert(acting, tokens, pages);
    held.push_back(std::move(pages));
    while (held.size() > rng.below(6)) {
      const size_t at = rng.below(held.size());
      for (Page* page : held[at]) pool.release(page);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (rng.below(500) == 0) tree.forget(1 + rng.below(2));
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

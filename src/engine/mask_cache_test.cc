#include "engine/mask_cache.h"

#include <gtest/gtest.h>

namespace consort::engine {
namespace {

std::shared_ptr<const mask::Vocabulary> ascii() {
  std::vector<std::string> pieces;
  for (char c = ' '; c <= '~'; ++c) pieces.emplace_back(1, c);
  pieces.emplace_back();
  const auto end = static_cast<int32_t>(pieces.size()) - 1;
  auto made = mask::Vocabulary::create(std::move(pieces), {end});
  EXPECT_TRUE(made) << made.error().to_string();
  return *made;
}

std::shared_ptr<const contract::Schema> schema(const std::string& json) {
  auto made = contract::Schema::compile(*contract::parse_json(json), "Test");
  EXPECT_TRUE(made) << made.error().to_string();
  return *made;
}

TEST(MaskCache, TheSameDocumentVocabularyAndOptionsAreCompiledOnce) {
  ByteBudget budget(1ull << 40);
  MaskCache cache(64 << 20, budget);
  const auto words = ascii();
  const std::string text = R"({"type":"object","properties":{"a":{"type":"integer"}}})";
  auto first = cache.get(schema(text), words, {});
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_FALSE(first->was_known);
  auto second = cache.get(schema(text), words, {});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->was_known);
  EXPECT_EQ(first->mask, second->mask);
  EXPECT_FALSE(cache.get(schema(text), words, {.digits_max = 3})->was_known);
  EXPECT_FALSE(cache.get(schema(text), ascii(), {})->was_known);
  EXPECT_FALSE(cache.get(schema(R"({"type":"integer"})"), words, {})->was_known);
  EXPECT_EQ(cache.size(), 4u);
  cache.forget(words.get());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(MaskCache, TheLeastRecentlyUsedGoesWhenTheBytesAreSpent) {
  const auto words = ascii();
  const auto a = schema(R"({"enum":["a"]})"), b = schema(R"({"enum":["b"]})"),
             c = schema(R"({"enum":["c"]})");
  ByteBudget budget(1ull << 40);
  MaskCache measure(64 << 20, budget);
  ASSERT_TRUE(measure.get(a, words, {}));
  const uint64_t one = measure.bytes();
  EXPECT_GT(one, 0u);
  MaskCache cache(2 * one + one / 2, budget);
  ASSERT_TRUE(cache.get(a, words, {}));
  ASSERT_TRUE(cache.get(b, words, {}));
  EXPECT_TRUE(cache.get(a, words, {})->was_known);
  auto last = cache.get(c, words, {});  // b goes.
  ASSERT_TRUE(last);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_LE(cache.bytes(), 2 * one + one / 2);
  EXPECT_TRUE(cache.get(a, words, {})->was_known);
  EXPECT_FALSE(cache.get(b, words, {})->was_known);
  // What is in use lives on.
  mask::Matcher matcher(last->mask);
  std::vector<uint64_t> allowed((words->size() + 63) / 64);
  EXPECT_TRUE(matcher.allowed(9, allowed));
}

TEST(MaskCache, WhatIsKeptIsChargedToTheBudgetAndFitsIt) {
  const auto words = ascii();
  const auto a = schema(R"({"enum":["a"]})"), b = schema(R"({"enum":["b"]})");
  ByteBudget wide(1ull << 40);
  uint64_t one = 0;
  {
    MaskCache cache(64 << 20, wide);
    ASSERT_TRUE(cache.get(a, words, {}));
    one = wide.used();
    EXPECT_EQ(one, cache.bytes());
  }
  EXPECT_EQ(wide.used(), 0u);
  ByteBudget tight(one + one / 2);
  MaskCache cache(64 << 20, tight);
  ASSERT_TRUE(cache.get(a, words, {}));
  ASSERT_TRUE(cache.get(b, words, {}));
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_LE(tight.used(), tight.max());
  EXPECT_TRUE(cache.forget_oldest());
  EXPECT_EQ(tight.used(), 0u);
}

TEST(MaskCache, ASchemaThatCannotBeEnforcedIsNotKept) {
  ByteBudget budget(1ull << 40);
  MaskCache cache(64 << 20, budget);
  auto refused = cache.get(schema("false"), ascii(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, 2203);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace consort::engine

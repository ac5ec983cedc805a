#include "eval/gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace consort::eval {
namespace {

constexpr int kRepetitions = 400;

struct Planted {
  double accuracy = 0.8;     // Of the champion.
  double discordance = 0.1;  // Share of items that differ.
  double loss = 0;           // Of the candidate, in the whole set or in one slice.
  std::string only_slice;    // Empty: everywhere.
};

// Each item: right by `accuracy`, then changed so that losses exceed gains by `loss`.
std::vector<Item> simulate(Rng& rng, int n, int n_slices, const Planted& planted) {
  std::vector<Item> out;
  for (int i = 0; i < n; ++i) {
    Item item;
    item.slice = n_slices > 0 ? fmt::format("s{}", i % n_slices) : "";
    bool here = planted.only_slice.empty() || planted.only_slice == item.slice;
    double loss = here ? planted.loss : 0, d = std::max(planted.discordance, loss);
    double u = rng.uniform();
    bool right = rng.uniform() < planted.accuracy;
    double champion = right ? 1 : 0, candidate = champion;
    if (u < (d + loss) / 2) {
      champion = 1, candidate = 0;
    } else if (u < d) {
      champion = 0, candidate = 1;
    }
    item.champion = {champion};
    item.candidate = {candidate};
    out.push_back(std::move(item));
  }
  return out;
}

double blocked_share(const Policy& policy, int n, int n_slices, const Planted& planted,
                     uint64_t seed) {
  Rng rng(seed);
  int blocked = 0;
  for (int r = 0; r < kRepetitions; ++r) {
    auto verdict = judge(policy, simulate(rng, n, n_slices, planted), {});
    EXPECT_TRUE(verdict) << verdict.error().to_string();
    blocked += verdict && !verdict->pass ? 1 : 0;
  }
  return static_cast<double>(blocked) / kRepetitions;
}

Policy policy_of(double margin) { return {.metrics = {{.name = "exact", .margin = margin}}}; }

// Sets as large as the gate asks for, and no larger. Seeds are fixed, so the shares are too.
TEST(Gate, EquallyGoodVersionsAreBlockedInAtMostFiveOfAHundredComparisons) {
  Policy policy = policy_of(0.05);
  for (uint64_t seed : {11, 12, 13}) {
    double share = blocked_share(policy, 520, 0, {}, seed);
    std::cout << "blocked, no loss: " << share << "\n";
    EXPECT_LE(share, 0.05);
  }
  // The smallest size that the gate accepts for the golden set and four slices.
  double share = blocked_share(policy, 716, 4, {}, 14);
  std::cout << "blocked, no loss, four slices: " << share << "\n";
  EXPECT_LE(share, 0.05);
}

TEST(Gate, ALossOverTheMarginIsBlockedInAtLeastNinetyFiveOfAHundredComparisons) {
  Policy policy = policy_of(0.05);
  for (double loss : {0.06, 0.08, 0.15}) {
    double share = blocked_share(policy, 520, 0, {.loss = loss}, 21);
    std::cout << "blocked, loss " << loss << ": " << share << "\n";
    EXPECT_GE(share, 0.95);
  }
  double slice = blocked_share(policy, 716, 4, {.loss = 0.15, .only_slice = "s2"}, 22);
  std::cout << "blocked, loss of 15 points in one slice of four: " << slice << "\n";
  EXPECT_GE(slice, 0.95);
}

// The error of the bound at the margin itself is alpha; 0.09 is alpha and four deviations of 400.
TEST(Gate, ALossOfExactlyTheMarginPassesAboutAsOftenAsAlphaSays) {
  double share = blocked_share(policy_of(0.05), 520, 0, {.loss = 0.05}, 31);
  std::cout << "blocked, loss of the margin: " << share << "\n";
  EXPECT_GE(share, 0.91);
}

TEST(Gate, GradedScoresOfRowsThatShareATableAreJudgedByClusters) {
  Policy policy = policy_of(0.05);
  policy.metrics[0].graded = true;
  policy.deviation = 0.2;
  auto share = [&](double loss, uint64_t seed) {
    Rng rng(seed);
    int blocked = 0;
    for (int r = 0; r < 100; ++r) {
      std::vector<Item> items;
      for (int table = 0; table < 250; ++table) {
        double of_table = 0.1 * rng.normal();
        for (int k = 0; k < 4; ++k) {
          double champion = 0.5 + 0.1 * rng.normal();
          items.push_back({.cluster = std::to_string(table),
                           .champion = {champion},
                           .candidate = {champion - loss + of_table + 0.1 * rng.normal()}});
        }
      }
      auto verdict = judge(policy, items, {});
      blocked += verdict && !verdict->pass ? 1 : 0;
    }
    return blocked / 100.0;
  };
  EXPECT_LE(share(0, 41), 0.05);
  EXPECT_GE(share(0.07, 42), 0.95);
}

TEST(Gate, ASetTooSmallForTheMarginIsRefusedWithTheSizeNeeded) {
  Rng rng(1);
  auto small = judge(policy_of(0.02), simulate(rng, 500, 0, {}), {});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().number, 8203);
  EXPECT_NE(small.error().message.find("needs 3249 examples"), std::string::npos)
      << small.error().message;
  auto slice = check_sizes(policy_of(0.05), {{"golden set", 900}, {"slice hard", 40}});
  ASSERT_FALSE(slice);
  EXPECT_NE(slice.error().message.find("slice hard"), std::string::npos);
  EXPECT_EQ(check_sizes(policy_of(0), {}).error().number, 8206);
}

TEST(Gate, BetterMustBeShownWhereItIsClaimed) {
  Rng rng(2);
  Policy policy = policy_of(0.05);
  policy.metrics[0].superior = true;
  auto equal = judge(policy, simulate(rng, 1000, 0, {}), {});
  auto better = judge(policy, simulate(rng, 1000, 0, {.loss = -0.06}), {});
  ASSERT_TRUE(equal && better);
  EXPECT_FALSE(equal->pass);
  EXPECT_TRUE(better->pass) << better->lines()[0];
  EXPECT_NE(equal->reasons[0].find("was claimed and is not shown"), std::string::npos);
}

TEST(Gate, TheProbeForForgettingTheLatencyAndTheSizeOfTheAdapterBlockToo) {
  Rng rng(3);
  std::vector<Item> items = simulate(rng, 1000, 0, {});
  EXPECT_TRUE(judge(policy_of(0.05), items, {.champion_ms = 10, .candidate_ms = 12})->pass);
  EXPECT_FALSE(judge(policy_of(0.05), items, {.champion_ms = 10, .candidate_ms = 16})->pass);
  EXPECT_FALSE(judge(policy_of(0.05), items, {.adapter_bytes = 65ull << 20})->pass);
  for (Item item : simulate(rng, 1000, 0, {.loss = 0.1})) {
    item.probe = true;
    items.push_back(std::move(item));
  }
  auto forgot = judge(policy_of(0.05), items, {});
  ASSERT_TRUE(forgot);
  EXPECT_FALSE(forgot->pass);
  EXPECT_NE(forgot->reasons[0].find("on the probe"), std::string::npos) << forgot->reasons[0];
}

TEST(Gate, WhatCannotBeToldSaysHowManyExamplesWouldSettleIt) {
  std::vector<Item> items;  // 130 gains and 130 losses among 520.
  for (int i = 0; i < 520; ++i) {
    Item item;
    item.champion = {i % 4 == 1 ? 1.0 : 0.0};
    item.candidate = {i % 4 == 2 ? 1.0 : 0.0};
    items.push_back(std::move(item));
  }
  auto verdict = judge(policy_of(0.05), items, {});
  ASSERT_TRUE(verdict);
  ASSERT_FALSE(verdict->pass);
  EXPECT_EQ(verdict->checks[0].finding, Finding::open);
  // (1.64485 + 1.95996)^2 * 0.5 / 0.05^2 = 2,598.9
  EXPECT_EQ(verdict->checks[0].n_needed, 2599);
}

}  // namespace
}  // namespace consort::eval

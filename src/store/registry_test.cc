#include "store/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace consort::store {
namespace {

namespace fs = std::filesystem;
using contract::Value;

class RegistryTest : public ::testing::Test {
 protected:
  void TearDown() override {
    registry_.reset();
    fs::remove_all(home_);
  }
  Version add(std::string version) {
    return registry_->add(planner_, version, sha256(version), Value::object({{"rank", 8}})).value();
  }
  fs::path home_ =
      fs::temp_directory_path() / ("consort_registry_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
  std::unique_ptr<Registry> registry_ = Registry::open(home_, clock_).value();
  ItemName planner_{ItemKind::adapter, "planner"};
};

TEST_F(RegistryTest, KeepsVersionsForEverAndRefusesOtherContentUnderTheSameOne) {
  add("1");
  add("2");
  add("1");
  EXPECT_EQ(registry_->add(planner_, "1", sha256("else"), {}).error().number, 1221);
  std::vector<Version> all = registry_->versions(planner_).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].digest, sha256("1"));
  EXPECT_EQ(contract::to_json(all[0].metadata), R"({"rank":8})");
  EXPECT_EQ(registry_->items(ItemKind::adapter).value(), std::vector<ItemName>{planner_});
  EXPECT_TRUE(registry_->items(ItemKind::model)->empty());
}

TEST_F(RegistryTest, FindsByVersionOrAliasAndNamesWhatThereIs) {
  add("1");
  add("2");
  ASSERT_TRUE(registry_->move_alias(planner_, "champion", "2", "first"));
  EXPECT_EQ(registry_->find(planner_, "champion")->version, "2");
  EXPECT_EQ(registry_->find(planner_, "1")->version, "1");
  auto missing = registry_->find(planner_, "3");
  EXPECT_EQ(missing.error().number, 1222);
  EXPECT_EQ(missing.error().fix, "there are: 2, 1");
  EXPECT_EQ(registry_->move_alias(planner_, "champion", "3", "").error().number, 1222);
  EXPECT_EQ(registry_->find({ItemKind::adapter, "a b"}, "1").error().number, 1210);
}

TEST_F(RegistryTest, RollsBackMoveByMoveAndKeepsTheWholeHistory) {
  for (const char* version : {"1", "2", "3"}) {
    add(version);
    clock_.advance(std::chrono::seconds(1));
    ASSERT_TRUE(registry_->move_alias(planner_, "champion", version, "gate passed"));
  }
  EXPECT_EQ(registry_->roll_back(planner_, "champion", "drift")->to, "2");
  EXPECT_EQ(registry_->roll_back(planner_, "champion", "drift")->to, "1");
  EXPECT_EQ(registry_->roll_back(planner_, "champion", "drift").error().number, 1223);
  ASSERT_TRUE(registry_->move_alias(planner_, "champion", "3", "fixed"));
  EXPECT_EQ(registry_->roll_back(planner_, "champion", "again")->to, "1");
  std::vector<std::string> path;
  std::vector<AliasMove> moves = registry_->history(planner_, "champion").value();
  for (const AliasMove& move : moves) {
    path.push_back(move.from + ">" + move.to + (move.is_rollback ? " back" : ""));
  }
  EXPECT_THAT(path,
              testing::ElementsAre(">1", "1>2", "2>3", "3>2 back", "2>1 back", "1>3", "3>1 back"));
}

TEST_F(RegistryTest, SaysWhatEachAliasMeansNow) {
  add("1");
  add("2");
  EXPECT_THAT(registry_->aliases(planner_).value(), ::testing::IsEmpty());
  registry_->move_alias(planner_, "champion", "1", "first").value();
  registry_->move_alias(planner_, "challenger", "2", "try").value();
  registry_->move_alias(planner_, "champion", "2", "better").value();
  registry_->roll_back(planner_, "champion", "worse").value();
  EXPECT_THAT(registry_->aliases(planner_).value(),
              ::testing::ElementsAre(::testing::Pair("challenger", "2"),
                                     ::testing::Pair("champion", "1")));
}

TEST_F(RegistryTest, IsSharedByTwoOpenHandlesAndSurvivesReopening) {
  add("1");
  auto second = Registry::open(home_, clock_).value();
  ASSERT_TRUE(second->move_alias(planner_, "champion", "1", ""));
  EXPECT_EQ(registry_->find(planner_, "champion")->version, "1");
  registry_.reset();
  second.reset();
  registry_ = Registry::open(home_, clock_).value();
  EXPECT_EQ(registry_->find(planner_, "champion")->version, "1");
}

}  // namespace
}  // namespace consort::store

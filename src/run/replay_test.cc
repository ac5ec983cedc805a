// Replays: bit-equal when nothing changed, and the exact place when something did.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "run/executor.h"
#include "run/test_agent.h"

namespace consort::run {
namespace {

namespace fs = std::filesystem;
using contract::Value;

class ReplayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = store::Journal::open(home_, clock_).value();
    define_briefing(provider_);
    provider_.pin("writer", contract::parse_json(R"({"adapter":"1"})").value());
    executor_ = std::make_unique<Executor>(journal_.get(), clock_);
    run_ = executor_->start(*graph_, provider_, briefing_input(), {.seed = 11})->run;
  }
  void TearDown() override {
    executor_.reset();
    journal_.reset();
    fs::remove_all(home_);
  }
  fs::path home_ =
      fs::temp_directory_path() / ("consort_replay_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
  std::shared_ptr<const agent::Graph> graph_ = briefing_graph();
  TestProvider provider_;
  std::unique_ptr<store::Journal> journal_;
  std::unique_ptr<Executor> executor_;
  store::RunId run_;
};

TEST_F(ReplayTest, IsBitEqualWithTheSamePinsAndWritesNothing) {
  int64_t n_before = journal_->summary(run_)->n_events;
  auto report = executor_->replay(run_, *graph_, provider_);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->bit_equal());
  EXPECT_EQ(report->n_compared, 23);
  EXPECT_EQ(journal_->summary(run_)->n_events, n_before);
  EXPECT_TRUE(report->to_value().find("replay")->find("bit_equal")->as_bool());
}

TEST_F(ReplayTest, NamesTheStepWhereAChangedComponentBeginsToDiffer) {
  provider_.define("rule", [](const Value&, const agent::CallScope&) {
    return answer(Value::object({{"bad", "other"}}));
  });
  auto report = executor_->replay(run_, *graph_, provider_).value();
  EXPECT_FALSE(report.bit_equal());
  std::vector<std::string> begins, reached;
  for (const ReplayDifference& d : report.differences)
    (d.input_equal ? begins : reached).push_back(d.step);
  EXPECT_THAT(begins,
              testing::IsSupersetOf({"verdict/rules[0]", "verdict/rules[1]", "verdict/rules[2]"}));
  EXPECT_THAT(reached, testing::IsSupersetOf({"verdict/out", "report#1", ""}));
  EXPECT_THAT(begins, testing::Not(testing::Contains("plan")));
}

TEST_F(ReplayTest, NeedsASwapToRunWithOtherPins) {
  provider_.pin("writer", contract::parse_json(R"({"adapter":"2"})").value());
  EXPECT_EQ(executor_->replay(run_, *graph_, provider_).error().number, 7010);
  auto other = executor_->replay(run_, *graph_, provider_, {.swaps = {"planner"}});
  EXPECT_EQ(other.error().number, 7010) << "a swap accounts for its own component alone";
  auto report = executor_->replay(run_, *graph_, provider_, {.swaps = {"writer"}}).value();
  EXPECT_TRUE(report.bit_equal());
  EXPECT_THAT(report.pins,
              testing::ElementsAre(PinDifference{"/writer/adapter", "\"1\"", "\"2\""}));
}

TEST_F(ReplayTest, ReportsStepsThatAreNewOrGone) {
  // Content at once: the second round never happens.
  provider_.define("judge", [](const Value&, const agent::CallScope&) {
    return answer(contract::parse_json(R"({"ok":true,"issues":[]})").value());
  });
  auto report = executor_->replay(run_, *graph_, provider_).value();
  auto gone = std::count_if(report.differences.begin(), report.differences.end(),
                            [](const ReplayDifference& d) { return d.recomputed == "none"; });
  EXPECT_EQ(gone, 12) << "two rounds of report, verdict, three rules, out";
}

TEST_F(ReplayTest, DoesNotRepeatEffects) {
  int sent = 0;
  provider_.define(
      "planner",
      [&](const Value&, const agent::CallScope&) {
        ++sent;
        return answer(contract::parse_json(R"({"items":[{"topic":"a","n":1}]})").value());
      },
      tool::Effect::once);
  auto run = executor_->start(*graph_, provider_, briefing_input())->run;
  auto report = executor_->replay(run, *graph_, provider_).value();
  EXPECT_TRUE(report.bit_equal());
  EXPECT_EQ(sent, 1);
  EXPECT_THAT(report.not_repeated, testing::ElementsAre("plan"));
}

TEST_F(ReplayTest, RefusesARunThatHasNotEnded) {
  std::stop_source stop;
  stop.request_stop();
  auto run =
      executor_->start(*graph_, provider_, briefing_input(), {.watch = {.stop = stop.get_token()}})
          ->run;
  EXPECT_EQ(executor_->replay(run, *graph_, provider_).error().number, 7008);
}

}  // namespace
}  // namespace consort::run

#include "run/coming_uses.h"

#include <gtest/gtest.h>

#include "run/test_agent.h"

namespace consort::run {
namespace {

// plan, findings (a fan-out), never, report, verdict (nested: rules, out).
class Briefing : public testing::Test {
 protected:
  void SetUp() override {
    coming_.set(*graph_, "planner", {"a", ""});
    coming_.set(*graph_, "finder", {"b", "x"});
    coming_.set(*graph_, "writer", {"a", "y"});
    nested_ = graph_->nodes().at("checker").nested.get();
    coming_.set(*nested_, "judge", {"c", ""});
  }
  std::shared_ptr<const agent::Graph> graph_ = briefing_graph();
  const agent::Graph* nested_ = nullptr;
  ComingUses coming_;
};

TEST_F(Briefing, FromAStepOnEverythingFollowsInTheWrittenOrderNestedAgentsAmongIt) {
  EXPECT_EQ(coming_.from(*graph_, *graph_, "planner"),
            (std::vector<engine::Use>{{"a", ""}, {"b", "x"}, {"a", "y"}, {"c", ""}}));
  EXPECT_EQ(coming_.from(*graph_, *graph_, "writer"),
            (std::vector<engine::Use>{{"a", "y"}, {"c", ""}}));
}

TEST_F(Briefing, ANestedAgentMayBeCalledAgainBeforeItsCallerGoesOn) {
  EXPECT_EQ(coming_.from(*graph_, *nested_, "judge"),
            (std::vector<engine::Use>{{"c", ""}, {"c", ""}}));
}

}  // namespace
}  // namespace consort::run

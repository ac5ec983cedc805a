// The agents of examples/ build: every contract compiles, every edge is proved.
#include <gtest/gtest.h>

#include "agent/graph.h"

namespace consort::agent {
namespace {

class Examples : public ::testing::TestWithParam<const char*> {};

TEST_P(Examples, BuildWithEveryEdgeProved) {
  auto definition = load_definition(std::string(CONSORT_SOURCE_DIR "/examples/") + GetParam());
  ASSERT_TRUE(definition) << definition.error().to_string();
  auto graph = Graph::build(std::move(*definition));
  ASSERT_TRUE(graph) << graph.error().to_string();
  for (const EdgeReport& e : (*graph)->edges()) {
    EXPECT_EQ(e.result.verdict, contract::Verdict::proved) << e.from << " -> " << e.to;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Examples,
                         ::testing::Values("competitive-intelligence", "competitive-intelligence/analyzer",
                                           "shared/report-summarizer", "shared/report-validator", "data-analysis"));

}  // namespace
}  // namespace consort::agent

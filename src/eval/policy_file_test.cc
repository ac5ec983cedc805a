#include "eval/policy_file.h"

#include <gtest/gtest.h>

namespace consort::eval {
namespace {

Result<GatePolicy> read(const std::string& json) { return read_policy(*contract::parse_json(json), "gate.yaml"); }

TEST(PolicyFile, WhatIsNotSaidHasItsDefault) {
  auto p = read(R"({"component":"a:b","golden":"g.jsonl","metrics":[{"name":"exact","margin":0.1},{"name":"chrf"}],
                    "agents":[{"agent":"x","metrics":[{"name":"valid"},{"name":"claims_supported"}]}]})");
  ASSERT_TRUE(p) << p.error().to_string();
  EXPECT_EQ(p->policy.metrics[0].margin, 0.1);
  EXPECT_FALSE(p->policy.metrics[0].graded);
  EXPECT_TRUE(p->policy.metrics[1].graded);
  EXPECT_EQ(p->policy.metrics[1].margin, 0.05);
  EXPECT_EQ(p->policy.alpha, 0.05);
  ASSERT_EQ(p->agents.size(), 1u);
  EXPECT_FALSE(p->agents[0].policy.metrics[0].graded);
  EXPECT_TRUE(p->agents[0].policy.metrics[1].graded);
}

TEST(PolicyFile, WhatIsNoPolicyIsRefusedWithItsPlace) {
  const std::string head = R"("component":"a:b","golden":"g")";
  for (const std::string bad : {
           std::string("[]"), "{" + head + "}", "{" + head + R"(,"metrics":[]})",
           "{" + head + R"(,"metrics":[{"name":"exakt"}]})", "{" + head + R"(,"metrics":[{"name":"valid"}]})",
           "{" + head + R"(,"metrics":[{"name":"exact","margin":0}]})",
           "{" + head + R"(,"metrics":[{"name":"exact"},{"name":"exact"}]})",
           "{" + head + R"(,"metrics":[{"name":"exact","marjin":0.1}]})",
           "{" + head + R"(,"metrics":[{"name":"exact"}],"alpha":0.7})",
           "{" + head + R"(,"metrics":[{"name":"exact"}],"seed":-1})",
           "{" + head + R"(,"metrics":[{"name":"exact"}],"agents":[{"metrics":[{"name":"valid"}]}]})",
       }) {
    auto p = read(bad);
    ASSERT_FALSE(p) << bad;
    EXPECT_EQ(p.error().number, 8206) << bad;
    EXPECT_EQ(p.error().place.rfind("gate.yaml", 0), 0u) << bad;
  }
}

}  // namespace
}  // namespace consort::eval

#include "contract/version.h"

#include <gtest/gtest.h>

namespace consort::contract {
namespace {

std::shared_ptr<const Schema> compiled(std::string_view text) {
  auto schema = Schema::compile(*parse_json(text), "Test");
  EXPECT_TRUE(schema);
  return *schema;
}

TEST(Version, TheLevelFollowsFromTheTwoLanguages) {
  const auto one = compiled(R"({"type":"object","properties":{"n":{"type":"integer"}},
      "required":["n"],"additionalProperties":false})");
  const auto same = compiled(R"({"type":"object","properties":{"n":{"type":"number",
      "multipleOf":1}},"required":["n"],"additionalProperties":false,"title":"Other words"})");
  const auto wider = compiled(R"({"type":"object","properties":{"n":{"type":"number"},
      "note":{"type":"string"}},"required":["n"],"additionalProperties":false})");
  EXPECT_EQ(diff_input(*one, *same).level, ChangeLevel::patch);
  EXPECT_TRUE(diff_input(*one, *same).changes.empty());
  EXPECT_EQ(diff_input(*one, *wider).level, ChangeLevel::minor);
  EXPECT_EQ(diff_input(*wider, *one).level, ChangeLevel::major);
  EXPECT_EQ(diff_output(*one, *wider)->level, ChangeLevel::major);
  EXPECT_EQ(diff_output(*wider, *one)->level, ChangeLevel::minor);
  const auto both = diff_contracts(*one, *one, *wider, *wider);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->level, ChangeLevel::major);
  ASSERT_EQ(both->changes.size(), 2u);
  EXPECT_EQ(both->changes[1].rule, "output-widened");
  ASSERT_TRUE(both->changes[1].witness);
  EXPECT_TRUE(validate(*wider, *both->changes[1].witness).empty());
  EXPECT_FALSE(validate(*one, *both->changes[1].witness).empty());
}

// An output that declares a further optional key emits what it never did: readers of the old closed
// form may break. Readers of an open form do not: that is the edge check's question, not this
// one's.
TEST(Version, AnOptionalKeyWidensAnOutput) {
  const auto before = compiled(R"({"type":"object","properties":{"a":{"type":"integer"}}})");
  const auto after =
      compiled(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}})");
  EXPECT_EQ(diff_output(*before, *after)->changes[0].rule, "output-widened");
}

}  // namespace
}  // namespace consort::contract

#include <gtest/gtest.h>

#include <set>

#include "contract/schema.h"

namespace consort::contract {
namespace {

std::shared_ptr<const Schema> compiled(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  auto schema = Schema::compile(*value, "Test");
  EXPECT_TRUE(schema) << (schema ? "" : schema.error().to_string());
  return schema ? *schema : nullptr;
}

struct Case {
  std::string producer;
  std::string consumer;
  Verdict verdict;
};

TEST(Containment, AnswersWithProofOrWitness) {
  const std::string tree =
      R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","required":["v"],"properties":
      {"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/t"}}}}}})";
  const std::string deep_tree =
      R"({"type":"object","required":["v"],"properties":{"v":{"type":"number"},"kids":{
      "items":{"$ref":"#"}}}})";
  const std::vector<Case> cases = {
      {R"({"type":"integer"})", R"({"type":"number"})", Verdict::proved},
      {R"({"type":"number"})", R"({"type":"integer"})", Verdict::refuted},
      {R"({"minimum":3,"type":"integer"})", R"({"exclusiveMinimum":2})", Verdict::proved},
      {R"({"minimum":3,"type":"number"})", R"({"exclusiveMinimum":3})", Verdict::refuted},
      {R"({"multipleOf":6})", R"({"multipleOf":2})", Verdict::proved},
      {R"({"multipleOf":2})", R"({"multipleOf":6})", Verdict::refuted},
      {R"({"type":"number"})", R"({"anyOf":[{"minimum":0},{"maximum":0}]})", Verdict::proved},
      {R"({"type":"number"})", R"({"anyOf":[{"minimum":1},{"maximum":0}]})", Verdict::refuted},
      {R"({"type":"integer"})", R"({"anyOf":[{"minimum":1},{"maximum":0}]})", Verdict::proved},
      {R"({"pattern":"^a+$"})", R"({"pattern":"^[ab]*$"})", Verdict::proved},
      {R"({"pattern":"a"})", R"({"pattern":"^a"})", Verdict::refuted},
      {R"({"type":"string","format":"date"})", R"({"maxLength":10,"minLength":10})",
       Verdict::proved},
      {R"({"type":"string","maxLength":100000})", R"({"maxLength":99999})", Verdict::refuted},
      {R"({"enum":[1,"a",null]})", R"({"type":["integer","string","null"]})", Verdict::proved},
      {R"({"type":"boolean"})", R"({"enum":[true,false]})", Verdict::proved},
      {R"({"type":"string"})", R"({"anyOf":[{"maxLength":3},{"minLength":2}]})", Verdict::proved},
      {tree, tree, Verdict::proved},
      {tree, deep_tree, Verdict::proved},
      {deep_tree, tree, Verdict::refuted},
      {R"({"type":"object","required":["k"],"properties":{"k":{"enum":["a","b"]},
          "n":{"type":"integer"}}})",
       R"({"anyOf":[{"required":["k"],"properties":{"k":{"const":"a"}}},
          {"properties":{"k":{"const":"b"},"n":{"type":"number"}}}]})",
       Verdict::proved},
      {R"({"type":"array","items":{"type":"integer"},"maxItems":3})",
       R"({"items":{"type":"number"},"maxItems":3})", Verdict::proved},
      {R"({"type":"array","prefixItems":[{"type":"string"}],"items":false})",
       R"({"items":{"type":"string"},"maxItems":1})", Verdict::proved},
      {R"({"type":"array","minItems":1})", R"({"minItems":2})", Verdict::refuted},
      {R"({"type":"object","required":["a"]})", R"({"minProperties":1})", Verdict::proved},
      {R"({"type":"object","additionalProperties":false,"properties":{"a":true}})",
       R"({"maxProperties":1})", Verdict::proved},
      {R"({"type":"object"})", R"({"properties":{"a":{"type":"string"}}})", Verdict::refuted},
      {"false", R"({"type":"string","minLength":3,"maxLength":2})", Verdict::proved},
      {"true", "false", Verdict::refuted},
  };
  for (const Case& c : cases) {
    const auto producer = compiled(c.producer);
    const auto consumer = compiled(c.consumer);
    const Containment answer = contains(*consumer, *producer);
    EXPECT_EQ(answer.verdict, c.verdict)
        << c.producer << " in " << c.consumer << ": " << answer.reason;
    EXPECT_EQ(answer.witness.has_value(), answer.verdict == Verdict::refuted);
    if (!answer.witness) continue;
    EXPECT_TRUE(validate(*producer, *answer.witness).empty()) << to_json(*answer.witness);
    EXPECT_FALSE(validate(*consumer, *answer.witness).empty()) << to_json(*answer.witness);
  }
}

TEST(Containment, AnEmittedSchemaFitsAConsumerWithMoreOptionalKeys) {
  const auto producer = compiled(R"({"type":"object","required":["a"],"properties":{"a":{}}})");
  const auto consumer =
      compiled(R"({"type":"object","properties":{"a":{},"b":{"type":"string"}}})");
  EXPECT_EQ(contains(*consumer, *producer).verdict, Verdict::refuted);
  EXPECT_EQ(contains(*consumer, *emitted(*producer)).verdict, Verdict::proved);
}

TEST(Example, DrawsValidValuesAndSaysWhenThereAreNone) {
  const auto schema = compiled(R"({"type":"object","required":["d","n","s"],"properties":{
      "d":{"type":"string","format":"date"},"n":{"type":"number","multipleOf":0.25,"minimum":1},
      "s":{"type":"string","pattern":"^[A-Z]{3}-\\d+$","maxLength":9},
      "t":{"$ref":"#/$defs/t"}},"$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"}}}})");
  std::vector<std::string> texts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto value = example(*schema, seed);
    ASSERT_TRUE(value);
    EXPECT_TRUE(validate(*schema, *value).empty()) << to_json(*value);
    texts.push_back(to_json(*value));
  }
  EXPECT_GT(std::set<std::string>(texts.begin(), texts.end()).size(), 25u);
  const auto none = example(*compiled(R"({"type":"integer","minimum":3,"maximum":2})"), 0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().number, 2105);
}

}  // namespace
}  // namespace consort::contract

// Containment by the standard's reading. Expected answers follow from the keywords' definitions.
#include <gtest/gtest.h>

#include "contract/program.h"
#include "contract/schema.h"

namespace consort::contract {
namespace {

Value json(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Value();
}

Containment within(std::string_view inner, std::string_view outer,
                   Dialect dialect = Dialect::draft2020_12) {
  CompileOptions options;
  options.dialect = dialect;
  const auto a = Schema::compile(json(inner), "inner", Value(), options);
  const auto b = Schema::compile(json(outer), "outer", Value(), options);
  EXPECT_TRUE(a && b) << inner << " " << outer;
  return contains(**b, **a);
}

void expect_proved(std::string_view inner, std::string_view outer) {
  const auto answer = within(inner, outer);
  EXPECT_EQ(answer.verdict, Verdict::proved) << inner << " in " << outer << ": " << answer.reason;
}
void expect_refuted(std::string_view inner, std::string_view outer, std::string_view witness = "") {
  const auto answer = within(inner, outer);
  ASSERT_EQ(answer.verdict, Verdict::refuted) << inner << " in " << outer << ": " << answer.reason;
  if (!witness.empty()) EXPECT_EQ(*answer.witness, json(witness)) << to_json(*answer.witness);
}

TEST(Solver, BooleanAlgebraIsComplete) {
  expect_proved("true", R"({"anyOf":[{"type":"string"},{"not":{"type":"string"}}]})");
  expect_proved(R"({"not":{"anyOf":[{"type":"string"},{"minimum":3}]}})", R"({"maximum":3})");
  expect_proved(R"({"oneOf":[{"type":"number"},{"minimum":3}]})", R"({"not":{"const":3}})");
  expect_refuted(R"({"type":"number"})", R"({"oneOf":[{"type":"number"},{"minimum":3,"type":"integer"}]})");
  expect_proved(R"({"if":{"type":"string"},"then":false})", R"({"not":{"type":"string"}})");
}

TEST(Solver, NumbersWithMultiplesAreExact) {
  expect_proved(R"({"multipleOf":6,"type":"number"})", R"({"multipleOf":3})");
  expect_proved(R"({"allOf":[{"multipleOf":4},{"multipleOf":6}],"type":"integer","minimum":1})",
                R"({"minimum":12})");
  expect_refuted(R"({"multipleOf":3,"type":"number","minimum":1,"maximum":6})", R"({"multipleOf":6})", "3");
  expect_proved(R"({"type":"number","exclusiveMinimum":2,"exclusiveMaximum":3})",
                R"({"not":{"type":"integer"}})");
}

TEST(Solver, StringsGoThroughAutomata) {
  expect_proved(R"({"type":"string","pattern":"^a+$","maxLength":2})", R"({"enum":["a","aa"]})");
  expect_refuted(R"({"type":"string","pattern":"^a+$","maxLength":3})", R"({"enum":["a","aa"]})", R"("aaa")");
  expect_proved(R"({"type":"string","format":"ipv4"})", R"({"pattern":"^[0-9.]{7,15}$"})");
}

TEST(Solver, ArraysHaveContainsUniqueAndPositions) {
  expect_proved(R"({"type":"array","contains":{"type":"string"},"minContains":2})", R"({"minItems":2})");
  expect_refuted(R"({"type":"array","contains":{"type":"string"}})", R"({"minItems":2})");
  expect_proved(R"({"type":"array","items":{"type":"boolean"},"uniqueItems":true})", R"({"maxItems":2})");
  expect_refuted(R"({"type":"array"})", R"({"uniqueItems":true})");
  expect_proved(R"({"type":"array","prefixItems":[{"const":1},{"const":1}],"minItems":2})",
                R"({"not":{"uniqueItems":true}})");
}

TEST(Solver, ObjectsHaveClassesOfKeys) {
  expect_proved(R"({"type":"object","patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false})",
                R"({"propertyNames":{"pattern":"^a"},"additionalProperties":{"type":"number"}})");
  expect_refuted(R"({"type":"object","patternProperties":{"^a":{"type":"integer"}}})",
                 R"({"additionalProperties":{"type":"integer"}})");
  expect_proved(R"({"type":"object","required":["a"],"dependentRequired":{"a":["b"]}})", R"({"minProperties":2})");
  expect_proved(R"({"type":"object","anyOf":[{"properties":{"a":true}},{"properties":{"b":true}}],"unevaluatedProperties":false})",
                R"({"maxProperties":2})");
}

TEST(Solver, RecursionEndsByCoinduction) {
  const char* list = R"({"$ref":"#/$defs/l","$defs":{"l":{"anyOf":[{"type":"null"},
      {"type":"object","required":["next"],"properties":{"next":{"$ref":"#/$defs/l"}}}]}}})";
  expect_proved(list, list);
  expect_proved(list, R"({"type":["null","object"]})");
  // No finite value: the empty language is within everything.
  expect_proved(R"({"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}})", "false");
}

TEST(Solver, OlderDialectsAreReadAsTheyWere) {
  EXPECT_EQ(within(R"({"minimum":3,"exclusiveMinimum":true,"type":"number"})", R"({"not":{"enum":[3]}})",
                   Dialect::draft4).verdict, Verdict::proved);
  // Beside $ref nothing counts in draft-07.
  EXPECT_EQ(within(R"({"$ref":"#/definitions/a","maximum":1,"definitions":{"a":{"type":"integer"}}})",
                   R"({"maximum":1})", Dialect::draft7).verdict, Verdict::refuted);
}

TEST(Solver, ExamplesOfRulesThatChanceSeldomMeetsAreSolved) {
  const auto schema = Schema::compile(json(R"({"type":"array","uniqueItems":true,"minItems":2})"), "u", Value(),
                                      CompileOptions());
  ASSERT_TRUE(schema);
  const auto value = example(**schema, 3);
  ASSERT_TRUE(value);
  EXPECT_TRUE(validate(**schema, *value).empty());
  EXPECT_FALSE(validate(**schema, json("[1,1]")).empty());
}

}  // namespace
}  // namespace consort::contract

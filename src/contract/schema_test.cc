#include "contract/schema.h"

#include <gtest/gtest.h>

namespace consort::contract {
namespace {

Value json(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Value();
}

std::shared_ptr<const Schema> compiled(std::string_view text, const Value& definitions = {}) {
  auto schema = Schema::compile(json(text), "Test", definitions);
  EXPECT_TRUE(schema) << (schema ? "" : schema.error().to_string());
  return schema ? *schema : nullptr;
}

Error refusal(std::string_view text) {
  auto schema = Schema::compile(json(text), "Test");
  EXPECT_FALSE(schema) << text;
  return schema ? Error{} : schema.error();
}

TEST(Schema, RefusesUnknownKeywordsByNameAndPointer) {
  const Error error = refusal(R"({"properties":{"a/b":{"maxLenght":3}}})");
  EXPECT_EQ(error.number, 2101);
  EXPECT_EQ(error.place, "#/properties/a~1b/maxLenght");
  EXPECT_NE(error.message.find("'maxLenght'"), std::string::npos);
  EXPECT_EQ(refusal(R"({"x-note":{}})").place, "#/x-note");
  EXPECT_EQ(refusal(R"({"format":"colour"})").number, 2101);
  // Even where nothing refers to it.
  EXPECT_EQ(refusal(R"({"$defs":{"x":{"nott":{}}}})").place, "#/$defs/x/nott");
}

TEST(Schema, ContractsMayUseEveryKeywordOfTheirDialect) {
  const auto schema = compiled(R"({"type":"array","uniqueItems":true,"contains":{"const":1},
      "items":{"not":{"type":"string"},"if":{"type":"number"},"then":{"minimum":0}}})");
  EXPECT_TRUE(validate(*schema, json("[1,[]]")).empty());
  for (const char* text : {"[1,1]", "[2]", "[1,\"x\"]", "[1,-1]"}) {
    EXPECT_FALSE(validate(*schema, json(text)).empty()) << text;
  }
}

TEST(Schema, RefusesMalformedKeywordsLoopsAndLostReferences) {
  for (const char* text :
       {R"({"type":"text"})", R"({"type":[]})", R"({"minLength":-1})", R"({"minLength":1.5})",
        R"({"required":"a"})", R"({"multipleOf":0})", R"({"anyOf":[]})", R"({"pattern":"("})",
        R"({"properties":[]})", "3", R"({"$ref":"#"})",
        R"({"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},true]}}})"}) {
    EXPECT_EQ(refusal(text).number, 2102) << text;
  }
  EXPECT_EQ(refusal(R"({"$ref":"#/$defs/none"})").number, 2103);
  EXPECT_EQ(refusal(R"({"$ref":"https://example.com/x"})").number, 2103);
  EXPECT_EQ(refusal(R"({"pattern":"(a{1000}){0,1000}"})").number, 2104);
}

TEST(Schema, OneOfIsExact) {
  const auto schema = compiled(R"({"oneOf":[{"type":"integer"},{"minimum":2}]})");
  EXPECT_TRUE(validate(*schema, json("1")).empty());
  EXPECT_TRUE(validate(*schema, json("2.5")).empty());
  EXPECT_FALSE(validate(*schema, json("2")).empty());
}

TEST(Schema, ViolationsNameKeywordInstanceAndSchema) {
  const auto schema = compiled(R"({"type":"object","required":["a"],"additionalProperties":false,
      "properties":{"a":{"type":"array","items":{"$ref":"#/$defs/n"}}},
      "$defs":{"n":{"type":"integer","maximum":3}}})");
  const auto violations = validate(*schema, json(R"({"a":[1,4,"x"],"b":0})"));
  ASSERT_EQ(violations.size(), 3u);
  EXPECT_EQ(violations[0], (Violation{"/a/1", "#/$defs/n/maximum", "maximum", "4 is not <= 3"}));
  EXPECT_EQ(violations[1],
            (Violation{"/a/2", "#/$defs/n/type", "type", "expected integer, got string \"x\""}));
  EXPECT_EQ(violations[2].instance, "/b");
  const auto error = check(*schema, json("{}"));
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().number, 3001);
  EXPECT_EQ(error.error().code, ErrorCode::contract_violation);
}

TEST(Schema, DefinitionsBesideTheDocumentAreReached) {
  const Value definitions = json(R"({"Item":{"type":"integer"},"List":{"items":{"$ref":"Item"}}})");
  for (const char* text :
       {R"({"$ref":"List"})", R"({"$ref":"#/$defs/List"})", R"({"$ref":"List#"})"}) {
    const auto schema = compiled(text, definitions);
    EXPECT_TRUE(validate(*schema, json("[1]")).empty());
    EXPECT_FALSE(validate(*schema, json("[1.5]")).empty());
  }
  // What is reached belongs to the digest, what is not does not.
  const Value other = json(R"({"Item":{"type":"string"},"List":{"items":{"$ref":"Item"}}})");
  EXPECT_NE(compiled(R"({"$ref":"List"})", definitions)->digest(),
            compiled(R"({"$ref":"List"})", other)->digest());
  EXPECT_EQ(compiled("{}", definitions)->digest(), compiled("{}", other)->digest());
}

TEST(Schema, FormatsAreEnforced) {
  const auto date = compiled(R"({"type":"string","format":"date"})");
  for (const char* text : {"2024-02-29", "2000-02-29", "2023-12-31", "0000-02-29"}) {
    EXPECT_TRUE(validate(*date, Value(text)).empty()) << text;
  }
  for (const char* text : {"2023-02-29", "1900-02-29", "2023-13-01", "2023-04-31", "2023-4-01",
                           "23-04-01", "2023-04-01T", ""}) {
    EXPECT_FALSE(validate(*date, Value(text)).empty()) << text;
  }
}

TEST(Schema, EmittedClosesObjects) {
  const auto open = compiled(R"({"properties":{"a":{"type":"integer"}},"required":["b"]})");
  const auto closed = emitted(*open);
  EXPECT_TRUE(validate(*open, json(R"({"b":1,"c":2})")).empty());
  EXPECT_FALSE(validate(*closed, json(R"({"b":1,"c":2})")).empty());
  EXPECT_TRUE(validate(*closed, json(R"({"b":1,"a":2})")).empty());
}

}  // namespace
}  // namespace consort::contract

#include "agent/expression.h"

#include <gtest/gtest.h>

namespace consort::agent {
namespace {

using contract::parse_json;
using contract::Value;

Value eval(std::string_view expression, const char* json) {
  Value root = parse_json(json).value();
  auto e = parse_expression(expression);
  EXPECT_TRUE(e) << e.error().to_string();
  return evaluate(*e, [&](const std::string& name) { return root.find(name); });
}

TEST(Expression, FollowsMembersAndIndices) {
  EXPECT_EQ(eval("plan.steps[1].id", R"({"plan":{"steps":[{"id":1},{"id":2}]}})"), Value(2));
  EXPECT_EQ(eval("plan.nothing.more", R"({"plan":{}})"), Value());
  EXPECT_EQ(eval("plan[9]", R"({"plan":[]})"), Value());
}

TEST(Expression, MapsTheRestOfAPathOverAList) {
  EXPECT_EQ(eval("p.steps[*].id", R"({"p":{"steps":[{"id":"a"},{"id":"b"}]}})"),
            parse_json(R"(["a","b"])").value());
  EXPECT_TRUE(parse_expression("a[*]")->fans_out());
  EXPECT_FALSE(parse_expression("a[0]")->fans_out());
}

TEST(Expression, BindsNotBeforeAndBeforeOr) {
  EXPECT_EQ(eval("not a or b and c", R"({"a":true,"b":true,"c":true})"), Value(true));
  EXPECT_EQ(eval("not a or b and c", R"({"a":true,"b":true,"c":false})"), Value(false));
  EXPECT_EQ(eval("not (a or b)", R"({"a":false,"b":false})"), Value(true));
}

TEST(Expression, ComparesNumbersExactlyAndOtherTypesNever) {
  EXPECT_EQ(eval("a >= 9007199254740993", R"({"a":9007199254740992})"), Value(false));
  EXPECT_EQ(eval("a < b", R"({"a":1,"b":"2"})"), Value(false));
  EXPECT_EQ(eval("a == 1.0", R"({"a":1})"), Value(true));
  EXPECT_EQ(eval("a != \"x\"", R"({"a":"y"})"), Value(true));
}

TEST(Expression, NamesTheColumnOfASyntaxError) {
  auto e = parse_expression("a == ");
  ASSERT_FALSE(e);
  EXPECT_EQ(e.error().number, 6101);
  EXPECT_EQ(e.error().place, "column 6");
  EXPECT_FALSE(parse_expression("a b"));
  EXPECT_FALSE(parse_expression("a."));
  EXPECT_FALSE(parse_expression("system(\"rm\")"));
  EXPECT_FALSE(parse_expression(std::string(200, '(') + "a" + std::string(200, ')')));
}

TEST(Expression, KnowsItsRootsAndItsSchema) {
  auto e = parse_expression("not verdict.ok and count > 2");
  EXPECT_EQ(e->roots(), (std::set<std::string>{"count", "verdict"}));
  Value plan = parse_json(R"({"properties":{"steps":{"type":"array","items":{"$ref":"#/$defs/S"}}}})").value();
  Value defs = parse_json(R"({"S":{"type":"object","properties":{"id":{"type":"string"}}}})").value();
  auto roots = [&](const std::string& name) { return name == "plan" ? &plan : nullptr; };
  EXPECT_EQ(schema_of(*parse_expression("plan.steps[*].id"), roots, defs).value(),
            parse_json(R"({"type":"array","items":{"type":"string"}})").value());
  auto wrong = schema_of(*parse_expression("plan.stepz"), roots, defs);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().fix, "did you mean 'steps'?");
}

}  // namespace
}  // namespace consort::agent

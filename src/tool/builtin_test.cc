#include "tool/builtin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace consort::tool {
namespace {

using contract::Value;
using testing::HasSubstr;

TEST(Builtins, HaveContractsInTheSubset) {
  for (const BuiltinInfo& info : builtins()) {
    EXPECT_TRUE(contract::Schema::compile(info.input, info.name + ".in").has_value()) << info.name;
    const auto output = contract::Schema::compile(info.output, info.name + ".out");
    EXPECT_TRUE(output.has_value()) << info.name << ": " << (output ? "" : output.error().to_string());
    EXPECT_FALSE(info.description.empty()) << info.name;
  }
}

TEST(Builtins, SuggestTheNearestName) {
  const auto made = make_builtin("calcluate", {});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().number, 5204);
  EXPECT_THAT(made.error().fix, HasSubstr("'calculate'"));
}

TEST(Builtins, RefuseAMissingMemoryAndUnknownOptions) {
  EXPECT_EQ(make_builtin("sql", {}).error().number, 5205);
  BuiltinContext context;
  context.options = Value::object({{"rows", 5}});
  EXPECT_EQ(make_builtin("calculate", context).error().number, 5206);
}

TEST(Builtins, CalculateUnderTheirContract) {
  Registry registry;
  ASSERT_TRUE(registry.add(*make_builtin("calculate", {})).has_value());
  const Grant grant{"analyzer", {"calculate"}};
  const Value input = *contract::parse_json(
      R"json({"expression": "round(pct_change(a, b), 1)", "variables": {"a": {"value": "572754", "unit": "million USD"}, "b": "611,289 million USD"}})json");
  const auto out = registry.call(grant, "calculate", input, {});
  ASSERT_TRUE(out.has_value()) << out.error().to_string();
  EXPECT_EQ(out->string_or("value", ""), "6.7");
  EXPECT_EQ(out->string_or("unit", ""), "%");
  const auto bad = registry.call(grant, "calculate", *contract::parse_json(R"({"expression": "$1 + 2 %"})"), {});
  EXPECT_EQ(bad.error().number, 5323);
  EXPECT_EQ(registry.call(grant, "calculate", *contract::parse_json("{}"), {}).error().code, ErrorCode::contract_violation);
}

TEST(Builtins, DrawAChartUnderItsContract) {
  Registry registry;
  BuiltinContext context;
  context.name = "draw";
  ASSERT_TRUE(registry.add(*make_builtin("chart", context)).has_value());
  const Value input = *contract::parse_json(
      R"({"kind": "bar", "title": "T", "y_label": "y", "unit": "USD", "source": "S", "series": [{"name": "A", "points": [{"x": 2022, "y": 1e9}]}]})");
  const auto out = registry.call({"c", {"draw"}}, "draw", input, {});
  ASSERT_TRUE(out.has_value()) << out.error().to_string();
  EXPECT_THAT(out->string_or("svg", ""), HasSubstr("$1.00B"));
}

}  // namespace
}  // namespace consort::tool

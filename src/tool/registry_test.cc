#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tool/function_tool.h"
#include "tool/tool.h"

namespace consort::tool {
namespace {

using contract::Value;
using testing::HasSubstr;

Value schema(const char* text) { return *contract::parse_json(text); }

// Doubles {"n"}; says it took `takes` on `clock`; answers with a string when n is 13.
std::unique_ptr<Tool> doubler(std::string name, ManualClock* clock = nullptr, Nanoseconds takes = {}) {
  FunctionToolSpec spec;
  spec.name = std::move(name);
  spec.input = schema(R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false})");
  spec.output = schema(R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false})");
  spec.version = "1";
  spec.function = [clock, takes](const Value& in, const CallContext&) -> Result<Value> {
    if (clock != nullptr) clock->advance(takes);
    const int64_t n = *in.find("n")->as_number().as_int64();
    if (n == 13) return Value::object({{"n", "thirteen"}});
    return Value::object({{"n", 2 * n}});
  };
  return *make_function_tool(std::move(spec));
}

Value n(int64_t v) { return Value::object({{"n", v}}); }

TEST(Registry, CallsAToolThatIsGranted) {
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double")).has_value());
  const auto out = registry.call({"analyzer", {"double"}}, "double", n(21), {});
  ASSERT_TRUE(out.has_value()) << out.error().to_string();
  EXPECT_EQ(*out, n(42));
}

TEST(Registry, RefusesAToolOutsideTheGrantAndNamesWhatIsAllowed) {
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double")).has_value());
  ASSERT_TRUE(registry.add(doubler("sql")).has_value());
  const auto out = registry.call({"planner", {"double"}}, "sql", n(1), {});
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().number, 5202);
  EXPECT_THAT(out.error().message, HasSubstr("'planner'"));
  EXPECT_THAT(out.error().message, HasSubstr("allowed: double"));
  EXPECT_EQ(registry.call({"planner", {}}, "sql", n(1), {}).error().number, 5202);
}

TEST(Registry, SuggestsTheNearestNameOfAGrantedToolThatDoesNotExist) {
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double")).has_value());
  const auto out = registry.call({"planner", {"duoble"}}, "duoble", n(1), {});
  EXPECT_EQ(out.error().number, 5203);
  EXPECT_THAT(out.error().fix, HasSubstr("'double'"));
}

TEST(Registry, KeepsNamesUnique) {
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double")).has_value());
  EXPECT_EQ(registry.add(doubler("double")).error().number, 5201);
  EXPECT_EQ(registry.tools().size(), 1u);
}

TEST(Registry, ChecksInputAndOutputAgainstTheContract) {
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double")).has_value());
  const Grant grant{"analyzer", {"double"}};
  const auto bad_input = registry.call(grant, "double", Value::object({{"n", "x"}}), {});
  EXPECT_EQ(bad_input.error().code, ErrorCode::contract_violation);
  EXPECT_THAT(bad_input.error().message, HasSubstr("input of tool 'double'"));
  const auto bad_output = registry.call(grant, "double", n(13), {});
  EXPECT_EQ(bad_output.error().code, ErrorCode::contract_violation);
  EXPECT_THAT(bad_output.error().message, HasSubstr("output of tool 'double'"));
}

TEST(Registry, HoldsTheDeadlineBeforeAndAfterTheCall) {
  ManualClock clock;
  Registry registry;
  ASSERT_TRUE(registry.add(doubler("double", &clock, std::chrono::seconds(2))).has_value());
  const Grant grant{"analyzer", {"double"}};
  CallContext context;
  context.clock = &clock;
  context.deadline = std::chrono::seconds(3);
  EXPECT_TRUE(registry.call(grant, "double", n(1), context).has_value());   // Ends at 2 s.
  EXPECT_EQ(registry.call(grant, "double", n(1), context).error().number, 5207);  // Ends at 4 s.
  EXPECT_THAT(registry.call(grant, "double", n(1), context).error().message, HasSubstr("before"));
}

TEST(FunctionTool, ChangesItsVersionWithCodeAndContent) {
  FunctionToolSpec spec;
  spec.name = "t";
  spec.input = spec.output = schema("{}");
  spec.version = "1";
  std::string content = "a";
  spec.content = [&content] { return content; };
  spec.function = [](const Value& in, const CallContext&) -> Result<Value> { return in; };
  auto same = *make_function_tool(spec);
  const Digest first = same->version();
  content = "b";
  EXPECT_NE(same->version(), first);
  content = "a";
  EXPECT_EQ(same->version(), first);
  spec.version = "2";
  EXPECT_NE((*make_function_tool(spec))->version(), first);
}

TEST(FunctionTool, RefusesASchemaWithAnUnknownKeyword) {
  FunctionToolSpec spec;
  spec.name = "t";
  spec.input = schema(R"({"additionalPropertys":false})");
  spec.output = schema("{}");
  EXPECT_FALSE(make_function_tool(std::move(spec)).has_value());
}

}  // namespace
}  // namespace consort::tool

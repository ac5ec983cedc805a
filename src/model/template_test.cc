#include "model/template.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "model/chat_template.h"

namespace consort::model {
namespace {

using contract::Value;

int error_of(std::string_view text, const Value& variables = {},
             const TemplateLimits& limits = {}) {
  const auto parsed = Template::parse(text, "t", Undefined::strict, limits);
  if (!parsed) return parsed.error().number;
  const auto rendered = (*parsed)->render(variables);
  return rendered ? 0 : rendered.error().number;
}

// Expected texts by Jinja2: tools/golden/make_templates.py.
TEST(Template, RendersAsJinja2) {
  const auto text =
      read_file(std::filesystem::path(CONSORT_SOURCE_DIR) / "tests/golden/templates.json", 1 << 24);
  ASSERT_TRUE(text) << text.error().to_string();
  const auto golden = contract::parse_json(*text);
  ASSERT_TRUE(golden) << golden.error().to_string();
  const auto& cases = golden->find("cases")->as_array();
  EXPECT_GE(cases.size(), 45u);
  for (const Value& example : cases) {
    const std::string& source = example.find("template")->as_string();
    const auto parsed = Template::parse(source, "t", Undefined::lenient);
    if (!parsed) {
      ADD_FAILURE() << source << "\n" << parsed.error().to_string();
      continue;
    }
    const auto rendered = (*parsed)->render(*golden->find("variables"));
    EXPECT_EQ(rendered ? *rendered : rendered.error().to_string(),
              example.find("rendered")->as_string())
        << source;
  }
}

TEST(Template, KeepsTheDigitsOfANumberFromOutside) {
  const auto value = contract::parse_json(R"({"n": 12345678901234567890.10})");
  EXPECT_EQ(Template::parse("{{ n }}", "t").value()->render(*value).value(),
            "12345678901234567890.10");
}

TEST(Template, SaysWhereAnUndefinedVariableStands) {
  const auto error = Template::parse("a\nb {{ brief.title }}", "p.md.j2")
                         .value()
                         ->render(Value::object({}))
                         .error();
  EXPECT_EQ(error.number, 3404);
  EXPECT_EQ(error.place, "p.md.j2:2:6");
  EXPECT_NE(error.message.find("brief"), std::string::npos);
  EXPECT_EQ(error_of("{{ a is defined }}{{ a | default(1) }}"), 0);
  EXPECT_EQ(error_of("{% if a %}{% endif %}"), 3404);
  EXPECT_EQ(error_of("{{ a.b }}", Value::object({{"a", Value::object({})}})), 3404);
}

TEST(Template, SaysWhereTheSyntaxIsWrong) {
  for (const std::string_view text :
       {"{{", "{{ a", "{% if a %}", "{% endif %}", "{{ a b }}", "{% for %}{% endfor %}", "{{ 'x }}",
        "{# open", "{{ a[ }}", "{% nonsense %}", "{{ $ }}", "{% raw %}x", "{% break %}",
        "{{ 99999999999999999999 }}", "{% set %}"}) {
    const auto parsed = Template::parse(text, "t");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().number, 3401) << parsed.error().to_string();
    EXPECT_EQ(parsed.error().place.substr(0, 4), "t:1:") << text;
  }
}

TEST(Template, NamesWhatItDoesNotImplement) {
  EXPECT_EQ(error_of("{% include 'x' %}"), 3402);
  EXPECT_EQ(error_of("{{ 'a' | xmlattr }}"), 3402);
  EXPECT_EQ(error_of("{{ 1 is escaped }}"), 3402);
  EXPECT_EQ(error_of("{{ '%d' % 3 }}"), 3402);
}

TEST(Template, RefusesWrongTypesAndCalls) {
  EXPECT_EQ(error_of("{{ 1 + 'a' }}"), 3403);
  EXPECT_EQ(error_of("{{ 1 // 0 }}"), 3403);
  EXPECT_EQ(error_of("{{ 1 % 0 }}"), 3403);
  EXPECT_EQ(error_of("{{ 9223372036854775807 + 1 }}"), 3403);
  EXPECT_EQ(error_of("{{ 1 < 'a' }}"), 3403);
  EXPECT_EQ(error_of("{{ 1() }}"), 3403);
  EXPECT_EQ(error_of("{% for i in 3 %}{% endfor %}"), 3403);
  EXPECT_EQ(error_of("{{ raise_exception('no') }}"), 3406);
}

TEST(Template, StopsAtItsLimits) {
  const TemplateLimits small{.depth_max = 16, .steps_max = 20000, .output_bytes_max = 10000};
  EXPECT_EQ(error_of("{% for i in range(1000000) %}x{% endfor %}", {}, small), 3405);
  EXPECT_EQ(error_of("{{ 'x' * 100000 }}", {}, small), 3405);
  EXPECT_EQ(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", {}, small), 3405);
  EXPECT_EQ(error_of("{{ " + std::string(50, '(') + "1" + std::string(50, ')') + " }}", {}, small),
            3405);
  EXPECT_EQ(error_of("{{ " + std::string(100000, '-') + "1 }}"), 3405);
  std::string chain = "{{ a";
  for (int i = 0; i < 5000; ++i) chain += ".b";
  EXPECT_EQ(error_of(chain + " }}"), 3405);
  // Doubling: small in memory, huge to print or to compare.
  EXPECT_EQ(error_of("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, "
                     "ns.x] %}{% endfor %}"
                     "{{ ns.x }}"),
            3405);
  EXPECT_EQ(error_of("{% set ns = namespace(x=[1]) %}{% for i in range(1000) %}{% set ns.x = "
                     "[ns.x] %}{% endfor %}"),
            3405);
  EXPECT_EQ(error_of("{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ "
                     "ns.x %}{% endfor %}"),
            3405);
  EXPECT_EQ(error_of("{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}{{ ns == ns.self }}"),
            0);
}

TEST(ChatTemplate, PassesTokensExtrasAndTheTemplatesOwnRefusal) {
  const auto chat = ChatTemplate::parse(
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no "
      "tools') }}{% endif %}"
      "{{ m.role }}: {{ m.content | trim }}\n{% endfor %}{% if date %}{{ date }}{% endif %}"
      "{% if add_generation_prompt %}bot:{% endif %}",
      "<s>", "</s>");
  ASSERT_TRUE(chat) << chat.error().to_string();
  const auto says = [](std::string_view role) {
    return Value(contract::Array{Value::object({{"role", Value(role)}, {"content", " hi "}})});
  };
  EXPECT_EQ((*chat)->render(says("user"), true).value(), "<s>user: hi\nbot:");
  EXPECT_EQ((*chat)->render(says("user"), false, Value::object({{"date", "today"}})).value(),
            "<s>user: hi\ntoday");
  const auto error = (*chat)->render(says("tool"), true).error();
  EXPECT_EQ(error.number, 3406);
  EXPECT_NE(error.message.find("no tools"), std::string::npos);
}

}  // namespace
}  // namespace consort::model

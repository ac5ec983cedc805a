#include "contract/json.h"

#include <gtest/gtest.h>

namespace consort::contract {
namespace {

Value parsed(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << (value ? "" : value.error().to_string());
  return value ? *value : Value();
}

TEST(Json, KeepsTheTextOfNumbersAndTheOrderOfKeys) {
  const std::string text = R"({"b":12345678901234567890.10,"a":[1e400,-0.0,true,null,"x"]})";
  EXPECT_EQ(to_json(parsed(text)), text);
}

TEST(Json, EqualityIsThatOfJsonSchema) {
  EXPECT_EQ(parsed("1"), parsed("1.0"));
  EXPECT_EQ(parsed("100"), parsed("1e2"));
  EXPECT_EQ(parsed("-0"), parsed("0"));
  EXPECT_EQ(parsed("0.1"), parsed("1e-1"));
  EXPECT_FALSE(parsed("12345678901234567890") == parsed("12345678901234567891"));
  EXPECT_FALSE(parsed("1") == parsed("true"));
  EXPECT_EQ(parsed(R"({"a":1,"b":2})"), parsed(R"({"b":2,"a":1})"));
  EXPECT_FALSE(parsed("[1,2]") == parsed("[2,1]"));
}

TEST(Json, ComparesDecimalsOfAnyLengthExactly) {
  EXPECT_EQ(compare({"9007199254740993"}, {"9007199254740992"}), 1);
  EXPECT_EQ(compare({"-1e1000000"}, {"1e-1000000"}), -1);
  EXPECT_EQ(compare({"0.30000000000000000000000000000000001"}, {"0.3"}), 1);
  EXPECT_EQ(compare({"-2"}, {"-10"}), 1);
  EXPECT_EQ(compare({"0e5"}, {"-0"}), 0);
}

TEST(Json, IntegersAreMathematical) {
  EXPECT_EQ(Number{"1e3"}.as_int64(), 1000);
  EXPECT_EQ(Number{"1.0"}.as_int64(), 1);
  EXPECT_EQ(Number{"-9223372036854775808"}.as_int64(), INT64_MIN);
  EXPECT_EQ(Number{"9223372036854775808"}.as_int64(), std::nullopt);
  EXPECT_TRUE(Number{"9223372036854775808"}.is_integer());
  EXPECT_EQ(Number{"1.5"}.as_int64(), std::nullopt);
  EXPECT_EQ(Number{"0.0"}.as_int64(), 0);
  EXPECT_EQ(Number{"1e999999999999999999999"}.as_int64(), std::nullopt);
}

TEST(Json, ReadsEscapesAndSurrogatePairs) {
  EXPECT_EQ(parsed(R"("\u0041\n\/\ud83d\ude00")").as_string(), "A\n/\xF0\x9F\x98\x80");
}

struct BadText {
  std::string text;
  int number;
  std::string place;
};

TEST(Json, RefusesBadTextWithItsPlace) {
  const std::vector<BadText> cases = {
      {"", 2001, "1:1"},
      {"[1,]", 2001, "1:4"},
      {"{\"a\":1,\n \"a\":2}", 2003, "2:2"},
      {"\"\\ud800\"", 2001, "1:2"},
      {"01", 2001, "1:2"},
      {"[\"\xC3\xA9\" x]", 2001, "1:6"},
      {"\"\xFF\"", 2001, "1:2"},
      {"\"a\nb\"", 2001, "1:3"},
      {"nul", 2001, "1:1"},
      {"1 2", 2001, "1:3"},
      {"-", 2001, "1:2"},
      {"1.e3", 2001, "1:3"},
  };
  for (const BadText& bad : cases) {
    auto value = parse_json(bad.text);
    ASSERT_FALSE(value) << bad.text;
    EXPECT_EQ(value.error().number, bad.number) << bad.text;
    EXPECT_EQ(value.error().place, bad.place) << bad.text;
    EXPECT_FALSE(value.error().fix.empty());
  }
}

TEST(Json, DepthAndSizeAreBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_TRUE(parse_json(nested(128)));
  EXPECT_EQ(parse_json(nested(129)).error().number, 2002);
  EXPECT_EQ(parse_json(std::string(5'000'000, '[')).error().number, 2002);
  EXPECT_EQ(parse_json("[[1]]", {.bytes_max = 4}).error().number, 2002);
  EXPECT_TRUE(parse_json("[1]", {.bytes_max = 3}));
}

TEST(Json, CutAtEveryByteIsRefused) {
  const std::string text = R"({"a":[1.5e3,"x\u00e9\n",true,false,null,{}],"b":{"c":[]}})";
  ASSERT_TRUE(parse_json(text));
  for (size_t cut = 0; cut < text.size(); ++cut) EXPECT_FALSE(parse_json(text.substr(0, cut)));
}

// The values and texts of RFC 8785 sections 3.2.2 and 3.2.3 and its appendix B.
TEST(Json, CanonicalFormIsThatOfRfc8785) {
  EXPECT_EQ(canonical_json(parsed(R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,
      0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals":[null,true,false]})")),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  EXPECT_EQ(canonical_json(parsed(R"({"\u20ac":"Euro Sign","\r":"Carriage Return",
      "\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face",
      "\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})")),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\",\"\xC3\xB6\":"
            "\"Latin Small Letter O With Diaeresis\",\"\xE2\x82\xAC\":\"Euro Sign\","
            "\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\",\"\xEF\xAC\xB3\":"
            "\"Hebrew Letter Dalet With Dagesh\"}");
  const std::vector<std::pair<double, std::string>> numbers = {
      {0.0, "0"},
      {-0.0, "0"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {9007199254740992, "9007199254740992"},
      {295147905179352830000.0, "295147905179352830000"},
      {9.999999999999997e22, "9.999999999999997e+22"},
      {1e23, "1e+23"},
      {1e21, "1e+21"},
      {9.999999999999997e-7, "9.999999999999997e-7"},
      {0.000001, "0.000001"},
      {333333333.3333332, "333333333.3333332"},
      {-0.0000033333333333333333, "-0.0000033333333333333333"},
      {1424953923781206.2, "1424953923781206.2"}};
  for (const auto& [number, text] : numbers) EXPECT_EQ(canonical_json(Value(number)), text);
}

TEST(Json, ObjectsFindSetAndEraseAcrossTheIndexThreshold) {
  Object object;
  for (int i = 0; i < 40; ++i) object.set("k" + std::to_string(i), i);
  const Object copy = object;
  for (int i = 0; i < 40; i += 2) EXPECT_TRUE(object.erase("k" + std::to_string(i)));
  EXPECT_FALSE(object.erase("k0"));
  EXPECT_EQ(object.size(), 20u);
  for (int i = 1; i < 40; i += 2) {
    ASSERT_TRUE(object.find("k" + std::to_string(i)));
    EXPECT_EQ(*object.find("k" + std::to_string(i)), Value(i));
  }
  EXPECT_EQ(copy.size(), 40u);
  EXPECT_EQ(*copy.find("k38"), Value(38));
}

TEST(Json, PointersFollowRfc6901) {
  // The example document of RFC 6901 section 5.
  const Value document = parsed(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8})");
  EXPECT_EQ(at_pointer(document, ""), &document);
  EXPECT_EQ(at_pointer(document, "/foo/0")->as_string(), "bar");
  EXPECT_EQ(*at_pointer(document, "/"), Value(0));
  EXPECT_EQ(*at_pointer(document, "/a~1b"), Value(1));
  EXPECT_EQ(*at_pointer(document, "/m~0n"), Value(8));
  EXPECT_EQ(at_pointer(document, "/foo/2"), nullptr);
  EXPECT_EQ(at_pointer(document, "/foo/00"), nullptr);
  EXPECT_EQ(at_pointer(document, "foo"), nullptr);
  EXPECT_EQ(at_pointer(document, pointer_child("", "a/b")), document.find("a/b"));
  EXPECT_EQ(pointer_child("/x", size_t{3}), "/x/3");
}

TEST(Json, WritingNeverProducesIllFormedText) {
  EXPECT_EQ(to_json(Value(std::string("a\xFF\x01"))), "\"a\xEF\xBF\xBD\\u0001\"");
  EXPECT_EQ(to_json_pretty(parsed(R"({"a":[1,{}],"b":[]})")),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

}  // namespace
}  // namespace consort::contract

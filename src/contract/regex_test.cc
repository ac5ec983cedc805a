#include "contract/regex.h"

#include <gtest/gtest.h>

namespace consort::contract {
namespace {

Dfa compiled(std::string_view pattern) {
  auto dfa = compile_pattern(pattern);
  EXPECT_TRUE(dfa) << pattern << " " << (dfa ? "" : dfa.error().to_string());
  return dfa ? *dfa : empty_language();
}

struct Case {
  std::string pattern;
  std::vector<std::string> found;
  std::vector<std::string> not_found;
};

TEST(Regex, FindsWhatEcma262Finds) {
  const std::vector<Case> cases = {
      {"b", {"b", "abc"}, {"", "ac"}},
      {"^a|b$", {"ax", "xb", "a"}, {"xax", "bx", ""}},
      {"^$", {""}, {"a"}},
      {"", {"", "x"}, {}},
      {"^(ab)*$", {"", "ab", "abab"}, {"aba"}},
      {"^a{2,3}$", {"aa", "aaa"}, {"a", "aaaa"}},
      {"^a{2,}?$", {"aa", "aaaaa"}, {"a"}},
      {"^[^a-c]$", {"d", "\xC3\xA9", "\xF0\x9F\x98\x80"}, {"a", "dd", ""}},
      {"^\\d{4}-\\d\\d$", {"2024-01"}, {"2024-1", "x2024-01"}},
      {"^\\w+\\s\\S$", {"a_9 x"}, {"a-9 x", "a  "}},
      {"^.$", {"a", "\xE2\x82\xAC"}, {"\n", "\xE2\x80\xA8", "ab"}},
      {"^\\u00e9\\x41\\u{1F600}\\ud83d\\ude00\\cA$",
       {"\xC3\xA9"
        "A\xF0\x9F\x98\x80\xF0\x9F\x98\x80\x01"},
       {"e"}},
      {"^\\p{Lu}\\p{Letter}*$", {"A", "\xC3\x89t\xC3\xA9"}, {"a", "A1"}},
      {"^\\P{L}$", {"1"}, {"a"}},
      {"^(?:a|(?<name>b))[\\]\\-x]$", {"a]", "b-", "ax"}, {"a", "ay"}},
      {"[\xC3\xA0-\xC3\xBF]", {"\xC3\xA9"}, {"\xC3\x80"}},
      {"^[\\s\\S]{2}$", {"\xF0\x9F\x98\x80\n"}, {"\xF0\x9F\x98\x80"}},
      {"a.*$b", {}, {"ab", "a"}},
  };
  for (const Case& c : cases) {
    const Dfa dfa = compiled(c.pattern);
    for (const std::string& text : c.found) EXPECT_TRUE(dfa.matches(text)) << c.pattern << text;
    for (const std::string& text : c.not_found)
      EXPECT_FALSE(dfa.matches(text)) << c.pattern << text;
  }
}

TEST(Regex, RefusesWhatIsNotRegularByName) {
  for (const auto& [pattern, number] :
       std::vector<std::pair<std::string, int>>{{"(?=a)b", 2101},
                                                {"(?<!a)b", 2101},
                                                {"(a)\\1", 2101},
                                                {"\\bword", 2101},
                                                {"\\p{Script=Greek}", 2101},
                                                {"(a", 2102},
                                                {"a)", 2102},
                                                {"[a", 2102},
                                                {"a**", 2102},
                                                {"*a", 2102},
                                                {"a{3,2}", 2102},
                                                {"\\a", 2102},
                                                {"[z-a]", 2102},
                                                {"a\\", 2102},
                                                {"a{5000}{5000}", 2102},
                                                {"((a{1000}){1000}){10}", 2104}}) {
    auto dfa = compile_pattern(pattern);
    ASSERT_FALSE(dfa) << pattern;
    EXPECT_EQ(dfa.error().number, number) << dfa.error().to_string();
  }
}

TEST(Dfa, LengthsCountCodePoints) {
  const auto two = with_length(any_string(), 2, 2);
  ASSERT_TRUE(two);
  EXPECT_TRUE(two->matches("\xF0\x9F\x98\x80\xC3\xA9"));
  EXPECT_FALSE(two->matches("abc"));
  EXPECT_FALSE(two->matches("\xF0\x9F\x98\x80"));
  EXPECT_FALSE(two->matches("\xC3\xC3"));
}

TEST(Dfa, ProductsAndShortestAreExact) {
  const auto both = intersect(compiled("^a+$"), *with_length(any_string(), 3, std::nullopt));
  ASSERT_TRUE(both);
  EXPECT_EQ(shortest(*both), "aaa");
  const auto rest = subtract(compiled("^[ab]*$"), compiled("^a*$"));
  ASSERT_TRUE(rest);
  EXPECT_EQ(shortest(*rest), "b");
  EXPECT_TRUE(subtract(compiled("^aa$"), compiled("a"))->is_empty());
  EXPECT_TRUE(subtract(any_string(), compiled(""))->is_empty());
  EXPECT_TRUE(subtract(compiled("^[^x]*$"), compiled("^[\\s\\S]*$"))->is_empty());
}

}  // namespace
}  // namespace consort::contract

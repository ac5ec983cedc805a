#include "mask/mask.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "mask/test_support.h"

namespace consort::mask {
namespace {

using contract::Schema;
using contract::Value;

Value json(std::string_view text) {
  auto value = contract::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Value();
}

const std::shared_ptr<const Vocabulary>& vocabulary() {
  static const auto shared = testing::synthetic_vocabulary(3, 3000);
  return shared;
}

std::shared_ptr<const CompiledMask> mask_of(const Value& document,
                                            const MaskOptions& options = {}) {
  auto schema = Schema::compile(document, "Test");
  EXPECT_TRUE(schema) << (schema ? "" : schema.error().to_string());
  if (!schema) return nullptr;
  auto mask = compile(*schema, vocabulary(), options);
  EXPECT_TRUE(mask) << (mask ? "" : mask.error().to_string());
  return mask ? *mask : nullptr;
}

// Feeds text byte by byte; false at the first byte that is refused.
bool accepts(Matcher& matcher, std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return matcher.commit(static_cast<uint8_t>(c)).has_value(); });
}
bool emits(const std::shared_ptr<const CompiledMask>& mask, std::string_view text) {
  Matcher matcher(mask);
  return accepts(matcher, text) && matcher.value_complete();
}

TEST(Mask, AcceptsTheEmittedFormAndNothingElse) {
  const auto object = mask_of(json(R"({"type":"object","required":["b"],"properties":{
      "a":{"type":"integer"},"b":{"type":"string","maxLength":3},"c":{"type":"array","items":
      {"type":"boolean"},"maxItems":2}}})"));
  for (const char* text :
       {R"({"b":""})", R"({"a":1,"b":"xyz"})",
        R"({ "a": -12, "b": "\n\u00e9", "c": [ true, false ] })",
        "{\"b\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\",\"c\":[]}", R"({"b":"\"\\\/"})"}) {
    EXPECT_TRUE(emits(object, text)) << text;
  }
  for (const char* text : {"{}",
                           R"({"b":"","a":1})",
                           R"({"b":"","d":1})",
                           R"({"b":"wxyz"})",
                           R"({"a":01,"b":""})",
                           R"({"a":-0,"b":""})",
                           R"({"a":1.0,"b":""})",
                           R"({"a":1e2,"b":""})",
                           R"({"b":"","b":""})",
                           R"({"b":""} )",
                           R"( {"b":""})",
                           R"({  "b":""})",
                           R"({"b" :""})",
                           R"({"b":"",})",
                           R"({"b":"\ud83d\ude00"})",
                           "{\"b\":\"\n\"}",
                           "{\"b\":\"\xFF\"}",
                           R"({"b":"","c":[true,]})",
                           R"({"b":"","c":[true,true,true]})",
                           R"({"b":"\x41"})"}) {
    EXPECT_FALSE(emits(object, text)) << text;
  }
}

TEST(Mask, NumbersKeepExactBoundsDigitByDigit) {
  const auto check = [](std::string_view schema, const std::vector<std::string>& good,
                        const std::vector<std::string>& bad) {
    const auto mask = mask_of(json(schema));
    for (const auto& text : good) EXPECT_TRUE(emits(mask, text)) << schema << text;
    for (const auto& text : bad) EXPECT_FALSE(emits(mask, text)) << schema << text;
  };
  check(R"({"type":"integer","minimum":-7,"maximum":120})", {"-7", "0", "99", "120"},
        {"-8", "121", "-10", "-0", "1200", "1.0"});
  check(R"({"type":"number","exclusiveMinimum":0.5,"maximum":2})", {"0.51", "2", "2.0", "1.999"},
        {"0.5", "0.50", "2.1", "0", "-1", "3"});
  check(R"({"type":"number","multipleOf":0.25})", {"0.25", "-3.5", "7", "0.750"},
        {"0.3", "0.2", "0.255"});
  check(R"({"type":"integer","multipleOf":7,"minimum":1})", {"7", "14", "700"}, {"1", "15", "0"});
  check(R"({"type":"number","minimum":0.0000001,"maximum":0.0000002})", {"0.0000001", "0.00000015"},
        {"0", "0.0000003", "0.00000009"});
  Matcher year(mask_of(json(R"({"type":"integer","minimum":1990,"maximum":1999})")));
  EXPECT_EQ(year.forced_bytes(), "199");
}

TEST(Mask, ForcedBytesStopWhereThereIsAChoice) {
  const auto mask = mask_of(json(R"({"type":"object","required":["kind","n"],"properties":{
      "kind":{"const":"step"},"n":{"type":"integer"}}})"),
                            {.whitespace_max = 0});
  Matcher matcher(mask);
  EXPECT_EQ(matcher.forced_bytes(), R"({"kind":"step","n":)");
  ASSERT_TRUE(accepts(matcher, R"({"kind":"step","n":5)"));
  EXPECT_EQ(matcher.forced_bytes(), "");
  ASSERT_TRUE(accepts(matcher, "}"));
  EXPECT_TRUE(matcher.value_complete());
  EXPECT_FALSE(matcher.commit('}').has_value());
  ASSERT_TRUE(matcher.commit(vocabulary()->end_tokens()[0]));
  EXPECT_TRUE(matcher.ended());
}

TEST(Mask, ForksGoTheirOwnWays) {
  const auto mask = mask_of(json(R"({"enum":["ab","ac"]})"));
  Matcher one(mask);
  ASSERT_TRUE(accepts(one, "\"a"));
  Matcher two(one);
  EXPECT_TRUE(accepts(one, "b\""));
  EXPECT_TRUE(accepts(two, "c\""));
  EXPECT_FALSE(two.commit('x').has_value());
}

// What docs/formats/contract.md says of its example.
TEST(Mask, TheWorkedExampleOfTheFormatPageHolds) {
  std::ifstream page(std::string(CONSORT_SOURCE_DIR) + "/docs/formats/contract.md");
  std::stringstream text;
  text << page.rdbuf();
  const std::string all = text.str();
  const size_t first = all.find("```json\n") + 8;
  const Value document = json(all.substr(first, all.find("```", first) - first));
  const auto mask = mask_of(document);
  Matcher matcher(mask);
  ASSERT_TRUE(accepts(matcher, R"({"reasoning": "", "steps": [{"tool": "s)"));
  for (const auto& [next, fits] : std::vector<std::pair<std::string, bool>>{
           {"ql\"", true}, {"earch\"", true}, {"x", false}, {"\"", false}}) {
    Matcher fork(matcher);
    EXPECT_EQ(accepts(fork, next), fits) << next;
  }
  ASSERT_TRUE(accepts(matcher, R"(ql", "query": ")"));
  EXPECT_FALSE(Matcher(matcher).commit('"').has_value());
  EXPECT_TRUE(accepts(matcher, R"(a"}]})"));
  const auto schema = Schema::compile(document, "Plan");
  ASSERT_TRUE(schema);
  const auto violations =
      contract::validate(**schema, json(R"({"reasoning":"","steps":[{"tool":"search","k":21}]})"));
  ASSERT_FALSE(violations.empty());
  EXPECT_EQ(violations[0].instance, "/steps/0");
  EXPECT_EQ(violations[0].keyword, "anyOf");
  EXPECT_EQ(violations[0].schema, "#/$defs/step/anyOf");
}

TEST(Mask, RefusesWhatItCannotEnforce) {
  const auto number = [](std::string_view text, const MaskOptions& options = {}) {
    auto schema = Schema::compile(json(text), "Test");
    EXPECT_TRUE(schema) << text;
    auto mask = compile(*schema, vocabulary(), options);
    return mask ? 0 : mask.error().number;
  };
  EXPECT_EQ(number(R"({"type":"integer","minimum":3,"maximum":2})"), 2203);
  EXPECT_EQ(number(R"({"type":"integer","minimum":1e20})"), 2203);
  EXPECT_EQ(number(R"({"type":"object","minProperties":1})"), 2203);
  EXPECT_EQ(number("true", {.digits_max = 40}), 2202);
  EXPECT_EQ(number(R"({"type":"array","minItems":1,"items":{"type":"array"}})", {.depth_max = 1}),
            2203);
  std::vector<std::string> few = {"a", "b", "<end>"};
  EXPECT_EQ(Vocabulary::create(few, {2}).error().number, 2205);
}

// Expected answers follow from the keywords' definitions.
TEST(Mask, KeywordsThatAValueShowsAsItGrowsAreEnforced) {
  const auto check = [](std::string_view schema, const std::vector<std::string>& good,
                        const std::vector<std::string>& bad) {
    const auto mask = mask_of(json(schema), {.open = true});
    for (const auto& text : good) EXPECT_TRUE(emits(mask, text)) << schema << text;
    for (const auto& text : bad) EXPECT_FALSE(emits(mask, text)) << schema << text;
  };
  check(R"({"type":"integer","not":{"enum":[3,7]}})", {"2", "30"}, {"3", "7"});
  check(R"({"oneOf":[{"type":"integer"},{"type":"number","minimum":2}]})", {"1", "2.5"}, {"2", "0.5"});
  check(R"({"type":"object","properties":{"k":{"enum":["a","b"]}},"required":["k"],
            "if":{"properties":{"k":{"const":"a"}}},"then":{"required":["n"]}})",
        {R"({"k":"b"})", R"({"k":"a","n":1})"}, {R"({"k":"a"})", R"({"k":"c"})"});
  check(R"({"type":"object","patternProperties":{"^x":{"type":"integer"}},
            "additionalProperties":{"type":"null"}})",
        {R"({"x1":1,"y":null})"}, {R"({"x1":null})", R"({"y":1})", R"({"y":null,"y":null})"});
  check(R"({"type":"object","propertyNames":{"maxLength":2}})", {R"({"ab":1})"}, {R"({"abc":1})"});
  check(R"({"type":"object","dependentRequired":{"a":["b"]}})", {R"({"b":1})", R"({"a":1,"b":2})"},
        {R"({"a":1})"});
  check(R"({"type":"object","properties":{"a":{}},"required":["a"],
            "dependentSchemas":{"a":{"maxProperties":1}}})",
        {R"({"a":1})"}, {R"({"a":1,"b":1})"});
  check(R"({"not":{"properties":{"a":{"type":"string"}}},"type":"object"})", {R"({"a":1})"},
        {"{}", R"({"a":"s"})"});
  check(R"({"type":"string","format":"date-time"})",
        {"\"2024-02-29T10:00:00Z\"", "\"2016-12-31T23:59:60Z\""},
        {"\"2023-02-29T10:00:00Z\"", "\"2016-12-31T12:59:60Z\""});
}

TEST(Mask, ItemsAndMembersAreCountedByWhatTheyMatch) {
  const auto check = [](std::string_view schema, const std::vector<std::string>& good,
                        const std::vector<std::string>& bad) {
    const auto mask = mask_of(json(schema), {.open = true, .any_order = true});
    for (const auto& text : good) EXPECT_TRUE(emits(mask, text)) << schema << text;
    for (const auto& text : bad) EXPECT_FALSE(emits(mask, text)) << schema << text;
  };
  check(R"({"type":"array","contains":{"type":"string"},"minContains":2,"maxContains":3})",
        {R"(["a",1,"b"])", R"(["a","b","c",1])"}, {R"(["a"])", "[]", R"(["a","b","c","d"])"});
  check(R"({"type":"array","contains":{"minimum":5},"items":{"type":"integer"},"maxItems":3})",
        {"[5]", "[1,2,7]"}, {"[1,2,3]", "[]", "[1,2,3,7]"});
  check(R"({"type":"array","prefixItems":[{"type":"null"}],"contains":{"type":"string"},
            "unevaluatedItems":{"type":"boolean"}})",
        {R"([null,"a",true])"}, {R"([null,true])", R"([null,"a",1])"});
  check(R"({"type":"object","properties":{"a":{}},"anyOf":[{"properties":{"b":{"const":1}},
            "required":["b"]},{"properties":{"c":{"const":2}},"required":["c"]}],
            "unevaluatedProperties":false})",
        {R"({"b":1})", R"({"a":0,"c":2})", R"({"b":1,"c":2})"},
        {"{}", R"({"b":1,"c":3})", R"({"b":1,"d":1})"});
  check(R"({"type":"object","not":{"additionalProperties":{"type":"integer"}},"allOf":[
            {"not":{"propertyNames":{"pattern":"^x"}}}],"maxProperties":1})",
        {R"({"y":"s"})"}, {R"({"x":"s"})", R"({"y":1})", "{}", R"({"x":"s","y":1})"});
  check(R"({"type":"integer","not":{"multipleOf":2},"minimum":4,"maximum":8})", {"5", "7"},
        {"4", "6", "8"});
  check(R"({"type":"string","pattern":"^[a-z]+(-[a-z]+)*$","minLength":3,"maxLength":5})",
        {"\"abc\"", "\"a-b-c\""}, {"\"ab\"", "\"a-b-\"", "\"abcdef\"", "\"-bc\""});
}

// RFC 8259 has these spellings; what they are worth decides.
TEST(Mask, TextsOfOthersMayBeSpeltInAnyWay) {
  const auto check = [](std::string_view schema, const std::vector<std::string>& good,
                        const std::vector<std::string>& bad) {
    const auto mask = mask_of(json(schema), {.newlines = true, .any_spelling = true});
    for (const auto& text : good) EXPECT_TRUE(emits(mask, text)) << schema << text;
    for (const auto& text : bad) EXPECT_FALSE(emits(mask, text)) << schema << text;
  };
  check(R"({"type":"integer"})", {"-0", "1.0", "1e5", "123456789012345678901234567890"},
        {"1.5", "1e-5", "01", "1e"});
  check(R"({"type":"number","minimum":1,"maximum":1000})",
        {"1e3", "1E+2", "12.5e-1", "5.12345678901234567890123"}, {"1e4", "0.1", "2e-1", "11e2"});
  check(R"({"$schema":"http://json-schema.org/draft-04/schema#","type":"integer"})", {"12", "-3"},
        {"1.0", "1e2"});
  check(R"({"type":"number","multipleOf":0.5})", {"5e-1", "1e2", "0.50"}, {"5e-2", "0.3"});
  check(R"({"type":"string","pattern":"^[\u00e9\ud83d\ude00]$"})",
        {R"("\u00e9")", R"("\ud83d\ude00")", "\"\xC3\xA9\""},
        {R"("\u00e8")", R"("\ud83d\ude01")", R"("\ud83d")", R"("\udc00")"});
  check(R"({"type":"object","properties":{"\u00e9":{"const":"\u20ac"}},"required":["\u00e9"]})",
        {R"({"\u00e9":"\u20ac"})", "{ \"\xC3\xA9\": \"\xE2\x82\xAC\" }\n"}, {"{}"});
  EXPECT_FALSE(emits(mask_of(json(R"({"type":"integer"})")), "1.0"));
}

TEST(Mask, KeywordsThatAreNotEnforcedAreRefusedByNameAndPlace) {
  for (const auto& [text, keyword] : std::vector<std::pair<std::string, std::string>>{
           {R"({"uniqueItems":true})", "uniqueItems"},
           {R"({"format":"regex"})", "format"}}) {
    auto schema = Schema::compile(json("{\"properties\":{\"a\":" + text + "}}"), "Test");
    ASSERT_TRUE(schema) << text;
    const auto refused = enforceable(**schema);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().number, 2201) << text;
    EXPECT_EQ(refused.error().value, keyword) << text;
    EXPECT_TRUE(refused.error().place.starts_with("#/properties/a")) << refused.error().place;
  }
}

TEST(Mask, BudgetBelowTheShortestValueIsAnError) {
  const auto mask = mask_of(json(R"({"type":"string","minLength":10})"));
  Matcher matcher(mask);
  std::vector<uint64_t> bits((vocabulary()->size() + 63) / 64);
  EXPECT_EQ(shortest_tokens(*mask), 13);
  EXPECT_TRUE(matcher.allowed(13, bits));
  EXPECT_EQ(matcher.allowed(12, bits).error().number, 2203);
}

TEST(Mask, RandomGenerationsAreValidAndNeverCut) {
  Rng rng(20);
  int n_generations = 0;
  int n_refused = 0;
  std::set<std::string> texts;
  for (int i = 0; n_generations < 1000; ++i) {
    const Value document = testing::random_schema(rng, 3);
    auto schema = Schema::compile(document, "Random");
    ASSERT_TRUE(schema) << contract::to_json(document) << schema.error().to_string();
    auto mask = compile(*schema, vocabulary());
    if (!mask) {  // Nothing fits, or an array or object under `not`.
      EXPECT_TRUE(mask.error().number == 2203 || mask.error().number == 2202 ||
                  mask.error().value == "enum")
          << mask.error().to_string();
      ++n_refused;
      continue;
    }
    const int shortest = shortest_tokens(**mask);
    for (int run = 0; run < 4; ++run, ++n_generations) {
      const int budget = run == 3
                             ? 400 + shortest
                             : shortest + static_cast<int>(rng.below(2 * shortest + 1)) * (run > 0);
      const auto generation = testing::generate(*mask, *vocabulary(), budget, rng);
      ASSERT_TRUE(generation.ended)
          << contract::to_json(document) << "\n"
          << generation.error << "\nbudget " << budget << " shortest " << shortest;
      const auto value = contract::parse_json(generation.text);
      ASSERT_TRUE(value) << generation.text;
      const auto violations = contract::validate(**schema, *value, 1);
      ASSERT_TRUE(violations.empty()) << contract::to_json(document) << "\n"
                                      << generation.text << "\n"
                                      << violations[0].message;
      texts.insert(generation.text);
    }
  }
  EXPECT_LT(n_refused, 100);
  EXPECT_GT(texts.size(), 600u);
}

// For schemas with few values, all emitted texts can be listed; the list is the oracle.
struct Finite {
  std::string schema;
  std::vector<std::string> texts;
};

std::vector<Finite> finite_schemas() {
  std::vector<Finite> result;
  result.push_back({R"({"enum":["ab","abc",1,12,1.5,null,[1,"x"]]})",
                    {"\"ab\"", "\"abc\"", "1", "12", "1.5", "null", "[1,\"x\"]", "[ 1,\"x\"]",
                     "[1, \"x\"]", "[1,\"x\" ]", "[ 1, \"x\"]", "[ 1,\"x\" ]", "[1, \"x\" ]",
                     "[ 1, \"x\" ]"}});
  Finite integers{R"({"type":"integer","minimum":-15,"maximum":107})", {}};
  for (int i = -15; i <= 107; ++i) integers.texts.push_back(std::to_string(i));
  result.push_back(integers);
  Finite objects{R"({"type":"object","properties":{"a":{"type":"boolean"},"id":{"enum":[1,"x"]}},
      "required":["id"]})",
                 {}};
  Finite arrays{R"({"type":"array","items":{"type":["null","boolean"]},"minItems":1,"maxItems":2})",
                {}};
  const std::vector<std::string> blank = {"", " "};
  for (const auto& b1 : blank) {
    for (const auto& b2 : blank) {
      for (const auto& end : blank) {
        for (const std::string id : {"1", "\"x\""}) {
          objects.texts.push_back("{" + b1 + "\"id\":" + b2 + id + end + "}");
          for (const std::string a : {"true", "false"}) {
            for (const auto& b3 : blank) {
              for (const auto& b4 : blank) {
                objects.texts.push_back("{" + b1 + "\"a\":" + b3 + a + "," + b4 + "\"id\":" + b2 +
                                        id + end + "}");
              }
            }
          }
        }
        for (const std::string x : {"null", "true", "false"}) {
          if (b2.empty()) arrays.texts.push_back("[" + b1 + x + end + "]");
          for (const std::string y : {"null", "true", "false"}) {
            arrays.texts.push_back("[" + b1 + x + "," + b2 + y + end + "]");
          }
        }
      }
    }
  }
  result.push_back(objects);
  result.push_back(arrays);
  Finite strings{R"({"type":"string","pattern":"^[ab\"]{1,3}$"})", {}};
  std::vector<std::string> bodies = {""};
  // Each character: raw, or written as \u00XX in either case; the quote as \" or \u0022.
  for (int length = 1; length <= 3; ++length) {
    std::vector<std::string> longer;
    for (const auto& body : bodies) {
      for (const char* c : {"a", "b", "\\u0061", "\\u0062", "\\\"", "\\u0022"}) {
        longer.push_back(body + c);
      }
    }
    bodies = longer;
    for (const auto& body : bodies) strings.texts.push_back("\"" + body + "\"");
  }
  result.push_back(strings);
  return result;
}

// Fewest tokens that spell `text`, independent of the folder's own count.
int spelling(const std::string& text) {
  std::vector<int> best(text.size() + 1, 1 << 20);
  best[0] = 0;
  static const std::set<std::string> pieces = [] {
    std::set<std::string> all;
    for (size_t i = 0; i < vocabulary()->size(); ++i) {
      all.insert(vocabulary()->piece(static_cast<int32_t>(i)));
    }
    return all;
  }();
  for (size_t i = 0; i < text.size(); ++i) {
    for (size_t n = 1; n <= 12 && i + n <= text.size(); ++n) {
      if (pieces.count(text.substr(i, n))) best[i + n] = std::min(best[i + n], best[i] + 1);
    }
  }
  return best[text.size()];
}

TEST(Mask, AllowedIsExactAgainstTheListOfAllTexts) {
  Rng rng(5);
  std::vector<uint64_t> bits((vocabulary()->size() + 63) / 64);
  int n_checked = 0;
  for (const Finite& finite : finite_schemas()) {
    const auto mask = mask_of(json(finite.schema));
    for (int round = 0; round < 60; ++round) {
      // A prefix of one of the texts.
      const std::string& chosen = finite.texts[rng.below(finite.texts.size())];
      const std::string prefix = chosen.substr(0, rng.below(chosen.size() + 1));
      Matcher matcher(mask);
      ASSERT_TRUE(accepts(matcher, prefix)) << prefix;
      std::vector<std::string> rests;
      for (const auto& text : finite.texts) {
        if (text.compare(0, prefix.size(), prefix) == 0)
          rests.push_back(text.substr(prefix.size()));
      }
      const int needed = matcher.tokens_to_close();
      for (const int left : {1000, needed, needed + 1, needed + 3}) {
        ASSERT_TRUE(matcher.allowed(left, bits)) << prefix;
        for (size_t t = 0; t < vocabulary()->size(); ++t) {
          const bool allowed = bits[t / 64] >> (t % 64) & 1;
          const std::string& piece = vocabulary()->piece(static_cast<int32_t>(t));
          ++n_checked;
          if (piece.empty()) {
            const bool complete = std::find(rests.begin(), rests.end(), "") != rests.end();
            EXPECT_EQ(allowed, complete) << prefix;
            continue;
          }
          bool fits_in_bytes = false;   // Some end fits even one byte a token: must be allowed.
          bool fits_in_tokens = false;  // No end fits in any spelling: must not be.
          for (const auto& rest : rests) {
            if (rest.compare(0, piece.size(), piece) != 0) continue;
            const std::string after = rest.substr(piece.size());
            fits_in_bytes |= static_cast<int>(after.size()) <= left - 2;
            fits_in_tokens |= left == 1000 || spelling(after) <= left - 2;
          }
          if (fits_in_bytes) EXPECT_TRUE(allowed) << prefix << "|" << piece << " left " << left;
          if (!fits_in_tokens) EXPECT_FALSE(allowed) << prefix << "|" << piece << " left " << left;
        }
      }
    }
  }
  EXPECT_GT(n_checked, 3'000'000);
}

}  // namespace
}  // namespace consort::mask

#include "eval/text_scores.h"

#include <gtest/gtest.h>

#include "eval/golden_values.h"

namespace consort::eval {
namespace {

using contract::Value;

Value json(std::string_view text) { return *contract::parse_json(text); }

TEST(TextScores, ChrfIsThatOfSacrebleuAndRougeLThatOfRougeScore) {
  Value texts = golden_values("texts");
  ASSERT_GE(texts.as_array().size(), 7u);
  for (const Value& v : texts.as_array()) {
    std::string expected = v.string_or("expected", ""), answer = v.string_or("answer", "");
    EXPECT_NEAR(chrf(expected, answer), number(v, "chrf"), 1e-9) << answer;
    EXPECT_NEAR(rouge_l(expected, answer), number(v, "rouge_l"), 1e-9) << answer;
  }
}

// Precision 2 of 3, recall 2 of 4: F1 = 2 * (2/3) * (1/2) / (2/3 + 1/2) = 4/7.
TEST(TextScores, TokenF1CountsBagsOfWords) {
  EXPECT_NEAR(token_f1("Net sales rose sharply", "net sales, fell"), 4.0 / 7, 1e-12);
  EXPECT_EQ(token_f1("", ""), 1);
  EXPECT_EQ(token_f1("a", ""), 0);
}

TEST(TextScores, ExactIgnoresKeyOrderAndTheWritingOfNumbersAndNothingElse) {
  EXPECT_TRUE(exact_match(json(R"({"a":1,"b":[2]})"), json(R"({"b":[2.0],"a":1.0})")));
  EXPECT_FALSE(exact_match(json(R"({"a":"x"})"), json(R"({"a":"x","b":1})")));
  EXPECT_FALSE(exact_match(json("[1,2]"), json("[2,1]")));
}

TEST(TextScores, CoversAllowsMoreMembersAndNumbersNearEnough) {
  Value expected = json(R"({"mood":{"choice":"happy"},"x":100})");
  EXPECT_TRUE(
      covers(expected, json(R"({"mood":{"choice":"happy","confidence":0.9},"x":100.4})"), 0.005));
  EXPECT_FALSE(covers(expected, json(R"({"mood":{"choice":"happy"},"x":101})"), 0.005));
  EXPECT_FALSE(covers(json("[1]"), json("[1,2]"), 0));
}

TEST(TextScores, FieldShareCountsLeaves) {
  Value expected = json(R"({"a":1,"b":{"c":"x","d":[1,2]}})");
  EXPECT_DOUBLE_EQ(field_share(expected, json(R"({"a":1,"b":{"c":"y","d":[1]}})"), 0), 0.5);
  EXPECT_DOUBLE_EQ(field_share(expected, json("3"), 0), 0);
}

TEST(TextScores, RowsAreMultisetsWithNumbersWithinATolerance) {
  EXPECT_TRUE(
      same_rows(json(R"([[1,"a"],[2,null]])"), json(R"([[2.0,null],[1.0000000000001,"a"]])")));
  EXPECT_FALSE(same_rows(json("[[1],[1],[2]]"), json("[[1],[2],[2]]")));
  EXPECT_FALSE(same_rows(json("[[1]]"), json(R"([["1"]])")));
  EXPECT_FALSE(same_rows(json("[[1]]"), json("[[1,1]]")));
}

}  // namespace
}  // namespace consort::eval

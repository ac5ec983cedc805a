#include "eval/golden_set.h"

#include <gtest/gtest.h>

namespace consort::eval {
namespace {

int number_of(std::string_view text, std::string* place = nullptr) {
  auto set = read_golden_set(text, "g.jsonl");
  if (set) return 0;
  if (place != nullptr) *place = set.error().place;
  EXPECT_FALSE(set.error().fix.empty());
  return set.error().number;
}

TEST(GoldenSet, RowsKeepTheirLinesSlicesClustersAndProbes) {
  auto set = read_golden_set("{\"input\":{\"a\":1},\"expected\":2,\"slice\":\"s\",\"cluster\":\"c\",\"id\":\"x\"}\n\n"
                             "{\"input\":{\"a\":2},\"expected\":null,\"probe\":true}\n",
                             "g.jsonl");
  ASSERT_TRUE(set) << set.error().to_string();
  ASSERT_EQ(set->rows.size(), 2u);
  EXPECT_EQ(set->rows[0].slice, "s");
  EXPECT_EQ(set->rows[0].cluster, "c");
  EXPECT_EQ(set->rows[1].line, 3);
  EXPECT_TRUE(set->rows[1].probe);
  EXPECT_EQ(set->place(set->rows[1]), "g.jsonl:3");
}

TEST(GoldenSet, WhatIsNoRowIsRefusedWithItsLine) {
  const std::string good = "{\"input\":1,\"expected\":1}\n";
  for (const std::string bad :
       {"[]", "{\"input\":2}", "{\"expected\":2}", "{\"input\":2,\"expected\":2,\"slise\":\"a\"}",
        "{\"input\":2,\"expected\":2,\"slice\":3}", "{\"input\":2,\"expected\":2,\"probe\":\"yes\"}",
        "{\"input\":2,\"expected\":2,\"table\":{\"header\":[\"a\"],\"rows\":[[1,2]]}}",
        "{\"input\":1.0,\"expected\":3}"}) {
    std::string place;
    EXPECT_EQ(number_of(good + bad + "\n", &place), 8201) << bad;
    EXPECT_EQ(place, "g.jsonl:2") << bad;
  }
  EXPECT_EQ(number_of(""), 8201);
  std::string place;
  EXPECT_EQ(number_of(good + "{\"input\":", &place), 2001);
  EXPECT_EQ(place, "g.jsonl:2");
}

TEST(GoldenSet, OneInputOverTwoTablesIsNoRepetition) {
  EXPECT_EQ(number_of("{\"input\":1,\"expected\":1,\"table\":{\"header\":[\"a\"],\"rows\":[[1]]}}\n"
                      "{\"input\":1,\"expected\":1,\"table\":{\"header\":[\"a\"],\"rows\":[[2]]}}\n"),
            0);
}

}  // namespace
}  // namespace consort::eval

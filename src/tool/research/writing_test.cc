// The facts of a sentence, and which sentences its frame lets through.
#include <gtest/gtest.h>

#include "contract/json.h"
#include "contract/schema.h"
#include "tool/research/research.h"

namespace consort::tool {
namespace {

using contract::Value;

Value json(const std::string& text) { return contract::parse_json(text).value(); }

Value finding(const std::string& change, const std::string& label = "Net tolls") {
  return json(R"({"id":"t1","kind":"figure","company":"Harbour Lines","subject":"tolls","section":"Tolls",
    "figures":[{"label":")" + label + R"(","period":"the fiscal year ended June 30, 2023","value":"605881000","unit":"USD"}],
    "computed":[{"op":"pct_change","args":[0,1],"value":")" + change + R"(","unit":"%"}],"cites":[],"note":""})");
}

Value task_of(const Value& finding, bool again = false) {
  Value input = Value::object({{"findings", contract::Array{finding}}});
  if (again) {
    input.get_object()->set("previous", json(R"({"claims":[{"id":"t1","text":"Wrong."}]})"));
    input.get_object()->set("critique", json(R"([{"claim":"t1","message":"the sign"}])"));
  }
  return writing_tasks(input).value().find("items")->as_array()[0];
}

bool lets_through(const Value& task, const std::string& sentence) {
  const auto schema = contract::Schema::compile(Value::object({{"type", "string"}, {"pattern", task.string_or("frame", "")}}), "frame").value();
  return contract::validate(*schema, Value(sentence)).empty();
}

TEST(Writing, FactsStandOnALineAsTheyArePrinted) {
  EXPECT_EQ(task_of(finding("6.7")).string_or("facts", ""), "Harbour Lines | net tolls | the fiscal year ended June 30, 2023 | $605.9 million | up 6.7%");
  EXPECT_EQ(task_of(finding("-2.1")).string_or("facts", ""), "Harbour Lines | net tolls | the fiscal year ended June 30, 2023 | $605.9 million | down 2.1%");
  EXPECT_EQ(task_of(finding("0.0")).string_or("facts", ""), "Harbour Lines | net tolls | the fiscal year ended June 30, 2023 | $605.9 million");
}

TEST(Writing, AtFirstOrderAndWordsAreFreeButNoFigureNameOrPeriodIs) {
  const Value task = task_of(finding("6.7"));
  for (const char* good : {"In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose by 6.7% to $605.9 million.",
                           "Net tolls of Harbour Lines were $605.9 million, an increase of 6.7% in the fiscal year ended June 30, 2023.",
                           "For the fiscal year ended June 30, 2023, net tolls of Harbour Lines came to $605.9 million, up 6.7%."})
    EXPECT_TRUE(lets_through(task, good)) << good;
  for (const char* bad : {"In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose by 6.8% to $605.9 million.",
                          "In the fiscal year ended June 30, 2022, Harbour Lines' net tolls rose by 6.7% to $605.9 million.",
                          "In the fiscal year ended June 30, 2023, Pier's net tolls rose by 6.7% to $605.9 million.",
                          "In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose to $605.9 million.",
                          "In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose by 6.7% to $605.9 million, far above 2020."})
    EXPECT_FALSE(lets_through(task, bad)) << bad;
}

TEST(Writing, ALineThatNamesTheCompanyIsNotGivenItsNameAgain) {
  const Value task = task_of(finding("6.7", "Harbour Lines Inland net tolls"));
  EXPECT_TRUE(lets_through(task, "Harbour Lines Inland net tolls rose by 6.7% to $605.9 million in the fiscal year ended June 30, 2023."));
  EXPECT_FALSE(lets_through(task, "Harbour Lines' Harbour Lines Inland net tolls rose by 6.7% to $605.9 million in the fiscal year ended June 30, 2023."));
}

TEST(Writing, ACriticisedSentenceIsWrittenInTheStrictFrame) {
  const Value task = task_of(finding("6.7"), true);
  EXPECT_TRUE(lets_through(task, "In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose by 6.7% to $605.9 million."));
  EXPECT_FALSE(lets_through(task, "In the fiscal year ended June 30, 2023, Harbour Lines' net tolls fell by 6.7% to $605.9 million."));
  EXPECT_FALSE(lets_through(task, "Net tolls of Harbour Lines were $605.9 million, an increase of 6.7% in the fiscal year ended June 30, 2023."));
}

}  // namespace
}  // namespace consort::tool

// The menu of a brief, and what is left of a plan and added to it.
#include <gtest/gtest.h>

#include "contract/json.h"
#include "tool/research/research.h"

namespace consort::tool {
namespace {

using contract::Value;

Value json(const std::string& text) { return contract::parse_json(text).value(); }

Value menu_of(const std::string& brief, const std::string& more = "") {
  return plan_menu(json(R"({"brief":)" + brief + more + "}")).value();
}

std::vector<std::string> names(const Value& menu, std::string_view key) {
  std::vector<std::string> out;
  for (const Value& v : menu.find(key)->as_array()) out.push_back(v.as_string());
  return out;
}

// "figures|revenue of Harbour in 2021|planner" of each task.
std::vector<std::string> tasks_of(const Value& menu, const std::string& steps) {
  const Value input = Value::object({{"brief", Value::object({})}, {"menu", menu}, {"plan", json(R"({"steps":)" + steps + "}")}});
  const Value checked = check_plan(input).value();
  std::vector<std::string> out;
  for (const Value& t : checked.find("tasks")->as_array())
    out.push_back(t.string_or("tool", "") + "|" + t.string_or("question", "") + "|" + t.string_or("origin", ""));
  return out;
}

using Lines = std::vector<std::string>;

TEST(Menu, HoldsTheFiguresNearestToTheTopicFirstAndItsYears) {
  const Value menu = menu_of(R"({"topic":"Memberships and overhead of Harbour in 2021 against 2020","companies":["Harbour"]})");
  const Lines figures = names(menu, "figures");
  EXPECT_EQ(figures.size(), 8u);
  EXPECT_TRUE(figures[0] == "membership fees" || figures[1] == "membership fees");
  EXPECT_TRUE(figures[0].starts_with("selling, general") || figures[1].starts_with("selling, general"));
  EXPECT_EQ(names(menu, "periods"), (Lines{"latest", "2021", "2020"}));
}

TEST(Menu, OfATableHoldsWhatTheTableMeasures) {
  const Value menu = menu_of(R"({"topic":"Rain in the hills","companies":["Hills"],"questions":["Why?"]})",
                             R"(,"measures":{"columns":["label"],"rows":[["Sun"],["Rain"]]})");
  EXPECT_EQ(names(menu, "figures"), (Lines{"Rain", "Sun"}));
  EXPECT_EQ(names(menu, "subjects"), (Lines{"Rain", "Sun", "Why?"}));
}

const char* kTwo = R"({"figures":["tolls","dues"],"subjects":["tolls","dues","Why?"],"questions":["Why?"],
                       "companies":["Harbour","Pier"],"periods":["latest","2021"]})";

TEST(Plan, IsAskedOfEveryCompanyWithTheBestFiguresAndAllQuestions) {
  EXPECT_EQ(tasks_of(json(kTwo), R"([{"tool":"figures","subject":"dues","companies":["Pier"],"period":"2021"},
                                     {"tool":"search","subject":"Why?","companies":["Harbour"]}])"),
            (Lines{"figures|tolls of Harbour|coverage", "figures|tolls of Pier|coverage", "figures|dues of Harbour in 2021|coverage", "figures|dues of Pier in 2021|planner",
                   "search|Harbour: Why?|planner", "search|Pier: Why?|coverage"}));
}

TEST(Plan, CorrectsToolsAndDropsUnknownCompaniesPeriodsAndRepetitions) {
  EXPECT_EQ(tasks_of(json(kTwo), R"([{"tool":"search","subject":"tolls","companies":["Harbour","Quay","Pier","Harbour"],"period":"1999"},
                                     {"tool":"figures","subject":"dues","companies":["Pier","Harbour"]},
                                     {"tool":"figures","subject":"Why?","companies":["Pier","Harbour"],"period":"2021"}])"),
            (Lines{"figures|tolls of Harbour|planner", "figures|tolls of Pier|planner", "figures|dues of Harbour|planner", "figures|dues of Pier|planner",
                   "search|Harbour: Why?|planner", "search|Pier: Why?|planner"}));
}

}  // namespace
}  // namespace consort::tool

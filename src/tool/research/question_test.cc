#include "tool/research/question.h"

#include <gtest/gtest.h>

#include "memory/row_names.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool::research {
namespace {

TEST(Question, NamesTheRowWithoutCompanyPeriodAndVerbs) {
  const Wanted w = read_question("How much did Harbour Lines spend on rope and tackle in fiscal 2022 compared with fiscal 2021?", "Harbour Lines");
  EXPECT_EQ(w.metric, "rope and tackle");
  EXPECT_EQ(w.years, (std::vector<int>{2022, 2021}));
  EXPECT_TRUE(w.number);
}

TEST(Question, AShareHasAPartAndAWhole) {
  const Wanted w = read_question("What share of Harbour's freight revenue came from coal in 2020?", "Harbour");
  EXPECT_EQ(w.op, "share");
  EXPECT_EQ(w.second, "freight revenue");
  EXPECT_EQ(w.metric, "coal freight revenue");
}

TEST(Question, ASecondLineIsRead) {
  const Wanted w = read_question("What were Harbour's net revenues and berth hours in 2020?", "Harbour");
  EXPECT_EQ(w.metric, "net revenues");
  EXPECT_EQ(w.second, "berth hours");
}

TEST(Question, ADayIsAnIsoDateAndNewestIsSeen) {
  EXPECT_EQ(read_question("How large were Harbour's reserves as of May 31, 2023?", "Harbour").date, "2023-05-31");
  EXPECT_TRUE(read_question("What are Harbour's latest quarterly tolls?", "Harbour").newest);
  EXPECT_TRUE(read_question("What are Harbour's latest quarterly tolls?", "Harbour").quarter);
}

TEST(Question, AStatementLineStaysWhole) {
  EXPECT_EQ(read_question("net cash provided by operating activities", "Harbour").metric, "net cash provided by operating activities");
}

TEST(Words, APrefixOfOneLetterBelongsToItsWord) {
  EXPECT_EQ(words("E-commerce, T-shirts and eCommerce", false), (std::vector<std::string>{"ecommerce", "tshirts", "and", "ecommerce"}));
  EXPECT_EQ(words("a - b, well-known", false), (std::vector<std::string>{"a", "b", "well", "known"}));
}

TEST(Options, ARowThatSaysAllThatIsAskedForAnswersAQuestionForItsNumber) {
  const contract::Value input = contract::parse_json(R"({
    "task": {"id": "t1", "tool": "search", "company": "Harbour", "subject": "How large are e-tolls and dues?"},
    "rows": {"figures": [
      {"figure_id": 1, "doc": "H", "page": 2, "section": "", "label": "Dues", "column_label": "2022", "period_end": "2022-12-31",
       "period_kind": "year", "amount": "9", "unit": "USD", "as_printed": "9"},
      {"figure_id": 2, "doc": "H", "page": null, "section": "", "label": "Harbour North etolls and dues", "column_label": "2022",
       "period_end": "2022-12-31", "period_kind": "year", "amount": "4", "unit": "USD", "as_printed": "4"}]}})").value();
  const contract::Value options = finding_options(input).value();
  EXPECT_EQ(options.find("kind")->as_string(), "figure");
  ASSERT_EQ(options.find("items")->as_array().size(), 1u);
  EXPECT_EQ(contract::to_json(*options.find("items")->as_array()[0].find("key")), R"({"figure_id":2})");
}

// The ids of the rows that are offered, of rows given as label|column|period_end|kind|amount|unit.
std::string offered(const std::string& question, const std::vector<std::vector<std::string>>& rows) {
  contract::Array figures;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& r = rows[i];
    figures.push_back(contract::Value::object({{"figure_id", static_cast<int64_t>(i)}, {"doc", "D" + std::to_string(i)}, {"page", 1}, {"section", ""},
                                               {"label", r[0]}, {"column_label", r[1]}, {"period_end", r[2]}, {"period_kind", r[3]},
                                               {"amount", r[4]}, {"unit", r[5]}, {"as_printed", r[4]}}));
  }
  const contract::Value task = contract::Value::object({{"id", "t"}, {"tool", "figures"}, {"company", "Harbour"}, {"subject", question}});
  const contract::Value input = contract::Value::object({{"task", task}, {"rows", contract::Value::object({{"figures", std::move(figures)}})}});
  std::string out;
  const contract::Value options = finding_options(input).value();
  for (const contract::Value& item : options.find("items")->as_array()) out += contract::to_json(*item.find("key")->find("figure_id")) + " ";
  return out;
}

TEST(Options, AYearThatIsNamedIsNoQuarterThatEndedInIt) {
  EXPECT_EQ(offered("How large were Harbour's coal tolls in fiscal 2023?", {{"Coal tolls", "Q1", "2023-04-30", "quarter", "5", "USD"},
                                                                           {"Coal tolls", "2023", "2023-01-31", "year", "19", "USD"}}).substr(0, 2), "1 ");
}

TEST(Options, WhatIsStillEndingIsNotTheLatestFigure) {
  EXPECT_EQ(offered("What are Harbour's latest quarterly net revenues?", {{"Net revenues", "Three Months Ending September 30, 2023", "2023-09-30", "quarter", "26", "USD"},
                                                                          {"Net revenues", "Three Months Ended June 30, 2023", "2023-06-30", "quarter", "25", "USD"}}).substr(0, 2), "1 ");
}

TEST(Options, MoneyIsNoNumberOfThings) {
  EXPECT_EQ(offered("How many warehouses does Harbour operate?", {{"Warehouse ancillary business", "2022", "2022-12-31", "year", "464", "USD"}}), "");
  EXPECT_EQ(offered("How many warehouses does Harbour operate?", {{"Warehouses", "2022", "2022-12-31", "instant", "464", "count"}}), "0 ");
}

TEST(Writing, ALabelWithTheCompanysNameIsNotOwnedByItAgain) {
  auto frame = [](const std::string& label) {
    contract::Value input = contract::parse_json(R"({"brief":{"topic":"T","companies":["Harbour"]},"findings":[{"id":"t1","kind":"figure","company":"Harbour",
      "subject":"tolls","section":"tolls","computed":[],"cites":[{"doc":"D","page":1,"quote":"q"}],"figures":[{"company":"Harbour","metric":"tolls","label":"","period_end":"2022-12-31",
      "period":"the year ended December 31, 2022","value":"14500000000","amount":"14.5","scale":1000000000,"unit":"USD","as_printed":"14.5","doc":"D","page":1}]}]})").value();
    contract::Value& finding = (*input.get_object()->find("findings")->get_array())[0];
    (*finding.get_object()->find("figures")->get_array())[0].get_object()->set("label", label);
    const contract::Value tasks = writing_tasks(input).value();
    return tasks.find("items")->as_array()[0].string_or("frame", "");
  };
  EXPECT_NE(frame("Harbour North tolls").find("the year ended December 31, 2022, (Harbour North tolls)"), std::string::npos);
  EXPECT_EQ(frame("Harbour North tolls").find("Harbour's Harbour"), std::string::npos);
  EXPECT_NE(frame("Coal tolls").find("Harbour's coal tolls"), std::string::npos);
}

TEST(RowNames, NetSalesAndTotalRevenuesAreOneLineAndASegmentIsNot) {
  const memory::RowName* line = memory::row_name_of("net sales");
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line, memory::row_name_of("Total revenues"));
  EXPECT_GE(memory::synonym_rank(*line, "Net revenues(1)"), 0);
  EXPECT_LT(memory::synonym_rank(*line, "Pet net sales"), 0);
  const memory::RowName* income = memory::row_name_of("net income");
  ASSERT_NE(income, nullptr);
  EXPECT_GE(memory::synonym_rank(*income, "NET INCOME ATTRIBUTABLE TO COSTCO"), 0);
  EXPECT_LT(memory::synonym_rank(*income, "Net income attributable to noncontrolling interests"), 0);
}

}  // namespace
}  // namespace consort::tool::research

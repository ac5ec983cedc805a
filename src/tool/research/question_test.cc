#include "tool/research/question.h"

#include <gtest/gtest.h>

#include "memory/row_names.h"

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

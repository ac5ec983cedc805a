#include "tool/report/check_claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tool/report/words.h"

namespace consort::tool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Figures of two public filings: Walmart 10-K (year ended January 31, 2023) page 54, Costco 10-K (year
// ended August 28, 2022) page 36.
class TwoFilings final : public PageSource {
 public:
  Result<std::string> page_text(const std::string& doc, std::optional<int> page) const override {
    if (doc == "WALMART_2023_10K" && page == 54)
      return std::string(
          "                                                      Fiscal Years Ended January 31,\n"
          "(Amounts in millions, except per share data)         2023            2022           2021\n"
          "     Net sales                                $   605,881    $    567,762    $   555,233\n"
          "          Total revenues                          611,289         572,754        559,151\n"
          "Operating income                                   20,428          25,942         22,548\n"
          "Diluted net income per common share               $  4.27        $   4.87        $  4.75\n");
    if (doc == "COSTCO_2022_10K" && page == 36)
      return std::string(
          "(amounts in millions, except per share data)\n"
          "                                                     2022            2021           2020\n"
          "Total revenue                                     226,954         195,929        166,761\n"
          "Operating income                                    7,793           6,708          5,435\n");
    if (doc == "COSTCO_2022_10K" && page == 5)
      return std::string("Our member renewal rate was 93% in the U.S. and Canada and 90% worldwide at the end of 2022.\n");
    if (doc == "periods" && !page)
      return std::string(
          "Company,Measure,Period,Period end,Value,Unit,Source document,Source page\n"
          "Walmart,Walmart U.S. eCommerce net sales,the first quarter of fiscal 2024,2023-04-30,14.5,USD billions,WALMART_2024Q1_10Q,15\n"
          "Walmart,Walmart U.S. eCommerce net sales,the first quarter of fiscal 2023,2022-04-30,11.4,USD billions,WALMART_2024Q1_10Q,15\n");
    return fail(make_error(ErrorCode::not_found, 5004, "no such page"));
  }
  Result<std::vector<SourceDocument>> documents() const override {
    return std::vector<SourceDocument>{{"WALMART_2023_10K", "Walmart 10-K", "Walmart", "2023-01-31"}, {"periods", "Periods", "Walmart", ""},
                                       {"COSTCO_2022_10K", "Costco 10-K", "Costco", "2022-08-28"}};
  }
};

const Citation kWalmartRevenue{"WALMART_2023_10K", 54, "Total revenues 611,289 572,754 559,151"};
const Citation kWalmartIncome{"WALMART_2023_10K", 54, "Operating income 20,428 25,942 22,548"};
const Citation kCostcoRevenue{"COSTCO_2022_10K", 36, "Total revenue 226,954 195,929 166,761"};
const Citation kRenewal{"COSTCO_2022_10K", 5, "Our member renewal rate was 93% in the U.S. and Canada"};

std::vector<std::string> kinds(std::string text, std::vector<Citation> cites) {
  const TwoFilings source;
  EvidenceReader reader(source);
  const ClaimCheck check = *check_claim({"c", std::move(text), "", std::move(cites)}, {}, &reader);
  std::vector<std::string> out;
  for (const ClaimIssue& issue : check.issues) out.push_back(issue.kind);
  return out;
}

TEST(CheckClaims, AcceptsPrintedFiguresInAnyScaleAndRounding) {
  EXPECT_THAT(kinds("Walmart's total revenues reached $611.3 billion in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues reached $611,289 million in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues were more than $600 billion in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
}

TEST(CheckClaims, ReadsTheUnitOfARecordThatHasAColumnForIt) {
  const Citation now{"periods", std::nullopt, "Walmart,Walmart U.S. eCommerce net sales,the first quarter of fiscal 2024,2023-04-30,14.5,USD billions,WALMART_2024Q1_10Q,15"};
  const Citation before{"periods", std::nullopt, "Walmart,Walmart U.S. eCommerce net sales,the first quarter of fiscal 2023,2022-04-30,11.4,USD billions,WALMART_2024Q1_10Q,15"};
  EXPECT_THAT(kinds("In the three months ended April 30, 2023, Walmart U.S. eCommerce net sales increased by 27.2% to $14.5 billion.", {now, before}), IsEmpty());
  EXPECT_THAT(kinds("In the three months ended April 30, 2023, Walmart U.S. eCommerce net sales were $14.5 million.", {now}), ElementsAre("unit"));
  EXPECT_THAT(kinds("In the three months ended April 30, 2023, Walmart U.S. eCommerce net sales were $16.5 billion.", {now}), ElementsAre("number"));
}

TEST(CheckClaims, AcceptsWhatFollowsFromPrintedFigures) {
  EXPECT_THAT(kinds("Walmart's total revenues rose 6.7% to $611.3 billion in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Operating income equalled 3.3% of Walmart's total revenues in fiscal 2023.", {kWalmartIncome, kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenue of $611.3 billion in fiscal 2023 was 2.7 times that of Costco in fiscal 2022.", {kWalmartRevenue, kCostcoRevenue}),
              IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenue in fiscal 2023 exceeded that of Costco in fiscal 2022 by $384.3 billion.", {kWalmartRevenue, kCostcoRevenue}),
              IsEmpty());
}

TEST(CheckClaims, ReadsFiguresOfThePeriodBefore) {
  EXPECT_THAT(kinds("Walmart's total revenues rose from $572.8 billion to $611.3 billion in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues were $611.3 billion in fiscal 2023, compared with $572.8 billion the year before.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues were $572.8 billion in fiscal 2022, compared with $611.3 billion the year before.", {kWalmartRevenue}),
              ElementsAre("date"));
  EXPECT_THAT(kinds("Walmart's total revenues were $611.3 billion in fiscal 2023, compared with $559.2 billion the year before.", {kWalmartRevenue}),
              ElementsAre("date"));
}

TEST(CheckClaims, ReadsAChangeAgainstAPeriod) {
  EXPECT_THAT(kinds("Walmart's total revenues were $611.3 billion in fiscal 2023, 6.7% more than in fiscal 2022.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income was $20.4 billion in fiscal 2023, 21.3% less than in fiscal 2022.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues were $611.3 billion in fiscal 2023, 6.7% less than in fiscal 2022.", {kWalmartRevenue}), ElementsAre("sign"));
  EXPECT_THAT(kinds("Walmart's total revenues were $611.3 billion in fiscal 2023, 7.6% more than in fiscal 2022.", {kWalmartRevenue}), ElementsAre("number"));
}

TEST(CheckClaims, ReadsAClauseThatOpensWithTheYearBefore) {
  EXPECT_THAT(kinds("For fiscal 2023 Walmart recorded total revenues of $611.3 billion; a year earlier the figure was $572.8 billion.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("For fiscal 2023 Walmart recorded total revenues of $572.8 billion; a year earlier the figure was $611.3 billion.", {kWalmartRevenue}),
              testing::Contains("date"));
}

TEST(CheckClaims, GivesEachEndOfASpanItsFigure) {
  EXPECT_THAT(kinds("Between 2022 and 2023, Walmart's total revenues increased to $611.3 billion from $572.8 billion.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Between 2022 and 2023, Walmart's operating income increased to $25.9 billion from $20.4 billion.", {kWalmartIncome}),
              testing::Not(IsEmpty()));
  EXPECT_THAT(kinds("Walmart's total revenues rose 6.7%, from $572.8 billion in 2022 to $611.3 billion in 2023.", {kWalmartRevenue}), IsEmpty());
}

TEST(CheckClaims, ComparesTheFirstFigureWithTheSecond) {
  EXPECT_THAT(kinds("Walmart's operating income ($20,428 million in 2023) fell short of the $25,942 million of 2022.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income ($20,428 million in 2023) exceeded the $25,942 million of 2022.", {kWalmartIncome}), testing::Contains("sign"));
}

TEST(CheckClaims, ComputesAverages) {
  EXPECT_THAT(kinds("Walmart's operating income averaged $23.2 billion over fiscal 2022 and 2023.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Over the three years Walmart's operating income averaged $22,973 million.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income averaged $24.4 billion over fiscal 2022 and 2023.", {kWalmartIncome}), ElementsAre("number"));
}

TEST(CheckClaims, ComparesNamedYearsThatAreNotNeighbours) {
  EXPECT_THAT(kinds("Walmart's operating income was down 9.4% in fiscal 2023 compared with fiscal 2021.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income was down 9.4% in fiscal 2023.", {kWalmartIncome}), ElementsAre("number"));
}

TEST(CheckClaims, GivesAChangeThePeriodOfWhatItLedTo) {
  EXPECT_THAT(kinds("Operating income at Walmart, which had grown to $25.9 billion in fiscal 2022, dropped by $5.5 billion to $20.4 billion in fiscal 2023.",
                    {kWalmartIncome}),
              IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income fell from $25,942 million to $20,428 million, a decline of $5,514 million, in fiscal 2023.", {kWalmartIncome}),
              IsEmpty());
}

TEST(CheckClaims, ReadsCentsRangesAndThresholds) {
  const Citation share{"WALMART_2023_10K", 54, "Diluted net income per common share $ 4.27 $ 4.87 $ 4.75"};
  EXPECT_THAT(kinds("Walmart earned $4.27 per diluted share in fiscal 2023, 60 cents less than in fiscal 2022.", {share}), IsEmpty());
  EXPECT_THAT(kinds("Walmart earned $4.27 per diluted share in fiscal 2023, 80 cents less than in fiscal 2022.", {share}), ElementsAre("number"));
  EXPECT_THAT(kinds("Walmart's operating income ranged between $20.4 billion and $25.9 billion over fiscal 2021 to fiscal 2023.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues climbed past $600 billion in FY2023.", {kWalmartRevenue}), IsEmpty());
}

TEST(CheckClaims, GivesListsAndBracketsTheirPeriods) {
  EXPECT_THAT(kinds("Walmart's operating income was $22,548 million, $25,942 million and $20,428 million in 2021, 2022 and 2023.", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income was $25,942 million, $22,548 million and $20,428 million in 2021, 2022 and 2023.", {kWalmartIncome}),
              testing::Contains("date"));
  EXPECT_THAT(kinds("Walmart's operating income in 2023 ($20.4 billion) was lower than in 2021 ($22.5 billion).", {kWalmartIncome}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's operating income in 2023 ($20.4 billion) was higher than in 2021 ($22.5 billion).", {kWalmartIncome}), testing::Contains("sign"));
}

TEST(CheckClaims, ReadsAmountsOfChangeAndWhatTheyAreMeasuredFrom) {
  EXPECT_THAT(kinds("Walmart's total revenues rose $38.5 billion, or 6.7%, to $611.3 billion in fiscal 2023.", {kWalmartRevenue}), IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues of $611.3 billion in fiscal 2023 were 6.7% higher than the $572.8 billion of the previous year.", {kWalmartRevenue}),
              IsEmpty());
  EXPECT_THAT(kinds("Walmart's total revenues rose $48.5 billion to $611.3 billion in fiscal 2023.", {kWalmartRevenue}), ElementsAre("number"));
}

TEST(CheckClaims, PairsFiguresOfEachUnitWithPeriodsRespectively) {
  const auto figures = figures_of_prose("We repurchased 17.0 million shares for $1.3 billion and 185.8 million shares for $16.2 billion in fiscal 2023 and 2022, respectively.");
  ASSERT_EQ(figures.size(), 4u);
  EXPECT_EQ(figures[0].period.year, 2023);
  EXPECT_EQ(figures[1].period.year, 2023);
  EXPECT_EQ(figures[2].period.year, 2022);
  EXPECT_EQ(figures[3].period.year, 2022);
}

TEST(CheckClaims, NamesADirectionThatTheClaimsOwnFiguresContradict) {
  EXPECT_THAT(kinds("Walmart's operating income rose to $20,428 million in 2023 from $25,942 million in 2022.", {kWalmartIncome}), testing::Contains("sign"));
  EXPECT_THAT(kinds("Walmart's operating income fell to $20,428 million in 2023 from $25,942 million in 2022.", {kWalmartIncome}), IsEmpty());
}

TEST(CheckClaims, NamesAWrongNumber) {
  EXPECT_THAT(kinds("Walmart's total revenues reached $613.1 billion in fiscal 2023.", {kWalmartRevenue}), ElementsAre("number"));
  EXPECT_THAT(kinds("Walmart's total revenues rose 7.6% in fiscal 2023.", {kWalmartRevenue}), ElementsAre("number"));
}

TEST(CheckClaims, NamesAWrongUnitOrScale) {
  EXPECT_THAT(kinds("Walmart's total revenues reached $611.3 million in fiscal 2023.", {kWalmartRevenue}), ElementsAre("unit"));
  EXPECT_THAT(kinds("Operating income equalled $3.3 million of Walmart's total revenues in fiscal 2023.", {kWalmartIncome, kWalmartRevenue}), ElementsAre("unit"));
  EXPECT_THAT(kinds("Costco's renewal rate was $93 in the U.S. and Canada at the end of 2022.", {kRenewal}), ElementsAre("unit"));
}

TEST(CheckClaims, NamesAWrongPeriod) {
  EXPECT_THAT(kinds("Walmart's total revenues reached $611.3 billion in fiscal 2022.", {kWalmartRevenue}), ElementsAre("date"));
  EXPECT_THAT(kinds("Walmart's total revenues rose 6.7% in fiscal 2022.", {kWalmartRevenue}), ElementsAre("date"));
  EXPECT_THAT(kinds("Costco's renewal rate was 93% in the U.S. and Canada at the end of 2019.", {kRenewal}), ElementsAre("date"));
}

TEST(CheckClaims, NamesAWrongCompany) {
  EXPECT_THAT(kinds("Costco's total revenues reached $611.3 billion in fiscal 2023.", {kWalmartRevenue}), ElementsAre("name"));
}

TEST(CheckClaims, NamesAWrongDirection) {
  EXPECT_THAT(kinds("Walmart's total revenues fell 6.7% in fiscal 2023.", {kWalmartRevenue}), ElementsAre("sign"));
  EXPECT_THAT(kinds("Walmart's operating income rose to $20.4 billion in fiscal 2023.", {kWalmartIncome}), ElementsAre("sign"));
  EXPECT_THAT(kinds("Costco's total revenue in fiscal 2022 exceeded that of Walmart in fiscal 2023 by $384.3 billion.", {kWalmartRevenue, kCostcoRevenue}),
              ElementsAre("sign"));
}

TEST(CheckClaims, WantsForecastsAndCausesBacked) {
  EXPECT_THAT(kinds("Costco will raise its membership fee next year.", {kRenewal}), testing::Each("support"));
  EXPECT_THAT(kinds("Costco will raise its membership fee next year.", {kRenewal}), testing::Not(IsEmpty()));
}

TEST(CheckClaims, WantsTheQuoteOnThePage) {
  EXPECT_THAT(kinds("Walmart's total revenues grew.", {{"WALMART_2023_10K", 54, "Total revenues 999,999"}}), testing::Contains("support"));
  EXPECT_THAT(kinds("Walmart's total revenues grew.", {{"WALMART_2023_10K", 99, "Total revenues"}}), testing::Contains("support"));
  EXPECT_THAT(kinds("Walmart's total revenues grew.", {}), testing::Contains("support"));
  EXPECT_THAT(kinds("", {kWalmartRevenue}), ElementsAre("format"));
}

TEST(Words, TellsCausesFromDatesThatAreDue) {
  EXPECT_THAT(modal_words("Payments of $149 million are due in 2025."), IsEmpty());
  EXPECT_THAT(modal_words("Sales fell due to the strike."), ElementsAre("cause"));
  EXPECT_THAT(modal_words("The costs are spread over the next five years."), IsEmpty());
}

TEST(Words, ComparesStemsAndSkipsStopWords) {
  EXPECT_EQ(overlap(content_words("Fresh foods sold"), content_words("sales of fresh food")), 1.0);
  EXPECT_EQ(content_words("the and of 2023").size(), 0u);
}

TEST(Words, FindsCapitalisedNamesInsideSentences) {
  EXPECT_THAT(capitalised_words("The Slack purchase by Salesforce. New stores in May."), ElementsAre("Slack", "Salesforce"));
}

}  // namespace
}  // namespace consort::tool

#include "tool/report/page_layout.h"

#include <gtest/gtest.h>

namespace consort::tool {
namespace {

// Laid out as `pdftotext -layout` prints an income statement. Figures: Walmart 10-K for the year ended
// January 31, 2023, page 54.
constexpr const char* kIncome =
    "                                                         Fiscal Years Ended January 31,\n"
    "(Amounts in millions, except per share data)            2023             2022            2021\n"
    "Revenues:\n"
    "     Net sales                                   $   605,881    $     567,762    $    555,233\n"
    "          Total revenues                             611,289          572,754         559,151\n"
    "Other (gains) and losses                               1,538            3,000           (210)\n"
    "Net income per common share:\n"
    "     Diluted net income per common share             $  4.27         $   4.87        $   4.75\n";

constexpr const char* kQuarter =
    "                                 Three Months Ended                Six Months Ended\n"
    "                                         June 30,                       June 30,\n"
    "                                   2023            2022           2023           2022\n"
    "                                        (In millions, except per share amounts)\n"
    "Income from operations              518             525          1,076          1,217\n"
    "Take rate (3)                   13.25 %         11.93 %        13.10 %        11.80 %\n";

PageRow row_of(const PageLayout& layout, std::string_view quote) {
  const auto place = layout.find(quote);
  EXPECT_TRUE(place.has_value()) << quote;
  const auto row = layout.row(place->first_line);
  EXPECT_TRUE(row.has_value()) << quote;
  return *row;
}

TEST(PageLayout, FindsAQuoteWhateverItsSpacesAndDashes) {
  const PageLayout layout(kIncome);
  EXPECT_TRUE(layout.find("Net sales $ 605,881 $ 567,762 $ 555,233").has_value());
  EXPECT_TRUE(layout.find("net sales $605,881").has_value());
  EXPECT_FALSE(layout.find("Net sales $ 605,882").has_value());
  EXPECT_FALSE(layout.find("").has_value());
}

TEST(PageLayout, GivesEachNumberItsPeriodScaleAndUnit) {
  const PageRow row = row_of(PageLayout(kIncome), "Total revenues 611,289");
  ASSERT_EQ(row.cells.size(), 3u);
  EXPECT_EQ(row.label, "Total revenues");
  EXPECT_EQ(row.cells[0].period.year, 2023);
  EXPECT_EQ(row.cells[2].period.year, 2021);
  EXPECT_EQ(row.cells[1].period.month, 1);
  EXPECT_EQ(row.cells[0].scales, std::vector<int>{6});
  EXPECT_EQ(row.cells[0].number.value, Rational(611289));
}

TEST(PageLayout, TakesNoHeaderFromBeyondRunningText) {
  const std::string page = std::string(kIncome) +
                           "\nThe following table summarizes the charges of the plan for fiscal 2020 (in millions):\n"
                           "                                                      Workforce        Real estate           Total\n"
                           "Charges                                                     683              145              828\n";
  const PageRow row = row_of(PageLayout(page), "Charges 683 145 828");
  ASSERT_EQ(row.cells.size(), 3u);
  for (const PageCell& cell : row.cells) EXPECT_EQ(cell.period.year, 2020);
}

TEST(PageLayout, ReadsAYearAtTheLeftAsTheRowsName) {
  const PageRow row = row_of(PageLayout("Maturities (in millions)\n\n2025        $     702\n2026              1,911\n"), "2025 $ 702");
  EXPECT_EQ(row.label, "2025");
  ASSERT_EQ(row.cells.size(), 1u);
  EXPECT_EQ(row.cells[0].period.year, 2025);
}

TEST(PageLayout, ScalesNoTermsInYears) {
  const PageRow row = row_of(PageLayout("(in millions)\nCustomer relationships          3,690          8 years\n"), "Customer relationships 3,690 8 years");
  ASSERT_EQ(row.cells.size(), 2u);
  EXPECT_EQ(row.cells[0].scales, std::vector<int>{6});
  EXPECT_EQ(row.cells[1].scales, std::vector<int>{0});
}

TEST(PageLayout, KeepsPerShareAmountsOutOfTheTablesScale) {
  const PageRow row = row_of(PageLayout(kIncome), "Diluted net income per common share $ 4.27");
  EXPECT_EQ(row.cells[0].scales, std::vector<int>{0});
  EXPECT_EQ(row.cells[0].number.unit, NumeralUnit::currency);
}

TEST(PageLayout, ReadsParenthesesAsNegative) {
  const PageRow row = row_of(PageLayout(kIncome), "Other (gains) and losses 1,538");
  EXPECT_EQ(row.cells[2].number.value, Rational(-210));
}

TEST(PageLayout, SpreadsCaptionsOverTheirShareOfTheYears) {
  const PageRow row = row_of(PageLayout(kQuarter), "Income from operations 518 525");
  ASSERT_EQ(row.cells.size(), 4u);
  EXPECT_EQ(row.cells[1].period.span, Span::quarter);
  EXPECT_EQ(row.cells[1].period.year, 2022);
  EXPECT_EQ(row.cells[2].period.span, Span::half);
  EXPECT_EQ(row.cells[2].period.month, 6);
}

TEST(PageLayout, KeepsPercentagesUnscaled) {
  const PageRow row = row_of(PageLayout(kQuarter), "Take rate (3) 13.25 %");
  EXPECT_EQ(row.cells[0].number.unit, NumeralUnit::percent);
  EXPECT_EQ(row.cells[0].scales, std::vector<int>{0});
}

TEST(PageLayout, DoesNotTakeProseForARow) {
  const PageLayout layout("The company operates more than 10,500 stores and numbered 29.1 million members and stood for 71%\n");
  EXPECT_FALSE(layout.row(0).has_value());
}

TEST(PageLayout, ReadsRowsOfCellsBetweenBars) {
  const PageLayout layout("| Region | 2022 | 2023 |\n| North | 10.5 | 12 |\n");
  const PageRow row = row_of(layout, "North | 10.5 | 12");
  ASSERT_EQ(row.cells.size(), 2u);
  EXPECT_EQ(row.cells[1].period.year, 2023);
}

TEST(PageLayout, ReadsNotesOfScale) {
  EXPECT_EQ(PageLayout::note_scale("(In millions, except per share data)"), 6);
  EXPECT_EQ(PageLayout::note_scale("USD millions        2022   2021"), 6);
  EXPECT_EQ(PageLayout::note_scale("Total cardholders (000's)"), 3);
  EXPECT_EQ(PageLayout::note_scale("Paid members (thousands)"), 3);
  EXPECT_EQ(PageLayout::note_scale("USD per share"), 0);
  EXPECT_EQ(PageLayout::note_scale("Net sales"), -1);
}

TEST(PageLayout, CutsTheSentenceAroundAQuote) {
  const PageLayout layout("Sales rose. We opened 26 new\nwarehouses in the U.S. and Canada. More followed.\n\nOther text.\n");
  const auto place = layout.find("opened 26 new");
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(layout.sentence(*place, "opened 26 new"), "We opened 26 new warehouses in the U.S. and Canada.");
}

TEST(PageLayout, ARowUnderALoneYearTakesItsQuartersFromTheHeadings) {
  const PageLayout page(
      "Quarterly revenue (in millions)\n"
      "                     Quarter Ended\n"
      "              March 31     June 30     September 30     December 31\n"
      "2021\n"
      "Revenue        1,001        1,002         1,003            1,004\n"
      "2022\n"
      "Revenue        1,105        1,106         1,107            1,108\n");
  const auto row = page.row(6);
  ASSERT_TRUE(row && row->cells.size() == 4);
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(row->cells[c].period.year, 2022);
    EXPECT_EQ(row->cells[c].period.month, static_cast<int>(3 * c + 3));
    EXPECT_EQ(row->cells[c].period.span, Span::quarter);
  }
  EXPECT_EQ(page.row(4)->cells[0].period.year, 2021);
}

TEST(PageLayout, ARowWithADateOfItsOwnIsOfThatDate) {
  const PageLayout page(
      "                          North     South     Total\n"
      "Balance at June 30, 2020     10        20        30\n"
      "Acquired                      1         2         3\n"
      "Balance at June 30, 2021     11        22        33\n");
  EXPECT_EQ(page.row(1)->cells[2].period.year, 2020);
  EXPECT_EQ(page.row(3)->cells[0].period, (Period{2021, 6, 30, Span::instant, 0, false}));
  EXPECT_EQ(page.row(2)->cells[0].period.year, 2021);  // Moved in the year that the balance below ends.
}

TEST(PageLayout, PercentagesBelongToTheAmountTheyFollow) {
  const PageLayout page(
      "               2022                 2021                 2020\n"
      "Sales        $ 900      (10)%     $ 1,000     25 %      $ 800\n");
  const auto row = page.row(1);
  ASSERT_TRUE(row && row->cells.size() == 5);
  const int years[] = {2022, 2022, 2021, 2021, 2020};
  for (size_t c = 0; c < 5; ++c) EXPECT_EQ(row->cells[c].period.year, years[c]) << c;
}

TEST(PageLayout, AScaleOverOneColumnLeavesTheScaleOfTheOthers) {
  const PageLayout page(
      "(amounts in millions)\n"
      "            Shares      Amount      Capital\n"
      "            (000's)     of stock    paid in\n"
      "Issued       2,500         12          700\n");
  const auto row = page.row(3);
  ASSERT_TRUE(row && row->cells.size() == 3);
  EXPECT_EQ(row->cells[2].scales.front(), 6);
}

}  // namespace
}  // namespace consort::tool

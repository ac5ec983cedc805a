// Figures of twelve real filings against values read from them by people.
//
// Two lists: the balance sheets below, and the rows behind the evaluation sets of the competitive-intelligence
// example (filing_rows.psv). A figure counts as found when document, page, label, amount, period, unit and
// scale are all right.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "memory/memory.h"
#include "memory/test_support.h"
#include "memory/text.h"
#include "store/database.h"

namespace consort::memory {
namespace {

struct Expected {
  const char* doc;
  int page;
  const char* label;
  const char* amount;
  const char* period_end;
};

// Typed from the balance sheets' text. All USD, in millions.
constexpr Expected kBalance[] = {
    {"AMAZON_2022_10K", 39, "Total assets", "462675", "2022-12-31"},
    {"AMAZON_2022_10K", 39, "Total assets", "420549", "2021-12-31"},
    {"AMAZON_2022_10K", 39, "Inventories", "34405", "2022-12-31"},
    {"AMAZON_2022_10K", 39, "Inventories", "32640", "2021-12-31"},
    {"AMAZON_2022_10K", 39, "Goodwill", "20288", "2022-12-31"},
    {"AMAZON_2022_10K", 39, "Long-term debt", "67150", "2022-12-31"},
    {"AMAZON_2022_10K", 39, "Retained earnings", "83193", "2022-12-31"},
    {"COSTCO_2022_10K", 38, "TOTAL ASSETS", "64166", "2022-08-28"},
    {"COSTCO_2022_10K", 38, "TOTAL ASSETS", "59268", "2021-08-29"},
    {"COSTCO_2022_10K", 38, "Merchandise inventories", "17907", "2022-08-28"},
    {"COSTCO_2022_10K", 38, "Cash and cash equivalents", "10203", "2022-08-28"},
    {"COSTCO_2022_10K", 38, "TOTAL LIABILITIES", "43519", "2022-08-28"},
    {"COSTCO_2022_10K", 38, "Retained earnings", "11666", "2021-08-29"},
    {"COSTCO_2023Q3_EARNINGS", 4, "TOTAL ASSETS", "66752", "2023-05-07"},
    {"COSTCO_2023Q3_EARNINGS", 4, "TOTAL ASSETS", "64166", "2022-08-28"},
    {"EBAY_2022_10K", 58, "Total assets", "20850", "2022-12-31"},
    {"EBAY_2022_10K", 58, "Total assets", "26626", "2021-12-31"},
    {"EBAY_2022_10K", 58, "Goodwill", "4262", "2022-12-31"},
    {"EBAY_2022_10K", 58, "Long-term debt", "7727", "2021-12-31"},
    {"EBAY_2022_10K", 58, "Total liabilities", "15697", "2022-12-31"},
    {"EBAY_2023Q2_EARNINGS", 7, "Total assets", "19956", "2023-06-30"},
    {"EBAY_2023Q2_EARNINGS", 7, "Cash and cash equivalents", "2268", "2023-06-30"},
    {"EBAY_2023Q2_EARNINGS", 7, "Total current assets", "9290", "2022-12-31"},
    {"GENERALMILLS_2022_10K", 47, "Total assets", "31090.1", "2022-05-29"},
    {"GENERALMILLS_2022_10K", 47, "Total assets", "31841.9", "2021-05-30"},
    {"GENERALMILLS_2022_10K", 47, "Inventories", "1867.3", "2022-05-29"},
    {"GENERALMILLS_2022_10K", 47, "Goodwill", "14378.5", "2022-05-29"},
    {"GENERALMILLS_2022_10K", 47, "Long-term debt", "9786.9", "2021-05-30"},
    {"GENERALMILLS_2022_10K", 47, "Retained earnings", "18532.6", "2022-05-29"},
    {"GENERALMILLS_2022_10K", 47, "Total liabilities", "20302.1", "2022-05-29"},
    {"KRAFTHEINZ_2022_10K", 54, "TOTAL ASSETS", "90513", "2022-12-31"},
    {"KRAFTHEINZ_2022_10K", 54, "TOTAL ASSETS", "93394", "2021-12-25"},
    {"KRAFTHEINZ_2022_10K", 54, "Inventories", "3651", "2022-12-31"},
    {"KRAFTHEINZ_2022_10K", 54, "Goodwill", "30833", "2022-12-31"},
    {"KRAFTHEINZ_2022_10K", 54, "Long-term debt", "21061", "2021-12-25"},
    {"KRAFTHEINZ_2022_10K", 54, "Retained earnings/(deficit)", "-1682", "2021-12-25"},
    {"KRAFTHEINZ_2022_10K", 54, "Retained earnings/(deficit)", "489", "2022-12-31"},
    {"ORACLE_2023_10K", 66, "Total assets", "134384", "2023-05-31"},
    {"ORACLE_2023_10K", 66, "Total assets", "109297", "2022-05-31"},
    {"ORACLE_2023_10K", 66, "Goodwill, net", "62261", "2023-05-31"},
    {"ORACLE_2023_10K", 66, "Cash and cash equivalents", "9765", "2023-05-31"},
    {"ORACLE_2023_10K", 66, "Accounts payable", "1317", "2022-05-31"},
    {"SALESFORCE_2023_10K", 60, "Total assets", "98849", "2023-01-31"},
    {"SALESFORCE_2023_10K", 60, "Total assets", "95209", "2022-01-31"},
    {"SALESFORCE_2023_10K", 60, "Goodwill", "48568", "2023-01-31"},
    {"SALESFORCE_2023_10K", 60, "Cash and cash equivalents", "7016", "2023-01-31"},
    {"SALESFORCE_2023_10K", 60, "Retained earnings", "7377", "2022-01-31"},
    {"SALESFORCE_2024Q2_EARNINGS", 8, "Total assets", "92447", "2023-07-31"},
    {"SALESFORCE_2024Q2_EARNINGS", 8, "Total liabilities", "34365", "2023-07-31"},
    {"SALESFORCE_2024Q2_EARNINGS", 8, "Retained earnings", "9051", "2023-07-31"},
    {"WALMART_2023_10K", 56, "Total assets", "243197", "2023-01-31"},
    {"WALMART_2023_10K", 56, "Total assets", "244860", "2022-01-31"},
    {"WALMART_2023_10K", 56, "Inventories", "56576", "2023-01-31"},
    {"WALMART_2023_10K", 56, "Goodwill", "28174", "2023-01-31"},
    {"WALMART_2023_10K", 56, "Accounts payable", "55261", "2022-01-31"},
    {"WALMART_2023_10K", 56, "Long-term debt", "34649", "2023-01-31"},
    {"WALMART_2023_10K", 56, "Cash and cash equivalents", "8625", "2023-01-31"},
    {"WALMART_2024Q1_10Q", 5, "Total assets", "245053", "2023-04-30"},
    {"WALMART_2024Q1_10Q", 5, "Total assets", "243197", "2023-01-31"},
    {"WALMART_2024Q1_10Q", 5, "Total assets", "246142", "2022-04-30"},
    {"WALMART_2024Q1_10Q", 5, "Inventories", "61229", "2022-04-30"},
    {"WALMART_2024Q1_10Q", 5, "Retained earnings", "78035", "2023-04-30"},
};

std::string key_of(std::string_view label) {
  std::string out;
  for (char c : lower_ascii(label)) {
    if (std::isalnum(static_cast<unsigned char>(c))) out += c;
  }
  return out;
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, by);) out.push_back(part);
  return out;
}

class FilingFigures : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* data = std::getenv("CONSORT_DATA");
    if (data == nullptr) return;
    folder_ = new testing::TempFolder;
    auto memory = Memory::open(folder_->path() / "memory", {});
    ASSERT_TRUE(memory.has_value()) << memory.error().to_string();
    memory_ = memory->release();
    std::vector<std::filesystem::path> paths = {std::filesystem::path(data) / "corpus" / "pdf"};
    // The manifest lies one folder up: the corpus as a whole is ingested.
    paths[0] = paths[0].parent_path();
    auto report = memory_->ingest(paths, {});
    ASSERT_TRUE(report.has_value()) << report.error().to_string();
    for (const auto& issue : report->issues) ADD_FAILURE() << issue.path << ": " << issue.error.to_string();
    auto db = store::Database::open(memory_->tables_path(), {.read_only = true});
    ASSERT_TRUE(db.has_value());
    auto rows = (*db)->prepare("SELECT doc, page, label, amount, period_end, period_kind, unit, scale FROM figures WHERE page IS NOT NULL");
    while (*rows->step()) {
      Figure f;
      f.doc = rows->text_at(0);
      f.page = static_cast<int>(rows->int_at(1));
      f.label = rows->text_at(2);
      f.amount = rows->text_at(3);
      f.period_end = rows->text_at(4);
      f.period_kind = rows->text_at(5);
      f.unit = rows->text_at(6);
      f.scale = rows->int_at(7);
      figures_[{f.doc, *f.page}].push_back(std::move(f));
    }
  }
  static void TearDownTestSuite() {
    delete memory_;
    delete folder_;
  }
  void SetUp() override {
    if (memory_ == nullptr) GTEST_SKIP() << "left out: CONSORT_DATA is not set";
  }
  static inline testing::TempFolder* folder_ = nullptr;
  static inline Memory* memory_ = nullptr;
  static inline std::map<std::pair<std::string, int>, std::vector<Figure>> figures_;
};

TEST_F(FilingFigures, BalanceSheetsOfAllTwelveAreRight) {
  int right = 0, total = 0;
  for (const auto& e : kBalance) {
    ++total;
    bool found = false;
    for (const auto& f : figures_[{e.doc, e.page}]) {
      found |= key_of(f.label) == key_of(e.label) && f.amount == e.amount && f.period_end == e.period_end && f.period_kind == "instant" && f.unit == "USD" && f.scale == 1000000;
    }
    right += found;
    if (!found) std::printf("missing: %s p%d %s %s %s\n", e.doc, e.page, e.label, e.amount, e.period_end);
  }
  std::printf("balance sheets: %d of %d figures right\n", right, total);
  EXPECT_GE(total, 60);
  EXPECT_EQ(right, total);
}

TEST_F(FilingFigures, RowsBehindTheEvaluationSetsAreRight) {
  std::ifstream in(std::filesystem::path(CONSORT_SOURCE_DIR) / "examples/competitive-intelligence/evals/filing_rows.psv");
  ASSERT_TRUE(in.good());
  const std::map<std::string, int64_t> scales = {{"units", 1}, {"thousands", 1000}, {"millions", 1000000}, {"billions", 1000000000}};
  const std::map<std::string, std::string> units = {{"USD", "USD"}, {"percent", "%"}, {"USD/share", "USD/share"}};
  int right = 0, total = 0;
  for (std::string line; std::getline(in, line);) {
    auto field = split(line, '|');
    if (line.starts_with('#') || field.size() < 9 || field[5].empty()) continue;  // Figures in running text have no row.
    for (const auto& pair : split(field[8], ';')) {
      size_t equals = pair.find('=');
      std::string period(trim(pair.substr(0, equals))), printed = pair.substr(equals + 1), amount;
      for (char c : printed) {
        if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') amount += c;
      }
      if (printed.starts_with('(')) amount = "-" + amount;
      std::string year = period.substr(period.find("FY") + 2);
      std::string kind = period[0] == 'F' ? "year" : period[0] == 'Q' ? "quarter" : period[0] == 'H' ? "half" : "nine_months";
      bool found = false;
      for (const auto& f : figures_[{field[2], std::stoi(field[3])}]) {
        std::string want = key_of(field[5]), have = key_of(f.label);
        bool label = have == want || have.ends_with(want) || want.starts_with(have);
        // A quarter of fiscal 2024 may end in calendar 2023.
        bool when = f.period_end.starts_with(year) || (kind != "year" && f.period_end.starts_with(std::to_string(std::stoi(year) - 1)));
        bool what = f.period_kind == kind || f.period_kind == "instant";
        auto unit = units.find(field[6]);
        found |= label && std::stod(f.amount) == std::stod(amount) && when && what && (unit == units.end() || f.unit == unit->second) && f.scale == scales.at(field[7]);
      }
      ++total;
      right += found;
      if (!found) std::printf("missing: %s %s=%s (%s p%s)\n", field[0].c_str(), period.c_str(), printed.c_str(), field[2].c_str(), field[3].c_str());
    }
  }
  std::printf("evaluation rows: %d of %d figures right\n", right, total);
  EXPECT_GE(total, 400);
  EXPECT_GE(right * 100, total * 99);
}

TEST_F(FilingFigures, QuestionsFindTheirFigureFirst) {
  struct Question {
    const char* query;
    const char* doc;
    const char* amount;
  };
  const Question questions[] = {
      {"Walmart total revenues", "WALMART_2023_10K", "611289"},        {"Costco membership fees", "COSTCO_2022_10K", "4224"},
      {"Oracle total assets", "ORACLE_2023_10K", "134384"},            {"Kraft Heinz net sales 2022", "KRAFTHEINZ_2022_10K", "26485"},
      {"Salesforce total revenues last quarter", "SALESFORCE_2024Q2_EARNINGS", "8603"},
      {"General Mills research and development expense", "GENERALMILLS_2022_10K", "243.1"},
      {"Amazon net income (loss)", "AMAZON_2022_10K", "-2722"},        {"eBay net revenues 2022", "EBAY_2022_10K", "9795"},
  };
  for (const auto& q : questions) {
    auto found = memory_->find_figures(q.query, {}, 3);
    ASSERT_TRUE(found.has_value()) << found.error().to_string();
    ASSERT_FALSE(found->empty()) << q.query;
    EXPECT_EQ(found->front().doc, q.doc) << q.query;
    EXPECT_EQ(found->front().amount, q.amount) << q.query;
  }
}

TEST_F(FilingFigures, EveryFigureAndPassageIsInTheTextThatItCites) {
  auto db = store::Database::open(memory_->tables_path(), {.read_only = true});
  auto rows = (*db)->prepare("SELECT doc, page, as_printed, line_begin, line_end, page_begin FROM figures WHERE page IS NOT NULL ORDER BY doc, page");
  std::string doc, page;
  int number = 0, checked = 0;
  while (*rows->step()) {
    if (rows->text_at(0) != doc || static_cast<int>(rows->int_at(1)) != number) {
      doc = rows->text_at(0);
      number = static_cast<int>(rows->int_at(1));
      page = *memory_->page_text(doc, number);
    }
    auto begin = static_cast<size_t>(rows->int_at(3) - rows->int_at(5)), end = static_cast<size_t>(rows->int_at(4) - rows->int_at(5));
    ASSERT_LE(end, page.size()) << doc << " p" << number;
    // Cells may be printed with other gaps between their signs.
    auto squeeze = [](std::string_view text) {
      std::string out;
      for (char c : text) {
        if (c != ' ') out += c;
      }
      return out;
    };
    ASSERT_NE(squeeze(page.substr(begin, end - begin)).find(squeeze(rows->text_at(2))), std::string::npos) << doc << " p" << number << " " << rows->text_at(2);
    ++checked;
  }
  EXPECT_GT(checked, 10000);
}

}  // namespace
}  // namespace consort::memory

// The parts of reading: numbers, periods, units, CSV, columns of tables, passages, queries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/chunk.h"
#include "memory/column_type.h"
#include "memory/csv.h"
#include "memory/figures.h"
#include "memory/layout.h"
#include "memory/markup.h"
#include "memory/numeric.h"
#include "memory/query.h"
#include "memory/text.h"
#include "memory/vector_index.h"

namespace consort::memory {
namespace {

using ::testing::ElementsAre;

TEST(PrintedNumber, ReadsTheFormsOfFilings) {
  struct Case {
    const char* text;
    const char* amount;
    bool percent;
  };
  for (const Case& c : std::vector<Case>{{"611,289", "611289", false}, {"$ (2,722)", "-2722", false}, {"(0.27 )", "-0.27", false}, {"13.25 %", "13.25", true},
                                         {"—", "0", false}, {"$ —", "0", false}, {"-5", "-5", false}, {"$1,541,000", "1541000", false}, {".5", "0.5", false},
                                         {"007", "7", false}, {"(0.0)", "0.0", false}, {"12,345.6 (1)", "12345.6", false}}) {
    auto number = parse_number(c.text);
    ASSERT_TRUE(number.has_value()) << c.text;
    EXPECT_EQ(number->amount, c.amount) << c.text;
    EXPECT_EQ(number->percent, c.percent) << c.text;
  }
  for (const char* text : {"", "abc", "12,34", "1,2345", "1.2.3", "12 units", "(5", "2021-2022", "Q3", "5)"}) EXPECT_FALSE(parse_number(text).has_value()) << text;
}

TEST(Period, IsReadFromColumnHeaders) {
  auto calendar = FiscalCalendar::from_document("2022-08-28", "10K", "as of August 28, 2022, and August 29, 2021, and August 29, 2021");
  struct Case {
    const char* header;
    const char* end;
    const char* kind;
  };
  for (const Case& c : std::vector<Case>{{"Year Ended December 31, 2022", "2022-12-31", "year"}, {"12 Weeks Ended May 7, 2023", "2023-05-07", "quarter"},
                                         {"36 Weeks Ended May 8, 2022", "2022-05-08", "nine_months"}, {"Six Months Ended July 31, 2023", "2023-07-31", "half"},
                                         {"Three Months Ended June 30, 2023", "2023-06-30", "quarter"}, {"August 28, 2022", "2022-08-28", "instant"},
                                         {"As of January 31, 2023", "2023-01-31", "instant"}, {"2021", "2021-08-29", "year"}, {"Fiscal 2022", "2022-08-28", "year"},
                                         {"FY22", "2022-08-28", "year"}, {"% Change 2022", "", ""}, {"Amount", "", ""}, {"2022 vs. 2021", "", ""}}) {
    Period period = parse_period(c.header, calendar);
    EXPECT_EQ(period.end, c.end) << c.header;
    EXPECT_EQ(period.kind, c.kind) << c.header;
  }
}

TEST(Unit, IsReadFromHeaders) {
  struct Case {
    const char* header;
    const char* unit;
    int64_t scale;
  };
  for (const Case& c : std::vector<Case>{{"Revenue (USD millions)", "USD", 1000000}, {"amount_usd", "USD", 1}, {"Profit (Thou. PLN)", "PLN", 1000},
                                         {"Share of sales (%)", "%", 1}, {"Diluted EPS (USD per share)", "USD/share", 1}, {"Revenue (USD billions)", "USD", 1000000000},
                                         {"Toy sales (US $ Billions)", "USD", 1000000000}, {"Employees", "", 1}}) {
    UnitNote unit = parse_unit(c.header);
    EXPECT_EQ(unit.unit, c.unit) << c.header;
    EXPECT_EQ(unit.scale, c.scale) << c.header;
  }
}

TEST(ColumnType, IsDecidedOverAllValues) {
  auto type_of = [](std::initializer_list<const char*> values) {
    ColumnTyper typer;
    for (const char* value : values) typer.add(value);
    return typer.type();
  };
  EXPECT_EQ(type_of({"1", "2,000", ""}), ColumnType::integer);
  EXPECT_EQ(type_of({"1", "2.5", "N/A"}), ColumnType::decimal);
  EXPECT_EQ(type_of({"2023-01-31", "January 5, 2022"}), ColumnType::date);
  EXPECT_EQ(type_of({"1", "two"}), ColumnType::text);
  EXPECT_EQ(type_of({"007", "010"}), ColumnType::text);  // Codes, not numbers.
  EXPECT_EQ(iso_date("2023-02-30"), "");
  EXPECT_EQ(iso_date("03/04/2023"), "");  // Month or day first: nobody can tell.
  EXPECT_EQ(sql_name("Revenue ($M)", "x"), "revenue_m");
  EXPECT_EQ(sql_name("select", "x"), "select_");
  EXPECT_EQ(sql_name("§§", "x"), "x");
}

TEST(Csv, FollowsRfc4180) {
  std::string text = "a,\"b \"\"q\"\"\",c\r\n\"two\nlines\",,3\n";
  auto reader = CsvReader::over_text(text, ',');
  CsvRecord record;
  ASSERT_TRUE(*reader.next(&record));
  EXPECT_THAT(record.fields, ElementsAre("a", "b \"q\"", "c"));
  ASSERT_TRUE(*reader.next(&record));
  EXPECT_THAT(record.fields, ElementsAre("two\nlines", "", "3"));
  EXPECT_EQ(record.line, 2);
  EXPECT_EQ(text.substr(record.begin, record.end - record.begin), "\"two\nlines\",,3");
  EXPECT_FALSE(*reader.next(&record));
  EXPECT_EQ(sniff_delimiter("a;b;c\n1,5;2;3\n"), ';');
  EXPECT_EQ(sniff_delimiter("a\tb\n1\t2\n"), '\t');
}

// A statement as pdftotext lays it out, in our own words.
const std::vector<std::string> kStatement = {
    "                         HARBOUR LINES, INC.\n"
    "                 CONSOLIDATED STATEMENTS OF INCOME\n"
    "            (in millions, except per share data)\n"
    "                                              Year Ended March 31,\n"
    "                                          2023                  2022\n"
    "Revenue:\n"
    "  Tickets                           $     1,250        $        1,100\n"
    "  Freight and other charges,\n"
    "    net of rebates                         (50)                  —\n"
    "     Total revenue                        1,200               1,100\n"
    "Net income (loss)                   $      (30)        $          45\n"
    "Earnings per share, diluted         $     (0.31)       $        0.46\n"
    "Weighted-average shares                      97                  98\n"};

TEST(Figures, OfAStatementCarryPeriodUnitScaleAndParents) {
  Extracted document;
  analyse_layout(kStatement, true, &document);
  DocumentInfo info{"HARBOUR_2023", "", "Harbour Lines", "10K", "2023-03-31"};
  auto grids = figures_of_document(info, document);
  ASSERT_EQ(grids.size(), 1u);
  auto find = [&](const std::string& label, const std::string& end) -> const Figure* {
    for (const auto& f : grids[0]) {
      if (f.label == label && f.period_end == end) return &f;
    }
    ADD_FAILURE() << label;
    return &grids[0][0];
  };
  const Figure* tickets = find("Tickets", "2023-03-31");
  EXPECT_EQ(tickets->amount, "1250");
  EXPECT_EQ(tickets->value, 1.25e9);
  EXPECT_EQ(tickets->unit, "USD");
  EXPECT_EQ(tickets->period_kind, "year");
  EXPECT_EQ(tickets->section, "CONSOLIDATED STATEMENTS OF INCOME > Revenue");
  EXPECT_EQ(tickets->page, 1);
  const Figure* freight = find("Freight and other charges, net of rebates", "2023-03-31");
  EXPECT_EQ(freight->amount, "-50");
  EXPECT_EQ(freight->as_printed, "(50)");
  EXPECT_EQ(find("Freight and other charges, net of rebates", "2022-03-31")->amount, "0");
  EXPECT_EQ(find("Net income (loss)", "2023-03-31")->value, -30e6);
  const Figure* eps = find("Earnings per share, diluted", "2023-03-31");
  EXPECT_EQ(eps->unit, "USD/share");
  EXPECT_EQ(eps->value, -0.31);
  EXPECT_EQ(find("Weighted-average shares", "2022-03-31")->unit, "shares");
  std::string row = document.text.substr(freight->line_begin, freight->line_end - freight->line_begin);
  EXPECT_NE(row.find("Freight"), std::string::npos);
  EXPECT_NE(row.find("(50)"), std::string::npos);
}

TEST(Figures, OfMarkdownAndHtmlTables) {
  auto markdown = read_markdown("# Wiki\n\n## Sales\n\n| USD millions | Fiscal 2022 | Fiscal 2021 | Page |\n|---|---:|---:|---:|\n| Net sales | 18,992.8 | 18,127.0 | p. 45 |\n");
  ASSERT_TRUE(markdown.has_value());
  DocumentInfo info{"wiki", "", "Mills", "wiki", "2022-05-29"};
  auto figures = figures_of_document(info, *markdown);
  ASSERT_EQ(figures.size(), 1u);
  ASSERT_EQ(figures[0].size(), 2u);  // "p. 45" is no number.
  EXPECT_EQ(figures[0][0].label, "Net sales");
  EXPECT_EQ(figures[0][0].period_end, "2022-05-29");
  EXPECT_EQ(figures[0][0].scale, 1000000);
  EXPECT_EQ(figures[0][0].unit, "USD");
  auto html = read_html("<h1>Co</h1><table><caption>Annual figures, USD millions</caption><tr><th>Measure</th><th>2022</th></tr><tr><td>Profit</td><td>(1,269)</td></tr></table>");
  ASSERT_TRUE(html.has_value());
  figures = figures_of_document(info, *html);
  ASSERT_EQ(figures.size(), 1u);
  ASSERT_EQ(figures[0].size(), 1u);
  EXPECT_EQ(figures[0][0].value, -1269e6);
}

TEST(Passages, NeverCutARowAndKeepTheirHeading) {
  std::string page = "ITEM 1. BUSINESS\n\n";
  for (int i = 0; i < 60; ++i) page += "Sentence number " + std::to_string(i) + " tells about the trade in grain and oil. ";
  page += "\n\nSTORES\n\n";
  for (int i = 0; i < 90; ++i) page += "  Store of the district number " + std::to_string(i) + "          " + std::to_string(1000 + i) + "      " + std::to_string(2000 + i) + "\n";
  Extracted document;
  analyse_layout({page}, true, &document);
  auto chunks = cut_passages(document);
  ASSERT_GT(chunks.size(), 4u);
  uint64_t last = 0;
  for (const auto& chunk : chunks) {
    std::string text = document.text.substr(chunk.begin, chunk.end - chunk.begin);
    EXPECT_LE(count_words(text), 260);
    EXPECT_TRUE(chunk.heading == "ITEM 1. BUSINESS" || chunk.heading == "ITEM 1. BUSINESS > STORES") << chunk.heading;
    EXPECT_EQ(chunk.page, 1);
    EXPECT_GT(chunk.end, last);
    last = chunk.end;
    if (chunk.heading.ends_with("STORES")) {
      // Whole lines: a row starts at its label and ends with its last number.
      EXPECT_TRUE(text.starts_with("Store of") || text.starts_with("STORES")) << text.substr(0, 20);
      EXPECT_TRUE(document.text[chunk.end] == '\n');
    }
  }
}

TEST(Query, BecomesQuotedTermsWithoutStopWords) {
  EXPECT_THAT(query_terms("What are the net sales of Walmart?"), ElementsAre("net", "sales", "walmart"));
  EXPECT_THAT(query_terms("what is the"), ElementsAre("what", "is", "the"));
  EXPECT_EQ(match_expression(query_terms("a\"b OR c*")), "\"b\" OR \"c\"");
}

TEST(Fusion, JoinsTwoRankingsByScaledScores) {
  std::vector<RankedHit> words = {{1, 10}, {2, 6}, {3, 2}}, vectors = {{2, 0.9}, {4, 0.5}, {1, 0.1}};
  auto fused = fuse(words, vectors);  // 1: .5 + 0; 2: .25 + .5; 3: 0; 4: .25
  ASSERT_EQ(fused.size(), 4u);
  EXPECT_EQ(fused[0].id, 2);
  EXPECT_DOUBLE_EQ(fused[0].score, 0.75);
  EXPECT_EQ(fused[1].id, 1);
  EXPECT_EQ(fused[2].id, 4);
}

TEST(VectorIndex, FindsTheNearestAllowedRows) {
  VectorIndex index(3);
  auto add = [&](int64_t id, std::vector<float> v) { return index.add(id, {reinterpret_cast<const uint8_t*>(v.data()), v.size() * 4}); };
  EXPECT_TRUE(add(7, {1, 0, 0}));
  EXPECT_TRUE(add(8, {0, 1, 0}));
  EXPECT_TRUE(add(9, {0.6f, 0.8f, 0}));
  EXPECT_FALSE(add(10, {1, 0}));
  std::vector<float> query = {1, 0, 0};
  auto hits = index.nearest(query, 2);
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].id, 7);
  EXPECT_EQ(hits[1].id, 9);
  EXPECT_FLOAT_EQ(hits[1].score, 0.6f);
  EXPECT_EQ(index.nearest(query, 2, {false, true, true})[0].id, 9);
}

}  // namespace
}  // namespace consort::memory

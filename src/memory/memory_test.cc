#include "memory/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "memory/test_support.h"

namespace consort::memory {
namespace {

using testing::hashing_embedder;
using testing::make_pdf;
using testing::TempFolder;

Result<IngestReport> ingest(Memory& memory, const std::filesystem::path& path, IngestOptions options = {}) {
  std::vector<std::filesystem::path> paths = {path};
  return memory.ingest(paths, options);
}

TEST(Memory, ReadsEveryKindOfDocumentAndFindsItsWords) {
  TempFolder files, home;
  files.write("filing.pdf", make_pdf({{"Annual report of the Harbour company.", "The ferry fleet grew."}, {"Second page about lighthouses."}}));
  files.write("wiki.html", "<html><head><title>Wiki</title><script>var hidden = 'zebra';</script></head><body><h1>Buoys</h1><p>Buoys are red &amp; green.</p></body></html>");
  files.write("notes.md", "# Notes\n\n## Anchors\n\nAn anchor holds the ship.\n");
  files.write("plain.txt", "The sextant measures angles.\n");
  files.write("sales.csv", "id,note\n1,\"Customer asked for kayaks, twice\"\n2,Wants oars\n");
  auto memory = Memory::open(home.path() / "m", hashing_embedder());
  ASSERT_TRUE(memory.has_value()) << memory.error().to_string();
  auto report = ingest(**memory, files.path());
  ASSERT_TRUE(report.has_value()) << report.error().to_string();
  for (const auto& issue : report->issues) ADD_FAILURE() << issue.path << ": " << issue.error.to_string();
  EXPECT_EQ(report->added, 5);
  struct Case {
    const char* query;
    const char* doc;
    std::optional<int> page;
  };
  for (const Case& c : std::vector<Case>{{"lighthouse", "filing", 2}, {"ferry", "filing", 1}, {"buoy", "wiki", {}}, {"anchors", "notes", {}},
                                         {"sextant", "plain", {}}, {"kayaks", "sales", {}}}) {
    for (SearchMode mode : {SearchMode::words, SearchMode::fused}) {
      SearchOptions options;
      options.mode = mode;
      auto hits = (*memory)->search(c.query, options);
      ASSERT_TRUE(hits.has_value()) << hits.error().to_string();
      ASSERT_FALSE(hits->empty()) << c.query;
      const Passage& hit = hits->front();
      EXPECT_EQ(hit.doc, c.doc) << c.query;
      EXPECT_EQ(hit.page, c.page) << c.query;
      auto page = (*memory)->page_text(hit.doc, hit.page);
      ASSERT_TRUE(page.has_value());
      EXPECT_EQ(page->substr(hit.begin - hit.page_begin, hit.end - hit.begin), hit.text);
    }
  }
  SearchOptions words;
  words.mode = SearchMode::words;
  EXPECT_TRUE((*memory)->search("zebra", words)->empty());  // Scripts are no text.
}

TEST(Memory, ReingestTouchesOnlyWhatChanged) {
  TempFolder files, home;
  files.write("a.txt", "alpha anchors");
  files.write("b.md", "# B\n\n| USD millions | 2022 |\n|---|---|\n| Net sales | 12 |\n| Profit | 3 |\n");
  files.write("c.csv", "region,amount_usd\nNorth,5\nSouth,7\n");
  auto memory = Memory::open(home.path() / "m", hashing_embedder());
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(ingest(**memory, files.path())->added, 3);
  auto first = *(*memory)->digest();
  auto again = ingest(**memory, files.path());
  EXPECT_EQ(again->unchanged, 3);
  EXPECT_EQ(again->added + again->updated + again->removed, 0);
  EXPECT_EQ(*(*memory)->digest(), first);
  files.write("a.txt", "beta buoys");
  auto changed = ingest(**memory, files.path());
  EXPECT_EQ(changed->updated, 1);
  EXPECT_EQ(changed->unchanged, 2);
  EXPECT_NE(*(*memory)->digest(), first);
  SearchOptions words;
  words.mode = SearchMode::words;
  EXPECT_TRUE((*memory)->search("anchors", words)->empty());
  EXPECT_EQ((*memory)->search("buoys", words)->size(), 1u);
  std::filesystem::remove(files.path() / "c.csv");
  EXPECT_EQ(ingest(**memory, files.path())->removed, 0);  // Only when asked.
  IngestOptions remove;
  remove.remove_missing = true;
  EXPECT_EQ(ingest(**memory, files.path(), remove)->removed, 1);
  EXPECT_EQ((*memory)->documents()->size(), 2u);
}

TEST(Memory, AManifestGivesCompaniesAndPeriodsAndFiltersUseThem) {
  TempFolder files, home;
  files.write("manifest.jsonl", "{\"doc\":\"ONE\",\"file\":\"x/one.md\",\"company\":\"Acme\",\"type\":\"wiki\",\"period_end\":\"2022-05-29\"}\n"
                                "{\"doc\":\"two\",\"file\":\"two.md\",\"company\":[\"Bolt\",\"Acme\"],\"period_end\":null}\n");
  files.write("x/one.md", "# One\n\nrevenue of rope\n\n| USD millions | 2022 | 2021 |\n|---|---|---|\n| Net sales | 12 | 10 |\n");
  files.write("two.md", "# Two\n\nrevenue of rope\n");
  files.write("three.md", "# Three\n\nrevenue of rope\n");
  auto memory = Memory::open(home.path() / "m", hashing_embedder());
  ASSERT_TRUE(ingest(**memory, files.path()).has_value());
  SearchOptions options;
  options.companies = {"acme"};
  auto hits = (*memory)->search("rope", options);
  ASSERT_TRUE(hits.has_value());
  std::set<std::string> docs;
  for (const auto& hit : *hits) docs.insert(hit.doc);
  EXPECT_EQ(docs, (std::set<std::string>{"ONE", "two"}));
  auto figures = (*memory)->find_figures("Acme net sales 2021", {}, 3);
  ASSERT_TRUE(figures.has_value()) << figures.error().to_string();
  ASSERT_EQ(figures->size(), 2u);
  EXPECT_EQ(figures->front().amount, "10");
  EXPECT_EQ(figures->front().period_end, "2021-05-29");
  EXPECT_EQ(figures->front().company, "Acme");
  FigureFilter late;
  late.period_end_from = "2022-01-01";
  EXPECT_EQ((*memory)->find_figures("net sales", late, 5)->size(), 1u);
}

TEST(Memory, AQuestionAboutTwoCompaniesFindsAPassageOfEach) {
  TempFolder folder;
  std::string manifest, only_one;
  // Six pages of Ferry have all the words, Harbour's one page has them once among others.
  for (int i = 0; i < 6; ++i) {
    std::string name = "ferry" + std::to_string(i);
    folder.write("in/" + name + ".md", "Research and development expense of the year: research and development, day " + std::to_string(i) + ".\n");
    manifest += R"({"file":")" + name + R"(.md","doc":")" + name + R"(","company":"Ferry","type":"10-K"})" "\n";
  }
  folder.write("in/harbour.md", "Cranes, rope and berths. The cost of research was 7. Tides, tolls, pilots, buoys, lamps and dredging follow.\n");
  manifest += R"({"file":"harbour.md","doc":"harbour","company":"Harbour","type":"10-K"})" "\n";
  folder.write("in/glossary.md", "Research and development is what a company spends on new things.\n");
  folder.write("in/manifest.jsonl", manifest);
  auto memory = Memory::open(folder.path() / "m", hashing_embedder()).value();
  ASSERT_TRUE(memory->ingest(std::vector{folder.path() / "in"}, {}));
  auto docs = [&](const std::string& query, SearchOptions options) {
    std::vector<std::string> out;
    options.k = 4;
    const std::vector<Passage> found = memory->search(query, options).value();
    for (const Passage& p : found) out.push_back(p.doc);
    return out;
  };
  for (SearchMode mode : {SearchMode::fused, SearchMode::words, SearchMode::vectors}) {
    std::vector<std::string> both = docs("Compare the research and development of Ferry and Harbour", {.mode = mode});
    EXPECT_NE(std::find(both.begin(), both.end(), "harbour"), both.end());
    EXPECT_NE(std::find(both.begin(), both.end(), "glossary"), both.end()) << "what belongs to no company is not left out";
    EXPECT_LT(std::find(both.begin(), both.end(), "harbour"), std::find(both.begin(), both.end(), "glossary"));
    std::vector<std::string> filtered = docs("research and development", {.mode = mode, .companies = {"Ferry", "Harbour"}});
    EXPECT_NE(std::find(filtered.begin(), filtered.end(), "harbour"), filtered.end());
    EXPECT_EQ(std::find(filtered.begin(), filtered.end(), "glossary"), filtered.end()) << "only these companies";
  }
}

TEST(Memory, AQuestionForTheNewestPrefersTheNewestDocument) {
  TempFolder folder;
  std::string manifest;
  for (int year = 2019; year < 2024; ++year) {
    std::string name = "quarter" + std::to_string(year);
    folder.write("in/" + name + ".md", "Ferry carried passengers in the quarter; the number of ships was " + std::to_string(year - 2000) + ".\n");
    manifest += R"({"file":")" + name + R"(.md","doc":")" + name + R"(","company":"Ferry","type":"10-Q","period_end":")" + std::to_string(year) + R"(-03-31"})" "\n";
  }
  folder.write("in/manifest.jsonl", manifest);
  auto memory = Memory::open(folder.path() / "m", hashing_embedder()).value();
  ASSERT_TRUE(memory->ingest(std::vector{folder.path() / "in"}, {}));
  for (const char* query : {"What is the latest number of ships of Ferry?", "What is Ferry's most recent number of ships?"}) {
    const std::vector<Passage> found = memory->search(query, {.k = 1}).value();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].doc, "quarter2023") << query;
  }
}

TEST(Memory, ACsvWithPeriodsFeedsFiguresAndItsOwnTable) {
  TempFolder files, home;
  files.write("segment_sales.csv", "Company,Line,Fiscal year,Period end,Sales (USD millions),Source page\nAcme,Rope,2022,2022-05-29,11.5,84\nAcme,Nets,2022,2022-05-29,3.5,84\n");
  auto memory = Memory::open(home.path() / "m", {});
  auto report = ingest(**memory, files.path());
  ASSERT_TRUE(report.has_value()) << report.error().to_string();
  EXPECT_EQ(report->n_figures, 2);  // Page numbers are no figures.
  auto found = (*memory)->find_figures("rope sales", {}, 1);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().value, 11.5e6);
  EXPECT_EQ(found->front().unit, "USD");
  EXPECT_EQ(found->front().period_kind, "year");
  EXPECT_EQ(found->front().company, "Acme");
}

TEST(Memory, ADatedCsvIsSummedByCategoryAndWholeYear) {
  TempFolder files, home;
  std::string csv = "Day,Port,Freight (USD),Rate %\n";
  for (int month = 1; month <= 12; ++month) {  // 12 x 0.10 = 1.20 and 12 x 2.25 = 27.00: exact in decimals.
    const std::string day = "2021-" + std::string(month < 10 ? "0" : "") + std::to_string(month) + "-15";
    csv += day + ",Kiel,0.10,5\n" + day + ",Riga,2.25,7\n";
  }
  csv += "2022-01-15,Kiel,9.00,5\n";  // A year of one month is not compared.
  files.write("freight.csv", csv);
  auto memory = Memory::open(home.path() / "m", {});
  auto report = ingest(**memory, files.path());
  ASSERT_TRUE(report.has_value()) << report.error().to_string();
  for (const auto& issue : report->issues) ADD_FAILURE() << issue.path << ": " << issue.error.to_string();
  EXPECT_EQ(*(*memory)->page_text("freight_by_port", std::nullopt),
            "Port,Year,Period end,Freight (USD)\nKiel,2021,2021-12-31,1.20\nRiga,2021,2021-12-31,27.00\nTotal,2021,2021-12-31,28.20\n");
  FigureFilter riga;
  riga.companies = {"Riga"};
  auto found = (*memory)->find_figures("freight", riga, 5);
  ASSERT_EQ(found->size(), 1u);  // A rate does not add up, so it is no figure.
  EXPECT_EQ(found->front().amount, "27.00");
  EXPECT_EQ(found->front().unit, "USD");
  auto again = ingest(**memory, files.path());
  EXPECT_EQ(again->unchanged, 1);
}

}  // namespace
}  // namespace consort::memory

#include "memory/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace consort::memory

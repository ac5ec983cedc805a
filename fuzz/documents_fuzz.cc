// Documents from outside: the readers of HTML, Markdown, CSV and laid-out text (what pdftotext
// prints), then passages and figures of what they read. First byte: h, m, c or l; the rest is the
// document. Every range must lie in the text that it cites.
#include <cstdint>

#include "memory/chunk.h"
#include "memory/csv.h"
#include "memory/figures.h"
#include "memory/layout.h"
#include "memory/markup.h"
#include "memory/reader.h"
#include "memory/text.h"

namespace {

using namespace consort::memory;

void check_range(uint64_t begin, uint64_t end, const std::string& text) {
  CONSORT_CHECK(begin <= end && end <= text.size());
}

void check_document(const Extracted& document) {
  for (const PageSpan& page : document.pages) check_range(page.begin, page.end, document.text);
  for (const Block& block : document.blocks) check_range(block.begin, block.end, document.text);
  for (const Grid& grid : document.grids) {
    for (const GridRow& row : grid.rows) {
      CONSORT_CHECK(row.cells.size() == grid.columns.size());
      check_range(row.begin, row.end, document.text);
    }
  }
  for (const Chunk& chunk : cut_passages(document)) {
    check_range(chunk.begin, chunk.end, document.text);
    CONSORT_CHECK(chunk.begin < chunk.end && chunk.page_begin <= chunk.begin);
  }
  consort::memory::DocumentInfo info;
  info.name = "fuzz";
  info.period_end = "2023-12-31";
  for (const auto& grid : figures_of_document(info, document))
    for (const Figure& figure : grid)
      check_range(figure.line_begin, figure.line_end, document.text);
}

void read_csv(const std::string& text) {
  CsvReader reader = CsvReader::over_text(text, sniff_delimiter(text.substr(0, 4096)));
  std::vector<CsvRecord> records;
  CsvRecord record;
  while (true) {
    const auto more = reader.next(&record);
    if (!more) return;
    if (!*more) break;
    check_range(record.begin, record.end, text);
    if (!record.is_blank()) records.push_back(record);
  }
  if (records.empty()) return;
  consort::memory::DocumentInfo info;
  info.name = "fuzz";
  for (const Figure& figure : figures_of_csv(info, records))
    check_range(figure.line_begin, figure.line_end, text);
  for (const CsvSummary& summary : summarise_csv(info, records)) {
    for (const CsvRecord& r : summary.records) check_range(r.begin, r.end, summary.text);
  }
}

std::vector<std::string> pages_of(const std::string& text) {
  std::vector<std::string> pages;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\f', at), text.size());
    pages.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return pages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 20000) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'l') {
    Extracted document;
    const std::vector<std::string> pages = pages_of(repair_utf8(bytes));
    analyse_layout(pages, pages.size() > 1, &document);
    check_document(document);
    return 0;
  }
  const auto decoded = decode_text(bytes);
  if (!decoded) return 0;
  if (data[0] == 'c') read_csv(decoded->text);
  if (data[0] == 'h') {
    if (const auto document = read_html(decoded->text)) check_document(*document);
  }
  if (data[0] == 'm') {
    if (const auto document = read_markdown(decoded->text)) check_document(*document);
  }
  return 0;
}

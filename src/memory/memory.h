// Memory: one collection of documents, searchable by words, by meaning and by SQL.
//
// A folder with two SQLite files: `text.db` (documents, passages, FTS5, vectors; ours alone) and
// `tables.db` (typed tables and the long `figures` table; what the SQL tool may read, and nothing else).
// Every passage and every figure keeps where it came from: document, page (from 1), byte range.
// Formats: docs/formats/memory.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "contract/json.h"

namespace consort::memory {

// Texts -> unit vectors, [texts.size()][dims]. The engine's `embed`, bound to a model, fits.
struct Embedder {
  std::string model;  // Recorded; a memory made with another model must be ingested anew.
  int dims = 0;
  std::function<Result<std::vector<std::vector<float>>>(std::span<const std::string>)> embed;
};

struct Passage {
  int64_t id = 0;
  std::string doc;            // Document name: file name without extension, unique in the memory.
  std::string title;
  std::string company;        // From a manifest; empty if unknown.
  std::optional<int> page;    // From 1; nullopt where the format has no pages.
  std::string heading;        // Nearest heading(s) above, " > " between.
  uint64_t begin = 0, end = 0;  // Bytes in the document's extracted text (pages joined by a form feed).
  uint64_t page_begin = 0;      // page_text(doc, page).substr(begin - page_begin, end - begin) == text.
  std::string text;
  double score = 0;           // Of the search that returned it; higher is better.
  contract::Value to_value() const;  // {"id","doc","page","heading","text","score",...}
};

// One number of a table, with all that a citation needs. One row of `figures` in tables.db.
struct Figure {
  int64_t id = 0;
  std::string doc, company;
  std::optional<int> page;     // From 1; nullopt where the format has no pages.
  int64_t table_id = 0;        // In tables_catalog.
  int row_no = 0;              // From 1, in the table.
  std::string section;         // Table title and parent rows, " > " between.
  std::string label;           // The row's own label, wrapped lines joined.
  std::string column_label;    // The column's header, lines joined.
  std::string period_end;      // ISO date; empty if unknown.
  std::string period_kind;     // year, quarter, half, nine_months, instant; empty if unknown.
  double value = 0;            // In base units: 611289 in millions of USD is 6.11289e11.
  std::string amount;          // Exact decimal as printed, signed, before the scale: "-2722".
  int64_t scale = 1;           // 1, 1000, 1000000, 1000000000
  std::string unit;            // USD, %, USD/share, shares, stores, count, ...; empty if unknown.
  std::string as_printed;      // "(2,722)"
  uint64_t line_begin = 0, line_end = 0;  // The row, bytes in the document's extracted text.
  uint64_t page_begin = 0;     // As in Passage.
  double score = 0;            // Of the search that returned it; higher is better.
  contract::Value to_value() const;
};

// All given conditions must hold; empty = no condition.
struct FigureFilter {
  std::vector<std::string> companies;
  std::vector<std::string> docs;
  std::string period_end_from, period_end_to;  // ISO dates, inclusive.
  std::vector<std::string> period_kinds;
};

struct Document {
  std::string name, title, company, kind, period_end, path;
  Digest digest;
  int n_pages = 0;
  int n_passages = 0;
  int n_figures = 0;
};

struct IngestIssue {     // One file that was not (fully) read: the others are not affected.
  std::string path;
  Error error;           // Encrypted PDF 5101, image-only 5102, empty 5103, ragged CSV 5111, ...
};
struct IngestReport {
  int files_seen = 0, added = 0, updated = 0, unchanged = 0, removed = 0;
  int n_passages = 0, n_tables = 0, n_figures = 0;
  std::vector<IngestIssue> issues;
  std::vector<std::string> notes;  // Read, with something to know: "x.csv: read as Windows-1252".
};

struct IngestOptions {
  bool remove_missing = false;        // Drop documents whose file is gone from the ingested folders.
  uint64_t file_bytes_max = 256ull << 20;
  int pdf_seconds_max = 120;
  uint64_t pdf_memory_max = 1ull << 30;
  // Fraction done in [0, 1] and what is being read.
  std::function<void(double, const std::string&)> progress;
  std::stop_token stop;
};

enum class SearchMode { fused, words, vectors };
struct SearchOptions {
  int k = 10;
  SearchMode mode = SearchMode::fused;
  std::vector<std::string> companies;  // Only these; empty = all.
  std::vector<std::string> docs;
};

// Resource. Thread-safe: searches run concurrently, one ingest at a time (a second process on the same
// folder gets failed_precondition 5001).
class Memory final {
 public:
  static Result<std::unique_ptr<Memory>> open(const std::filesystem::path& folder, Embedder embedder);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // `embedder.embed` empty: a memory searched by words alone (mode `words`; others are 5003).
  // Errors: failed_precondition 5002 (made with another model), 5003; corruption and disk errors of store.
  // Files or folders (recursive). Types by extension and content: .pdf .html .htm .md .txt .csv .tsv
  // .jsonl (corpus format {"id","title","text"}). A `manifest.jsonl` in a folder gives doc, company,
  // type, period_end. Re-ingest touches only files whose digest changed; each file is one transaction,
  // so a crash or Ctrl-C loses at most the file in hand.
  Result<IngestReport> ingest(std::span<const std::filesystem::path> paths, const IngestOptions& options);
  Result<std::vector<Passage>> search(const std::string& query, const SearchOptions& options) const;
  // Rows of tables by words and meaning of their labels. Companies and years that the query names
  // narrow the search; primary statements and newer documents come first. At most k figures, best row
  // first, newest period first within a row.
  Result<std::vector<Figure>> find_figures(const std::string& query, const FigureFilter& filter,
                                           int k) const;
  // The whole text of one page (or of the document when it has no pages): what a citation points at.
  Result<std::string> page_text(const std::string& doc, std::optional<int> page) const;
  Result<std::vector<Document>> documents() const;
  // For the SQL tool: opened read-only by it.
  std::filesystem::path tables_path() const;
  // Changes when content changes: a run pins it. Hash over documents' digests and the schema version.
  Result<Digest> digest() const;

  struct State;  // Internal to this folder.

 private:
  explicit Memory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::memory

// One file -> documents with passages, tables and figures, ready to be written. Embedding comes later.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "memory/csv.h"
#include "memory/memory.h"
#include "memory/text_store.h"

namespace consort::memory {

// Raised when a reader changes what it makes of the same bytes: files are then read anew.
inline constexpr int kReaderVersion = 2;

enum class FileType { pdf, html, markdown, text, csv, jsonl };
std::optional<FileType> file_type(const std::filesystem::path& path);

// A file to ingest. `info` from a manifest, completed by the reader.
struct SourceFile {
  std::filesystem::path path;
  std::string key;  // Identity in the memory: the absolute path.
  FileType type = FileType::text;
  DocumentInfo info;
  uint64_t bytes = 0;
  Digest digest;  // Set by the ingest: bytes, info and reader version.
};

struct PreparedSource {
  std::vector<PreparedDocument> documents;
  std::vector<std::vector<std::vector<Figure>>> figures;  // [documents][grids of it]
  std::optional<CsvFile> csv;  // Becomes one typed table besides its text.
  std::vector<std::string> notes;
};

// Errors: see pdf.h, csv.h, markup.h, text.h; 5123 (a JSON line that is no {"id","text"} object).
Result<PreparedSource> read_source(const SourceFile& file, const IngestOptions& options);

// Figures of a CSV that has a period column: one grid, its rows as `figures` wants them.
// `group_column`: the column that stands in a company's place; -1: the one headed "Company", if any.
std::vector<Figure> figures_of_csv(const DocumentInfo& info, const std::vector<CsvRecord>& records, int group_column = -1);

// Sums by one category and calendar year of dated rows, as a document of its own: text, and records with ranges in it.
struct CsvSummary {
  DocumentInfo info;
  std::string text;
  std::vector<CsvRecord> records;  // The first is the header: category, Year, Period end, measures.
};
// One for each category column of a table that has a date (or month) column and no companies. Exact decimals; only years
// with all twelve months; "Total" is a group of its own. Empty when the table is no such table.
std::vector<CsvSummary> summarise_csv(const DocumentInfo& info, const std::vector<CsvRecord>& records);

// What the folders hold, in path order. `manifest.jsonl` of a folder describes files under it; what a
// manifest names as the `text` of a `pdf` is left out with a note, as are files of unknown types (counted).
struct SourceList {
  std::vector<SourceFile> files;
  std::vector<std::string> notes;
  std::vector<std::string> roots;  // Absolute.
};
Result<SourceList> list_files(std::span<const std::filesystem::path> paths);

}  // namespace consort::memory

// CSV and TSV (RFC 4180): records with line numbers and byte ranges, streamed.
//
// Encoding: UTF-8 (with or without a mark), UTF-16 and Windows-1252, see text.h. The delimiter is the one
// of , ; tab | that cuts the first lines most evenly. Every record must have as many fields as the header;
// blank lines are skipped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::memory {

inline constexpr uint64_t kCsvFieldBytesMax = 1 << 20;
inline constexpr size_t kCsvColumnsMax = 1000;
// Up to here a CSV's text is kept, cited and searched; a larger one is a table only (and a note says so).
inline constexpr uint64_t kCsvTextBytesMax = 4 << 20;

struct CsvRecord {
  std::vector<std::string> fields;
  int64_t line = 0;             // From 1, where the record starts.
  uint64_t begin = 0, end = 0;  // In the decoded text, without the line feed.
  bool is_blank() const;
};

// Resource: one pass over one file or text. One thread.
class CsvReader final {
 public:
  // `text` must outlive the reader.
  static CsvReader over_text(std::string_view text, char delimiter);
  // Streams a UTF-8 file in 1 MiB reads; a byte-order mark is skipped.
  static Result<CsvReader> over_file(const std::filesystem::path& path, char delimiter);

  // False at the end. Errors, place = "line N": invalid_argument 5112 (a quote never closed, text after a
  // closing quote, a field over kCsvFieldBytesMax), 5113 (not UTF-8).
  Result<bool> next(CsvRecord* record);

 private:
  CsvReader() = default;
  int peek();
  void advance();
  std::string_view text_;
  std::shared_ptr<std::FILE> file_;
  std::string buffer_;
  size_t at_ = 0;
  bool eof_ = false;
  uint64_t offset_ = 0;
  int64_t line_ = 1;
  char delimiter_ = ',';
};

// From up to 20 lines at the start of decoded text.
char sniff_delimiter(std::string_view start);

struct CsvFile {
  std::string text;      // Decoded; empty when the file is streamed.
  bool streamed = false;
  std::string encoding;
  char delimiter = ',';
  std::filesystem::path path;
  Result<CsvReader> reader() const;
};
// Small files are decoded whole; larger ones must be UTF-8 and are streamed.
// Errors: those of text.h, place = path:line; 5115 for a large file that is not UTF-8.
Result<CsvFile> open_csv(const std::filesystem::path& path, uint64_t bytes_max);

}  // namespace consort::memory

// Structure of text laid out in columns by spaces (`pdftotext -layout`, plain text): headings,
// paragraphs, table rows, and tables as grids.
//
// A row is a label followed by numbers that stand apart. Rows near each other with the same number of
// columns form a grid; the lines above give each column its header by position; indentation and lines
// that end in a colon give each row its parents.
#pragma once

#include <string>
#include <vector>

#include "memory/extract.h"

namespace consort::memory {

struct LayoutCell {
  int begin = 0, end = 0;  // Columns (code points) in the line.
  std::string text;
};

struct LayoutLine {
  uint64_t begin = 0, end = 0;  // Bytes in the document, without the line feed.
  int indent = 0;               // Column of the first character; -1 for a blank line.
  int width = 0;                // Column after the last character.
  std::string text;             // Trimmed.
  std::string label;            // Of a row: what stands before the numbers.
  std::vector<LayoutCell> numbers;   // Of a row: its cells, left to right; empty = no row.
  std::vector<LayoutCell> segments;  // Pieces of text with two or more spaces between.
  bool is_blank() const { return indent < 0; }
  bool is_row() const { return !numbers.empty(); }
};

LayoutLine parse_layout_line(std::string_view line, uint64_t begin);

// Fills `pages` (numbered from 1 when `numbered`), `text`, `blocks` and `grids` of `out`.
void analyse_layout(const std::vector<std::string>& pages, bool numbered, Extracted* out);

}  // namespace consort::memory

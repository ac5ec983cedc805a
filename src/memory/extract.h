// What every reader of a file format produces: text with its structure, and tables as grids.
//
// One `Extracted` is one document: its text (pages joined by a form feed), the blocks of that text in
// order, and the tables found. Byte ranges point into `text`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consort::memory {

enum class BlockKind {
  heading,
  paragraph,  // Also a list item or a run of code.
  row,        // One row of a table with its wrapped lines: never cut.
  furniture,  // Page numbers, running heads: kept in the text, in no passage.
};

struct Block {
  BlockKind kind = BlockKind::paragraph;
  int level = 0;  // Of a heading: 1 is the top.
  uint64_t begin = 0, end = 0;
};

struct PageSpan {
  std::optional<int> number;  // From 1; nullopt: the format has no pages.
  uint64_t begin = 0, end = 0;
};

struct GridRow {
  std::string label;                 // Text of the first column, wrapped lines joined.
  std::vector<std::string> parents;  // Labels of the rows above that this one is under.
  std::vector<std::string> cells;    // [columns.size()], as printed; empty where nothing is printed.
  uint64_t begin = 0, end = 0;
};

// A table of rows with a label and value columns.
struct Grid {
  std::optional<int> page;
  std::string title;                 // Of the table: its caption or the heading over it.
  std::string note;                  // Unit notes: "(in millions, except per share data)".
  std::string label_header;          // Header of the label column.
  std::vector<std::string> columns;  // Header of each value column, lines joined by a space.
  std::vector<GridRow> rows;
};

struct Extracted {
  std::string title;
  std::string text;
  std::vector<PageSpan> pages;  // At least one when text is not empty.
  std::vector<Block> blocks;
  std::vector<Grid> grids;
  std::vector<std::string> notes;  // For the ingest report.
};

// Appends blocks to an Extracted that has one page without a number (HTML, Markdown).
class ExtractedBuilder final {
 public:
  explicit ExtractedBuilder(Extracted* out) : out_(out) {}
  // Text is collapsed to single spaces unless `verbatim`. Returns the byte range written.
  Block add(BlockKind kind, std::string_view text, int level = 0, bool verbatim = false);
  // Writes the cells joined by " | " as one row.
  Block add_row(const std::vector<std::string>& cells);
  void finish();  // Sets the page.

 private:
  Extracted* out_;
};

// A table of cells (first row may be a header) -> Grid, when it has a label column and numbers.
// `ranges`: byte range of each row. Nullopt when no row has a number.
std::optional<Grid> grid_from_cells(const std::vector<std::vector<std::string>>& cells,
                                    const std::vector<Block>& ranges, int n_header_rows,
                                    std::string title);

}  // namespace consort::memory

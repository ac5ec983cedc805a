// PageLayout: one page as lines, table rows and sentences, found by a quote.
//
// Reads what `pdftotext -layout` and plain text print: a row is a label and numbers that stand apart
// by two or more spaces (or " | "); the lines above give each number its period by position, and the
// note above the table ("in millions") its scale. Independent of the memory's own table reader, so
// that a mistake there is not confirmed here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tool/report/numerals.h"

namespace consort::tool {

struct PageCell {
  Numeral number;              // As printed: without the table's scale.
  std::vector<int> scales;     // Powers of ten that it may stand for; one where a note says so.
  Period period;               // year 0 where no header was found.
  int begin = 0, end = 0;      // Columns.
  bool percent_open = false;   // Unmarked, in a column whose other rows are percentages, or of rates.
};

struct PageRow {
  std::string label;
  std::string above;           // Texts of the lines above that have no numbers, nearest first.
  std::vector<PageCell> cells; // Left to right.
  bool percent_column = false; // A header or note above speaks of percent.
};

struct QuotePlace {
  size_t first_line = 0, last_line = 0;
};

class PageLayout {
 public:
  // `fallback_scale`: power of ten of tables without a note on their page (what the document's other
  // pages say), -1 = unknown.
  explicit PageLayout(std::string_view text, int fallback_scale = -1);

  // White space, dashes, quotation marks and case do not matter; nullopt when the page does not have it.
  std::optional<QuotePlace> find(std::string_view quote) const;
  // The row on that line with its wrapped label; nullopt when it has no numbers that stand apart.
  std::optional<PageRow> row(size_t line) const;
  // The sentences that the quote touches, and the paragraph around them.
  std::string sentence(const QuotePlace& place, std::string_view quote) const;
  std::string paragraph(const QuotePlace& place) const;
  const std::string& normalised() const { return normalised_; }  // The whole page, single-spaced.

  // The power of ten that a note such as "(in millions, except per share data)" states; -1 = none.
  static int note_scale(std::string_view line);

 private:
  struct Segment {
    int begin = 0, end = 0;
    std::string text;
  };
  struct Line {
    std::string text;
    std::vector<Segment> segments;
    int n_numbers = 0;   // Segments that are numbers and no years.
    int n_years = 0;
    bool blank = false;
  };
  std::vector<PageCell> cells_of(const Line& line, std::string* label) const;
  void set_periods(size_t line, std::vector<PageCell>* cells) const;
  void period_of_caption(size_t last, std::vector<PageCell>* cells) const;
  bool period_of_label(std::string_view label, std::vector<PageCell>* cells) const;
  bool period_of_movement(size_t line, std::vector<PageCell>* cells) const;
  bool periods_of_stub(size_t line, std::vector<PageCell>* cells) const;
  void open_percentages(size_t line, PageRow* row) const;
  void set_scales(size_t line, PageRow* row) const;

  std::vector<Line> lines_;
  std::string squeezed_;              // Lower case without spaces, for finding quotes.
  std::vector<size_t> squeezed_line_; // Line of each of its bytes.
  std::string normalised_;
  int fallback_scale_ = -1;
};

}  // namespace consort::tool

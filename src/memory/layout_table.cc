#include "memory/layout_table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr int kHeaderLinesMax = 14;    // Looked at above a table's first row.
constexpr int kPendingLinesMax = 8;    // Lines without numbers inside one table.
constexpr int kBlankLinesMax = 6;      // Blank lines in a run inside one table.

bool starts_lower(std::string_view text) {
  return !text.empty() && (std::islower(static_cast<unsigned char>(text[0])) || text[0] == '(');
}

// The text of a line goes on in the next one.
bool is_unfinished(std::string_view text) {
  if (text.ends_with(',') || text.ends_with('-') || text.ends_with("—") || text.ends_with("–")) return true;
  if (std::count(text.begin(), text.end(), '(') > std::count(text.begin(), text.end(), ')')) return true;
  for (std::string_view word : {" and", " of", " to", " for", " in", " the", " from", " on", " or", " with", " by"}) {
    if (text.ends_with(word)) return true;
  }
  return false;
}

bool names_statement(std::string_view title) {
  return contains_ignoring_case(title, "statement") || contains_ignoring_case(title, "balance sheet");
}

struct TableRows {
  std::vector<size_t> header;  // Lines over the first row, top first.
  std::vector<size_t> lines;   // Rows and label lines, in order.
  size_t first_row = 0;
};

// The number of value columns: the largest count that enough rows have; in doubt the first row's.
size_t column_count(std::span<const LayoutLine> lines, const std::vector<size_t>& rows) {
  std::map<size_t, int> counts;
  for (size_t i : rows) ++counts[lines[i].numbers.size()];
  int needed = std::max(rows.size() >= 2 ? 2 : 1, static_cast<int>(rows.size()) / 6);
  for (auto it = counts.rbegin(); it != counts.rend(); ++it) {
    if (it->second >= needed) return it->first;
  }
  return lines[rows.front()].numbers.size();
}

struct Column {
  double right = 0;
  int begin = 1 << 30, end = 0;
  int n = 0;
  double width = 0;  // Of the digits, mean.
  double centre() const { return (begin + end) / 2.0; }
  double number_centre() const { return right - width / 2; }
};

std::vector<Column> columns_of(std::span<const LayoutLine> lines, const std::vector<size_t>& rows, size_t n) {
  std::vector<Column> columns(n);
  for (size_t i : rows) {
    if (lines[i].numbers.size() != n) continue;
    for (size_t c = 0; c < n; ++c) {
      const auto& cell = lines[i].numbers[c];
      columns[c].right += cell.end;
      columns[c].width += static_cast<double>(cell.text.size() - std::min(cell.text.size(), cell.text.find_first_of("0123456789")));
      ++columns[c].n;
      columns[c].begin = std::min(columns[c].begin, cell.begin);
      columns[c].end = std::max(columns[c].end, cell.end);
    }
  }
  for (auto& column : columns) {
    column.right /= std::max(1, column.n);
    column.width /= std::max(1, column.n);
  }
  return columns;
}

// Cells of one row -> columns. Rows with fewer cells go to the nearest right edges, in order; a row with
// more cells than columns fits nowhere and gives no figures.
std::vector<std::string> place_cells(const LayoutLine& line, const std::vector<Column>& columns) {
  std::vector<std::string> out(columns.size());
  if (line.numbers.size() == columns.size()) {
    for (size_t c = 0; c < columns.size(); ++c) out[c] = line.numbers[c].text;
    return out;
  }
  if (line.numbers.size() > columns.size()) return out;
  size_t next = 0;
  for (size_t k = 0; k < line.numbers.size() && next < columns.size(); ++k) {
    size_t last = columns.size() - std::min(columns.size(), line.numbers.size() - k);
    size_t best = next;
    for (size_t c = next; c <= std::max(last, next) && c < columns.size(); ++c) {
      if (std::abs(columns[c].right - line.numbers[k].end) < std::abs(columns[best].right - line.numbers[k].end)) best = c;
    }
    out[best] = line.numbers[k].text;
    next = best + 1;
  }
  return out;
}

void append_word(std::string& to, std::string_view text) {
  if (!to.empty() && !text.empty()) to += ' ';
  to += text;
}

// Spreads the cells of one header line over the columns.
void add_header_line(const LayoutLine& line, const std::vector<Column>& columns, Grid* grid) {
  std::vector<LayoutCell> cells;
  double first_left = columns.front().begin;
  for (const auto& segment : line.segments) {
    bool over_label = segment.end < first_left - 1 && segment.begin <= first_left / 2;
    bool note = is_unit_note(segment.text);
    if (note) append_word(grid->note, segment.text);
    if (over_label) {
      if (!note) append_word(grid->label_header, segment.text);
    } else if (!note || mentions_period(segment.text)) {
      cells.push_back(segment);
    }
  }
  if (cells.empty()) return;
  size_t n = columns.size(), m = cells.size();
  bool all_periods = std::all_of(cells.begin(), cells.end(), [](const auto& cell) { return mentions_period(cell.text); });
  // One cell a column, or headers of periods that span equally many columns each.
  if (m == n || (all_periods && m < n && n % m == 0)) {
    for (size_t c = 0; c < n; ++c) append_word(grid->columns[c], cells[c / (n / m)].text);
    return;
  }
  if (all_periods && m < n) {
    for (size_t c = 0; c < n; ++c) {
      auto distance = [&](const LayoutCell& cell) { return std::abs((cell.begin + cell.end) / 2.0 - columns[c].centre()); };
      auto best = std::min_element(cells.begin(), cells.end(), [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
      append_word(grid->columns[c], best->text);
    }
    return;
  }
  // Other words belong to the column nearest to their middle, and to those whose numbers end under them.
  for (const auto& cell : cells) {
    double middle = (cell.begin + cell.end) / 2.0;
    size_t nearest = 0;
    for (size_t c = 1; c < n; ++c) {
      if (std::abs(columns[c].number_centre() - middle) < std::abs(columns[nearest].number_centre() - middle)) nearest = c;
    }
    for (size_t c = 0; c < n; ++c) {
      bool over = columns[c].right >= cell.begin && columns[c].right <= cell.end + 1;
      if (c == nearest || over) append_word(grid->columns[c], cell.text);
    }
  }
}

struct Parent {
  int indent;
  bool colon;
  std::string label;
};

void pop_parents(std::vector<Parent>& parents, int indent, bool keep_equal) {
  while (!parents.empty() &&
         (parents.back().indent > indent ||
          (parents.back().indent == indent && !(keep_equal && parents.back().colon))))
    parents.pop_back();
}

Grid build_grid(std::span<const LayoutLine> lines, const TableRows& table, std::optional<int> page,
                const std::string& title) {
  Grid grid;
  grid.page = page;
  grid.title = title;
  std::vector<size_t> rows;
  for (size_t i : table.lines) {
    if (lines[i].is_row()) rows.push_back(i);
  }
  size_t n = column_count(lines, rows);
  auto columns = columns_of(lines, rows, n);
  grid.columns.resize(n);
  for (size_t i : table.header) {
    LineKind kind = classify_line(lines[i]);
    if (kind == LineKind::note || is_unit_note(lines[i].text)) {
      if (kind == LineKind::note) {
        append_word(grid.note, lines[i].text);
        continue;
      }
    }
    if (kind == LineKind::header) {
      add_header_line(lines[i], columns, &grid);
    } else if (looks_like_heading(lines[i].text) && (!names_statement(grid.title) || names_statement(lines[i].text))) {
      grid.title = lines[i].text;
    }
  }
  std::vector<Parent> parents;
  std::string wrapped;
  uint64_t wrapped_begin = 0;
  int wrapped_indent = 0;
  for (size_t k = 0; k < table.lines.size(); ++k) {
    const LayoutLine& line = lines[table.lines[k]];
    if (!line.is_row()) {
      const LayoutLine* next = k + 1 < table.lines.size() ? &lines[table.lines[k + 1]] : nullptr;
      bool adjacent = next != nullptr && next->begin <= line.end + 2;
      std::string_view next_text = next == nullptr ? std::string_view() : next->is_row() ? next->label : next->text;
      bool continues_row = wrapped.empty() && !grid.rows.empty() && starts_lower(line.text) && k > 0 &&
                           lines[table.lines[k - 1]].is_row() && line.begin <= lines[table.lines[k - 1]].end + 2 &&
                           !(adjacent && next->is_row() && starts_lower(next_text));
      if (continues_row) {
        append_word(grid.rows.back().label, line.text);
        grid.rows.back().end = line.end;
      } else if (adjacent && !line.text.ends_with(':') && (starts_lower(next_text) || is_unfinished(line.text))) {
        if (wrapped.empty()) wrapped_begin = line.begin, wrapped_indent = line.indent;
        append_word(wrapped, line.text);
      } else {
        if (!wrapped.empty()) append_word(wrapped, line.text);
        std::string label = wrapped.empty() ? line.text : wrapped;
        wrapped.clear();
        bool colon = label.ends_with(':');
        if (colon) label.pop_back();
        bool centred = line.indent > 24;
        if (centred) parents.clear();
        pop_parents(parents, line.indent, false);
        parents.push_back({centred ? -1 : line.indent, colon, std::move(label)});
        if (parents.size() > 6) parents.erase(parents.begin());
      }
      continue;
    }
    GridRow row;
    row.begin = wrapped.empty() ? line.begin : wrapped_begin;
    row.end = line.end;
    int indent = line.label.empty() ? 1 << 20 : wrapped.empty() ? line.indent : wrapped_indent;
    row.label = wrapped;
    append_word(row.label, line.label);
    wrapped.clear();
    bool total = lower_ascii(row.label).starts_with("total");
    pop_parents(parents, indent, !total);
    for (const auto& parent : parents) row.parents.push_back(parent.label);
    row.cells = place_cells(line, columns);
    grid.rows.push_back(std::move(row));
  }
  return grid;
}

// Rows that a paragraph of the table's own (a long label) cut off have the columns above them.
void inherit_columns(const std::vector<Grid>& above, Grid* grid) {
  bool bare = std::all_of(grid->columns.begin(), grid->columns.end(), [](const auto& c) { return c.empty(); });
  if (!bare || above.empty() || above.back().columns.size() != grid->columns.size() || grid->columns.size() < 2) return;
  grid->columns = above.back().columns;
  if (grid->note.empty()) grid->note = above.back().note;
}

// Page references and other lists of bare small integers are no tables.
bool is_contents_list(const Grid& grid) {
  if (grid.columns.size() != 1 || !grid.columns[0].empty()) return false;
  long previous = -1;
  for (const auto& row : grid.rows) {
    const std::string& cell = row.cells[0];
    if (cell.empty() || cell.find_first_not_of("0123456789") != std::string::npos || cell.size() > 3) return false;
    long value = std::stol(cell);
    if (value < previous) return false;
    previous = value;
  }
  return true;
}

}  // namespace

bool mentions_period(std::string_view text) {
  if (text.size() <= 3 && text.ends_with(',') && std::isdigit(static_cast<unsigned char>(text[0]))) return true;  // "30,"
  static constexpr std::string_view kWords[] = {"ended", "ending", "fiscal", "quarter", "months", "weeks", "as of",
                                                "year", "january", "february", "march ", "april", "may ",
                                                "june", "july", "august", "september", "october", "november",
                                                "december"};
  std::string low = lower_ascii(text);
  for (auto word : kWords) {
    if (low.find(word) != std::string::npos) return true;
  }
  for (size_t i = 0; i + 4 <= text.size(); ++i) {
    bool edge_before = i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1]));
    bool edge_after = i + 4 == text.size() || !std::isalnum(static_cast<unsigned char>(text[i + 4]));
    if (edge_before && edge_after && is_year(text.substr(i, 4))) return true;
  }
  return (low.size() >= 4 && (low.starts_with("fy") || low[0] == 'q') && std::isdigit(static_cast<unsigned char>(low[2]))) ||
         (low.size() >= 2 && low[0] == 'q' && std::isdigit(static_cast<unsigned char>(low[1])));
}

bool is_unit_note(std::string_view text) {
  std::string low = lower_ascii(text);
  for (std::string_view word : {"in millions", "in thousands", "in billions", "(millions", "(thousands", "(000", "$ millions",
                                "usd millions", "(billions", "$000", "millions)", "thousands)"}) {
    if (low.find(word) != std::string::npos) return text.size() < 160;
  }
  return false;
}

bool looks_like_heading(std::string_view text) {
  if (text.size() < 3 || text.size() > 110 || text.ends_with('.') || text.ends_with(',') || text.ends_with(';') || text.ends_with(':')) return false;
  if (text[0] == '(' || text.find("....") != std::string_view::npos) return false;
  int words = 0, capital = 0, letters = 0, upper = 0;
  bool start = true, long_word = false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (std::isspace(c)) {
      start = true;
      continue;
    }
    if (std::isalpha(c)) {
      ++letters;
      upper += std::isupper(c) != 0;
    }
    if (start) {
      size_t end = std::min(text.find(' ', i), text.size());
      long_word = end - i > 3;
      if (std::isalpha(c) && (long_word || std::isupper(c))) {
        ++words;
        capital += std::isupper(c) != 0;
      }
      start = false;
    }
  }
  if (letters < 3 || words == 0 || words > 14) return false;
  if (!std::isupper(static_cast<unsigned char>(text[0])) && !std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  return upper * 10 >= letters * 8 || capital * 10 >= words * 8;
}

LineKind classify_line(const LayoutLine& line) {
  if (line.is_blank()) return LineKind::blank;
  size_t longest = 0;
  for (const auto& segment : line.segments) longest = std::max(longest, segment.text.size());
  bool years = line.is_row() && std::all_of(line.numbers.begin(), line.numbers.end(),
                                            [](const auto& c) { return is_year(c.text); });
  if (years && (line.numbers.size() >= 2 || line.label.empty() || is_unit_note(line.label) || mentions_period(line.label)))
    return LineKind::header;
  if (line.is_row()) return LineKind::row;
  if (line.segments.size() == 1 && is_unit_note(line.text) && line.text.size() < 120) return LineKind::note;
  bool sentence = line.text.ends_with('.') || line.text.ends_with(';');
  // "30," alone: the day of a date that wraps.
  if (line.text.size() <= 3 && line.text.ends_with(',') && std::isdigit(static_cast<unsigned char>(line.text[0]))) return LineKind::header;
  for (size_t i = 1; i < line.segments.size(); ++i) {
    if (!is_year(line.segments[i].text) && parse_number(line.segments[i].text)) return LineKind::text;
  }
  if (line.segments.size() == 1 && (line.text.size() > 100 || (sentence && line.text.size() > 40))) return LineKind::prose;
  if (longest <= 60 && !sentence && mentions_period(line.text) && (line.indent >= 25 || line.segments.size() >= 2))
    return LineKind::header;
  if (line.segments.size() >= 2 && longest <= 44 && !sentence) return LineKind::header;
  if (line.segments.size() >= 2 && is_unit_note(line.text)) return LineKind::header;
  if (line.text.size() > 80 && !looks_like_heading(line.text)) return LineKind::prose;
  return looks_like_heading(line.text) ? LineKind::heading : LineKind::text;
}

std::vector<Grid> grids_of_page(std::span<const LayoutLine> lines, std::optional<int> page, std::string title) {
  std::vector<Grid> grids;
  TableRows table;
  std::vector<size_t> pending;   // Non-blank lines since the last row.
  int blanks = 0;
  bool open = false;
  size_t title_line = 0;
  auto close = [&] {
    if (open) {
      Grid grid = build_grid(lines, table, page, title);
      inherit_columns(grids, &grid);
      if (!is_contents_list(grid)) grids.push_back(std::move(grid));
    }
    open = false;
    table = {};
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    LineKind kind = classify_line(lines[i]);
    if (kind == LineKind::blank) {
      ++blanks;
      continue;
    }
    if (kind != LineKind::row) {
      // A long line directly over a row is a wrapped label, not prose.
      bool over_row = i + 1 < lines.size() && lines[i + 1].is_row() && classify_line(lines[i + 1]) == LineKind::row;
      // Running text goes on for lines or ends in a full stop; a long label stands alone.
      bool more = i + 1 < lines.size() && classify_line(lines[i + 1]) == LineKind::prose;
      bool prose = kind == LineKind::prose && !(over_row && open) && (!open || more || lines[i].text.ends_with('.'));
      if (prose || blanks > kBlankLinesMax) {
        close();
        pending.clear();
      }
      if (!prose) {
        if (kind == LineKind::header) close();  // Pending headings and notes go to the new table.
        pending.push_back(i);
      }
      // A company's name under the name of its statement is no title.
      bool keeps = names_statement(title) && !names_statement(lines[i].text) && pending.size() > 1 && title_line + 4 >= i;
      if (kind == LineKind::heading && !open && !mentions_period(lines[i].text) && !keeps) {
        title = lines[i].text;
        title_line = i;
      }
      blanks = 0;
      continue;
    }
    if (open && (blanks > kBlankLinesMax || static_cast<int>(pending.size()) > kPendingLinesMax)) {
      close();
    }
    if (!open) {
      open = true;
      // Header lines first; label lines after the last of them belong to the first row.
      size_t start = pending.size() > kHeaderLinesMax ? pending.size() - kHeaderLinesMax : 0;
      size_t after = start;
      for (size_t k = start; k < pending.size(); ++k) {
        LineKind above = classify_line(lines[pending[k]]);
        if (above == LineKind::header || above == LineKind::note) after = k + 1;
      }
      table.header.assign(pending.begin() + static_cast<std::ptrdiff_t>(start), pending.begin() + static_cast<std::ptrdiff_t>(after));
      table.lines.assign(pending.begin() + static_cast<std::ptrdiff_t>(after), pending.end());
    } else {
      table.lines.insert(table.lines.end(), pending.begin(), pending.end());
    }
    table.lines.push_back(i);
    pending.clear();
    blanks = 0;
  }
  close();
  return grids;
}

}  // namespace consort::memory

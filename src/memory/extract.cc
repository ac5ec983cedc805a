#include "memory/extract.h"

#include <algorithm>

#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {

Block ExtractedBuilder::add(BlockKind kind, std::string_view text, int level, bool verbatim) {
  std::string clean = verbatim ? std::string(trim(text)) : collapse_space(text);
  Block block{kind, level, out_->text.size(), out_->text.size()};
  if (clean.empty()) return block;
  if (!out_->text.empty()) {
    bool rows = kind == BlockKind::row && !out_->blocks.empty() && out_->blocks.back().kind == BlockKind::row;
    out_->text += rows ? "\n" : "\n\n";
  }
  block.begin = out_->text.size();
  out_->text += clean;
  block.end = out_->text.size();
  out_->blocks.push_back(block);
  return block;
}

Block ExtractedBuilder::add_row(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) {
    if (&cell != &cells.front()) line += " | ";
    line += collapse_space(cell);
  }
  return add(BlockKind::row, line);
}

void ExtractedBuilder::finish() {
  if (!out_->text.empty()) out_->pages = {PageSpan{std::nullopt, 0, out_->text.size()}};
}

std::optional<Grid> grid_from_cells(const std::vector<std::vector<std::string>>& cells,
                                    const std::vector<Block>& ranges, int n_header_rows,
                                    std::string title) {
  if (cells.size() < 2) return std::nullopt;
  size_t width = 0;
  for (const auto& row : cells) width = std::max(width, row.size());
  if (width < 2) return std::nullopt;
  Grid grid;
  grid.title = std::move(title);
  grid.note = grid.title;
  grid.columns.resize(width - 1);
  size_t first = std::max(n_header_rows, 0);
  for (size_t r = 0; r < first && r < cells.size(); ++r) {
    if (!cells[r].empty()) grid.label_header += (r > 0 ? " " : "") + collapse_space(cells[r][0]);
    for (size_t c = 1; c < cells[r].size(); ++c) {
      auto& column = grid.columns[c - 1];
      std::string text = collapse_space(cells[r][c]);
      if (!column.empty() && !text.empty()) column += ' ';
      column += text;
    }
  }
  if (!grid.label_header.empty()) grid.note += " " + grid.label_header;
  bool any = false;
  std::vector<std::string> parents;
  for (size_t r = first; r < cells.size(); ++r) {
    GridRow row;
    row.begin = ranges[r].begin;
    row.end = ranges[r].end;
    if (!cells[r].empty()) row.label = collapse_space(cells[r][0]);
    row.cells.resize(width - 1);
    bool numbers = false, filled = false;
    for (size_t c = 1; c < cells[r].size(); ++c) {
      row.cells[c - 1] = collapse_space(cells[r][c]);
      filled |= !row.cells[c - 1].empty();
      numbers |= parse_number(row.cells[c - 1]).has_value();
    }
    if (!filled) {
      parents = row.label.empty() ? std::vector<std::string>{} : std::vector<std::string>{row.label};
      continue;
    }
    any |= numbers;
    row.parents = parents;
    grid.rows.push_back(std::move(row));
  }
  if (!any) return std::nullopt;
  return grid;
}

}  // namespace consort::memory

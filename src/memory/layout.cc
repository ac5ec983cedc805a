#include "memory/layout.h"

#include <algorithm>
#include <cctype>

#include "memory/layout_table.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

bool is_page_mark(std::string_view text) {
  if (text.size() > 40) return false;
  std::string low = lower_ascii(text);
  if (low == "table of contents") return true;
  size_t digits = 0, other = 0;
  for (char c : low) {
    digits += std::isdigit(static_cast<unsigned char>(c)) != 0;
    other += !std::isdigit(static_cast<unsigned char>(c)) && c != ' ' && c != '-' && c != '|' && c != 'f';
  }
  return digits > 0 && digits <= 4 && (other == 0 || low.starts_with("page "));
}

// Page numbers and running heads stand in the first or last lines of a page.
std::vector<bool> furniture_of(const std::vector<LayoutLine>& lines) {
  std::vector<bool> out(lines.size());
  auto mark = [&](auto range_begin, auto range_end, auto step) {
    int seen = 0;
    for (auto i = range_begin; i != range_end && seen < 3; i += step) {
      if (lines[static_cast<size_t>(i)].is_blank()) continue;
      ++seen;
      if (is_page_mark(lines[static_cast<size_t>(i)].text)) out[static_cast<size_t>(i)] = true;
    }
  };
  auto n = static_cast<std::ptrdiff_t>(lines.size());
  mark(std::ptrdiff_t{0}, n, std::ptrdiff_t{1});
  mark(n - 1, std::ptrdiff_t{-1}, std::ptrdiff_t{-1});
  return out;
}

int heading_level(std::string_view text) {
  std::string low = lower_ascii(text);
  if (low.starts_with("part ") && text.size() < 12) return 1;
  if (low.starts_with("item ") || low.starts_with("note ")) return 2;
  bool upper = std::none_of(text.begin(), text.end(), [](char c) { return std::islower(static_cast<unsigned char>(c)); });
  return upper ? 3 : 4;
}

// Blocks of one page from its lines.
void add_blocks(const std::vector<LayoutLine>& lines, const std::vector<bool>& furniture, Extracted* out) {
  auto& blocks = out->blocks;
  size_t first_block = blocks.size();
  bool after_blank = true;
  for (size_t i = 0; i < lines.size(); ++i) {
    const LayoutLine& line = lines[i];
    if (line.is_blank()) {
      after_blank = true;
      continue;
    }
    LineKind kind = classify_line(line);
    uint64_t begin = line.begin;
    bool same_page = blocks.size() > first_block;
    if (furniture[i]) {
      blocks.push_back({BlockKind::furniture, 0, begin, line.end});
    } else if (kind == LineKind::row) {
      // A label that wraps stays with its numbers.
      bool wraps = same_page && !after_blank && blocks.back().kind == BlockKind::row && !line.label.empty() &&
                   std::islower(static_cast<unsigned char>(line.label[0]));
      if (wraps) {
        blocks.back().end = line.end;
      } else {
        blocks.push_back({BlockKind::row, 0, begin, line.end});
      }
    } else if (kind == LineKind::header || kind == LineKind::note) {
      blocks.push_back({BlockKind::row, 0, begin, line.end});
    } else if (kind == LineKind::heading && (after_blank || i + 1 == lines.size() || lines[i + 1].is_blank()) &&
               line.text.size() < 100) {
      blocks.push_back({BlockKind::heading, heading_level(line.text), begin, line.end});
    } else if (i + 1 < lines.size() && lines[i + 1].is_row()) {
      blocks.push_back({BlockKind::row, 0, begin, line.end});
    } else if (same_page && !after_blank && blocks.back().kind == BlockKind::paragraph) {
      blocks.back().end = line.end;
    } else {
      blocks.push_back({BlockKind::paragraph, 0, begin, line.end});
    }
    after_blank = false;
  }
}

// A table that goes on over the page break without repeating its header.
void continue_table(const Grid& above, size_t page_index, Grid* grid) {
  bool next = above.page && *above.page == static_cast<int>(page_index);
  bool bare = std::all_of(grid->columns.begin(), grid->columns.end(), [](const auto& c) { return c.empty(); });
  if (!next || !bare || grid->columns.size() < 2 || above.columns.size() != grid->columns.size()) return;
  grid->columns = above.columns;
  if (grid->note.empty()) grid->note = above.note;
  grid->title = above.title;
}

}  // namespace

void analyse_layout(const std::vector<std::string>& pages, bool numbered, Extracted* out) {
  std::string heading;
  for (size_t p = 0; p < pages.size(); ++p) {
    if (p > 0) out->text += '\f';
    uint64_t base = out->text.size();
    out->text += pages[p];
    std::optional<int> number;
    if (numbered) number = static_cast<int>(p) + 1;
    out->pages.push_back({number, base, out->text.size()});
    std::vector<LayoutLine> lines;
    std::string_view page = pages[p];
    for (size_t at = 0; at <= page.size();) {
      size_t feed = std::min(page.find('\n', at), page.size());
      lines.push_back(parse_layout_line(page.substr(at, feed - at), base + at));
      at = feed + 1;
    }
    auto furniture = furniture_of(lines);
    add_blocks(lines, furniture, out);
    for (size_t i = 0; i < lines.size(); ++i) {
      if (furniture[i]) {
        lines[i].indent = -1;
        lines[i].numbers.clear();
      }
    }
    auto grids = grids_of_page(lines, number, heading);
    if (!grids.empty() && !out->grids.empty()) continue_table(out->grids.back(), p, &grids.front());
    for (auto& grid : grids) out->grids.push_back(std::move(grid));
    for (const auto& block : out->blocks) {
      if (block.begin >= base && block.kind == BlockKind::heading && block.level <= 3)
        heading = collapse_space(std::string_view(out->text).substr(block.begin, block.end - block.begin));
    }
  }
}

}  // namespace consort::memory

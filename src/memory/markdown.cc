#include <md4c.h>

#include "memory/markup.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

// Collects md4c's events. `depth` of lists and quotes does not matter here: every leaf is a block.
struct MarkdownReader {
  Extracted* out;
  ExtractedBuilder builder;
  std::string leaf, heading;
  std::vector<std::string> row;
  std::vector<std::vector<std::string>> cells;
  int n_head = 0;
  bool in_table = false;

  explicit MarkdownReader(Extracted* extracted) : out(extracted), builder(extracted) {}

  void flush(BlockKind kind, int level = 0, bool verbatim = false) {
    builder.add(kind, leaf, level, verbatim);
    leaf.clear();
  }
  void end_table() {
    std::vector<Block> ranges;
    for (const auto& r : cells) ranges.push_back(builder.add_row(r));
    if (auto grid = grid_from_cells(cells, ranges, n_head, heading)) out->grids.push_back(std::move(*grid));
    cells.clear();
    n_head = 0;
    in_table = false;
  }
};

int enter_block(MD_BLOCKTYPE type, void*, void* user) {
  auto& r = *static_cast<MarkdownReader*>(user);
  switch (type) {
    case MD_BLOCK_LI: case MD_BLOCK_QUOTE: case MD_BLOCK_UL: case MD_BLOCK_OL:
      r.flush(BlockKind::paragraph);
      break;
    case MD_BLOCK_TABLE:
      r.flush(BlockKind::paragraph);
      r.in_table = true;
      break;
    case MD_BLOCK_TR:
      r.row.clear();
      break;
    case MD_BLOCK_TD: case MD_BLOCK_TH:
      r.leaf.clear();
      break;
    default:
      break;
  }
  return 0;
}

int leave_block(MD_BLOCKTYPE type, void* detail, void* user) {
  auto& r = *static_cast<MarkdownReader*>(user);
  switch (type) {
    case MD_BLOCK_H: {
      auto level = static_cast<int>(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level);
      r.heading = collapse_space(r.leaf);
      if (r.out->title.empty() && level == 1) r.out->title = r.heading;
      r.flush(BlockKind::heading, level);
      break;
    }
    case MD_BLOCK_CODE:
      r.flush(BlockKind::paragraph, 0, true);
      break;
    case MD_BLOCK_P: case MD_BLOCK_LI: case MD_BLOCK_HTML:
      r.flush(BlockKind::paragraph);
      break;
    case MD_BLOCK_TD: case MD_BLOCK_TH:
      r.row.push_back(collapse_space(r.leaf));
      r.leaf.clear();
      break;
    case MD_BLOCK_TR:
      r.cells.push_back(r.row);
      break;
    case MD_BLOCK_THEAD:
      r.n_head = static_cast<int>(r.cells.size());
      break;
    case MD_BLOCK_TABLE:
      r.end_table();
      break;
    default:
      break;
  }
  return 0;
}

int no_span(MD_SPANTYPE, void*, void*) { return 0; }

int on_text(MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* user) {
  auto& r = *static_cast<MarkdownReader*>(user);
  switch (type) {
    case MD_TEXT_BR: case MD_TEXT_SOFTBR:
      r.leaf += ' ';
      break;
    case MD_TEXT_HTML:
      break;
    case MD_TEXT_NULLCHAR:
      r.leaf += "\xEF\xBF\xBD";
      break;
    case MD_TEXT_ENTITY: {
      std::string_view entity(text, size);
      r.leaf += entity == "&amp;" ? "&" : entity == "&lt;" ? "<" : entity == "&gt;" ? ">" : entity == "&quot;" ? "\""
                : entity == "&nbsp;" ? " " : std::string(entity);
      break;
    }
    default:
      r.leaf.append(text, size);
  }
  return 0;
}

}  // namespace

Result<Extracted> read_markdown(const std::string& markdown) {
  Extracted out;
  MarkdownReader reader(&out);
  MD_PARSER parser = {};
  parser.flags = MD_FLAG_TABLES | MD_FLAG_PERMISSIVEAUTOLINKS | MD_FLAG_STRIKETHROUGH;
  parser.enter_block = enter_block;
  parser.leave_block = leave_block;
  parser.enter_span = no_span;
  parser.leave_span = no_span;
  parser.text = on_text;
  if (md_parse(markdown.data(), static_cast<MD_SIZE>(markdown.size()), &parser, &reader) != 0)
    return fail(make_error(ErrorCode::invalid_argument, 5122, "the Markdown cannot be parsed").to_fix("check the file"));
  reader.flush(BlockKind::paragraph);
  reader.builder.finish();
  return out;
}

}  // namespace consort::memory

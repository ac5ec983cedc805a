#include <gumbo.h>

#include <memory>

#include "memory/markup.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

class HtmlReader {
 public:
  explicit HtmlReader(Extracted* out) : out_(out), builder_(out) {}

  bool walk(const GumboNode* node, int depth) {
    if (depth > kMarkupDepthMax) return false;
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE) {
      inline_ += node->v.text.text;
      return true;
    }
    if (node->type != GUMBO_NODE_ELEMENT) return true;
    GumboTag tag = node->v.element.tag;
    switch (tag) {
      case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_NOSCRIPT: case GUMBO_TAG_TEMPLATE:
      case GUMBO_TAG_NAV: case GUMBO_TAG_SVG: case GUMBO_TAG_IFRAME: case GUMBO_TAG_OBJECT:
        return true;
      case GUMBO_TAG_TITLE:
        out_->title = collapse_space(text_of(node, 0));
        return true;
      case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6: {
        flush();
        std::string text = text_of(node, 0);
        heading_ = collapse_space(text);
        builder_.add(BlockKind::heading, text, static_cast<int>(tag) - static_cast<int>(GUMBO_TAG_H1) + 1);
        return true;
      }
      case GUMBO_TAG_TABLE:
        flush();
        return table(node, depth);
      case GUMBO_TAG_BR:
        inline_ += ' ';
        return true;
      case GUMBO_TAG_PRE: {
        flush();
        builder_.add(BlockKind::paragraph, text_of(node, 0), 0, true);
        return true;
      }
      default:
        break;
    }
    bool block = is_block(tag);
    if (block) flush();
    if (!children(node, depth)) return false;
    if (block) flush();
    return true;
  }

  void flush() {
    builder_.add(BlockKind::paragraph, inline_);
    inline_.clear();
  }
  void finish() {
    flush();
    builder_.finish();
  }

 private:
  static bool is_block(GumboTag tag) {
    switch (tag) {
      case GUMBO_TAG_P: case GUMBO_TAG_DIV: case GUMBO_TAG_LI: case GUMBO_TAG_UL: case GUMBO_TAG_OL:
      case GUMBO_TAG_SECTION: case GUMBO_TAG_ARTICLE: case GUMBO_TAG_HEADER: case GUMBO_TAG_FOOTER:
      case GUMBO_TAG_MAIN: case GUMBO_TAG_ASIDE: case GUMBO_TAG_BLOCKQUOTE: case GUMBO_TAG_DL: case GUMBO_TAG_DT:
      case GUMBO_TAG_DD: case GUMBO_TAG_FIGURE: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_HR: case GUMBO_TAG_BODY:
      case GUMBO_TAG_FORM: case GUMBO_TAG_ADDRESS:
        return true;
      default:
        return false;
    }
  }

  bool children(const GumboNode* node, int depth) {
    const GumboVector& list = node->v.element.children;
    for (unsigned i = 0; i < list.length; ++i) {
      if (!walk(static_cast<const GumboNode*>(list.data[i]), depth + 1)) return false;
    }
    return true;
  }

  static std::string text_of(const GumboNode* node, int depth) {
    if (depth > kMarkupDepthMax) return {};
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA)
      return node->v.text.text;
    std::string out;
    if (node->type != GUMBO_NODE_ELEMENT) return out;
    GumboTag tag = node->v.element.tag;
    if (tag == GUMBO_TAG_SCRIPT || tag == GUMBO_TAG_STYLE) return out;
    if (tag == GUMBO_TAG_BR) return " ";
    const GumboVector& list = node->v.element.children;
    for (unsigned i = 0; i < list.length; ++i) out += text_of(static_cast<const GumboNode*>(list.data[i]), depth + 1);
    return out;
  }

  static int span_of(const GumboNode* cell) {
    const GumboAttribute* attribute = gumbo_get_attribute(&cell->v.element.attributes, "colspan");
    int n = attribute != nullptr ? std::atoi(attribute->value) : 1;
    return n < 1 ? 1 : n > 100 ? 100 : n;
  }

  void rows_of(const GumboNode* node, int depth, bool in_head) {
    if (depth > kMarkupDepthMax) return;
    const GumboVector& list = node->v.element.children;
    for (unsigned i = 0; i < list.length; ++i) {
      const auto* child = static_cast<const GumboNode*>(list.data[i]);
      if (child->type != GUMBO_NODE_ELEMENT) continue;
      GumboTag tag = child->v.element.tag;
      if (tag == GUMBO_TAG_CAPTION) {
        caption_ = collapse_space(text_of(child, 0));
      } else if (tag == GUMBO_TAG_THEAD || tag == GUMBO_TAG_TBODY || tag == GUMBO_TAG_TFOOT) {
        rows_of(child, depth + 1, tag == GUMBO_TAG_THEAD);
      } else if (tag == GUMBO_TAG_TR) {
        std::vector<std::string> row;
        bool all_head = true;
        const GumboVector& cells = child->v.element.children;
        for (unsigned k = 0; k < cells.length; ++k) {
          const auto* cell = static_cast<const GumboNode*>(cells.data[k]);
          if (cell->type != GUMBO_NODE_ELEMENT) continue;
          if (cell->v.element.tag != GUMBO_TAG_TD && cell->v.element.tag != GUMBO_TAG_TH) continue;
          all_head &= cell->v.element.tag == GUMBO_TAG_TH;
          std::string text = collapse_space(text_of(cell, 0));
          // A header over several columns is repeated over each; a value stands in its first.
          int span = span_of(cell);
          for (int s = 0; s < span; ++s) row.push_back(s == 0 || in_head || all_head ? text : "");
        }
        if (row.empty()) continue;
        if ((in_head || all_head) && static_cast<size_t>(n_head_) == cells_.size()) ++n_head_;
        cells_.push_back(std::move(row));
      }
    }
  }

  bool table(const GumboNode* node, int depth) {
    cells_.clear();
    caption_.clear();
    n_head_ = 0;
    rows_of(node, depth, false);
    if (!caption_.empty()) builder_.add(BlockKind::paragraph, caption_);
    std::vector<Block> ranges;
    for (const auto& row : cells_) ranges.push_back(builder_.add_row(row));
    std::string title = caption_.empty() ? heading_ : heading_.empty() ? caption_ : heading_ + ": " + caption_;
    if (auto grid = grid_from_cells(cells_, ranges, n_head_, title)) out_->grids.push_back(std::move(*grid));
    return true;
  }

  Extracted* out_;
  ExtractedBuilder builder_;
  std::string inline_, heading_, caption_;
  std::vector<std::vector<std::string>> cells_;
  int n_head_ = 0;
};

}  // namespace

Result<Extracted> read_html(const std::string& html) {
  GumboOptions options = kGumboDefaultOptions;
  options.max_errors = 0;
  std::unique_ptr<GumboOutput, void (*)(GumboOutput*)> parsed(
      gumbo_parse_with_options(&options, html.data(), html.size()),
      [](GumboOutput* output) { gumbo_destroy_output(&kGumboDefaultOptions, output); });
  Extracted out;
  HtmlReader reader(&out);
  if (parsed == nullptr || !reader.walk(parsed->root, 0))
    return fail(make_error(ErrorCode::resource_exhausted, 5121, "HTML nested deeper than " + std::to_string(kMarkupDepthMax))
                    .to_fix("simplify the page"));
  reader.finish();
  return out;
}

}  // namespace consort::memory

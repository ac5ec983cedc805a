#include "memory/chunk.h"

#include <algorithm>

#include "memory/text.h"

namespace consort::memory {
namespace {

// Ends of the sentences of text[begin, end), the last one being `end`.
std::vector<uint64_t> sentence_ends(std::string_view text, uint64_t begin, uint64_t end) {
  std::vector<uint64_t> out;
  for (uint64_t i = begin; i + 1 < end; ++i) {
    bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    bool space = text[i + 1] == ' ' || text[i + 1] == '\n';
    if (!stop || !space) continue;
    uint64_t next = text.find_first_not_of(" \n", i + 1);
    // "Inc. and", "U.S. stores": a small letter goes on with the sentence.
    if (next < end && !(text[next] >= 'a' && text[next] <= 'z')) out.push_back(i + 1);
  }
  if (out.empty() || out.back() != end) out.push_back(end);
  return out;
}

class Cutter {
 public:
  Cutter(const Extracted& document, const ChunkOptions& options) : d_(document), options_(options) {}

  std::vector<Chunk> run() {
    size_t b = 0;
    for (const auto& page : d_.pages) {
      page_ = &page;
      for (; b < d_.blocks.size() && d_.blocks[b].begin < std::max(page.end, page.begin + 1); ++b) block(d_.blocks[b]);
      flush();
    }
    return std::move(chunks_);
  }

 private:
  std::string_view view(uint64_t begin, uint64_t end) const { return std::string_view(d_.text).substr(begin, end - begin); }

  void block(const Block& block) {
    if (block.kind == BlockKind::furniture) return;
    std::string_view text = view(block.begin, block.end);
    int words = count_words(text);
    if (words == 0) return;
    if (block.kind == BlockKind::heading) {
      if (words_ >= 80 || (words_ > 0 && block.level <= 2)) flush();
      push_heading(block.level, collapse_space(text));
      extend(block.begin, block.end, words, true, false);
      return;
    }
    bool row = block.kind == BlockKind::row;
    int target = row && rows_only_ ? options_.table_words_target : options_.words_target;
    if (words_ > 0 && (words_ + words > options_.words_max || words_ >= target)) flush();
    if (!row && words > options_.words_max) {
      cut_paragraph(block);
    } else {
      extend(block.begin, block.end, words, false, row);
    }
  }

  void cut_paragraph(const Block& block) {
    uint64_t from = block.begin, previous = block.begin;
    for (uint64_t end : sentence_ends(d_.text, block.begin, block.end)) {
      uint64_t begin = std::min(end, static_cast<uint64_t>(d_.text.find_first_not_of(" \n", from)));
      int words = count_words(view(begin, end));
      if (words_ > 0 && words_ + words > options_.words_target) {
        flush();
        int overlap = count_words(view(previous, from));
        if (previous < from && overlap <= options_.overlap_words_max) extend(previous, from, 0, false, false);
      }
      // One sentence longer than a passage: cut between words.
      while (words > options_.words_max) {
        uint64_t cut = begin;
        for (int n = 0; n < options_.words_target; ++n) cut = d_.text.find_first_of(" \n", d_.text.find_first_not_of(" \n", cut));
        extend(begin, cut, options_.words_target, false, false);
        flush();
        begin = d_.text.find_first_not_of(" \n", cut);
        words -= options_.words_target;
      }
      extend(begin, end, words, false, false);
      previous = begin;
      from = end;
    }
  }

  void push_heading(int level, std::string text) {
    while (!path_.empty() && path_.back().first >= level) path_.pop_back();
    path_.emplace_back(level, cut_utf8(text, 120));
  }

  std::string path() const {
    std::string out;
    for (const auto& [level, text] : path_) out += (out.empty() ? "" : " > ") + text;
    return out;
  }

  void extend(uint64_t begin, uint64_t end, int words, bool heading, bool row) {
    if (!open_) {
      open_ = true;
      chunk_ = Chunk{page_->number, "", begin, end, page_->begin};
      rows_only_ = true;
    }
    chunk_.end = end;
    if (!heading) {
      if (!has_body_) chunk_.heading = path();
      has_body_ = true;
      rows_only_ &= row;
    }
    words_ += words;
  }

  void flush() {
    if (open_) {
      if (chunk_.heading.empty()) chunk_.heading = path();
      // Trim: blocks of laid-out text start at their line's indentation.
      std::string_view text = view(chunk_.begin, chunk_.end);
      std::string_view inner = trim(text);
      if (!inner.empty()) {
        chunk_.begin += static_cast<uint64_t>(inner.data() - text.data());
        chunk_.end = chunk_.begin + inner.size();
        chunks_.push_back(chunk_);
      }
    }
    open_ = has_body_ = false;
    rows_only_ = true;
    words_ = 0;
  }

  const Extracted& d_;
  ChunkOptions options_;
  const PageSpan* page_ = nullptr;
  std::vector<std::pair<int, std::string>> path_;
  std::vector<Chunk> chunks_;
  Chunk chunk_;
  bool open_ = false, has_body_ = false, rows_only_ = true;
  int words_ = 0;
};

}  // namespace

std::vector<Chunk> cut_passages(const Extracted& document, const ChunkOptions& options) {
  return Cutter(document, options).run();
}

}  // namespace consort::memory

// SentencePiece BPE as llama.cpp reads it (GGUF `llama`: Gemma, Llama 2): characters are joined as
// long as the pair's text is a token, best score first, leftmost first; characters outside the
// vocabulary fall back to byte tokens.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/unicode.h"
#include "model/vocabulary_table.h"

namespace consort::model {
namespace {

constexpr std::string_view kBlank = "\xe2\x96\x81";  // U+2581 stands for a space.

// "<0x0A>" -> 10, else -1.
int byte_of(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string_view::npos;
       at = found + from.size())
    out.append(text.substr(at, found - at)).append(to);
  return out.append(text.substr(at));
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(VocabularyTable table, std::vector<float> scores, bool add_space_prefix)
      : table_(std::move(table)), scores_(std::move(scores)), add_space_prefix_(add_space_prefix) {
    bytes_.fill(-1);
    pieces_.resize(table_.texts.size());
    for (size_t id = 0; id < pieces_.size(); ++id) {
      const std::string& text = table_.texts[id];
      const int byte = table_.kinds[id] == TokenKind::byte ? byte_of(text) : -1;
      if (byte >= 0) {
        bytes_[byte] = static_cast<int32_t>(id);
        pieces_[id] = std::string(1, static_cast<char>(byte));
      } else {
        pieces_[id] = table_.kinds[id] == TokenKind::normal ? replace_all(text, kBlank, " ") : text;
      }
    }
  }

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      const EncodeOptions& options) const override;
  std::string_view piece(int32_t id) const override { return pieces_[id]; }
  size_t n_vocab() const override { return table_.texts.size(); }
  bool is_special(int32_t id) const override { return table_.is_special(id); }
  const SpecialTokens& special() const override { return table_.special; }
  const std::vector<int32_t>& end_tokens() const override { return table_.end_tokens; }
  std::optional<int32_t> find(std::string_view text) const override {
    const int32_t id = table_.find(text);
    return id < 0 ? std::nullopt : std::optional(id);
  }

 private:
  struct Symbol {
    size_t offset, bytes;  // bytes 0: merged away.
    int32_t previous, next;
  };
  struct Candidate {
    float score;
    int32_t left, right;
    size_t bytes;
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  void encode_text(std::string_view text, std::vector<int32_t>& out) const;

  VocabularyTable table_;
  std::vector<float> scores_;
  bool add_space_prefix_;
  std::array<int32_t, 256> bytes_{};
  std::vector<std::string> pieces_;
};

void SentencePieceTokenizer::encode_text(std::string_view text, std::vector<int32_t>& out) const {
  std::vector<Symbol> symbols;
  symbols.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t wanted = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const size_t n = std::min(wanted, text.size() - at);
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({at, n, index - 1, index + 1});
    at += n;
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  std::vector<Candidate> heap;
  const auto push = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const size_t bytes = symbols[left].bytes + symbols[right].bytes;
    const int32_t id = table_.find(text.substr(symbols[left].offset, bytes));
    if (id < 0) return;
    heap.push_back({scores_[id], left, right, bytes});
    std::push_heap(heap.begin(), heap.end());
  };
  for (int32_t i = 1; i < static_cast<int32_t>(symbols.size()); ++i) push(i - 1, i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[best.left], &right = symbols[best.right];
    if (left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != best.bytes) continue;
    left.bytes += right.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (right.next >= 0) symbols[right.next].previous = best.left;
    push(left.previous, best.left);
    push(best.left, left.next);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) {
    const std::string_view part = text.substr(symbols[i].offset, symbols[i].bytes);
    if (const int32_t id = table_.find(part); id >= 0) {
      out.push_back(id);
      continue;
    }
    for (const char c : part) {
      const int32_t id = bytes_[static_cast<uint8_t>(c)];
      if (id >= 0)
        out.push_back(id);
      else if (table_.special.unk >= 0)
        out.push_back(table_.special.unk);
    }
  }
}

Result<std::vector<int32_t>> SentencePieceTokenizer::encode(std::string_view text,
                                                            const EncodeOptions& options) const {
  if (text.size() > kTextBytesMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 3304,
                           fmt::format("a text of more than {} bytes", kTextBytesMax))
                    .got(std::to_string(text.size()))
                    .to_fix("split the text"));
  }
  std::vector<int32_t> out;
  if (options.add_special && table_.add_bos) out.push_back(table_.special.bos);
  bool after_special = true;
  for (const auto& fragment : table_.split(text, options.parse_special)) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      after_special = true;
      continue;
    }
    std::string plain = add_space_prefix_ && after_special ? " " : "";
    plain.append(fragment.text);
    encode_text(replace_all(plain, " ", kBlank), out);
    after_special = false;
  }
  if (options.add_special && table_.add_eos) out.push_back(table_.special.eos);
  return out;
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_sentencepiece(const GgufFile& file,
                                                            VocabularyTable table) {
  CONSORT_ASSIGN(auto scores, file.get_f32_array("tokenizer.ggml.scores"));
  const bool finite =
      std::all_of(scores.begin(), scores.end(), [](float s) { return !std::isnan(s); });
  if (scores.size() != table.texts.size() || !finite) {
    return fail(make_error(ErrorCode::corruption, 3301,
                           fmt::format("{} scores for {} tokens, or a score that is no number",
                                       scores.size(), table.texts.size()))
                    .at(file.name())
                    .to_fix("convert the model again with a current converter"));
  }
  CONSORT_ASSIGN(table.add_bos, file.get_bool_or("tokenizer.ggml.add_bos_token", true));
  CONSORT_ASSIGN(const bool prefix, file.get_bool_or("tokenizer.ggml.add_space_prefix", true));
  if ((table.add_bos && table.special.bos < 0) || (table.add_eos && table.special.eos < 0)) {
    return fail(make_error(ErrorCode::corruption, 3301,
                           "a token is to be added that the file does not name")
                    .at(file.name())
                    .to_fix("convert the model again with a current converter"));
  }
  return std::unique_ptr<const Tokenizer>(
      std::make_unique<SentencePieceTokenizer>(std::move(table), std::move(scores), prefix));
}

}  // namespace consort::model

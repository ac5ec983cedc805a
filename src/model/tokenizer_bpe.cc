// Byte-level BPE (GPT-2; Sennrich et al., 2016): the bytes of each pre-token are merged pair by
// pair, lowest rank first, leftmost first. A heap over a linked list, so O(n log n) even for a word
// of a megabyte.
#include <fmt/format.h>

#include <queue>

#include "model/pre_tokenizer.h"
#include "model/unicode.h"
#include "model/vocabulary_table.h"

namespace consort::model {
namespace {

// GPT-2's printable stand-in for each byte: itself where it is printable Latin-1, else from U+0100
// on.
std::array<uint32_t, 256> byte_characters() {
  std::array<uint32_t, 256> table{};
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool shown = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    table[b] = shown ? b : next++;
  }
  return table;
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(VocabularyTable table, PreTokenizer pre, bool ignore_merges)
      : table_(std::move(table)), pre_(pre), ignore_merges_(ignore_merges) {}

  Result<void> read_merges(const GgufFile& file);
  void make_pieces();

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
  struct Merge {
    uint32_t rank;
    int32_t result;
  };
  // A stretch of the word; merged-away symbols have id kGone.
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // Index in the word, -1 at its ends.
  };
  struct Candidate {
    uint32_t rank;
    int32_t left;
    int32_t left_id, right_id;
    bool operator<(const Candidate& other) const {  // For a max-heap: the best is the greatest.
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };
  static constexpr int32_t kGone = -1;

  static uint64_t pair_key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  // Symbol of a text: the token's id, or a number past the vocabulary for texts that only merges
  // know.
  int32_t intern(std::string_view text);
  void push_candidate(Scratch& scratch, int32_t left) const;
  void encode_word(std::string_view bytes, Scratch& scratch, std::vector<int32_t>& out) const;
  void encode_text(std::string_view text, Scratch& scratch, std::vector<int32_t>& out) const;
  void emit(int32_t symbol, std::vector<int32_t>& out) const;

  VocabularyTable table_;
  PreTokenizer pre_;
  bool ignore_merges_;
  std::array<int32_t, 256> byte_symbols_{};
  std::unordered_map<uint64_t, Merge> merges_;
  std::vector<std::pair<int32_t, int32_t>>
      extra_;  // Parts of the symbols past the vocabulary; -1 for a byte.
  std::unordered_map<std::string, int32_t> extra_ids_;
  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, int32_t> ids_by_piece_;  // Only with ignore_merges.
};

int32_t BpeTokenizer::intern(std::string_view text) {
  const int32_t id = table_.find(text);
  if (id >= 0) return id;
  const auto next = static_cast<int32_t>(table_.texts.size() + extra_.size());
  const auto [at, added] = extra_ids_.try_emplace(std::string(text), next);
  if (added) extra_.push_back({-1, -1});
  return at->second;
}

Result<void> BpeTokenizer::read_merges(const GgufFile& file) {
  const auto characters = byte_characters();
  for (int b = 0; b < 256; ++b) {
    std::string text;
    append_utf8(characters[b], text);
    byte_symbols_[b] = intern(text);
  }
  CONSORT_ASSIGN(const auto merges, file.get_string_array("tokenizer.ggml.merges"));
  merges_.reserve(merges.size());
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const size_t space = merge.find(' ', 1);
    if (merge.empty() || space == std::string_view::npos || space + 1 == merge.size()) {
      return fail(
          make_error(ErrorCode::corruption, 3301, fmt::format("merge {} is not two symbols", rank))
              .at(file.name())
              .got(merge)
              .to_fix("convert the model again with a current converter"));
    }
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const int32_t left_id = intern(left), right_id = intern(right), result = intern(joined);
    if (const size_t at = result - table_.texts.size();
        result >= static_cast<int32_t>(table_.texts.size()))
      extra_[at] = {left_id, right_id};
    merges_.emplace(pair_key(left_id, right_id), Merge{static_cast<uint32_t>(rank), result});
  }
  return {};
}

void BpeTokenizer::make_pieces() {
  const auto characters = byte_characters();
  std::unordered_map<uint32_t, uint8_t> bytes;
  for (int b = 0; b < 256; ++b) bytes[characters[b]] = static_cast<uint8_t>(b);
  pieces_.resize(table_.texts.size());
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const std::string& text = table_.texts[id];
    if (table_.kinds[id] != TokenKind::normal && table_.kinds[id] != TokenKind::unused) {
      pieces_[id] = text;
      continue;
    }
    for (size_t at = 0; at < text.size();) {
      const LenientChar c = decode_lenient(std::string_view(text).substr(at));
      const auto found = bytes.find(c.code_point);
      if (found != bytes.end())
        pieces_[id] += static_cast<char>(found->second);
      else
        pieces_[id].append(text, at, c.bytes);
      at += c.bytes;
    }
  }
  if (ignore_merges_)
    for (size_t id = 0; id < pieces_.size(); ++id)
      if (!table_.is_special(static_cast<int32_t>(id)))
        ids_by_piece_.emplace(pieces_[id], static_cast<int32_t>(id));
}

void BpeTokenizer::push_candidate(Scratch& scratch, int32_t left) const {
  if (left < 0) return;
  const Symbol& symbol = scratch.symbols[left];
  if (symbol.next < 0) return;
  const int32_t right_id = scratch.symbols[symbol.next].id;
  const auto found = merges_.find(pair_key(symbol.id, right_id));
  if (found == merges_.end()) return;
  scratch.heap.push_back({found->second.rank, left, symbol.id, right_id});
  std::push_heap(scratch.heap.begin(), scratch.heap.end());
}

// A symbol that is no token falls apart into the parts that its merge joined. A byte without a
// token is left out, as the reference does: SmolLM2 has none for six control characters and the
// lead bytes of unassigned planes.
void BpeTokenizer::emit(int32_t symbol, std::vector<int32_t>& out) const {
  std::vector<int32_t> open = {symbol};
  const auto n = static_cast<int32_t>(table_.texts.size());
  while (!open.empty()) {
    const int32_t top = open.back();
    open.pop_back();
    if (top < n) {
      out.push_back(top);
      continue;
    }
    const auto [left, right] = extra_[top - n];
    if (left < 0) continue;
    open.push_back(right);
    open.push_back(left);
  }
}

void BpeTokenizer::encode_word(std::string_view bytes, Scratch& scratch,
                               std::vector<int32_t>& out) const {
  if (ignore_merges_) {
    if (const auto whole = ids_by_piece_.find(bytes); whole != ids_by_piece_.end()) {
      out.push_back(whole->second);
      return;
    }
  }
  auto& symbols = scratch.symbols;
  symbols.resize(bytes.size());
  const auto n = static_cast<int32_t>(bytes.size());
  for (int32_t i = 0; i < n; ++i)
    symbols[i] = {byte_symbols_[static_cast<uint8_t>(bytes[i])], i - 1, i + 1 < n ? i + 1 : -1};
  scratch.heap.clear();
  for (int32_t i = 0; i + 1 < n; ++i) push_candidate(scratch, i);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    const Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol& left = symbols[best.left];
    if (left.id != best.left_id || left.next < 0 || symbols[left.next].id != best.right_id)
      continue;
    Symbol& right = symbols[left.next];
    left.id = merges_.find(pair_key(best.left_id, best.right_id))->second.result;
    right.id = kGone;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.left;
    push_candidate(scratch, left.previous);
    push_candidate(scratch, best.left);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) emit(symbols[i].id, out);
}

void BpeTokenizer::encode_text(std::string_view text, Scratch& scratch,
                               std::vector<int32_t>& out) const {
  std::vector<uint32_t> code_points;
  code_points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const LenientChar c = decode_lenient(text.substr(at));
    code_points.push_back(c.code_point);
    at += c.bytes;
  }
  std::string word;
  size_t at = 0;
  for (const uint32_t length : pre_tokenize(pre_, code_points)) {
    word.clear();
    for (uint32_t i = 0; i < length; ++i) append_utf8(code_points[at + i], word);
    at += length;
    encode_word(word, scratch, out);
  }
}

Result<std::vector<int32_t>> BpeTokenizer::encode(std::string_view text,
                                                  const EncodeOptions& options) const {
  if (text.size() > kTextBytesMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 3304,
                           fmt::format("a text of more than {} bytes", kTextBytesMax))
                    .got(std::to_string(text.size()))
                    .to_fix("split the text"));
  }
  std::vector<int32_t> out;
  Scratch scratch;
  if (options.add_special && table_.add_bos) out.push_back(table_.special.bos);
  for (const auto& fragment : table_.split(text, options.parse_special)) {
    if (fragment.token >= 0)
      out.push_back(fragment.token);
    else
      encode_text(fragment.text, scratch, out);
  }
  if (options.add_special && table_.add_eos) out.push_back(table_.special.eos);
  return out;
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_bpe(const GgufFile& file, VocabularyTable table) {
  CONSORT_ASSIGN(const std::string_view name, file.get_string_or("tokenizer.ggml.pre", "gpt-2"));
  const auto pre = pre_tokenizer_of(name);
  if (!pre) {
    return fail(make_error(ErrorCode::unsupported, 3302, "a pre-tokenizer that is not implemented")
                    .at(file.name())
                    .got(name)
                    .to_fix("use a model with one of gpt-2, smollm, llama-bpe, qwen2"));
  }
  const bool llama3 = *pre == PreTokenizer::llama3;
  CONSORT_ASSIGN(table.add_bos, file.get_bool_or("tokenizer.ggml.add_bos_token", llama3));
  if ((table.add_bos && table.special.bos < 0) || (table.add_eos && table.special.eos < 0)) {
    return fail(make_error(ErrorCode::corruption, 3301,
                           "a token is to be added that the file does not name")
                    .at(file.name())
                    .to_fix("convert the model again with a current converter"));
  }
  auto tokenizer = std::make_unique<BpeTokenizer>(std::move(table), *pre, llama3);
  CONSORT_TRY(tokenizer->read_merges(file));
  tokenizer->make_pieces();
  return std::unique_ptr<const Tokenizer>(std::move(tokenizer));
}

}  // namespace consort::model

// VocabularyTable: the token table of a GGUF decoder, shared by the BPE and SentencePiece
// tokenizers: texts, kinds, special ids, and the cutting of a text at tokens that are matched
// before anything else.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace consort::model {

// tokenizer.ggml.token_type
enum class TokenKind : uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct VocabularyTable {
  static Result<VocabularyTable> read(const GgufFile& file);
  VocabularyTable(VocabularyTable&&) = default;  // Not copied: `ids` views `texts`.
  VocabularyTable& operator=(VocabularyTable&&) = default;

  std::vector<std::string> texts;
  std::vector<TokenKind> kinds;
  std::unordered_map<std::string_view, int32_t> ids;  // Later duplicates do not replace the first.
  SpecialTokens special;
  std::vector<int32_t> end_tokens;
  bool add_bos = false;
  bool add_eos = false;

  int32_t find(std::string_view text) const;  // -1 when absent.
  bool is_special(int32_t id) const {
    return kinds[id] == TokenKind::control || kinds[id] == TokenKind::unknown;
  }

  // A stretch of plain text (token < 0), or one token.
  struct Fragment {
    std::string_view text;
    int32_t token = -1;
  };
  // Cuts at user-defined tokens, and at control tokens if asked: leftmost first, longest first.
  std::vector<Fragment> split(std::string_view text, bool parse_special) const;

 private:
  VocabularyTable() = default;
  // Lengths of matchable tokens by first byte, longest first.
  std::array<std::vector<uint32_t>, 256> lengths_with_control_;
  std::array<std::vector<uint32_t>, 256> lengths_user_;
};

Result<std::unique_ptr<const Tokenizer>> make_bpe(const GgufFile& file, VocabularyTable table);
Result<std::unique_ptr<const Tokenizer>> make_sentencepiece(const GgufFile& file,
                                                            VocabularyTable table);

}  // namespace consort::model

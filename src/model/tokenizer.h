// Tokenizer: text to token ids and back, as the model was trained (docs/formats/tokenizer.md).
//
// Three kinds: byte-level BPE (GGUF `gpt2`: SmolLM2, GPT-2, Llama 3, Qwen 2), SentencePiece BPE
// (GGUF `llama`: Gemma, Llama 2) and WordPiece (BERT's tokenizer.json). Ids equal the reference
// implementation's (llama.cpp for GGUF, Hugging Face tokenizers for WordPiece).
//
// Invalid UTF-8, GGUF kinds: each byte that does not start or continue a well-formed sequence is
// read as U+FFFD, as llama.cpp does. WordPiece: refused, invalid_argument 3307 with the byte offset
// (the reference takes Unicode strings only).
//
// Errors: corruption 3301 (tables do not fit together), unsupported 3302 (kind or pre-tokenizer,
// named), invalid_argument 3303 (id outside the vocabulary), resource_exhausted 3304 (text beyond
// text_bytes_max).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::model {

class GgufFile;

struct EncodeOptions {
  bool add_special = false;  // BOS/EOS or [CLS]/[SEP], where the model's file asks for them.
  bool parse_special =
      false;  // "<|im_end|>" in the text becomes the one token, not its characters. Only for
              // prompts that this program rendered, never for text from outside.
  size_t tokens_max = 0;  // WordPiece: cut to this many ids, specials kept (the encoder's context),
                          // 0 = no cut. Decoders never cut: the engine refuses instead.
};

// -1 where the model has none.
struct SpecialTokens {
  int32_t bos = -1;
  int32_t eos = -1;
  int32_t eot = -1;  // End of turn, when it differs from eos.
  int32_t unk = -1;
  int32_t pad = -1;
  int32_t cls = -1;
  int32_t sep = -1;
  int32_t mask = -1;
};

// Immutable after loading; all methods are thread-safe.
class Tokenizer {
 public:
  static constexpr size_t kTextBytesMax = 256u << 20;

  virtual ~Tokenizer() = default;
  virtual Result<std::vector<int32_t>> encode(std::string_view text,
                                              const EncodeOptions& options = {}) const = 0;
  // Bytes of the tokens put together; may be cut inside a UTF-8 sequence at either end (see
  // Utf8Stream). Special tokens give nothing unless `with_special`. Error 3303.
  virtual Result<std::string> decode(std::span<const int32_t> ids, bool with_special = false) const;
  // Raw bytes that token `id` stands for when decoded; the literal text for a special token. `id`
  // must be in [0, n_vocab()). Lives as long as the tokenizer.
  virtual std::string_view piece(int32_t id) const = 0;
  virtual size_t n_vocab() const = 0;
  // Control tokens: never produced from plain text, never shown.
  virtual bool is_special(int32_t id) const = 0;
  virtual const SpecialTokens& special() const = 0;
  // Tokens that end a generation: eos, eot and their like.
  virtual const std::vector<int32_t>& end_tokens() const = 0;
  // Id of the token with exactly this text (special or not), as in the file's table.
  virtual std::optional<int32_t> find(std::string_view text) const = 0;
};

// From a decoder's GGUF metadata. Copies what it needs: the file may be closed after.
Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const GgufFile& file);

// BERT WordPiece from a folder with tokenizer.json, or a path to tokenizer.json or vocab.txt (which
// implies BERT's defaults: lower-cased, accents stripped). A normalizer, pre-tokenizer, or model of
// another kind is refused 3302.
Result<std::unique_ptr<const Tokenizer>> load_wordpiece(const std::filesystem::path& path);

// Bytes in, whole UTF-8 characters out: what a stream may show after each token. One per sequence.
class Utf8Stream {
 public:
  // Appends bytes; returns the longest prefix that is complete. Ill-formed bytes come out as
  // U+FFFD, one per maximal ill-formed subpart (Unicode 15, 3.9).
  std::string push(std::string_view bytes);
  // What was held back, as U+FFFD; empties the stream.
  std::string finish();

 private:
  std::string held_;  // At most 3 bytes.
};

}  // namespace consort::model

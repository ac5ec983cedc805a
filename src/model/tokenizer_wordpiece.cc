// WordPiece (Devlin et al., 2018) with BERT's normalizer, as Hugging Face tokenizers does it: drop
// control characters, set CJK characters apart, strip accents, lower-case, cut at blanks and
// punctuation, then the longest known prefix.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "contract/json.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

namespace consort::model {
namespace {

constexpr uint64_t kFileBytesMax = 64u << 20;
constexpr std::string_view kContinuation = "##";

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Vocabulary = std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>>;

struct WordPieceOptions {
  bool clean_text = true;
  bool space_cjk = true;
  bool strip_accents = true;
  bool lowercase = true;
  size_t word_chars_max = 100;
};

bool is_cjk(uint32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

bool is_blank(uint32_t c) { return char_class(c) == CharClass::whitespace; }

bool is_control(uint32_t c) { return c != '\t' && c != '\n' && c != '\r' && is_other(c); }

bool splits_word(uint32_t c) {
  if (c < 0x80) return c > 0x20 && c < 0x7f && char_class(c) == CharClass::other;
  return is_punctuation(c);
}

class WordPieceTokenizer final : public Tokenizer {
 public:
  WordPieceTokenizer(std::vector<std::string> texts, Vocabulary ids, SpecialTokens special,
                     std::vector<int32_t> controls, const WordPieceOptions& options)
      : texts_(std::move(texts)),
        ids_(std::move(ids)),
        special_(special),
        controls_(std::move(controls)),
        options_(options) {
    for (const std::string& text : texts_) {
      pieces_.push_back(text.starts_with(kContinuation) ? text.substr(kContinuation.size())
                                                        : " " + text);
    }
    for (const int32_t id : controls_) pieces_[id] = texts_[id];
  }

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      const EncodeOptions& options) const override;
  Result<std::string> decode(std::span<const int32_t> ids, bool with_special) const override {
    auto text = Tokenizer::decode(ids, with_special);
    if (text && !text->empty() && text->front() == ' ') text->erase(0, 1);
    return text;
  }
  std::string_view piece(int32_t id) const override { return pieces_[id]; }
  size_t n_vocab() const override { return texts_.size(); }
  bool is_special(int32_t id) const override {
    return std::find(controls_.begin(), controls_.end(), id) != controls_.end();
  }
  const SpecialTokens& special() const override { return special_; }
  const std::vector<int32_t>& end_tokens() const override { return none_; }
  std::optional<int32_t> find(std::string_view text) const override {
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  Result<std::vector<uint32_t>> normalize(std::string_view text, size_t offset) const;
  Result<void> encode_text(std::string_view text, size_t offset, std::vector<int32_t>& out) const;
  void encode_word(std::span<const uint32_t> word, std::vector<int32_t>& out) const;

  std::vector<std::string> texts_;
  Vocabulary ids_;
  SpecialTokens special_;
  std::vector<int32_t> controls_;
  WordPieceOptions options_;
  std::vector<std::string> pieces_;
  std::vector<int32_t> none_;
};

// `offset`: of `text` in the caller's text, for the error.
Result<std::vector<uint32_t>> WordPieceTokenizer::normalize(std::string_view text,
                                                            size_t offset) const {
  std::vector<uint32_t> out;
  out.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const size_t n = utf8_length(text.substr(at));
    if (n == 0) {
      return fail(make_error(ErrorCode::invalid_argument, 3307, "the text is not valid UTF-8")
                      .at(fmt::format("byte {}", offset + at))
                      .got(fmt::format("0x{:02x}", static_cast<uint8_t>(text[at])))
                      .to_fix("convert the text to UTF-8"));
    }
    uint32_t c = utf8_decode(text.data() + at, n);
    at += n;
    if (options_.clean_text) {
      if (c == 0 || c == 0xfffd || is_control(c)) continue;
      if (is_blank(c)) c = ' ';
    }
    if (options_.space_cjk && is_cjk(c)) {
      out.insert(out.end(), {' ', c, ' '});
      continue;
    }
    if (!options_.strip_accents) {
      out.push_back(options_.lowercase ? to_lower(c) : c);
      continue;
    }
    const size_t start = out.size();
    append_decomposed(c, out);
    size_t kept = start;
    for (size_t i = start; i < out.size(); ++i) {
      if (is_nonspacing_mark(out[i])) continue;
      out[kept++] = options_.lowercase ? to_lower(out[i]) : out[i];
    }
    out.resize(kept);
  }
  return out;
}

void WordPieceTokenizer::encode_word(std::span<const uint32_t> word,
                                     std::vector<int32_t>& out) const {
  if (word.size() > options_.word_chars_max) {
    out.push_back(special_.unk);
    return;
  }
  const size_t first_out = out.size();
  std::string bytes(kContinuation);
  std::vector<size_t> ends;  // In `bytes`, after each character.
  for (const uint32_t c : word) {
    append_utf8(c, bytes);
    ends.push_back(bytes.size());
  }
  size_t start = 0;  // Character.
  size_t start_byte = kContinuation.size();
  std::string piece;
  while (start < word.size()) {
    int32_t id = -1;
    size_t end = word.size();
    for (; end > start; --end) {
      piece.assign(start > 0 ? kContinuation : std::string_view())
          .append(bytes, start_byte, ends[end - 1] - start_byte);
      if (const auto found = ids_.find(piece); found != ids_.end()) {
        id = found->second;
        break;
      }
    }
    if (id < 0) {
      out.resize(first_out);
      out.push_back(special_.unk);
      return;
    }
    out.push_back(id);
    start = end;
    start_byte = ends[end - 1];
  }
}

Result<void> WordPieceTokenizer::encode_text(std::string_view text, size_t offset,
                                             std::vector<int32_t>& out) const {
  CONSORT_ASSIGN(const std::vector<uint32_t> code_points, normalize(text, offset));
  const std::span<const uint32_t> all(code_points);
  size_t start = 0;
  for (size_t i = 0; i <= all.size(); ++i) {
    const bool end = i == all.size();
    const bool blank = !end && is_blank(all[i]);
    const bool split = !end && !blank && splits_word(all[i]);
    if (!end && !blank && !split) continue;
    if (i > start) encode_word(all.subspan(start, i - start), out);
    if (split) encode_word(all.subspan(i, 1), out);
    start = i + 1;
  }
  return {};
}

Result<std::vector<int32_t>> WordPieceTokenizer::encode(std::string_view text,
                                                        const EncodeOptions& options) const {
  if (text.size() > kTextBytesMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 3304,
                           fmt::format("a text of more than {} bytes", kTextBytesMax))
                    .got(std::to_string(text.size()))
                    .to_fix("split the text"));
  }
  std::vector<int32_t> out;
  size_t start = 0;
  for (size_t at = 0; options.parse_special && at < text.size(); ++at) {
    if (text[at] != '[') continue;
    const auto match = std::find_if(controls_.begin(), controls_.end(), [&](int32_t id) {
      return text.substr(at).starts_with(texts_[id]);
    });
    if (match == controls_.end()) continue;
    CONSORT_TRY(encode_text(text.substr(start, at - start), start, out));
    out.push_back(*match);
    start = at + texts_[*match].size();
    at = start - 1;
  }
  CONSORT_TRY(encode_text(text.substr(start), start, out));
  const size_t n_special = options.add_special ? 2 : 0;
  if (options.tokens_max > 0 && out.size() + n_special > options.tokens_max)
    out.resize(options.tokens_max > n_special ? options.tokens_max - n_special : 0);
  if (options.add_special) {
    out.insert(out.begin(), special_.cls);
    out.push_back(special_.sep);
  }
  return out;
}

Error bad(const std::filesystem::path& path, std::string pointer, std::string message) {
  return make_error(ErrorCode::corruption, 3301, std::move(message))
      .at(path.string() + ":" + pointer)
      .to_fix("fetch the model again");
}
Error unsupported(const std::filesystem::path& path, std::string pointer, std::string_view got) {
  return make_error(ErrorCode::unsupported, 3302, "a tokenizer part that is not implemented")
      .at(path.string() + ":" + std::move(pointer))
      .got(got)
      .to_fix("use a model with BERT's WordPiece tokenizer");
}

bool flag(const contract::Value& object, std::string_view key, bool fallback) {
  const contract::Value* value = object.find(key);
  return value != nullptr && value->is_bool() ? value->as_bool() : fallback;
}

Result<std::unique_ptr<const Tokenizer>> make_wordpiece(const std::filesystem::path& path,
                                                        std::vector<std::string> texts,
                                                        const WordPieceOptions& options) {
  Vocabulary ids;
  ids.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) ids.emplace(texts[i], static_cast<int32_t>(i));
  const auto id_of = [&](std::string_view text) {
    const auto found = ids.find(text);
    return found == ids.end() ? -1 : found->second;
  };
  SpecialTokens special;
  special.pad = id_of("[PAD]");
  special.unk = id_of("[UNK]");
  special.cls = id_of("[CLS]");
  special.sep = id_of("[SEP]");
  special.mask = id_of("[MASK]");
  if (special.unk < 0 || special.cls < 0 || special.sep < 0)
    return fail(bad(path, "/model/vocab", "[UNK], [CLS] or [SEP] is missing"));
  std::vector<int32_t> controls;
  for (const int32_t id : {special.pad, special.unk, special.cls, special.sep, special.mask})
    if (id >= 0) controls.push_back(id);
  return std::unique_ptr<const Tokenizer>(std::make_unique<WordPieceTokenizer>(
      std::move(texts), std::move(ids), special, std::move(controls), options));
}

Result<std::unique_ptr<const Tokenizer>> from_vocab_txt(const std::filesystem::path& path) {
  CONSORT_ASSIGN(const std::string text, read_file(path, kFileBytesMax));
  std::vector<std::string> texts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    texts.push_back(text.substr(at, end - at));
    if (texts.back().ends_with('\r')) texts.back().pop_back();
    at = end + 1;
  }
  return make_wordpiece(path, std::move(texts), {});
}

Result<WordPieceOptions> read_options(const std::filesystem::path& path,
                                      const contract::Value& root) {
  WordPieceOptions options;
  const contract::Value* model = root.find("model");
  if (model == nullptr || !model->is_object()) return fail(bad(path, "/model", "no model"));
  // Older files leave the type out; a WordPiece has this member, a BPE has merges.
  const std::string kind = model->string_or("type", model->find("merges") ? "BPE" : "WordPiece");
  if (kind != "WordPiece") return fail(unsupported(path, "/model/type", kind));
  if (model->string_or("continuing_subword_prefix", kContinuation) != kContinuation)
    return fail(unsupported(path, "/model/continuing_subword_prefix",
                            model->string_or("continuing_subword_prefix", "")));
  if (const contract::Value* max = model->find("max_input_chars_per_word")) {
    const auto value = max->is_number() ? max->as_number().as_int64() : std::nullopt;
    if (!value || *value < 1 || *value > 10000)
      return fail(bad(path, "/model/max_input_chars_per_word", "not from 1 to 10000"));
    options.word_chars_max = static_cast<size_t>(*value);
  }
  const contract::Value* normalizer = root.find("normalizer");
  if (normalizer == nullptr || normalizer->string_or("type", "") != "BertNormalizer")
    return fail(
        unsupported(path, "/normalizer",
                    normalizer == nullptr ? "null" : normalizer->string_or("type", "null")));
  options.clean_text = flag(*normalizer, "clean_text", true);
  options.space_cjk = flag(*normalizer, "handle_chinese_chars", true);
  options.lowercase = flag(*normalizer, "lowercase", true);
  options.strip_accents = flag(*normalizer, "strip_accents", options.lowercase);
  const contract::Value* pre = root.find("pre_tokenizer");
  if (pre == nullptr || pre->string_or("type", "") != "BertPreTokenizer")
    return fail(unsupported(path, "/pre_tokenizer",
                            pre == nullptr ? "null" : pre->string_or("type", "null")));
  return options;
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> load_wordpiece(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path file =
      std::filesystem::is_directory(path, error) ? path / "tokenizer.json" : path;
  if (file.extension() == ".txt") return from_vocab_txt(file);
  CONSORT_ASSIGN(const std::string text, read_file(file, kFileBytesMax));
  auto root = contract::parse_json(text);
  if (!root) return fail(std::move(root).error().with_context("reading " + file.string()));
  if (!root->is_object()) return fail(bad(file, "", "the tokenizer file is no object"));
  CONSORT_ASSIGN(const WordPieceOptions options, read_options(file, *root));
  const contract::Value* vocab = root->find("model")->find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->as_object().empty())
    return fail(bad(file, "/model/vocab", "no vocabulary"));
  std::vector<std::string> texts(vocab->as_object().size());
  std::vector<bool> taken(texts.size());
  for (const auto& [piece, value] : vocab->as_object()) {
    const auto id = value.is_number() ? value.as_number().as_int64() : std::nullopt;
    if (!id || *id < 0 || static_cast<size_t>(*id) >= texts.size() || taken[*id])
      return fail(bad(file, contract::pointer_child("/model/vocab", piece),
                      "ids must be 0 to n-1, each once"));
    taken[*id] = true;
    texts[*id] = piece;
  }
  return make_wordpiece(file, std::move(texts), options);
}

}  // namespace consort::model

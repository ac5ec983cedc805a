#include "model/vocabulary_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace consort::model {
namespace {

// Control tokens with these texts end a turn in published models, whatever the file names as eos.
constexpr std::string_view kEndTexts[] = {"<|im_end|>",     "<|eot_id|>", "<|eom_id|>",
                                          "<end_of_turn>",  "<|end|>",    "<|endoftext|>",
                                          "<|end_of_text|>"};

Result<int32_t> special_id(const GgufFile& file, std::string_view key, size_t n_vocab) {
  if (!file.has(key)) return -1;
  CONSORT_ASSIGN(const uint32_t id, file.get_u32(key));
  if (id >= n_vocab) {
    return fail(make_error(ErrorCode::corruption, 3301,
                           fmt::format("{} is outside the {} tokens", key, n_vocab))
                    .at(file.name())
                    .got(std::to_string(id))
                    .to_fix("convert the model again with a current converter"));
  }
  return static_cast<int32_t>(id);
}

void add_length(std::vector<uint32_t>& lengths, size_t length) {
  if (std::find(lengths.begin(), lengths.end(), length) == lengths.end())
    lengths.push_back(static_cast<uint32_t>(length));
}

}  // namespace

Result<VocabularyTable> VocabularyTable::read(const GgufFile& file) {
  VocabularyTable table;
  CONSORT_ASSIGN(const auto texts, file.get_string_array("tokenizer.ggml.tokens"));
  const size_t n = texts.size();
  if (n == 0 || n > (1u << 24)) {
    return fail(
        make_error(ErrorCode::corruption, 3301, "a vocabulary of 1 to 2^24 tokens is needed")
            .at(file.name())
            .got(std::to_string(n)));
  }
  table.texts.assign(texts.begin(), texts.end());
  table.kinds.assign(n, TokenKind::normal);
  if (file.has("tokenizer.ggml.token_type")) {
    CONSORT_ASSIGN(const auto kinds, file.get_i32_array("tokenizer.ggml.token_type"));
    if (kinds.size() != n) {
      return fail(make_error(ErrorCode::corruption, 3301,
                             fmt::format("{} token types for {} tokens", kinds.size(), n))
                      .at(file.name())
                      .to_fix("convert the model again with a current converter"));
    }
    for (size_t i = 0; i < n; ++i) {
      if (kinds[i] < 1 || kinds[i] > 6) {
        return fail(
            make_error(ErrorCode::corruption, 3301, fmt::format("token {} has an unknown type", i))
                .at(file.name())
                .got(std::to_string(kinds[i])));
      }
      table.kinds[i] = static_cast<TokenKind>(kinds[i]);
    }
  }
  table.ids.reserve(n);
  for (size_t i = 0; i < n; ++i) table.ids.emplace(table.texts[i], static_cast<int32_t>(i));

  CONSORT_ASSIGN(table.special.bos, special_id(file, "tokenizer.ggml.bos_token_id", n));
  CONSORT_ASSIGN(table.special.eos, special_id(file, "tokenizer.ggml.eos_token_id", n));
  CONSORT_ASSIGN(table.special.eot, special_id(file, "tokenizer.ggml.eot_token_id", n));
  CONSORT_ASSIGN(table.special.unk, special_id(file, "tokenizer.ggml.unknown_token_id", n));
  CONSORT_ASSIGN(table.special.pad, special_id(file, "tokenizer.ggml.padding_token_id", n));
  CONSORT_ASSIGN(const int32_t eom, special_id(file, "tokenizer.ggml.eom_token_id", n));
  CONSORT_ASSIGN(table.add_eos, file.get_bool_or("tokenizer.ggml.add_eos_token", false));

  std::vector<int32_t> ends = {table.special.eos, table.special.eot, eom};
  for (std::string_view text : kEndTexts) {
    const int32_t id = table.find(text);
    if (id < 0 || table.kinds[id] != TokenKind::control) continue;
    ends.push_back(id);
    if (table.special.eot < 0 && id != table.special.eos && text != "<|endoftext|>" &&
        text != "<|end_of_text|>")
      table.special.eot = id;
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  std::erase(ends, -1);
  table.end_tokens = std::move(ends);

  for (size_t i = 0; i < n; ++i) {
    const std::string& text = table.texts[i];
    if (text.empty()) continue;
    const auto first = static_cast<uint8_t>(text[0]);
    if (table.kinds[i] == TokenKind::user_defined)
      add_length(table.lengths_user_[first], text.size());
    if (table.kinds[i] == TokenKind::user_defined || table.is_special(static_cast<int32_t>(i)))
      add_length(table.lengths_with_control_[first], text.size());
  }
  for (auto* sets : {&table.lengths_user_, &table.lengths_with_control_})
    for (auto& lengths : *sets) std::sort(lengths.rbegin(), lengths.rend());
  return table;
}

int32_t VocabularyTable::find(std::string_view text) const {
  const auto found = ids.find(text);
  return found == ids.end() ? -1 : found->second;
}

std::vector<VocabularyTable::Fragment> VocabularyTable::split(std::string_view text,
                                                              bool parse_special) const {
  const auto& lengths = parse_special ? lengths_with_control_ : lengths_user_;
  std::vector<Fragment> fragments;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    int32_t match = -1;
    for (const uint32_t length : lengths[static_cast<uint8_t>(text[at])]) {
      if (length > text.size() - at) continue;
      const int32_t id = find(text.substr(at, length));
      if (id < 0) continue;
      const bool matchable =
          kinds[id] == TokenKind::user_defined || (parse_special && is_special(id));
      if (matchable) {
        match = id;
        break;
      }
    }
    if (match < 0) {
      ++at;
      continue;
    }
    if (at > start) fragments.push_back({text.substr(start, at - start), -1});
    fragments.push_back({text.substr(at, texts[match].size()), match});
    at += texts[match].size();
    start = at;
  }
  if (start < text.size()) fragments.push_back({text.substr(start), -1});
  return fragments;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool with_special) const {
  std::string out;
  for (const int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= n_vocab()) {
      return fail(make_error(ErrorCode::invalid_argument, 3303, "no such token")
                      .got(std::to_string(id))
                      .to_fix(fmt::format("give ids from 0 to {}", n_vocab() - 1)));
    }
    if (with_special || !is_special(id)) out.append(piece(id));
  }
  return out;
}

Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const GgufFile& file) {
  CONSORT_ASSIGN(const std::string_view kind, file.get_string("tokenizer.ggml.model"));
  if (kind != "gpt2" && kind != "llama") {
    return fail(make_error(ErrorCode::unsupported, 3302, "a tokenizer kind that is not implemented")
                    .at(file.name())
                    .got(kind)
                    .to_fix("use a model with a byte-level BPE or SentencePiece tokenizer"));
  }
  CONSORT_ASSIGN(VocabularyTable table, VocabularyTable::read(file));
  if (kind == "gpt2") return make_bpe(file, std::move(table));
  return make_sentencepiece(file, std::move(table));
}

}  // namespace consort::model

// Pre-tokenisers of byte-level BPE: they cut text into the words inside which merges happen.
// Written by hand after the regular expressions of the models' tokenizer files; equal to
// llama.cpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/unicode.h"

namespace consort::model {

enum class PreTokenizer {
  gpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  smollm,  // Each \p{N} alone first, then gpt2 between them. (Also StarCoder, Command R.)
  llama3,  // (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
           // ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  qwen2,   // As llama3 with \p{N} alone.
};

// By `tokenizer.ggml.pre`; empty when it is not implemented.
std::optional<PreTokenizer> pre_tokenizer_of(std::string_view name);

// Lengths of the words, in code points; they add up to code_points.size().
std::vector<uint32_t> pre_tokenize(PreTokenizer kind, const std::vector<uint32_t>& code_points);

}  // namespace consort::model

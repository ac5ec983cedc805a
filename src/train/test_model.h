// A tiny llama whose weights are a formula that tools/golden/make_training.py knows, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/decoder.h"
#include "train/decoder_pass.h"

namespace consort::train::testing {

// Uniform in [-1, 1): a hash of (i, seed).
inline double hashed(uint32_t i, uint32_t seed) {
  uint32_t h = i * 2654435761u + seed * 40503u + 1u;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h ^= h >> 16;
  return static_cast<double>(h) / 2147483648.0 - 1.0;
}
inline std::vector<float> hashed_values(size_t n, uint32_t seed, double scale, double shift = 0) {
  std::vector<float> out(n);
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(shift + scale * hashed(static_cast<uint32_t>(i), seed));
  return out;
}

// 2 layers, 64 wide, 4 heads over 2 key heads of 16, feed-forward 96, vocabulary of 160.
inline constexpr int kVocab = 160;
std::string tiny_model_bytes();
std::unique_ptr<const model::Decoder> tiny_model();

// Sequences of 24 and 17 tokens; the first 5 of each are not labelled.
Batch tiny_batch(int which);

}  // namespace consort::train::testing

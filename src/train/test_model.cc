#include "train/test_model.h"

#include "base/result.h"
#include "model/gguf_writer.h"

namespace consort::train::testing {

std::string tiny_model_bytes() {
  model::GgufWriter w;
  w.set_string("general.architecture", "llama");
  w.set_u32("llama.block_count", 2);
  w.set_u32("llama.context_length", 256);
  w.set_u32("llama.embedding_length", 64);
  w.set_u32("llama.feed_forward_length", 96);
  w.set_u32("llama.attention.head_count", 4);
  w.set_u32("llama.attention.head_count_kv", 2);
  w.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  w.set_f32("llama.rope.freq_base", 10000.0f);
  uint32_t seed = 1;
  const auto matrix = [&](const std::string& name, uint64_t n_out, uint64_t n_in, double scale) {
    const uint64_t dims[] = {n_in, n_out};
    w.add_tensor_f32(name, dims, hashed_values(n_out * n_in, seed++, scale));
  };
  const auto vector = [&](const std::string& name, uint64_t n) {
    const uint64_t dims[] = {n};
    w.add_tensor_f32(name, dims, hashed_values(n, seed++, 0.2, 1.0));
  };
  matrix("token_embd.weight", kVocab, 64, 0.5);
  vector("output_norm.weight", 64);
  for (int l = 0; l < 2; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    vector(p + "attn_norm.weight", 64);
    vector(p + "ffn_norm.weight", 64);
    matrix(p + "attn_q.weight", 64, 64, 0.3);
    matrix(p + "attn_k.weight", 32, 64, 0.3);
    matrix(p + "attn_v.weight", 32, 64, 0.2);
    matrix(p + "attn_output.weight", 64, 64, 0.2);
    matrix(p + "ffn_gate.weight", 96, 64, 0.2);
    matrix(p + "ffn_up.weight", 96, 64, 0.2);
    matrix(p + "ffn_down.weight", 64, 96, 0.2);
  }
  return *w.finish();
}

std::unique_ptr<const model::Decoder> tiny_model() {
  const std::string bytes = tiny_model_bytes();
  const auto file = model::GgufFile::parse(
      std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  CONSORT_CHECK(file);
  auto decoder = model::Decoder::load(**file, 1);
  CONSORT_CHECK(decoder);
  return std::move(*decoder);
}

Batch tiny_batch(int which) {
  Batch batch;
  for (int s = 0; s < 2; ++s) {
    const int n = s == 0 ? 24 : 17;
    batch.sequences.push_back({batch.rows(), n});
    for (int j = 0; j <= n; ++j) {
      const double u = hashed(static_cast<uint32_t>(which * 64 + s * 32 + j), 99);
      const int token = static_cast<int>((u + 1) / 2 * kVocab);
      if (j > 0) batch.labels.push_back(j >= 6 ? token : -1);
      if (j < n) batch.tokens.push_back(token);
    }
  }
  return batch;
}

}  // namespace consort::train::testing

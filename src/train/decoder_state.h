// What DecoderPass holds. Internal to decoder_pass.cc and decoder_layer.cc.
#pragma once

#include "train/decoder_pass.h"

namespace consort::train {

using tensor::GemmRows;
using tensor::GemmTerm;
using tensor::GemmWeights;

// Projections that read the same input: q k v, o, gate up, down.
struct Group {
  int first, count;
};
constexpr Group kGroups[] = {{0, 3}, {3, 1}, {4, 2}, {6, 1}};

struct PackedLayer {
  std::vector<float> attn_norm, ffn_norm;
  GemmWeights forward[model::kProjections];   // [n_in, n_out]
  GemmWeights backward[model::kProjections];  // [n_out, n_in]
};

// The LoRA pair of one projection in the three orders that products read. A of a group's forward
// pass stands in `PackedLora::a_forward`, columns side by side.
struct PackedPair {
  bool present = false;
  GemmWeights b_forward;   // [rank, n_out]
  GemmWeights b_backward;  // [n_out, rank]
  GemmWeights a_backward;  // [rank, n_in]
};
struct PackedLora {
  GemmWeights a_forward[4];  // By group: [n_in, count * rank]
  bool present[4] = {};
  PackedPair pairs[model::kProjections];
};

// What one layer's backward pass reads. [M, ...] row-major.
struct Kept {
  std::vector<float> x, q, k, v, attended, x_middle, gate, up;
  std::vector<float> u;  // [M, projections * rank], scaled.
  void resize(const model::DecoderConfig& c, int rows, int rank, bool x_only);
};

struct DecoderPass::State {
  model::DecoderConfig config;
  LoraConfig lora_config;
  PassOptions options;
  ThreadPool& pool;
  const tensor::Kernels& kernels;
  const tensor::TrainKernels& train;
  std::vector<PackedLayer> layers;
  std::vector<PackedLora> lora;
  std::vector<float> embedding, output_norm;  // [n_vocab, n_embd] f32 rows in `embedding`.
  std::vector<uint16_t> embedding_bf16;
  GemmWeights head_forward, head_backward;

  // Scratch of a step.
  std::vector<Kept> kept;
  Kept again;  // For layers whose values were not kept.
  std::vector<float> x, normed, hidden, dx, d_normed, d_hidden, d_gate, d_up, d_attended, d_q, d_k,
      d_v, du, logits;
  GemmRows rows_x, rows_u, rows_dy[3], rows_du;

  State(const model::Decoder& decoder, const LoraConfig& lora, const PassOptions& options,
        ThreadPool& pool);
  int rank() const { return lora_config.rank_padded(); }
  AttentionShape attention() const { return {config.n_head, config.n_head_kv, config.head_dim}; }

  void embed(const Batch& batch);
  void norm_rows(const float* in, const std::vector<float>& weight, int rows, float* out);
  // dx += gradient of norm(x) given d.
  void norm_rows_back(const float* in, const std::vector<float>& weight, const float* d, int rows,
                      float* out);
  // outs[i] (+)= projection (group.first + i) of `in`; u is filled.
  void project(int layer, int group, const float* in, int rows, float* u, float* const* outs,
               bool accumulate);
  // d_in = gradient of the group's input (unless null), given those of its outputs; LoRA gradients
  // are added.
  void project_back(int layer, int group, const float* in, int rows, const float* u,
                    const float* const* d_outs, float* d_in, LoraWeights& weights);
  // x becomes the layer's output.
  void layer_forward(int layer, const Batch& batch, Kept& kept);
  void layer_backward(int layer, const Batch& batch, const Kept& kept, LoraWeights& weights);
  // Loss of labelled rows; with `backward`, dx is overwritten.
  double head(const Batch& batch, float weight, bool backward);
};

}  // namespace consort::train

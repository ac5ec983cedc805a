// DecoderPass: loss and gradients of LoRA weights on a frozen llama-family decoder.
//
//   tokens [M] -> embedding -> n_layer x { norm, q k v, rotary, causal attention within each
//   sequence, output; norm, gate up, SiLU, down } -> norm -> logits of the labelled rows alone ->
//   cross-entropy
//
// The backward pass is written by hand. Base weights get no gradients. Products run in bfloat16 with
// f32 sums (or all in f32, for tests); everything between them is f32. What the backward pass needs
// is kept, or, past a byte budget, only the layers' inputs are and each layer runs again.
//
// Deterministic: the bits do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/decoder.h"
#include "tensor/gemm_bf16.h"
#include "train/attention.h"
#include "train/lora.h"

namespace consort::train {

// Several sequences, one after another.
struct Batch {
  std::vector<int32_t> tokens;  // [M]
  std::vector<int32_t> labels;  // [M] the token that row m should predict, or -1.
  std::vector<Sequence> sequences;
  int rows() const { return static_cast<int>(tokens.size()); }
  int n_labels() const;
};

struct PassOptions {
  tensor::TrainPrecision precision = tensor::TrainPrecision::bf16;
  uint64_t kept_bytes_max = 768u << 20;  // Activations that are kept rather than computed again.
};

// Resource; one thread at a time. `decoder` must outlive it only during create.
class DecoderPass final {
 public:
  // Copies the decoder's weights (dequantised) in both directions: 4 bytes a weight in bfloat16.
  static std::unique_ptr<DecoderPass> create(const model::Decoder& decoder,
                                             const LoraConfig& lora, const PassOptions& options,
                                             ThreadPool& pool);
  ~DecoderPass();
  DecoderPass(const DecoderPass&) = delete;
  DecoderPass& operator=(const DecoderPass&) = delete;

  const model::DecoderConfig& config() const;
  // Takes new LoRA values: call after each change of them.
  void set_lora(const LoraWeights& lora);
  // Sum over labelled rows of -log p(label) * weight. With `lora`, adds its gradients to
  // lora->gradients. Every token and label is in [0, n_vocab).
  double loss(const Batch& batch, float weight, LoraWeights* lora);
  uint64_t resident_bytes() const;

 private:
  struct State;
  explicit DecoderPass(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::train

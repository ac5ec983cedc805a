// EncoderPass: vectors of packed texts under LoRA weights on a frozen BERT-family encoder, and the
// gradients of those weights.
//
//   tokens [M] -> word + position + type, norm -> n_layer x { q k v, attention over each whole
//   sequence, output, add, norm; up, GELU, down, add, norm } -> mean or first token -> length 1
//
// The backward pass is written by hand, as DecoderPass: base weights, biases and norms get no
// gradients. What a vector is worth is the caller's question (encoder_loss.h).
//
// Deterministic: the bits do not depend on the number of threads, nor a sequence's vector on its
// neighbours.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/encoder.h"
#include "tensor/gemm_bf16.h"
#include "train/attention.h"
#include "train/lora.h"

namespace consort::train {

// Texts, one after another; of a pair, the second text's tokens are of type 1.
struct EncoderBatch {
  std::vector<int32_t> tokens;  // [M] in [0, n_vocab)
  std::vector<uint8_t> types;   // [M] below n_types
  std::vector<Sequence> sequences;  // At most n_positions long.
  int rows() const { return static_cast<int>(tokens.size()); }
  // Ids from `n_first` on are of type 1.
  void add(std::span<const int32_t> ids, size_t n_first);
};

// Resource; one thread at a time. `encoder` must outlive it: embeddings are read from it.
class EncoderPass final {
 public:
  // Copies the layers' weights (as they are served) in both directions.
  static std::unique_ptr<EncoderPass> create(const model::Encoder& encoder, const LoraConfig& lora,
                                             tensor::TrainPrecision precision, ThreadPool& pool);
  ~EncoderPass();
  EncoderPass(const EncoderPass&) = delete;
  EncoderPass& operator=(const EncoderPass&) = delete;

  // Takes new LoRA values: call after each change of them.
  void set_lora(const LoraWeights& lora);
  // [sequences, n_embd], each of length 1; valid until the next call. With `keep`, about
  // 19 KiB a row of MiniLM-L6 and layer stay for `backward`.
  std::span<const float> forward(const EncoderBatch& batch, bool keep);
  // Adds the gradients of a loss whose gradient by the last kept forward's vectors is `d_vectors`.
  void backward(std::span<const float> d_vectors, LoraWeights& lora);
  uint64_t resident_bytes() const;

 private:
  struct State;
  explicit EncoderPass(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::train

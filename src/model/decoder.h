// Decoder: a transformer's weights, and one step of its forward pass.
//
//   tokens [R] -> embedding [R, n_embd] -> n_layer x { norm, q k v, rotary, attention over pages,
//   output; norm, gate up, activation, down } -> norm -> logits of the rows that are asked for.
//
// What the families have beside this (biases, more norms, windows) is in decoder_config.h.
//
// The R rows of a step come in segments: consecutive tokens of one sequence under one adapter. All
// rows share one pass over the weights; no row's result depends on the others (see
// tensor/kernels.h).
//
// Not here: which sequences run, where pages come from, sampling (src/engine).
//
// Errors: those of decoder_config.h; unsupported 3601 (a tensor without a place in the
// architecture, named), corruption 3602 (a shape that cannot be), those of gguf.h and
// tensor/packed.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/adapter_file.h"
#include "model/decoder_config.h"
#include "model/gguf.h"
#include "tensor/low_rank.h"
#include "tensor/matmul.h"
#include "tensor/packed.h"

namespace consort::model {

struct DecoderLayer {
  std::vector<float> attn_norm, ffn_norm;  // [n_embd]
  // Empty where the family has none:
  std::vector<float> attn_post_norm, ffn_post_norm;  // [n_embd]
  std::vector<float> q_norm, k_norm;                 // [head_dim]
  std::vector<float> qkv_bias;                       // [n_q + 2 n_kv]
  tensor::PackedMatrix weights[kProjections];        // By Projection, [n_out, n_in].
};

// Immutable after load: share among threads.
class Decoder final {
 public:
  // Reads, checks and repacks all weights; the file may be closed after. `n_threads` (0 = all
  // cores) work during the call only. `as_f32` dequantises all weights: the reference that 8-bit
  // activations are compared with, in tests.
  static Result<std::unique_ptr<const Decoder>> load(const GgufFile& file, int n_threads = 0,
                                                     bool as_f32 = false);

  const DecoderConfig& config() const { return config_; }
  const DecoderLayer& layer(int i) const { return layers_[static_cast<size_t>(i)]; }
  const tensor::PackedMatrix& embedding() const { return embedding_; }  // [n_vocab, n_embd]
  const tensor::PackedMatrix& output() const { return has_output_ ? output_ : embedding_; }
  const std::vector<float>& output_norm() const { return output_norm_; }
  // Radians a position of each rotated pair, [n_rot / 2]: of layers with a window, or without.
  const std::vector<double>& rope(bool window) const { return rope_[window ? 1 : 0]; }
  uint64_t resident_bytes() const;

  // Keys and values of kPageTokens positions, all layers, f16.
  size_t page_bytes() const;
  size_t k_offset(int layer, int head_kv) const;  // Of [head_dim][kPageTokens]
  size_t v_offset(int layer, int head_kv) const;  // Of [kPageTokens][head_dim]

 private:
  Decoder() = default;
  DecoderConfig config_;
  std::vector<DecoderLayer> layers_;
  tensor::PackedMatrix embedding_, output_;
  bool has_output_ = false;
  std::vector<float> output_norm_;
  std::vector<double> rope_[2];
};

// An adapter's weights, bound to a decoder. Immutable.
class DecoderAdapter final {
 public:
  // Every tensor of `file` must name a projection of `decoder` and have its shape. Errors:
  // failed_precondition 4106 with the tensor's name.
  static Result<std::unique_ptr<const DecoderAdapter>> bind(const Decoder& decoder,
                                                            const AdapterFile& file);
  // nullptr where the adapter leaves the projection as it is.
  const tensor::LowRank* pair(int layer, Projection projection) const {
    return pairs_[static_cast<size_t>(layer * kProjections + static_cast<int>(projection))].get();
  }
  int rank() const { return rank_; }
  uint64_t resident_bytes() const;
  // Where the pairs of projections [first, last] of a layer lie, side by side; may be empty.
  std::span<const uint8_t> bytes_of(int layer, Projection first, Projection last) const;

 private:
  DecoderAdapter() = default;
  std::vector<std::unique_ptr<tensor::LowRank>> pairs_;
  int rank_ = 0;
};

// Consecutive tokens of one sequence.
struct Segment {
  std::span<const int32_t> tokens;  // At least one; ids in [0, n_vocab).
  int position = 0;                 // Of the first token.
  std::span<uint8_t* const> pages;  // By position / kPageTokens, covering all tokens. Those that
                                    // hold positions from `position` on are written.
  const DecoderAdapter* adapter = nullptr;
  int n_outputs = 0;  // Of the last rows: logits wanted.
};

struct HeadRow;

// Runs steps; owns the scratch memory of one step. One thread at a time.
class DecoderRunner final {
 public:
  DecoderRunner(const Decoder& decoder, ThreadPool& pool, const tensor::Kernels& kernels);
  ~DecoderRunner();
  DecoderRunner(const DecoderRunner&) = delete;
  DecoderRunner& operator=(const DecoderRunner&) = delete;

  // One step. Afterwards outputs() rows wait for `logits`.
  void forward(std::span<const Segment> segments);
  int n_outputs() const;
  // Logits of output rows [first, first + n): [n, n_vocab] f32, valid until the next call.
  std::span<float> logits(int first, int n);
  // Logits of some tokens of some output rows (decoder_head.h): the same bits as `logits` gives.
  void logits_of(std::span<const HeadRow> rows);
  uint64_t scratch_bytes() const;
  // What it is at most after steps of at most so many rows, up to so many positions, and logits of
  // so many rows at a time.
  uint64_t scratch_bytes_for(int rows, int positions, int n_logits) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace consort::model

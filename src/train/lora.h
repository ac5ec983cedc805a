// LoRA weights that are being trained: one flat vector of values, one of gradients.
//
// For a chosen projection W the product becomes x W^T + scale (x A^T) B^T. A is held as [rank,
// n_in], B transposed as [rank, n_out]; both with the rank padded by rows of zeros to a multiple of
// 16, which stay zero.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/adapter_file.h"
#include "model/decoder.h"
#include "model/encoder.h"

namespace consort::train {

struct LoraConfig {
  int rank = 16;       // 1 to 64.
  float alpha = 32;    // scale = alpha / rank.
  std::array<bool, model::kProjections> targets{true, true, true, true, true, true, true};
  float scale() const { return alpha / static_cast<float>(rank); }
  int rank_padded() const { return (rank + 15) / 16 * 16; }
  bool operator==(const LoraConfig&) const = default;
};

// n_out and n_in of a projection.
int n_out_of(const model::DecoderConfig& config, int projection);
int n_in_of(const model::DecoderConfig& config, int projection);
// Of an encoder, which has no gate: 0 there.
constexpr int kGate = 4;
int n_out_of(const model::EncoderConfig& config, int projection);
int n_in_of(const model::EncoderConfig& config, int projection);

// Value type; one thread at a time.
class LoraWeights {
 public:
  // Errors: invalid_argument 9001 (rank outside 1 to 64, alpha not positive, no target).
  static Result<LoraWeights> create(const model::DecoderConfig& model, const LoraConfig& config);
  // Of an encoder; the gate is no target whatever `config` says.
  static Result<LoraWeights> create(const model::EncoderConfig& model, const LoraConfig& config);

  // As PEFT begins: A uniform in +-1/sqrt(n_in), B zero.
  void initialise(uint64_t seed);

  // Takes the values of an adapter with the same rank, alpha and targets: a training goes on from it. Error:
  // invalid_argument 9006 (they differ).
  Result<void> take(const model::AdapterFile& adapter);

  struct Pair {
    size_t a = 0, b = 0;  // Offsets into values.
    int n_in = 0, n_out = 0;
  };
  // nullptr where the projection is not a target.
  const Pair* pair(int layer, int projection) const;
  const LoraConfig& config() const { return config_; }
  int n_layer() const { return n_layer_; }
  size_t n_trained() const;  // Without padding.

  std::vector<float> values, gradients;

  // A in [rank, n_in], B in [n_out, rank], by the base tensor's GGUF name. No digests or metadata.
  model::AdapterFile to_adapter(const model::DecoderConfig& model) const {
    return to_adapter(model.architecture);
  }
  model::AdapterFile to_adapter(const std::string& architecture) const;

 private:
  struct Size {
    int n_in, n_out;
  };
  static Result<LoraWeights> of_sizes(int n_layer, const Size (&sizes)[model::kProjections],
                                      const LoraConfig& config);
  LoraConfig config_;
  int n_layer_ = 0;
  std::vector<Pair> pairs_;
};

}  // namespace consort::train

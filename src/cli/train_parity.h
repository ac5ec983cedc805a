// Parity: what an adapter loses on the serving path (quantised base, adapter as the engine packs it) beside what
// it loses where it was trained.
#pragma once

#include <filesystem>

#include "base/clock.h"
#include "base/result.h"
#include "contract/json.h"
#include "train/trainer.h"

namespace consort::cli {

struct Parity {
  double trained = 0;  // Mean loss a label, nats: train::mean_loss.
  double served = 0;   // Of the same labels: engine::Engine::perplexity with the adapter's file.
  size_t examples = 0;
  size_t labels = 0;
  double difference() const { return served - trained; }
  double limit() const;
  contract::Value to_value() const;
};

// Losses may differ by this share of the trained one, or by so many nats where the share is less: a share of a loss
// near 0 is smaller than the noise of 8-bit activations. The noise of a mean falls with the root of the number of
// labels, so of fewer than kParityLabels the limit is wider by the root of what is missing.
inline constexpr double kParityShare = 0.02;
inline constexpr double kParityNats = 0.01;
inline constexpr double kParityLabels = 200;

// On examples evenly spaced over the data, at most 4,096 tokens of them. `adapter`: the GGUF file that was
// written. Errors: failed_precondition 9032 (they differ by more), those of the engine.
Result<Parity> check_parity(const std::filesystem::path& base, const std::filesystem::path& adapter,
                            const model::Decoder& decoder, const train::LoraWeights& weights,
                            const train::Dataset& data, const train::TrainOptions& options, const Clock& clock,
                            std::stop_token stop);

}  // namespace consort::cli

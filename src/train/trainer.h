// Trainer: the loop over packed batches, with checkpoints.
//
// The order of examples depends on the seed and the epoch alone. A training that was killed and
// started again with the same folder ends with the same bits as one that was not.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "train/dataset.h"
#include "train/optimizer.h"
#include "train/training_loop.h"

namespace consort::train {

struct TrainOptions {
  LoraConfig lora;
  OptimizerConfig optimizer;
  PassOptions pass;
  std::shared_ptr<const model::AdapterFile> from;  // Begins with its values; null: as PEFT begins.
  int epochs = 1;
  int tokens_per_batch = 1024;  // Packed together: more is faster and takes more memory.
  int accumulate = 1;           // Batches a step.
  uint64_t seed = 1;
  int n_threads = 0;  // 0: all cores. Changes no bit.
  int checkpoint_every = 50;  // Steps; 0: none.
};

struct TrainResult {
  LoraWeights weights;
  std::vector<double> losses;
  int64_t resumed_at = 0;
  uint64_t n_tokens = 0;  // Read since it was started or resumed.
  double seconds = 0;     // Likewise, without loading.
};

// `folder` keeps the checkpoint; `base` is the digest of the model's file. Errors: 9001, 9002, 9003
// (the loss is not finite: the step is named), 9004 (an option is out of range), cancelled 9005
// (stopped; a checkpoint was written), those of checkpoint.h.
Result<TrainResult> train_decoder(const model::Decoder& decoder, const Digest& base,
                                  const Dataset& data, const TrainOptions& options,
                                  const std::filesystem::path& folder, const Clock& clock,
                                  std::stop_token stop,
                                  const std::function<void(const TrainProgress&)>& progress);

// Mean loss a label of the data under `weights`, without training.
Result<double> mean_loss(const model::Decoder& decoder, const LoraWeights& weights,
                         const Dataset& data, const TrainOptions& options);

}  // namespace consort::train

// The loop that all trainings share: steps of AdamW over one flat vector of values, checkpoints, stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sha256.h"
#include "train/optimizer.h"

namespace consort::train {

struct TrainProgress {
  int64_t step = 0, steps = 0;
  double loss = 0;  // Of the step, a label.
  double tokens_per_second = 0;
  double seconds_left = 0;
};

struct LoopOptions {
  Digest key;  // Of everything that the bits depend on.
  int64_t steps = 0;
  OptimizerConfig optimizer;
  int checkpoint_every = 0;  // Steps; 0: none.
  std::filesystem::path folder;  // Of checkpoint.bin.
};

struct StepResult {
  double loss = 0;
  uint64_t n_tokens = 0;
};

struct LoopResult {
  std::vector<double> losses;
  int64_t resumed_at = 0;
  uint64_t n_tokens = 0;  // Read since it was started or resumed.
  double seconds = 0;     // Likewise, without loading.
};

// `step` fills `gradients` (zero before) for the present `values`. With a checkpoint of the same key
// in the folder it goes on from there, with the same bits. Errors: 9002, 9003 (the loss is not
// finite: the step is named), cancelled 9005 (stopped; a checkpoint was written), those of
// checkpoint.h.
Result<LoopResult> run_steps(const LoopOptions& options, std::vector<float>& values,
                             std::vector<float>& gradients,
                             const std::function<StepResult(int64_t step)>& step,
                             const Clock& clock, std::stop_token stop,
                             const std::function<void(const TrainProgress&)>& progress);

}  // namespace consort::train

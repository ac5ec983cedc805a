// AdamW with decoupled weight decay (Loshchilov and Hutter 2019), a learning rate that warms up and
// falls as a cosine, and clipping by the global norm.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace consort::train {

struct OptimizerConfig {
  double learning_rate = 2e-4;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 1.0;       // 0: no clipping.
  double warmup = 0.03;         // Share of the steps.
  double final_share = 0.0;     // Learning rate of the last step, as a share of the peak.
  bool operator==(const OptimizerConfig&) const = default;
};

// Of step `step` (from 0) of `steps`.
double learning_rate_at(const OptimizerConfig& config, int64_t step, int64_t steps);

// sqrt of the sum of squares, in double, in order.
double norm_of(std::span<const float> values);

// Value type.
class AdamW {
 public:
  explicit AdamW(size_t n) : first(n), second(n) {}
  // One update; gradients are scaled so that their norm is clip_norm at most. Returns the norm
  // before. Errors: failed_precondition 9002 (norm is not finite: values are as they were).
  Result<double> step(const OptimizerConfig& config, double learning_rate,
                      std::span<float> gradients, std::span<float> values);

  std::vector<float> first, second;  // Moments.
  int64_t n_steps = 0;
};

}  // namespace consort::train

#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace consort::train {

double learning_rate_at(const OptimizerConfig& c, int64_t step, int64_t steps) {
  const auto warm = static_cast<int64_t>(std::ceil(c.warmup * static_cast<double>(steps)));
  if (step < warm)
    return c.learning_rate * static_cast<double>(step + 1) / static_cast<double>(warm);
  const double progress =
      static_cast<double>(step - warm) / static_cast<double>(std::max<int64_t>(1, steps - warm));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, progress)));
  return c.learning_rate * (c.final_share + (1 - c.final_share) * cosine);
}

double norm_of(std::span<const float> values) {
  double squares[8] = {};
  for (size_t i = 0; i < values.size(); ++i)
    squares[i % 8] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  double total = 0;
  for (double s : squares) total += s;
  return std::sqrt(total);
}

Result<double> AdamW::step(const OptimizerConfig& c, double learning_rate,
                           std::span<float> gradients, std::span<float> values) {
  const double norm = norm_of(gradients);
  if (!std::isfinite(norm)) {
    return fail(make_error(ErrorCode::failed_precondition, 9002,
                           "the gradient is not a finite number")
                    .to_fix("lower the learning rate, or look for odd rows in the data"));
  }
  ++n_steps;
  const double clip = c.clip_norm > 0 && norm > c.clip_norm ? c.clip_norm / norm : 1.0;
  const auto b1 = static_cast<float>(c.beta1), b2 = static_cast<float>(c.beta2);
  const double t = static_cast<double>(n_steps);
  const auto scale1 = static_cast<float>(learning_rate / (1 - std::pow(c.beta1, t)));
  const auto scale2 = static_cast<float>(1 / std::sqrt(1 - std::pow(c.beta2, t)));
  const auto decay = static_cast<float>(1 - learning_rate * c.weight_decay);
  const auto factor = static_cast<float>(clip), epsilon = static_cast<float>(c.epsilon);
  for (size_t i = 0; i < values.size(); ++i) {
    const float g = gradients[i] * factor;
    first[i] = b1 * first[i] + (1 - b1) * g;
    second[i] = b2 * second[i] + (1 - b2) * g * g;
    values[i] = values[i] * decay - scale1 * first[i] / (std::sqrt(second[i]) * scale2 + epsilon);
  }
  return norm;
}

}  // namespace consort::train

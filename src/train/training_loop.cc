#include "train/training_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/checkpoint.h"

namespace consort::train {

Result<LoopResult> run_steps(const LoopOptions& o, std::vector<float>& values,
                             std::vector<float>& gradients,
                             const std::function<StepResult(int64_t step)>& step_of,
                             const Clock& clock, std::stop_token stop,
                             const std::function<void(const TrainProgress&)>& progress) {
  AdamW adam(values.size());
  const auto file = o.folder / "checkpoint.bin";
  LoopResult result;
  int64_t step = 0;
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    CONSORT_ASSIGN(Checkpoint saved, load_checkpoint(file, o.key));
    values = std::move(saved.values);
    adam.first = std::move(saved.first);
    adam.second = std::move(saved.second);
    result.losses = std::move(saved.losses);
    adam.n_steps = result.resumed_at = step = saved.step;
  }
  const auto save = [&]() -> Result<void> {
    if (o.checkpoint_every == 0) return {};
    return save_checkpoint(file, {o.key, step, result.losses, values, adam.first, adam.second});
  };
  const Nanoseconds begun = clock.monotonic();
  while (step < o.steps) {
    std::fill(gradients.begin(), gradients.end(), 0.0f);
    const StepResult done = step_of(step);
    result.n_tokens += done.n_tokens;
    if (!std::isfinite(done.loss)) {
      return fail(make_error(ErrorCode::failed_precondition, 9003,
                             fmt::format("the loss of step {} is not a finite number", step + 1))
                      .to_fix("lower the learning rate; the last checkpoint is whole"));
    }
    auto updated = adam.step(o.optimizer, learning_rate_at(o.optimizer, step, o.steps), gradients,
                             values);
    if (!updated) return fail(std::move(updated).error());
    result.losses.push_back(done.loss);
    ++step;
    result.seconds = std::chrono::duration<double>(clock.monotonic() - begun).count();
    if (progress) {
      const double n_done = static_cast<double>(step - result.resumed_at);
      progress({step, o.steps, done.loss, static_cast<double>(result.n_tokens) / result.seconds,
                result.seconds / n_done * static_cast<double>(o.steps - step)});
    }
    const bool stopped = stop.stop_requested() && step < o.steps;
    if (stopped || step == o.steps || (o.checkpoint_every > 0 && step % o.checkpoint_every == 0))
      CONSORT_TRY(save());
    if (stopped) {
      return fail(make_error(ErrorCode::cancelled, 9005,
                             fmt::format("stopped after step {} of {}", step, o.steps))
                      .to_fix("the same command goes on from there"));
    }
  }
  return result;
}

}  // namespace consort::train

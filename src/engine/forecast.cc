#include "engine/forecast.h"

#include <algorithm>

namespace consort::engine {
namespace {

constexpr double kFade = 0.97;
constexpr int kSweeps = 8;      // Of the least squares, from where the last step left them.
constexpr double kOutlier = 4;  // A step that the system paused counts at most as so many.
constexpr double kAnswerStep = 0.05;
constexpr double kLongerStep = 0.05;
constexpr double kLongerShare = 0.98;

}  // namespace

void Forecast::observe_step(int prompt_rows, int next_rows, double ms) {
  if (prompt_rows + next_rows <= 0 || ms <= 0) return;
  if (known()) ms = std::min(ms, kOutlier * step_ms(prompt_rows, next_rows));
  const std::array<double, 3> x = {1.0, static_cast<double>(prompt_rows),
                                   static_cast<double>(next_rows)};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) squares_[i][j] = kFade * squares_[i][j] + x[i] * x[j];
    products_[i] = kFade * products_[i] + x[i] * ms;
  }
  if (n_steps_ == 0) cost_[1] = cost_[2] = ms / (prompt_rows + next_rows);
  ++n_steps_;
  // One unknown after the other, each the best beside the two others as they are: keeps what the
  // steps of late do not tell apart as it was.
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t i = 3; i-- > 0;) {
      if (squares_[i][i] <= 0) continue;
      double rest = products_[i];
      for (size_t j = 0; j < 3; ++j) {
        if (j != i) rest -= squares_[i][j] * cost_[j];
      }
      cost_[i] = std::max(0.0, rest / squares_[i][i]);
    }
  }
}

double Forecast::step_ms(double prompt_rows, double next_rows) const {
  if (!known()) return 0;
  return cost_[0] + cost_[1] * prompt_rows + cost_[2] * next_rows;
}

double Forecast::request_ms_told(const Work& own, const Work& ahead, int batch_max) const {
  if (!known()) return 0;
  const double answer = answer_share_ * (own.answer + ahead.answer);
  // Each token of one answer takes a step of its own; those of others share it.
  const double n_steps = std::max(answer_share_ * own.answer, answer / std::max(1, batch_max));
  return cost_[0] * n_steps + cost_[1] * (own.prompt + ahead.prompt) + cost_[2] * answer;
}

double Forecast::request_ms(const Work& own, const Work& ahead, int batch_max) const {
  return longer_ * request_ms_told(own, ahead, batch_max);
}

// Up by much when a request took longer, down by little when not: rests where one in fifty does.
void Forecast::observe_request(double told_ms, double ms) {
  if (told_ms <= 0) return;
  const double step = ms > longer_ * told_ms ? kLongerShare : kLongerShare - 1;
  longer_ = std::clamp(longer_ + kLongerStep * step, 1.0, 8.0);
}

void Forecast::observe_answer(double tokens_max, double tokens) {
  if (tokens_max <= 0) return;
  answer_share_ += kAnswerStep * (std::min(1.0, tokens / tokens_max) - answer_share_);
}

}  // namespace consort::engine

// Forecast: how long a step and a request will take, learnt from those that were.
//
//   a step's ms = fixed + prompt_row * rows without logits + next_row * rows with logits
//
// The three are the least squares over the steps of late (the weight of a step fades by 3 % with
// each later one), none below 0. A request's time is that of the work that goes before it and its
// own, times what the last requests took more than was told.
//
// Not here: who goes first (FairQueue).
#pragma once

#include <array>

namespace consort::engine {

// Tokens to be read and to be written.
struct Work {
  double prompt = 0;
  double answer = 0;
  double tokens() const { return prompt + answer; }
  Work& operator+=(const Work& other) {
    prompt += other.prompt;
    answer += other.answer;
    return *this;
  }
};

// Not thread-safe.
class Forecast final {
 public:
  void observe_step(int prompt_rows, int next_rows, double ms);
  bool known() const { return n_steps_ >= kStepsMin; }
  // Of a step with such rows; 0 while not known.
  double step_ms(double prompt_rows, double next_rows) const;
  double fixed_ms() const { return cost_[0]; }
  double prompt_row_ms() const { return cost_[1]; }
  double next_row_ms() const { return cost_[2]; }

  // Until a request's end: `ahead` goes before it or beside it, at most `batch_max` at a time.
  // 0 while not known.
  double request_ms(const Work& own, const Work& ahead, int batch_max) const;
  // The same without what was learnt from requests that took longer: what observe_request wants.
  double request_ms_told(const Work& own, const Work& ahead, int batch_max) const;
  void observe_request(double told_ms, double ms);
  // Answers are shorter than they may be: by the share that is used.
  void observe_answer(double tokens_max, double tokens);

 private:
  static constexpr int kStepsMin = 8;
  std::array<double, 3> cost_{};
  std::array<std::array<double, 3>, 3> squares_{};
  std::array<double, 3> products_{};
  int n_steps_ = 0;
  double answer_share_ = 1;
  double longer_ = 1;  // About 49 in 50 requests take at most so many times what was told.
};

}  // namespace consort::engine

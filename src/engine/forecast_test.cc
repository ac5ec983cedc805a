#include "engine/forecast.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace consort::engine {
namespace {

// Steps of a machine with known costs, disturbed by a tenth.
void run_steps(Forecast* forecast, double fixed, double prompt_row, double next_row, int n) {
  Rng rng(3);
  for (int i = 0; i < n; ++i) {
    const int p = rng.below(3) == 0 ? 0 : static_cast<int>(rng.below(60));
    const int d = 1 + static_cast<int>(rng.below(16));
    const double ms = fixed + prompt_row * p + next_row * d;
    forecast->observe_step(p, d, ms * (0.95 + 0.1 * rng.uniform()));
  }
}

TEST(Forecast, LearnsWhatAStepAndARowCost) {
  Forecast forecast;
  run_steps(&forecast, 3, 0.5, 0.6, 400);
  EXPECT_NEAR(forecast.step_ms(0, 1), 3.6, 0.5);
  EXPECT_NEAR(forecast.step_ms(40, 10), 29, 1.5);
  EXPECT_NEAR(forecast.prompt_row_ms(), 0.5, 0.06);
  // The machine gets twice as slow.
  run_steps(&forecast, 6, 1.0, 1.2, 400);
  EXPECT_NEAR(forecast.step_ms(40, 10), 58, 3);
}

TEST(Forecast, KnowsNothingBeforeItHasSeenSteps) {
  Forecast forecast;
  EXPECT_EQ(forecast.request_ms({100, 32}, {}, 16), 0);
  forecast.observe_step(10, 1, 5);
  EXPECT_EQ(forecast.step_ms(10, 1), 0);
}

TEST(Forecast, OneStepThatTheSystemPausedChangesLittle) {
  Forecast forecast;
  run_steps(&forecast, 3, 0.5, 0.6, 200);
  const double before = forecast.step_ms(20, 8);
  forecast.observe_step(20, 8, 5000);
  EXPECT_LT(forecast.step_ms(20, 8), 1.3 * before);
}

TEST(Forecast, ARequestAloneTakesAStepForEachTokenAndInCompanyItsShare) {
  Forecast forecast;
  run_steps(&forecast, 3, 0.5, 0.5, 400);
  // 100 * 0.5 + 32 * (3 + 0.5)
  EXPECT_NEAR(forecast.request_ms({100, 32}, {}, 16), 162, 25);
  // 15 others like it: 16 * (50 + 16) and 32 steps' 3 ms.
  EXPECT_NEAR(forecast.request_ms({100, 32}, {1500, 480}, 16), 1152, 60);
}

TEST(Forecast, LearnsThatAnswersAreShorterAndThatRequestsTakeLonger) {
  Forecast forecast;
  run_steps(&forecast, 3, 0.5, 0.5, 400);
  const double whole = forecast.request_ms({0, 200}, {}, 16);
  for (int i = 0; i < 100; ++i) forecast.observe_answer(200, 20);
  EXPECT_NEAR(forecast.request_ms({0, 200}, {}, 16), whole / 10, whole / 50);
  // Requests take between as long as told and twice that: 49 in 50 take up to 1.98 times.
  Rng rng(4);
  const double told = forecast.request_ms_told({0, 200}, {}, 16);
  for (int i = 0; i < 4000; ++i) forecast.observe_request(told, told * (1 + rng.uniform()));
  EXPECT_NEAR(forecast.request_ms({0, 200}, {}, 16) / told, 1.98, 0.1);
}

}  // namespace
}  // namespace consort::engine

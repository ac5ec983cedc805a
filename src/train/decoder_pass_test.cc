#include "train/decoder_pass.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/rng.h"
#include "contract/json.h"
#include "train/optimizer.h"
#include "train/test_model.h"

namespace consort::train {
namespace {

LoraConfig small_lora() {
  LoraConfig config;
  config.rank = 8;
  config.alpha = 16;
  return config;
}

// A by the formula of make_training.py, B zero (or not, so that every gradient is there).
LoraWeights formula_lora(const model::DecoderConfig& model, double b_scale) {
  LoraWeights lora = *LoraWeights::create(model, small_lora());
  for (int l = 0; l < 2; ++l)
    for (int p = 0; p < model::kProjections; ++p) {
      const LoraWeights::Pair& pair = *lora.pair(l, p);
      const auto seed = static_cast<uint32_t>(200 + l * 7 + p);
      const auto a = testing::hashed_values(8 * static_cast<size_t>(pair.n_in), seed, 0.125);
      const auto b =
          testing::hashed_values(8 * static_cast<size_t>(pair.n_out), seed + 50, b_scale);
      std::copy(a.begin(), a.end(), lora.values.begin() + static_cast<std::ptrdiff_t>(pair.a));
      std::copy(b.begin(), b.end(), lora.values.begin() + static_cast<std::ptrdiff_t>(pair.b));
    }
  return lora;
}

PassOptions f32() {
  PassOptions options;
  options.precision = tensor::TrainPrecision::f32;
  return options;
}

TEST(DecoderPass, GradientsEqualFiniteDifferences) {
  const auto model = testing::tiny_model();
  ThreadPool pool(2);
  auto pass = DecoderPass::create(*model, small_lora(), f32(), pool);
  LoraWeights lora = formula_lora(model->config(), 0.05);
  const Batch batch = testing::tiny_batch(0);
  const float weight = 1.0f / static_cast<float>(batch.n_labels());
  pass->set_lora(lora);
  pass->loss(batch, weight, &lora);
  Rng rng(3);
  for (int l = 0; l < 2; ++l)
    for (int p = 0; p < model::kProjections; ++p)
      for (int side = 0; side < 2; ++side) {
        // Along the gradient of one tensor the slope is that tensor's gradient norm.
        const LoraWeights::Pair& pair = *lora.pair(l, p);
        const size_t at = side == 0 ? pair.a : pair.b;
        const size_t n = 8 * static_cast<size_t>(side == 0 ? pair.n_in : pair.n_out);
        const double norm = norm_of(std::span(lora.gradients).subspan(at, n));
        ASSERT_GT(norm, 1e-5);
        std::vector<float> direction(n);
        double slope = 0;
        for (size_t i = 0; i < n; ++i) {
          direction[i] = static_cast<float>(lora.gradients[at + i] / norm + 0.05 * rng.normal());
          slope += static_cast<double>(direction[i]) * lora.gradients[at + i];
        }
        const float h = 4e-3f;
        double losses[2];
        for (int sign = 0; sign < 2; ++sign) {
          LoraWeights moved = lora;
          for (size_t i = 0; i < n; ++i)
            moved.values[at + i] += (sign == 0 ? h : -h) * direction[i];
          pass->set_lora(moved);
          losses[sign] = pass->loss(batch, weight, nullptr);
        }
        EXPECT_NEAR((losses[0] - losses[1]) / (2 * h), slope, 0.01 * slope + 2e-4)
            << "layer " << l << " projection " << p << " side " << side;
      }
}

TEST(DecoderPass, GivesTheSameBitsForAnyThreadsAndWithRecomputation) {
  const auto model = testing::tiny_model();
  const Batch batch = testing::tiny_batch(1);
  for (auto precision : {tensor::TrainPrecision::f32, tensor::TrainPrecision::bf16}) {
    std::vector<float> first;
    double first_loss = 0;
    for (int threads : {1, 3}) {
      for (uint64_t kept : {uint64_t{1} << 30, uint64_t{0}}) {
        ThreadPool pool(threads);
        PassOptions options;
        options.precision = precision;
        options.kept_bytes_max = kept;
        auto pass = DecoderPass::create(*model, small_lora(), options, pool);
        LoraWeights lora = formula_lora(model->config(), 0.05);
        pass->set_lora(lora);
        const double loss = pass->loss(batch, 0.02f, &lora);
        if (first.empty()) {
          first = lora.gradients;
          first_loss = loss;
        }
        EXPECT_EQ(loss, first_loss);
        EXPECT_EQ(0, std::memcmp(first.data(), lora.gradients.data(), first.size() * 4));
      }
    }
  }
}

TEST(DecoderPass, PackedSequencesDoNotSeeEachOther) {
  const auto model = testing::tiny_model();
  ThreadPool pool(1);
  auto pass = DecoderPass::create(*model, small_lora(), f32(), pool);
  LoraWeights lora = formula_lora(model->config(), 0.05);
  pass->set_lora(lora);
  const Batch both = testing::tiny_batch(2);
  double apart = 0;
  for (const Sequence& s : both.sequences) {
    Batch one;
    one.tokens.assign(both.tokens.begin() + s.start, both.tokens.begin() + s.start + s.length);
    one.labels.assign(both.labels.begin() + s.start, both.labels.begin() + s.start + s.length);
    one.sequences = {{0, s.length}};
    apart += pass->loss(one, 1.0f, nullptr);
  }
  EXPECT_NEAR(pass->loss(both, 1.0f, nullptr), apart, 1e-3);
}

// 200 steps of torch + PEFT on the same model and data (tests/golden/training_curve.json).
TEST(DecoderPass, FollowsTheLossCurveOfTorchAndPeft) {
  const auto text =
      read_file(std::string(CONSORT_SOURCE_DIR) + "/tests/golden/training_curve.json", 1 << 20);
  ASSERT_TRUE(text);
  const auto golden = contract::parse_json(*text);
  ASSERT_TRUE(golden);
  const auto& want = golden->find("losses")->as_array();
  const auto& rounded = golden->find("losses_bf16")->as_array();
  ASSERT_EQ(want.size(), 200u);
  ASSERT_EQ(rounded.size(), 200u);
  const auto model = testing::tiny_model();
  for (auto precision : {tensor::TrainPrecision::f32, tensor::TrainPrecision::bf16}) {
    ThreadPool pool(2);
    PassOptions options;
    options.precision = precision;
    auto pass = DecoderPass::create(*model, small_lora(), options, pool);
    LoraWeights lora = formula_lora(model->config(), 0);
    AdamW adam(lora.values.size());
    OptimizerConfig config;
    config.weight_decay = 0.01;
    double worst = 0, worst_of_torch = 0, late = 0, want_late = 0;
    for (size_t step = 0; step < want.size(); ++step) {
      const Batch batch = testing::tiny_batch(static_cast<int>(step % 8));
      pass->set_lora(lora);
      std::fill(lora.gradients.begin(), lora.gradients.end(), 0.0f);
      const double loss = pass->loss(batch, 1.0f / static_cast<float>(batch.n_labels()), &lora);
      ASSERT_TRUE(adam.step(config, 2e-3, lora.gradients, lora.values));
      const double expected = want[step].as_number().as_double();
      worst = std::max(worst, std::abs(loss / expected - 1));
      worst_of_torch = std::max(
          worst_of_torch, std::abs(rounded[step].as_number().as_double() / expected - 1));
      if (step < 160) continue;
      late += loss;
      want_late += expected;
    }
    // bf16 rounds the operands of each product to 8 bits. Torch's own bf16 curve says how far single
    // steps may stray for that; where training ends must not move.
    if (precision == tensor::TrainPrecision::f32) {
      EXPECT_LT(worst, 1e-3);
    } else {
      EXPECT_LT(worst, 1.25 * worst_of_torch);
      EXPECT_NEAR(late / want_late, 1, 0.02);
    }
  }
}

TEST(AdamW, WarmsUpThenFallsAsACosine) {
  OptimizerConfig config;
  config.learning_rate = 1;
  config.warmup = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 0, 100), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 9, 100), 1.0);
  EXPECT_NEAR(learning_rate_at(config, 55, 100), 0.5, 1e-12);  // cos(pi / 2) = 0
  EXPECT_LT(learning_rate_at(config, 99, 100), 0.001);
}

TEST(AdamW, RefusesAGradientThatIsNoNumberAndChangesNothing) {
  std::vector<float> values{1, 2}, gradients{1, NAN};
  AdamW adam(2);
  const auto done = adam.step({}, 1e-3, gradients, values);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().number, 9002);
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
}

}  // namespace
}  // namespace consort::train

#include "train/encoder_pass.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/rng.h"
#include "contract/json.h"
#include "tensor/kernels.h"
#include "train/encoder_loss.h"
#include "train/optimizer.h"
#include "train/test_model.h"

namespace consort::train {
namespace {

using tensor::TrainPrecision;

std::unique_ptr<const model::Encoder> tiny_encoder(const std::string& name) {
  auto encoder =
      model::Encoder::load(std::string(CONSORT_SOURCE_DIR) + "/tests/golden/encoders/" + name);
  CONSORT_CHECK(encoder);
  return std::move(*encoder);
}

LoraConfig small_lora() {
  LoraConfig config;
  config.rank = 8;
  config.alpha = 16;
  return config;
}

// A by the formula of make_encoder_training.py; B likewise with `b_scale`, or zero.
LoraWeights formula_lora(const model::EncoderConfig& model, double b_scale) {
  LoraWeights lora = *LoraWeights::create(model, small_lora());
  for (int l = 0; l < model.n_layer; ++l)
    for (int p = 0; p < model::kProjections; ++p) {
      const LoraWeights::Pair* pair = lora.pair(l, p);
      if (pair == nullptr) continue;
      const auto seed = static_cast<uint32_t>(200 + l * 7 + p);
      const auto a = testing::hashed_values(8 * static_cast<size_t>(pair->n_in), seed, 0.125);
      const auto b = testing::hashed_values(8 * static_cast<size_t>(pair->n_out), seed + 50, b_scale);
      std::copy(a.begin(), a.end(), lora.values.begin() + static_cast<std::ptrdiff_t>(pair->a));
      std::copy(b.begin(), b.end(), lora.values.begin() + static_cast<std::ptrdiff_t>(pair->b));
    }
  return lora;
}

// Texts of these lengths, by formula; from `n_first` on of type 1.
EncoderBatch formula_batch(const model::EncoderConfig& model, int first,
                           const std::vector<int>& lengths, int n_first = 1000) {
  EncoderBatch batch;
  for (size_t s = 0; s < lengths.size(); ++s) {
    std::vector<int32_t> ids;
    for (int j = 0; j < lengths[s]; ++j) {
      const auto at = static_cast<uint32_t>((first + static_cast<int>(s)) * 32 + j);
      ids.push_back(static_cast<int32_t>((testing::hashed(at, 99) + 1) / 2 * model.n_vocab));
    }
    batch.add(ids, static_cast<size_t>(n_first));
  }
  return batch;
}

const std::vector<int> kLengths = {5, 7, 4, 11, 9, 14, 8, 6};

double contrast(std::span<const float> v, std::span<float> d) {
  const std::vector<ContrastiveItem> items = {{0, 3, {}}, {1, 4, {}}, {2, 5, {3}}};
  const std::vector<int> documents = {3, 4, 5, 6, 7};
  return info_nce(v, 64, items, documents, 0.1, 1.0 / 3, d);
}

class EncoderGradients : public ::testing::TestWithParam<const char*> {};

TEST_P(EncoderGradients, EqualFiniteDifferences) {
  const auto encoder = tiny_encoder(GetParam());
  ThreadPool pool(2);
  auto pass = EncoderPass::create(*encoder, small_lora(), TrainPrecision::f32, pool);
  LoraWeights lora = formula_lora(encoder->config(), 0.05);
  const EncoderBatch batch = formula_batch(encoder->config(), 0, kLengths, 5);
  std::vector<float> d(kLengths.size() * 64);
  const auto loss_of = [&](const LoraWeights& weights, bool keep) {
    pass->set_lora(weights);
    std::fill(d.begin(), d.end(), 0.0f);
    return contrast(pass->forward(batch, keep), d);
  };
  loss_of(lora, true);
  pass->backward(d, lora);
  Rng rng(3);
  int checked = 0;
  for (int l = 0; l < encoder->config().n_layer; ++l)
    for (int p = 0; p < model::kProjections; ++p)
      for (int side = 0; side < 2; ++side) {
        const LoraWeights::Pair* pair = lora.pair(l, p);
        ASSERT_EQ(pair == nullptr, p == kGate);
        if (pair == nullptr) continue;
        const size_t at = side == 0 ? pair->a : pair->b;
        const size_t n = 8 * static_cast<size_t>(side == 0 ? pair->n_in : pair->n_out);
        const double norm = norm_of(std::span(lora.gradients).subspan(at, n));
        ASSERT_GT(norm, 1e-5);
        // Along its own gradient, with noise so that no error of sign or place can hide.
        std::vector<float> direction(n);
        double slope = 0;
        for (size_t i = 0; i < n; ++i) {
          direction[i] = static_cast<float>(lora.gradients[at + i] / norm + 0.05 * rng.normal());
          slope += static_cast<double>(direction[i]) * lora.gradients[at + i];
        }
        const float h = 2e-3f;
        double losses[2];
        for (int sign = 0; sign < 2; ++sign) {
          LoraWeights moved = lora;
          for (size_t i = 0; i < n; ++i)
            moved.values[at + i] += (sign == 0 ? h : -h) * direction[i];
          losses[sign] = loss_of(moved, false);
        }
        EXPECT_NEAR((losses[0] - losses[1]) / (2 * h), slope, 0.01 * slope + 2e-4)
            << "layer " << l << " projection " << p << " side " << side;
        ++checked;
      }
  EXPECT_EQ(checked, 2 * 6 * 2);
}

INSTANTIATE_TEST_SUITE_P(Pooling, EncoderGradients, ::testing::Values("cls", "pair"));

TEST(EncoderPass, GivesTheVectorsOfTheServingPass) {
  for (const char* name : {"cls", "pair"}) {
    const auto encoder = tiny_encoder(name);
    ThreadPool pool(2);
    for (auto precision : {TrainPrecision::f32, TrainPrecision::bf16}) {
      auto pass = EncoderPass::create(*encoder, small_lora(), precision, pool);
      pass->set_lora(formula_lora(encoder->config(), 0));
      const EncoderBatch batch = formula_batch(encoder->config(), 0, kLengths);
      std::vector<std::vector<int32_t>> sequences;
      for (const Sequence& s : batch.sequences)
        sequences.emplace_back(batch.tokens.begin() + s.start,
                               batch.tokens.begin() + s.start + s.length);
      model::EncoderRunner runner(*encoder, pool, tensor::kernels(*tensor::choose_isa()));
      const auto served = runner.run(sequences);
      const auto trained = pass->forward(batch, false);
      for (size_t i = 0; i < served.size(); ++i) {
        double cosine = 0;
        for (size_t j = 0; j < 64; ++j)
          cosine += static_cast<double>(served[i][j]) * trained[i * 64 + j];
        EXPECT_GT(cosine, 0.9999) << name << " " << i;
      }
    }
  }
}

TEST(EncoderPass, GivesTheSameBitsForAnyThreadsAndCompany) {
  const auto encoder = tiny_encoder("pair");
  const EncoderBatch batch = formula_batch(encoder->config(), 0, kLengths, 5);
  for (auto precision : {TrainPrecision::f32, TrainPrecision::bf16}) {
    std::vector<float> vectors, gradients;
    for (int threads : {1, 3}) {
      ThreadPool pool(threads);
      auto pass = EncoderPass::create(*encoder, small_lora(), precision, pool);
      LoraWeights lora = formula_lora(encoder->config(), 0.05);
      pass->set_lora(lora);
      const auto v = pass->forward(batch, true);
      if (vectors.empty()) vectors.assign(v.begin(), v.end());
      EXPECT_EQ(0, std::memcmp(vectors.data(), v.data(), vectors.size() * 4));
      std::vector<float> d(vectors.size());
      contrast(v, d);
      pass->backward(d, lora);
      if (gradients.empty()) gradients = lora.gradients;
      EXPECT_EQ(0, std::memcmp(gradients.data(), lora.gradients.data(), gradients.size() * 4));
      for (size_t i = 0; i < kLengths.size(); ++i) {
        const auto alone = pass->forward(
            formula_batch(encoder->config(), static_cast<int>(i), {kLengths[i]}, 5), false);
        EXPECT_EQ(0, std::memcmp(alone.data(), vectors.data() + i * 64, 64 * 4)) << i;
      }
    }
  }
}

// 60 steps of torch on the same models and texts (tests/golden/encoder_training.json).
class EncoderCurve : public ::testing::TestWithParam<const char*> {};

TEST_P(EncoderCurve, IsThatOfTorch) {
  const std::string kind = GetParam();
  const auto text =
      read_file(std::string(CONSORT_SOURCE_DIR) + "/tests/golden/encoder_training.json", 1 << 20);
  ASSERT_TRUE(text);
  const auto golden = contract::parse_json(*text);
  ASSERT_TRUE(golden);
  const auto& want = golden->find(kind)->as_array();
  ASSERT_EQ(want.size(), 60u);
  const bool contrastive = kind == "info_nce", classes = kind == "classes";
  const auto encoder = tiny_encoder(contrastive ? "cls" : "pair");
  ThreadPool pool(2);
  auto pass = EncoderPass::create(*encoder, small_lora(), TrainPrecision::f32, pool);
  LoraWeights lora = formula_lora(encoder->config(), 0);
  const size_t n_lora = lora.values.size();
  const HeadShape head{.n_labels = classes ? 5 : 1, .width = 64, .scale = 8};
  if (!contrastive) {
    const auto first = testing::hashed_values(head.n_values(), 300, 0.1);
    lora.values.insert(lora.values.end(), first.begin(), first.end());
    lora.gradients.resize(lora.values.size());
  }
  AdamW adam(lora.values.size());
  OptimizerConfig config;
  config.weight_decay = 0.01;
  double worst = 0;
  for (size_t step = 0; step < want.size(); ++step) {
    const int first = static_cast<int>(step % 4) * 16;
    const EncoderBatch batch =
        contrastive ? formula_batch(encoder->config(), first, kLengths)
        : classes   ? formula_batch(encoder->config(), first, {5, 7, 4, 11, 9, 14})
                    : formula_batch(encoder->config(), first, {9, 12, 7, 15}, 4);
    pass->set_lora(lora);
    std::fill(lora.gradients.begin(), lora.gradients.end(), 0.0f);
    const auto v = pass->forward(batch, true);
    std::vector<float> d(v.size());
    double loss = 0;
    if (contrastive) {
      loss = contrast(v, d);
    } else {
      const std::span<const float> values = std::span(lora.values).subspan(n_lora);
      const auto logits = head_forward(head, values, v);
      std::vector<float> d_logits(logits.size());
      if (classes) {
        loss = class_loss(logits, std::vector<int>{0, 3, 1, 4, -1, -1}, 1.0 / 6, 0.5, d_logits);
      } else {
        const RankLoss rank = kind == "binary"     ? RankLoss::binary
                              : kind == "pairwise" ? RankLoss::pairwise
                                                   : RankLoss::listwise;
        loss = rank_loss(rank, logits, std::vector<float>{0, 1, 0, 0.5f}, 1, d_logits);
      }
      head_backward(head, values, v, d_logits, d, std::span(lora.gradients).subspan(n_lora));
    }
    pass->backward(d, lora);
    ASSERT_TRUE(adam.step(config, 5e-4, lora.gradients, lora.values));
    const double expected = want[step].as_number().as_double();
    // Near zero a loss is a small difference of large numbers.
    worst = std::max(worst, std::abs(loss - expected) / std::max(expected, 0.1));
  }
  EXPECT_LT(worst, 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Losses, EncoderCurve,
                         ::testing::Values("info_nce", "classes", "binary", "pairwise", "listwise"));

}  // namespace
}  // namespace consort::train

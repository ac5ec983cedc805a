// Every instruction set against plain double arithmetic and against the others.
#include "tensor/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "base/rng.h"
#include "tensor/matmul.h"

namespace consort::tensor {
namespace {

std::vector<float> random_floats(Rng& rng, size_t n, double scale = 1.0) {
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(scale * rng.normal());
  return out;
}

// Bytes of n weights of a format: random codes, scales that are small normal f16 numbers.
std::vector<uint8_t> random_weights(Rng& rng, WeightFormat format, uint64_t n) {
  std::vector<uint8_t> out(weight_bytes(format, n));
  if (format == WeightFormat::f32) {
    const std::vector<float> values = random_floats(rng, n);
    std::memcpy(out.data(), values.data(), out.size());
    return out;
  }
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(rng.below(256));
  const uint64_t block = weight_bytes(format, 32);
  const bool has_offset = format == WeightFormat::q4_1;
  for (uint64_t at = 0; at < out.size(); at += block) {
    for (int i = 0; i < (has_offset ? 2 : 1); ++i) {
      const auto half = static_cast<uint16_t>(0x2000 + rng.below(0x800) + (rng.below(2) << 15));
      std::memcpy(out.data() + at + 2 * static_cast<uint64_t>(i), &half, 2);
    }
  }
  return out;
}

class EachIsa : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& k() const { return kernels(GetParam()); }
  Rng rng_{7};
};
INSTANTIATE_TEST_SUITE_P(Isa, EachIsa, testing::ValuesIn(supported_isas()),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST_P(EachIsa, QuantisedRowsAreWithinHalfAStepOfTheValues) {
  const std::vector<float> x = random_floats(rng_, 96, 3.0);
  Activations a;
  a.resize(1, 96);
  std::copy(x.begin(), x.end(), a.row(0));
  a.quantize_row(k(), 0);
  const QuantizedRows q = a.quantized();
  for (int b = 0; b < 3; ++b) {
    float peak = 0;
    int sum = 0;
    for (int i = 0; i < 32; ++i) {
      peak = std::max(peak, std::fabs(x[static_cast<size_t>(32 * b + i)]));
      sum += q.q(0, 32 * b + i);
    }
    EXPECT_NEAR(q.d(0, b), peak / 127, peak / 127 / 1000);
    EXPECT_NEAR(q.s(0, b), q.d(0, b) * static_cast<float>(sum), 1e-7);
    for (int i = 0; i < 32; ++i) {
      EXPECT_NEAR(q.q(0, 32 * b + i), x[static_cast<size_t>(32 * b + i)] * 127 / peak, 0.5001);
    }
  }
}

TEST_P(EachIsa, AllZeroRowsQuantiseToZero) {
  Activations a;
  a.resize(1, 32);
  std::fill(a.row(0), a.row(0) + 32, 0.0f);
  a.quantize_row(k(), 0);
  EXPECT_EQ(a.quantized().d(0, 0), 0.0f);
  EXPECT_EQ(a.quantized().s(0, 0), 0.0f);
}

// Products of what the quantised rows stand for, in double.
std::vector<double> reference(const Activations& x, WeightFormat format,
                              const std::vector<uint8_t>& data, int n_out) {
  const int n = x.n();
  std::vector<float> w(static_cast<size_t>(n_out) * static_cast<size_t>(n));
  dequantize(format, data.data(), w.size(), w.data());
  std::vector<double> out;
  const QuantizedRows q = x.quantized();
  for (int m = 0; m < x.rows(); ++m) {
    for (int j = 0; j < n_out; ++j) {
      double sum = 0;
      for (int i = 0; i < n; ++i) {
        const double xi = format == WeightFormat::f32
                              ? x.row(m)[i]
                              : static_cast<double>(q.q(m, i)) * q.d(m, i / 32);
        sum += xi * w[static_cast<size_t>(j) * static_cast<size_t>(n) + static_cast<size_t>(i)];
      }
      out.push_back(sum);
    }
  }
  return out;
}

TEST_P(EachIsa, ProductsEqualDoubleArithmeticForEveryFormatAndRaggedShapes) {
  ThreadPool pool(2);
  for (WeightFormat format : {WeightFormat::q4_0, WeightFormat::q4_1, WeightFormat::q5_0,
                              WeightFormat::q8_0, WeightFormat::f32}) {
    for (const int n_out : {16, 33, 70}) {
      for (const int rows : {1, 2, 3, 7, 19, 31}) {
        const int n = 96;
        const std::vector<uint8_t> data =
            random_weights(rng_, format, static_cast<uint64_t>(n_out * n));
        auto packed = PackedMatrix::pack(format, data, n_out, n);
        ASSERT_TRUE(packed) << packed.error().to_string();
        Activations x;
        x.resize(rows, n);
        const std::vector<float> values = random_floats(rng_, static_cast<size_t>(rows * n));
        std::copy(values.begin(), values.end(), x.row(0));
        for (int m = 0; m < rows; ++m) x.quantize_row(k(), m);
        std::vector<float> y(static_cast<size_t>(rows * (n_out + 3)), 5.0f);
        const MatmulPart part{&*packed, 0};
        matmul(pool, k(), x, 0, rows, {&part, 1}, y.data(), static_cast<size_t>(n_out + 3), true);
        const std::vector<double> wanted = reference(x, format, data, n_out);
        double size = 0;
        for (const double v : wanted) size = std::max(size, std::fabs(v));
        for (int m = 0; m < rows; ++m) {
          for (int j = 0; j < n_out; ++j) {
            ASSERT_NEAR(y[static_cast<size_t>(m * (n_out + 3) + j)] - 5.0f,
                        wanted[static_cast<size_t>(m * n_out + j)], 2e-6 * size)
                << static_cast<int>(format) << " " << n_out << " " << rows;
          }
          for (int j = n_out; j < n_out + 3; ++j)
            ASSERT_EQ(y[static_cast<size_t>(m * (n_out + 3) + j)], 5.0f);
        }
      }
    }
  }
}

TEST_P(EachIsa, ARowsBitsDoNotDependOnTheRowsBesideItOrOnThreads) {
  for (WeightFormat format : {WeightFormat::q4_1, WeightFormat::q8_0, WeightFormat::f32}) {
    const int n = 160, n_out = 112, rows = 45;
    const std::vector<uint8_t> data =
        random_weights(rng_, format, static_cast<uint64_t>(n_out * n));
    auto packed = PackedMatrix::pack(format, data, n_out, n);
    ASSERT_TRUE(packed);
    Activations x;
    x.resize(rows, n);
    const std::vector<float> values = random_floats(rng_, static_cast<size_t>(rows * n));
    std::copy(values.begin(), values.end(), x.row(0));
    for (int m = 0; m < rows; ++m) x.quantize_row(k(), m);
    const MatmulPart part{&*packed, 0};
    std::vector<float> together(static_cast<size_t>(rows * n_out)),
        alone(static_cast<size_t>(n_out));
    ThreadPool two(2), one(1);
    matmul(two, k(), x, 0, rows, {&part, 1}, together.data(), static_cast<size_t>(n_out), false);
    for (int m = 0; m < rows; ++m) {
      matmul(one, k(), x, m, 1, {&part, 1}, alone.data(), static_cast<size_t>(n_out), false);
      ASSERT_EQ(std::memcmp(alone.data(), together.data() + m * n_out, sizeof(float) * n_out), 0)
          << m;
    }
  }
}

TEST(Isa, QuantisedProductsHaveTheSameBitsOnEveryInstructionSet) {
  Rng rng(3);
  for (WeightFormat format : {WeightFormat::q4_1, WeightFormat::q8_0}) {
    const int n = 576, n_out = 64, rows = 5;
    const std::vector<uint8_t> data = random_weights(rng, format, static_cast<uint64_t>(n_out * n));
    auto packed = PackedMatrix::pack(format, data, n_out, n);
    ASSERT_TRUE(packed);
    const std::vector<float> values = random_floats(rng, static_cast<size_t>(rows * n));
    std::vector<std::vector<float>> results;
    ThreadPool pool(1);
    for (Isa isa : supported_isas()) {
      Activations x;
      x.resize(rows, n);
      std::copy(values.begin(), values.end(), x.row(0));
      for (int m = 0; m < rows; ++m) x.quantize_row(kernels(isa), m);
      const MatmulPart part{&*packed, 0};
      results.emplace_back(static_cast<size_t>(rows * n_out));
      matmul(pool, kernels(isa), x, 0, rows, {&part, 1}, results.back().data(), n_out, false);
    }
    for (const auto& result : results) EXPECT_EQ(result, results[0]);
  }
}

TEST_P(EachIsa, NormsAndActivationsEqualTheirFormulas) {
  const int n = 576;
  const std::vector<float> x = random_floats(rng_, n, 4.0), w = random_floats(rng_, n),
                           b = random_floats(rng_, n);
  double squares = 0, sum = 0;
  for (const float v : x) {
    squares += static_cast<double>(v) * v;
    sum += v;
  }
  const double mean = sum / n;
  double variance = 0;
  for (const float v : x) variance += (v - mean) * (v - mean) / n;
  std::vector<float> rms(n), layer(n), silu(n), gated(n), gelu = x;
  k().rms_norm(x.data(), w.data(), n, 1e-5f, rms.data());
  k().layer_norm(x.data(), w.data(), b.data(), n, 1e-5f, layer.data());
  k().silu_mul(x.data(), w.data(), n, silu.data());
  k().gelu_mul(x.data(), w.data(), n, gated.data());
  k().gelu(gelu.data(), n);
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const double v = x[i];
    EXPECT_NEAR(rms[i], v * w[i] / std::sqrt(squares / n + 1e-5), 1e-5);
    EXPECT_NEAR(layer[i], (v - mean) / std::sqrt(variance + 1e-5) * w[i] + b[i], 1e-5);
    EXPECT_NEAR(silu[i], v / (1 + std::exp(-v)) * w[i], 1e-5 * (1 + std::fabs(v * w[i])));
    const double by_tanh =
        0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
    EXPECT_NEAR(gated[i], by_tanh * w[i], 1e-5 * (1 + std::fabs(v * w[i])));
    EXPECT_NEAR(gelu[i], 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))), 3e-6 * (1 + std::fabs(v)));
  }
}

TEST_P(EachIsa, SoftmaxSumsToOneAndIgnoresWhatLiesBeyond) {
  for (const int n : {1, 5, 16, 17, 47, 1000}) {
    std::vector<float> x = random_floats(rng_, static_cast<size_t>((n + 15) / 16 * 16), 10.0);
    for (size_t i = static_cast<size_t>(n); i < x.size(); ++i) x[i] = 1e30f;
    double peak = -1e300, total = 0;
    for (int i = 0; i < n; ++i) peak = std::max<double>(peak, x[static_cast<size_t>(i)]);
    for (int i = 0; i < n; ++i) total += std::exp(x[static_cast<size_t>(i)] - peak);
    EXPECT_NEAR(k().log_sum_exp(x.data(), n), peak + std::log(total), 1e-4);
    std::vector<float> y = x;
    k().softmax(y.data(), n);
    for (int i = 0; i < n; ++i) {
      EXPECT_NEAR(y[static_cast<size_t>(i)], std::exp(x[static_cast<size_t>(i)] - peak) / total,
                  2e-6);
    }
  }
}

TEST_P(EachIsa, HalvesRoundToNearestEven) {
  const std::vector<float> x = {0.0f,           1.0f,           -2.5f, 65504.0f, 1e6f,
                                1.00048828125f, 1.00146484375f, 6e-8f, 3e-5f};
  const std::vector<uint16_t> wanted = {0,      0x3c00, 0xc100, 0x7bff, 0x7c00,
                                        0x3c00, 0x3c02, 1,      0x01f7};
  std::vector<uint16_t> out(x.size());
  k().f32_to_f16(x.data(), static_cast<int>(x.size()), out.data());
  EXPECT_EQ(out, wanted);
}

TEST_P(EachIsa, AttentionOverPagesEqualsItsFormulaAndReadsNothingBeyondItsPositions) {
  const int dim = 64, n = 75;
  std::vector<std::vector<uint8_t>> storage(3, std::vector<uint8_t>(2 * 64 * 32 * 2, 0xff));  // NaN
  std::vector<const uint8_t*> pages;
  std::vector<float> ks, vs;
  for (int t = 0; t < n; ++t) {
    const std::vector<float> kt = random_floats(rng_, dim), vt = random_floats(rng_, dim);
    for (int i = 0; i < dim; ++i) {
      uint16_t h;
      auto* page = reinterpret_cast<uint16_t*>(storage[static_cast<size_t>(t / 32)].data());
      k().f32_to_f16(&kt[static_cast<size_t>(i)], 1, &h);
      page[i * 32 + t % 32] = h;
      float back;
      dequantize(WeightFormat::f16, reinterpret_cast<const uint8_t*>(&h), 1, &back);
      ks.push_back(back);
      k().f32_to_f16(&vt[static_cast<size_t>(i)], 1, &h);
      page[64 * 32 + t % 32 * dim + i] = h;
      dequantize(WeightFormat::f16, reinterpret_cast<const uint8_t*>(&h), 1, &back);
      vs.push_back(back);
    }
  }
  for (const auto& page : storage) pages.push_back(page.data());
  const std::vector<int> limits = {75, 74, 1, 33, 32, 64, 50};
  const std::vector<int> none(limits.size(), 0), firsts = {40, 39, 0, 31, 16, 33, 49};
  const std::vector<float> q = random_floats(rng_, limits.size() * 64, 0.3);
  std::vector<float> out(q.size()), scores(kAttendQueries * 96);
  std::vector<const float*> q_at;
  std::vector<float*> out_at;
  for (size_t j = 0; j < limits.size(); ++j) {
    q_at.push_back(q.data() + 64 * j);
    out_at.push_back(out.data() + 64 * j);
  }
  AttendArgs args{.q = q_at.data(),
                  .out = out_at.data(),
                  .n_positions = limits.data(),
                  .n_q = static_cast<int>(limits.size()),
                  .head_dim = dim,
                  .pages = pages.data(),
                  .k_offset = 0,
                  .v_offset = 64 * 32 * 2,
                  .scores = scores.data(),
                  .scores_stride = 96};
  for (const bool windows : {false, true}) {
    const std::vector<int>& seen = windows ? firsts : none;
    if (windows) {
      args.first = firsts.data();
      // What lies before every window is not read: NaN there is harmless.
      std::fill(scores.begin(), scores.end(), std::nanf(""));
    }
    k().attend(args);
    for (size_t j = 0; j < limits.size(); ++j) {
      std::vector<double> p;
      double total = 0;
      for (int t = seen[j]; t < limits[j]; ++t) {
        double dot = 0;
        for (int i = 0; i < dim; ++i)
          dot += static_cast<double>(q[64 * j + static_cast<size_t>(i)]) *
                 ks[static_cast<size_t>(t * dim + i)];
        p.push_back(std::exp(dot));
        total += p.back();
      }
      for (int i = 0; i < dim; ++i) {
        double wanted = 0;
        for (int t = seen[j]; t < limits[j]; ++t)
          wanted +=
              p[static_cast<size_t>(t - seen[j])] / total * vs[static_cast<size_t>(t * dim + i)];
        ASSERT_NEAR(out[64 * j + static_cast<size_t>(i)], wanted, 2e-5) << j;
      }
      std::vector<float> alone(64);
      float* alone_at = alone.data();
      AttendArgs single = args;
      single.q = &q_at[j];
      single.out = &alone_at;
      single.n_positions = &limits[j];
      if (windows) single.first = &firsts[j];
      single.n_q = 1;
      k().attend(single);
      ASSERT_EQ(std::memcmp(alone.data(), out.data() + 64 * j, 256), 0) << j;
    }
  }
}

}  // namespace
}  // namespace consort::tensor

#include "tensor/gemm_bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"

namespace consort::tensor {
namespace {

std::vector<float> random_values(size_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

float rounded(float x) {
  uint16_t b;
  scalar_train_kernels()->to_bf16(&x, 1, &b);
  const uint32_t u = static_cast<uint32_t>(b) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

// Two terms, odd row counts, a k that takes more than one pass, a panel of 16 columns.
std::vector<float> product(Isa isa, TrainPrecision precision, int threads, int rows) {
  const TrainKernels& kernels = train_kernels(isa);
  ThreadPool pool(threads);
  const int k = 700, r = 16, n = 208;
  const auto x = random_values(static_cast<size_t>(rows) * k, 1), w = random_values(n * k, 2);
  const auto u = random_values(static_cast<size_t>(rows) * r, 3), v = random_values(r * n, 4);
  GemmWeights weights(precision, k, n), pair(precision, r, n);
  weights.pack(kernels, w.data(), k, true, 0, n);
  pair.pack(kernels, v.data(), n, false, 0, n);
  GemmRows a, b;
  a.assign(pool, kernels, precision, x.data(), k, rows, k);
  b.assign(pool, kernels, precision, u.data(), r, rows, r);
  std::vector<float> c(static_cast<size_t>(rows) * n, 0.5f);
  const GemmTerm terms[] = {{&a, 0, &weights}, {&b, 0, &pair}};
  gemm(pool, kernels, terms, rows, c.data(), n, true);
  return c;
}

TEST(GemmBf16, EqualsTheSumInDoubleOnEveryInstructionSet) {
  const int rows = 29, k = 700, r = 16, n = 208;
  const auto x = random_values(rows * k, 1), w = random_values(n * k, 2);
  const auto u = random_values(rows * r, 3), v = random_values(r * n, 4);
  for (TrainPrecision precision : {TrainPrecision::bf16, TrainPrecision::f32}) {
    const auto value = [&](float f) { return precision == TrainPrecision::bf16 ? rounded(f) : f; };
    for (Isa isa : supported_isas()) {
      const auto c = product(isa, precision, 2, rows);
      for (int m = 0; m < rows; ++m)
        for (int j = 0; j < n; ++j) {
          double want = 0.5;
          for (int i = 0; i < k; ++i)
            want += static_cast<double>(value(x[m * k + i])) * value(w[j * k + i]);
          for (int i = 0; i < r; ++i)
            want += static_cast<double>(value(u[m * r + i])) * value(v[i * n + j]);
          ASSERT_NEAR(c[m * n + j], want, 3e-4) << name(isa) << " " << m << " " << j;
        }
    }
  }
}

TEST(GemmBf16, GivesTheSameBitsForAnyThreadsAndRows) {
  for (TrainPrecision precision : {TrainPrecision::bf16, TrainPrecision::f32})
    for (Isa isa : supported_isas()) {
      const auto one = product(isa, precision, 1, 400), three = product(isa, precision, 3, 400);
      EXPECT_EQ(0, std::memcmp(one.data(), three.data(), one.size() * 4)) << name(isa);
    }
}

TEST(TrainKernels, RoundToBfloat16HalfwayToEven) {
  // By hand: 1 + 2^-8 lies halfway between 1 and 1 + 2^-7.
  EXPECT_EQ(rounded(1.00390625f), 1.0f);
  EXPECT_EQ(rounded(1.01171875f), 1.015625f);
  EXPECT_EQ(rounded(-2.5f), -2.5f);
}

// Central differences of a function computed in double.
TEST(TrainKernels, BackwardHalvesEqualFiniteDifferences) {
  const int n = 32;
  const auto x = random_values(n, 5), w = random_values(n, 6), d = random_values(n, 7);
  const auto slope = [&](auto f, int i) {
    std::vector<double> at(x.begin(), x.end());
    const double h = 1e-5;
    at[i] += h;
    const double up = f(at);
    at[i] -= 2 * h;
    return (up - f(at)) / (2 * h);
  };
  const auto rms = [&](const std::vector<double>& v) {
    double squares = 0, out = 0;
    for (double t : v) squares += t * t;
    for (int i = 0; i < n; ++i) out += d[i] * v[i] * w[i] / std::sqrt(squares / n + 1e-5);
    return out;
  };
  const auto gate = [&](const std::vector<double>& v) {
    double out = 0;
    for (int i = 0; i < n; ++i) out += d[i] * w[i] * v[i] / (1 + std::exp(-v[i]));
    return out;
  };
  const auto layer_norm = [&](const std::vector<double>& v) {
    double mean = 0, variance = 0, out = 0;
    for (double t : v) mean += t / n;
    for (double t : v) variance += (t - mean) * (t - mean) / n;
    for (int i = 0; i < n; ++i) out += d[i] * w[i] * (v[i] - mean) / std::sqrt(variance + 1e-5);
    return out;
  };
  const auto gelu = [&](const std::vector<double>& v) {
    double out = 0;
    for (int i = 0; i < n; ++i) out += d[i] * v[i] / 2 * (1 + std::erf(v[i] / std::sqrt(2.0)));
    return out;
  };
  const auto soft = [&](const std::vector<double>& v, int count, double scale) {
    double total = 0, out = 0;
    for (int i = 0; i < count; ++i) total += std::exp(scale * v[i]);
    for (int i = 0; i < count; ++i) out += d[i] * std::exp(scale * v[i]) / total;
    return out;
  };
  const auto loss = [&](const std::vector<double>& v) {
    double total = 0;
    for (int i = 0; i < 27; ++i) total += std::exp(v[i]);
    return 0.25 * (std::log(total) - v[11]);
  };
  for (Isa isa : supported_isas()) {
    const TrainKernels& kernels = train_kernels(isa);
    std::vector<float> dx(n, 1.0f), dg(n), du(n), p = x, ds = d, ce = x;
    kernels.rms_norm_back(x.data(), w.data(), d.data(), n, 1e-5f, dx.data());
    kernels.silu_mul_back(x.data(), w.data(), d.data(), n, dg.data(), du.data());
    std::vector<float> dn(n), de(n);
    kernels.layer_norm_back(x.data(), w.data(), d.data(), n, 1e-5f, dn.data());
    kernels.gelu_back(x.data(), d.data(), n, de.data());
    kernels.softmax(p.data(), 20, n, 0.5f);
    kernels.softmax_back(p.data(), ds.data(), n, 0.5f);
    const float value = kernels.cross_entropy(ce.data(), 27, n, 11, 0.25f);
    const std::vector<double> at(x.begin(), x.end());
    EXPECT_NEAR(value * 0.25, loss(at), 1e-5);
    for (int i = 0; i < n; ++i) {
      EXPECT_NEAR(dx[i] - 1, slope(rms, i), 1e-4) << name(isa);
      EXPECT_NEAR(dn[i], slope(layer_norm, i), 1e-4) << name(isa);
      EXPECT_NEAR(de[i], slope(gelu, i), 1e-4) << name(isa);
      EXPECT_NEAR(dg[i], slope(gate, i), 1e-4) << name(isa);
      EXPECT_NEAR(du[i], d[i] * x[i] / (1 + std::exp(-x[i])), 1e-4) << name(isa);
      if (i < 20) {
        EXPECT_NEAR(ds[i], slope([&](const auto& v) { return soft(v, 20, 0.5); }, i), 1e-4);
      }
      EXPECT_NEAR(ce[i], i < 27 ? slope(loss, i) : 0, 1e-4) << name(isa);
    }
  }
}

}  // namespace
}  // namespace consort::tensor

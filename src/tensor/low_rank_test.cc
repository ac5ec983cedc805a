// Low-rank additions and bfloat16 products against plain double arithmetic.
#include "tensor/low_rank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"

namespace consort::tensor {
namespace {

std::vector<float> random_floats(Rng& rng, size_t n, double scale = 1.0) {
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(scale * rng.normal());
  return out;
}

Activations random_rows(Rng& rng, const Kernels& kernels, int rows, int n) {
  Activations x;
  x.resize(rows, n, true);
  const std::vector<float> values = random_floats(rng, static_cast<size_t>(rows * n));
  std::copy(values.begin(), values.end(), x.row(0));
  for (int m = 0; m < rows; ++m) {
    x.quantize_row(kernels, m);
    x.round_row(kernels, m);
  }
  return x;
}

// Every table of kernels that this CPU can run, bfloat16 instructions or not.
std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> out;
  for (Isa isa : supported_isas()) out.push_back(&kernels(isa));
#if defined(__x86_64__)
  if (has_avx512_bf16()) out.push_back(avx512_kernels());
#endif
  return out;
}

TEST(LowRank, AddsTheScaledProductWithinTheRoundingOfEightBits) {
  Rng rng(5);
  for (const Kernels* k : tables()) {
    for (const int rank : {1, 4, 16, 20, 64}) {
      for (const bool as_f32 : {false, true}) {
        const int n_in = 96, n_out = 70, rows = 11;
        const std::vector<float> a = random_floats(rng, static_cast<size_t>(rank * n_in)),
                                 b = random_floats(rng, static_cast<size_t>(n_out * rank));
        auto pair = LowRank::pack(a, b, n_out, n_in, rank, 0.5f, as_f32);
        ASSERT_TRUE(pair) << pair.error().to_string();
        const Activations x = random_rows(rng, *k, rows + 3, n_in);
        std::vector<float> y(static_cast<size_t>(rows * (n_out + 1)), 2.0f);
        add_low_rank(*k, *pair, x, 3, rows, y.data(), n_out + 1);
        double error = 0, size = 0;
        for (int m = 0; m < rows; ++m) {
          EXPECT_EQ(y[static_cast<size_t>(m * (n_out + 1) + n_out)], 2.0f);
          for (int j = 0; j < n_out; ++j) {
            double wanted = 0;
            for (int r = 0; r < rank; ++r) {
              double low = 0;
              for (int i = 0; i < n_in; ++i)
                low += static_cast<double>(x.row(m + 3)[i]) * a[static_cast<size_t>(r * n_in + i)];
              wanted += 0.5 * low * b[static_cast<size_t>(j * rank + r)];
            }
            const double d = y[static_cast<size_t>(m * (n_out + 1) + j)] - 2.0 - wanted;
            error += d * d;
            size += wanted * wanted;
          }
        }
        // Four roundings to 8 bits (x, A, A x, B), each of about 0.5 %.
        EXPECT_LT(std::sqrt(error / size), as_f32 ? 1e-5 : 0.015) << rank;
      }
    }
  }
}

TEST(LowRank, ARowsBitsDoNotDependOnTheRowsBesideIt) {
  Rng rng(6);
  for (const Kernels* k : tables()) {
    for (const int rank : {16, 64}) {
      const int n_in = 64, n_out = 48, rows = 29;
      auto pair = LowRank::pack(random_floats(rng, static_cast<size_t>(rank * n_in)),
                                random_floats(rng, static_cast<size_t>(n_out * rank)), n_out, n_in,
                                rank, 2.0f, false);
      ASSERT_TRUE(pair);
      const Activations x = random_rows(rng, *k, rows, n_in);
      std::vector<float> together(static_cast<size_t>(rows * n_out), 1.0f);
      add_low_rank(*k, *pair, x, 0, rows, together.data(), n_out);
      for (int m = 0; m < rows; ++m) {
        std::vector<float> alone(n_out, 1.0f);
        add_low_rank(*k, *pair, x, m, 1, alone.data(), n_out);
        ASSERT_EQ(std::memcmp(alone.data(), together.data() + m * n_out, sizeof(float) * n_out), 0);
      }
    }
  }
}

TEST(LowRank, RefusesValuesThatAreNotFinite) {
  std::vector<float> a(32, 1.0f), b(16, 1.0f);
  b[3] = std::nanf("");
  for (const bool as_f32 : {false, true}) {
    auto pair = LowRank::pack(a, b, 16, 32, 1, 1.0f, as_f32);
    ASSERT_FALSE(pair);
    EXPECT_EQ(pair.error().number, 4004);
  }
}

double bf16(float x) {  // Nearest, ties to even, by the definition: 8 significant bits.
  if (x == 0) return 0;
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(x), &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

TEST(Bf16, ProductsEqualDoubleArithmeticOfRoundedValuesAndDoNotDependOnOtherRows) {
  Rng rng(8);
  for (const Kernels* k : tables()) {
    for (const int n_out : {16, 33, 80}) {
      const int n = 96, rows = 31;
      const std::vector<float> w = random_floats(rng, static_cast<size_t>(n_out * n));
      auto packed = PackedMatrix::round_to(PackedMatrix::Kind::bf16, w, n_out, n);
      ASSERT_TRUE(packed);
      std::vector<float> row(static_cast<size_t>(n));
      packed->row(n_out - 1, row.data());
      for (int i = 0; i < n; ++i)
        ASSERT_EQ(row[static_cast<size_t>(i)], bf16(w[static_cast<size_t>((n_out - 1) * n + i)]));
      const Activations x = random_rows(rng, *k, rows, n);
      const MatmulPart part{&*packed, 0};
      ThreadPool two(2), one(1);
      std::vector<float> y(static_cast<size_t>(rows * n_out)), alone(static_cast<size_t>(n_out));
      matmul(two, *k, x, 0, rows, {&part, 1}, y.data(), static_cast<size_t>(n_out), false);
      for (int m = 0; m < rows; ++m) {
        for (int j = 0; j < n_out; ++j) {
          double wanted = 0;
          for (int i = 0; i < n; ++i)
            wanted += bf16(x.row(m)[i]) * bf16(w[static_cast<size_t>(j * n + i)]);
          ASSERT_NEAR(y[static_cast<size_t>(m * n_out + j)], wanted, 5e-5);
        }
        matmul(one, *k, x, m, 1, {&part, 1}, alone.data(), static_cast<size_t>(n_out), false);
        ASSERT_EQ(std::memcmp(alone.data(), y.data() + m * n_out, sizeof(float) * alone.size()), 0);
      }
    }
  }
}

}  // namespace
}  // namespace consort::tensor

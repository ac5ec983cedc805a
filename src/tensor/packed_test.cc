#include "tensor/packed.h"

#include <gtest/gtest.h>

#include <cmath>

namespace consort::tensor {
namespace {

TEST(PackedMatrix, GivesBackEveryRowExactlyAsTheFileHasIt) {
  for (WeightFormat format : {WeightFormat::q4_0, WeightFormat::q4_1, WeightFormat::q5_0,
                              WeightFormat::q8_0, WeightFormat::f16, WeightFormat::f32}) {
    const int n_out = 37, n_in = 64;
    std::vector<uint8_t> data(weight_bytes(format, static_cast<uint64_t>(n_out * n_in)));
    // Bytes below 0x40 make every f16 and f32 scale finite.
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<uint8_t>((i * 2654435761u >> 11) & 0x3f);
    auto packed = PackedMatrix::pack(format, data, n_out, n_in);
    ASSERT_TRUE(packed) << packed.error().to_string();
    std::vector<float> wanted(static_cast<size_t>(n_out * n_in)), row(static_cast<size_t>(n_in));
    dequantize(format, data.data(), wanted.size(), wanted.data());
    for (int i = 0; i < n_out; ++i) {
      packed->row(i, row.data());
      for (int k = 0; k < n_in; ++k) {
        ASSERT_FLOAT_EQ(row[static_cast<size_t>(k)], wanted[static_cast<size_t>(i * n_in + k)])
            << static_cast<int>(format);
      }
    }
  }
}

TEST(PackedMatrix, KeepsKQuantsWithinTheRoundingOfTheirScales) {
  for (WeightFormat format :
       {WeightFormat::q4_k, WeightFormat::q5_1, WeightFormat::q5_k, WeightFormat::q6_k}) {
    const int n_out = 19, n_in = 512;
    std::vector<uint8_t> data(weight_bytes(format, static_cast<uint64_t>(n_out * n_in)));
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<uint8_t>((i * 2654435761u >> 11) & 0x3f);
    auto packed = PackedMatrix::pack(format, data, n_out, n_in);
    ASSERT_TRUE(packed) << packed.error().to_string();
    EXPECT_LT(packed->resident_bytes(), static_cast<uint64_t>(32 * n_in * 9 / 8 + 1));
    std::vector<float> wanted(static_cast<size_t>(n_out * n_in)), row(static_cast<size_t>(n_in));
    dequantize(format, data.data(), wanted.size(), wanted.data());
    for (int i = 0; i < n_out; ++i) {
      packed->row(i, row.data());
      for (int k = 0; k < n_in; ++k) {
        float peak = 0;
        for (int j = k / 32 * 32; j < k / 32 * 32 + 32; ++j)
          peak = std::max(peak, std::fabs(wanted[static_cast<size_t>(i * n_in + j)]));
        // Q4_K: code * scale and offset, each to 2^-12, may cancel. The others: half a code, and
        // the scale's own rounding, 2^-12 (2^-25 where it is subnormal) of at most 127 codes.
        const float bound =
            format == WeightFormat::q4_k ? peak / 256 : peak / 127 * 0.54f + 127 * 0x1p-25f;
        ASSERT_NEAR(row[static_cast<size_t>(k)], wanted[static_cast<size_t>(i * n_in + k)], bound)
            << static_cast<int>(format) << " " << i << " " << k;
      }
    }
  }
}

TEST(PackedMatrix, RefusesDataOfAnotherSizeRaggedRowsAndScalesThatAreNotFinite) {
  std::vector<uint8_t> data(weight_bytes(WeightFormat::q8_0, 64), 0);
  auto short_data = PackedMatrix::pack(WeightFormat::q8_0, std::span(data).first(67), 1, 64);
  ASSERT_FALSE(short_data);
  EXPECT_EQ(short_data.error().number, 4004);
  auto ragged = PackedMatrix::pack(WeightFormat::q8_0, data, 2, 33);
  ASSERT_FALSE(ragged);
  EXPECT_EQ(ragged.error().number, 4003);
  data[1] = 0x7c;  // Infinity as the first block's scale.
  auto infinite = PackedMatrix::pack(WeightFormat::q8_0, data, 1, 64);
  ASSERT_FALSE(infinite);
  EXPECT_EQ(infinite.error().number, 4004);
  std::vector<float> nan = {1.0f, std::nanf("")};
  auto not_a_number = PackedMatrix::pack(
      WeightFormat::f32, std::span(reinterpret_cast<const uint8_t*>(nan.data()), 8), 1, 2);
  ASSERT_FALSE(not_a_number);
  EXPECT_EQ(not_a_number.error().number, 4004);
}

}  // namespace
}  // namespace consort::tensor

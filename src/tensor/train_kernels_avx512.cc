#define CONSORT_TILE_VECTORS 4
#include <immintrin.h>

#include "tensor/train_kernels.h"
#include "tensor/train_kernels_body.h"

namespace {

template <int kRows, int kVectors>
void Bf16Operands::multiply(V (&acc)[kRows][kVectors]) const {
  const uint16_t* at = a;
  const uint32_t* bt = b;
  for (int t = 0; t < k_pairs; ++t, at += 2, bt += b_row) {
    __m512bh row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j)
      row[j] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(bt + 16 * j));
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      int pair;
      std::memcpy(&pair, at + static_cast<size_t>(i) * a_row, 4);
      const __m512bh both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], both, row[j]);
    }
  }
}

// For AVX-512 without bfloat16.
struct WidenedOperands : Bf16Operands {
  template <int kRows, int kVectors>
  void multiply(V (&acc)[kRows][kVectors]) const {
    multiply_widened(*this, acc);
  }
};

void gemm_bf16_widened(int rows, int columns, int k, const uint16_t* a, size_t a_row,
                       const uint16_t* b, float* c, size_t c_row, bool accumulate) {
  all_columns(WidenedOperands{{a, a_row, reinterpret_cast<const uint32_t*>(b),
                               static_cast<size_t>(columns), k / 2}},
              rows, columns, c, c_row, accumulate);
}

}  // namespace

namespace consort::tensor {

const TrainKernels* avx512_train_kernels() {
  static const bool has_dot = has_avx512_bf16();
  static const TrainKernels table = {Isa::avx512,   has_dot,       gemm_f32,
                                     has_dot ? gemm_bf16 : gemm_bf16_widened,
                                     to_bf16,       rms_norm_back, silu_mul_back,
                                     layer_norm_back, gelu_back,   softmax,
                                     softmax_back,  cross_entropy};
  return &table;
}

}  // namespace consort::tensor

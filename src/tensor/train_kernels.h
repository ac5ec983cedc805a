// TrainKernels: the inner loops that training needs beyond kernels.h, one table for each
// instruction set: matrix products of f32 and of bfloat16 with f32 sums, and the backward halves of
// the norms, the gate and the loss.
//
// Every output element is one chain of operations in the order of k: no result depends on the
// number of rows, on how they are cut, or on threads. Instruction sets differ by rounding.
//
// Column counts are multiples of 16 unless said. Strides are in elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/cpu.h"

namespace consort::tensor {

struct TrainKernels {
  Isa isa;
  bool bf16_dot;  // The CPU multiplies bfloat16 pairs itself.

  // c[m, n] (+)= sum over k of a[m, k] b[k, n]; a's element (m, k) is a[m * a_row + k * a_k].
  void (*gemm_f32)(int rows, int columns, int k, const float* a, size_t a_row, size_t a_k,
                   const float* b, size_t b_row, float* c, size_t c_row, bool accumulate);
  // The same with bfloat16 operands: `a` rows of k values (k even), `b` [k / 2][columns][2].
  void (*gemm_bf16)(int rows, int columns, int k, const uint16_t* a, size_t a_row,
                    const uint16_t* b, float* c, size_t c_row, bool accumulate);

  void (*to_bf16)(const float* x, int n, uint16_t* out);  // Nearest, ties to even; any n.
  // dx += gradient of y = x w / sqrt(mean(x^2) + epsilon), given dy.
  void (*rms_norm_back)(const float* x, const float* w, const float* dy, int n, float epsilon,
                        float* dx);
  // Gradients of silu(gate) * up, given d. Outputs may be the inputs.
  void (*silu_mul_back)(const float* gate, const float* up, const float* d, int n, float* d_gate,
                        float* d_up);
  // dx = gradient of y = (x - mean) w / sqrt(variance + epsilon) + b, given dy; dx may be dy.
  void (*layer_norm_back)(const float* x, const float* w, const float* dy, int n, float epsilon,
                          float* dx);
  // dx = gradient of y = x / 2 (1 + erf(x / sqrt 2)), given dy; dx may be dy.
  void (*gelu_back)(const float* x, const float* dy, int n, float* dx);
  // x[0, n) becomes softmax(scale x); x[n, padded) becomes 0. padded is a multiple of 16, n >= 1.
  void (*softmax)(float* x, int n, int padded, float scale);
  // ds = p (dp - sum(p dp)) scale, in place of dp.
  void (*softmax_back)(const float* p, float* dp, int n, float scale);
  // -log softmax(x)[label]; x becomes weight * (softmax(x) - one_hot(label)), 0 from n to padded.
  float (*cross_entropy)(float* x, int n, int padded, int label, float weight);
};

// `isa` must be supported.
const TrainKernels& train_kernels(Isa isa);

// The tables. Null when this build has no such code.
const TrainKernels* scalar_train_kernels();
const TrainKernels* avx2_train_kernels();
const TrainKernels* avx512_train_kernels();  // With or without AVX512_BF16, as the CPU has it.

}  // namespace consort::tensor

// The kernels, written once over the 16 lanes of simd_*.h. Included by
// kernels_{scalar,avx2,avx512}.cc, each compiled for its own instruction set; everything here has
// internal linkage, and nothing of the standard library is instantiated, so no wide code can be
// shared with other units by the linker.
#pragma once

// The order matters: each uses what stands before it.
// clang-format off
#include "tensor/kernels.h"
#include "tensor/kernels_math.h"
#include "tensor/kernels_products.h"
#include "tensor/kernels_attention.h"
// clang-format on

namespace consort::tensor {
namespace {

void rms_norm(const float* x, const float* w, int n, float epsilon, float* out) {
  F squares = set1(0.0f);
  for (int i = 0; i < n; i += 16) squares = fma(load(x + i), load(x + i), squares);
  const float mean = sum_lanes(squares) / static_cast<float>(n);
  const F scale = set1(1.0f / __builtin_sqrtf(mean + epsilon));
  for (int i = 0; i < n; i += 16) store(out + i, mul(mul(load(x + i), scale), load(w + i)));
}

void layer_norm(const float* x, const float* w, const float* b, int n, float epsilon, float* out) {
  F sum = set1(0.0f);
  for (int i = 0; i < n; i += 16) sum = add(sum, load(x + i));
  const F mean = set1(sum_lanes(sum) / static_cast<float>(n));
  F squares = set1(0.0f);
  for (int i = 0; i < n; i += 16) {
    const F centred = sub(load(x + i), mean);
    squares = fma(centred, centred, squares);
  }
  const float variance = sum_lanes(squares) / static_cast<float>(n);
  const F scale = set1(1.0f / __builtin_sqrtf(variance + epsilon));
  for (int i = 0; i < n; i += 16) {
    store(out + i, fma(mul(sub(load(x + i), mean), scale), load(w + i), load(b + i)));
  }
}

void silu_mul(const float* gate, const float* up, int n, float* out) {
  const F one = set1(1.0f);
  for (int i = 0; i < n; i += 16) {
    const F g = load(gate + i);
    const F sigmoid = div(one, add(one, exp_f(sub(set1(0.0f), g))));
    store(out + i, mul(mul(g, sigmoid), load(up + i)));
  }
}

void gelu_mul(const float* gate, const float* up, int n, float* out) {
  const F one = set1(1.0f);
  for (int i = 0; i < n; i += 16) {
    const F g = load(gate + i);
    const F cube = fma(mul(set1(0.044715f), mul(g, g)), g, g);
    const F sigmoid = div(one, add(one, exp_f(mul(set1(-1.5957691216057308f), cube))));
    store(out + i, mul(mul(g, sigmoid), load(up + i)));
  }
}

void gelu(float* x, int n) {
  const F one = set1(1.0f);
  for (int i = 0; i < n; i += 16) {
    const F v = load(x + i);
    const F z = mul(v, set1(0.70710678118654752f));
    const F a = abs(z);
    const F t = div(one, fma(set1(0.3275911f), a, one));
    F p = set1(1.061405429f);
    p = fma(p, t, set1(-1.453152027f));
    p = fma(p, t, set1(1.421413741f));
    p = fma(p, t, set1(-0.284496736f));
    p = fma(p, t, set1(0.254829592f));
    const F erf = sub(one, mul(mul(p, t), exp_f(sub(set1(0.0f), mul(a, a)))));
    store(x + i, mul(mul(set1(0.5f), v), add(one, copy_sign(z, erf))));
  }
}

void add_rows(float* x, const float* y, int n) {
  for (int i = 0; i < n; i += 16) store(x + i, add(load(x + i), load(y + i)));
}

void softmax(float* x, int n) {
  const F inverse = set1(exponentials(x, n));
  for (int i = 0; i < n; i += 16) store(x + i, mul(load(x + i), inverse));
}

float log_sum_exp(const float* x, int n) {
  const int whole = n / 16 * 16;
  float peak_value = x[0];
  if (whole > 0) {
    F peak = load(x);
    for (int i = 16; i < whole; i += 16) peak = max(peak, load(x + i));
    peak_value = max_lanes(peak);
  }
  for (int i = whole; i < n; ++i) peak_value = x[i] > peak_value ? x[i] : peak_value;
  const F shift = set1(peak_value);
  F total = set1(0.0f);
  for (int i = 0; i < whole; i += 16) total = add(total, exp_f(sub(load(x + i), shift)));
  if (whole < n) {
    float tail[16];
    for (int i = 0; i < 16; ++i) tail[i] = whole + i < n ? x[whole + i] : -1e30f;
    total = add(total, exp_f(sub(load(tail), shift)));
  }
  return peak_value + __builtin_logf(sum_lanes(total));
}

void f32_to_f16(const float* x, int n, uint16_t* out) {
  int i = 0;
  for (; n - i >= 16; i += 16) store_f16(out + i, load(x + i));
  if (i < n) {
    uint16_t tail[16];
    store_f16(tail, load_first(x + i, n - i));
    for (int k = 0; i < n; ++i, ++k) out[i] = tail[k];
  }
}

void f32_to_bf16(const float* x, int n, uint16_t* out) {
  int i = 0;
  for (; n - i >= 16; i += 16) store_bf16(out + i, load(x + i));
  if (i < n) {
    uint16_t tail[16];
    store_bf16(tail, load_first(x + i, n - i));
    for (int k = 0; i < n; ++i, ++k) out[i] = tail[k];
  }
}

constexpr Kernels make_kernels(Isa isa) {
  return {.isa = isa,
          .quantize = quantize,
          .q4_panel = q4_panel,
          .q8_panel = q8_panel,
          .q8_narrow_panels = q8_narrow_panels,
          .f32_panels = f32_panels,
          .bf16_panels = bf16_panels,
          .attend = attend,
          .rms_norm = rms_norm,
          .layer_norm = layer_norm,
          .silu_mul = silu_mul,
          .gelu_mul = gelu_mul,
          .gelu = gelu,
          .add = add_rows,
          .softmax = softmax,
          .log_sum_exp = log_sum_exp,
          .attend_all = attend_all,
          .f32_to_f16 = f32_to_f16,
          .f32_to_bf16 = f32_to_bf16};
}

}  // namespace
}  // namespace consort::tensor

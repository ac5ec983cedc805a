// The element-wise training kernels, in GCC's portable vectors; see gemm_bf16_body.h.
#pragma once

#include <cmath>

#include "tensor/gemm_bf16_body.h"

namespace {

typedef int32_t I __attribute__((vector_size(64)));

inline float sum(V v) {
  float lanes[16];
  store(lanes, v);
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  return lanes[0];
}
inline float largest(V v) {
  float lanes[16];
  store(lanes, v);
  float m = lanes[0];
  for (int i = 1; i < 16; ++i) m = lanes[i] > m ? lanes[i] : m;
  return m;
}

// e^x within 2 units in the last place on [-87, 88]; clamped outside. Cephes' expf.
inline V exp_of(V x) {
  const V low = V{} - 87.0f, high = V{} + 88.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const V magic = V{} + 12582912.0f;  // 1.5 * 2^23: the sum's last bits are the rounded integer.
  const V n = (x * 1.44269504088896341f + magic) - magic;
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V p = V{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const I exponent = (__builtin_convertvector(n, I) + 127) << 23;
  return p * reinterpret_cast<V>(exponent);
}

void to_bf16(const float* x, int n, uint16_t* out) {
  for (int i = 0; i < n; ++i) {
    uint32_t u;
    std::memcpy(&u, x + i, 4);
    out[i] = static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
}

void rms_norm_back(const float* x, const float* w, const float* dy, int n, float epsilon,
                   float* dx) {
  V squares{}, dots{};
  for (int i = 0; i < n; i += 16) {
    const V xi = load(x + i);
    squares += xi * xi;
    dots += xi * load(w + i) * load(dy + i);
  }
  const float inverse = 1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + epsilon);
  const float pull = sum(dots) * inverse * inverse * inverse / static_cast<float>(n);
  for (int i = 0; i < n; i += 16)
    store(dx + i, load(dx + i) + load(w + i) * load(dy + i) * inverse - load(x + i) * pull);
}

void silu_mul_back(const float* gate, const float* up, const float* d, int n, float* d_gate,
                   float* d_up) {
  for (int i = 0; i < n; i += 16) {
    const V g = load(gate + i), u = load(up + i), di = load(d + i);
    const V s = 1.0f / (1.0f + exp_of(-g));
    store(d_up + i, di * g * s);
    store(d_gate + i, di * u * s * (1.0f + g * (1.0f - s)));
  }
}

void layer_norm_back(const float* x, const float* w, const float* dy, int n, float epsilon,
                     float* dx) {
  V total{}, squares{}, gains{}, dots{};
  for (int i = 0; i < n; i += 16) total += load(x + i);
  const float mean = sum(total) / static_cast<float>(n);
  for (int i = 0; i < n; i += 16) {
    const V centred = load(x + i) - mean;
    const V gain = load(w + i) * load(dy + i);
    squares += centred * centred;
    gains += gain;
    dots += gain * centred;
  }
  const float inverse = 1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + epsilon);
  const float mean_gain = sum(gains) / static_cast<float>(n);
  const float pull = sum(dots) / static_cast<float>(n) * inverse * inverse;
  for (int i = 0; i < n; i += 16) {
    const V gain = load(w + i) * load(dy + i);
    store(dx + i, (gain - mean_gain - (load(x + i) - mean) * pull) * inverse);
  }
}

void gelu_back(const float* x, const float* dy, int n, float* dx) {
  for (int i = 0; i < n; i += 16) {
    const V v = load(x + i);
    const V z = v * 0.70710678118654752f;
    const V a = z < 0 ? -z : z;
    const V bell = exp_of(-a * a);
    // erf by Abramowitz-Stegun 7.1.26, as the forward kernel.
    const V t = 1.0f / (1.0f + 0.3275911f * a);
    V p = V{} + 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const V tail = 0.5f * p * t * bell;  // Of the normal distribution, beyond |x|.
    const V below = v < 0 ? tail : 1.0f - tail;
    store(dx + i, load(dy + i) * (below + v * bell * 0.39894228040143268f));
  }
}

constexpr float kMasked = -1e30f;

// Masks x[n, padded), and returns the largest value.
float mask_tail(float* x, int n, int padded) {
  for (int i = n; i < padded; ++i) x[i] = kMasked;
  V top = V{} + kMasked;
  for (int i = 0; i < padded; i += 16) {
    const V xi = load(x + i);
    top = xi > top ? xi : top;
  }
  return largest(top);
}

void softmax(float* x, int n, int padded, float scale) {
  const float top = mask_tail(x, n, padded);
  V total{};
  for (int i = 0; i < padded; i += 16) {
    const V e = exp_of((load(x + i) - top) * scale);
    store(x + i, e);
    total += e;
  }
  const float inverse = 1.0f / sum(total);
  for (int i = 0; i < padded; i += 16) store(x + i, load(x + i) * inverse);
  for (int i = n; i < padded; ++i) x[i] = 0;
}

void softmax_back(const float* p, float* dp, int n, float scale) {
  V dots{};
  for (int i = 0; i < n; i += 16) dots += load(p + i) * load(dp + i);
  const float mean = sum(dots);
  for (int i = 0; i < n; i += 16) store(dp + i, load(p + i) * (load(dp + i) - mean) * scale);
}

float cross_entropy(float* x, int n, int padded, int label, float weight) {
  const float top = mask_tail(x, n, padded);
  const float mine = x[label];
  V total{};
  for (int i = 0; i < padded; i += 16) {
    const V e = exp_of(load(x + i) - top);
    store(x + i, e);
    total += e;
  }
  const float all = sum(total), factor = weight / all;
  for (int i = 0; i < padded; i += 16) store(x + i, load(x + i) * factor);
  for (int i = n; i < padded; ++i) x[i] = 0;
  x[label] -= weight;
  return std::log(all) - (mine - top);
}

}  // namespace

// The kernels, written once over the 16 lanes of simd_*.h. Included by
// kernels_{scalar,avx2,avx512}.cc, each compiled for its own instruction set; everything here has
// internal linkage, and nothing of the standard library is instantiated, so no wide code can be
// shared with other units by the linker.
#pragma once

#include <cstring>

#include "tensor/kernels.h"

namespace consort::tensor {
namespace {

inline float sum_lanes(F x) {
  float t[16];
  store(t, x);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) t[i] += t[i + width];
  }
  return t[0];
}
inline float max_lanes(F x) {
  float t[16];
  store(t, x);
  for (int i = 1; i < 16; ++i) t[0] = t[i] > t[0] ? t[i] : t[0];
  return t[0];
}
inline int32_t load_i32(const int8_t* p) {
  int32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// exp with relative error about 2e-7 (Cephes' polynomial); exactly 0 below -87.3.
inline F exp_f(F x) {
  const F clamped = min(max(x, set1(-87.3f)), set1(88.3f));
  const F n = round_even(mul(clamped, set1(1.44269504088896341f)));
  F r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  F p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(mul(r, r), p, r), set1(1.0f));
  return zero_below(x, -87.3f, mul(p, exp2_int(n)));
}

void quantize(const float* x, int n, int8_t* q, float* d, float* s, int32_t* sum) {
  for (int b = 0; b < n / kBlock; ++b) {
    const F x0 = load(x + b * kBlock);
    const F x1 = load(x + b * kBlock + 16);
    const float peak = max_lanes(max(abs(x0), abs(x1)));
    d[b] = peak / 127.0f;
    const F inverse = set1(peak > 0 ? 127.0f / peak : 0.0f);
    const I q0 = to_i(mul(x0, inverse));
    const I q1 = to_i(mul(x1, inverse));
    store_i8(q + b * kBlock, q0);
    store_i8(q + b * kBlock + 16, q1);
    int32_t total = 0;
    for (int i = 0; i < kBlock; ++i) total += q[b * kBlock + i];
    sum[b] = total;
    s[b] = d[b] * static_cast<float>(total);
  }
}

inline void put(F product, float* y, const PanelOutput& out) {
  if (out.n_valid == kPanelRows) {
    store(y, out.accumulate ? add(load(y), product) : product);
  } else {
    store_first(y, out.accumulate ? add(load_first(y, out.n_valid), product) : product,
                out.n_valid);
  }
}

// Block of a 4-bit panel: 256 bytes of nibbles (byte 64 g + 4 r + j: element 4 g + j of row r in
// the low nibble, element 16 + 4 g + j in the high one), 16 f16 scales, 16 f16 offsets.
constexpr int kQ4BlockBytes = 320;

template <int M>
void q4_rows(const uint8_t* panel, const QuantizedRows& x, int row0, float* y,
             const PanelOutput& out) {
  const int n_blocks = x.n / kBlock;
  const int8_t* q = x.q + static_cast<size_t>(row0) * x.n;
  const float* d = x.d + static_cast<size_t>(row0) * n_blocks;
  const float* s = x.s + static_cast<size_t>(row0) * n_blocks;
  F acc[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) acc[m] = set1(0.0f);
  for (int b = 0; b < n_blocks; ++b, panel += kQ4BlockBytes) {
    const W p0 = load_w(panel), p1 = load_w(panel + 64);
    const W p2 = load_w(panel + 128), p3 = load_w(panel + 192);
    const W w0 = low_nibbles(p0), w1 = low_nibbles(p1), w2 = low_nibbles(p2), w3 = low_nibbles(p3);
    const W w4 = high_nibbles(p0), w5 = high_nibbles(p1), w6 = high_nibbles(p2),
            w7 = high_nibbles(p3);
    const F scale = load_f16(reinterpret_cast<const uint16_t*>(panel + 256));
    const F offset = load_f16(reinterpret_cast<const uint16_t*>(panel + 288));
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const int8_t* qm = q + static_cast<size_t>(m) * x.n + b * kBlock;
      I t = set1_i(0);
      t = dot_u4(t, w0, load_i32(qm));
      t = dot_u4(t, w1, load_i32(qm + 4));
      t = dot_u4(t, w2, load_i32(qm + 8));
      t = dot_u4(t, w3, load_i32(qm + 12));
      t = dot_u4(t, w4, load_i32(qm + 16));
      t = dot_u4(t, w5, load_i32(qm + 20));
      t = dot_u4(t, w6, load_i32(qm + 24));
      t = dot_u4(t, w7, load_i32(qm + 28));
      const size_t at = static_cast<size_t>(m) * n_blocks + b;
      acc[m] = add(acc[m], mul(mul(to_f(t), scale), set1(d[at])));
      acc[m] = add(acc[m], mul(offset, set1(s[at])));
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) put(acc[m], y + static_cast<size_t>(m) * out.stride, out);
}

// Block of an 8-bit panel: 512 bytes of weight + 128 (byte 64 g + 4 r + j: element 4 g + j of row
// r), 16 f16 scales.
constexpr int kQ8BlockBytes = 544;

template <int M>
void q8_rows(const uint8_t* panel, const QuantizedRows& x, int row0, float* y,
             const PanelOutput& out) {
  const int n_blocks = x.n / kBlock;
  const int8_t* q = x.q + static_cast<size_t>(row0) * x.n;
  const float* d = x.d + static_cast<size_t>(row0) * n_blocks;
  const int32_t* sum = x.sum + static_cast<size_t>(row0) * n_blocks;
  F acc[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) acc[m] = set1(0.0f);
  for (int b = 0; b < n_blocks; ++b, panel += kQ8BlockBytes) {
    const W w0 = load_w(panel), w1 = load_w(panel + 64), w2 = load_w(panel + 128),
            w3 = load_w(panel + 192), w4 = load_w(panel + 256), w5 = load_w(panel + 320),
            w6 = load_w(panel + 384), w7 = load_w(panel + 448);
    const F scale = load_f16(reinterpret_cast<const uint16_t*>(panel + 512));
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const int8_t* qm = q + static_cast<size_t>(m) * x.n + b * kBlock;
      const size_t at = static_cast<size_t>(m) * n_blocks + b;
      I t = start_s8(sum[at]);
      t = dot_s8(t, w0, load_i32(qm));
      t = dot_s8(t, w1, load_i32(qm + 4));
      t = dot_s8(t, w2, load_i32(qm + 8));
      t = dot_s8(t, w3, load_i32(qm + 12));
      t = dot_s8(t, w4, load_i32(qm + 16));
      t = dot_s8(t, w5, load_i32(qm + 20));
      t = dot_s8(t, w6, load_i32(qm + 24));
      t = dot_s8(t, w7, load_i32(qm + 28));
      acc[m] = add(acc[m], mul(mul(to_f(t), scale), set1(d[at])));
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) put(acc[m], y + static_cast<size_t>(m) * out.stride, out);
}

// Rows in halving groups: each row's chain of operations is the same in all of them.
template <template <int> class Rows, int M = kQuantRows, typename... Args>
void in_groups(int rows, int m, Args&&... args) {
  for (; rows - m >= M; m += M) Rows<M>::run(m, args...);
  if constexpr (M > 1) in_groups<Rows, M / 2>(rows, m, args...);
}

template <int M>
struct Q4Rows {
  static void run(int m, const uint8_t* panel, const QuantizedRows& x, int row0,
                  const PanelOutput& out) {
    q4_rows<M>(panel, x, row0 + m, out.y + static_cast<size_t>(m) * out.stride, out);
  }
};
template <int M>
struct Q8Rows {
  static void run(int m, const uint8_t* panel, const QuantizedRows& x, int row0,
                  const PanelOutput& out) {
    q8_rows<M>(panel, x, row0 + m, out.y + static_cast<size_t>(m) * out.stride, out);
  }
};

void q4_panel(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
              const PanelOutput& out) {
  in_groups<Q4Rows>(rows, 0, panel, x, row0, out);
}
void q8_panel(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
              const PanelOutput& out) {
  in_groups<Q8Rows>(rows, 0, panel, x, row0, out);
}

// Panel of f32: [n][16].
template <int M, int P>
void f32_rows(const float* panels, const float* x, size_t x_stride, int n, float* y,
              const PanelOutput& out) {
  F acc[M][P];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) acc[m][p] = set1(0.0f);
  }
  const float* second = panels + static_cast<size_t>(n) * kPanelRows;
  for (int k = 0; k < n; ++k) {
    F w[P];
    w[0] = load(panels + static_cast<size_t>(k) * kPanelRows);
    if constexpr (P == 2) w[1] = load(second + static_cast<size_t>(k) * kPanelRows);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const F xk = set1(x[static_cast<size_t>(m) * x_stride + k]);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) acc[m][p] = fma(xk, w[p], acc[m][p]);
    }
  }
  const F scale = set1(out.scale);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    float* ym = y + static_cast<size_t>(m) * out.stride;
    if constexpr (P == 2) {
      PanelOutput first = out;
      first.n_valid = kPanelRows;
      put(mul(acc[m][0], scale), ym, first);
      put(mul(acc[m][1], scale), ym + kPanelRows, out);
    } else {
      put(mul(acc[m][0], scale), ym, out);
    }
  }
}

template <int P, int M = kF32Rows>
void f32_groups(const float* panels, const float* x, size_t x_stride, int n, int rows, int m,
                const PanelOutput& out) {
  for (; rows - m >= M; m += M) {
    f32_rows<M, P>(panels, x + static_cast<size_t>(m) * x_stride, x_stride, n,
                   out.y + static_cast<size_t>(m) * out.stride, out);
  }
  if constexpr (M > 1) f32_groups<P, M / 2>(panels, x, x_stride, n, rows, m, out);
}

void f32_panels(const float* panels, int n_panels, const float* x, size_t x_stride, int n, int rows,
                const PanelOutput& out) {
  if (n_panels == 2) {
    f32_groups<2>(panels, x, x_stride, n, rows, 0, out);
  } else {
    f32_groups<1>(panels, x, x_stride, n, rows, 0, out);
  }
}

// Softmax numerators over [0, n) in place, zeros up to the next multiple of 16; returns 1 / sum.
inline float exponentials(float* x, int n) {
  const int n16 = (n + 15) / 16 * 16;
  for (int i = n; i < n16; ++i) x[i] = -1e30f;
  F peak = load(x);
  for (int i = 16; i < n16; i += 16) peak = max(peak, load(x + i));
  const F shift = set1(max_lanes(peak));
  F total = set1(0.0f);
  for (int i = 0; i < n16; i += 16) {
    const F e = exp_f(sub(load(x + i), shift));
    store(x + i, e);
    total = add(total, e);
  }
  return 1.0f / sum_lanes(total);
}

template <int Q>
void attend_queries(const AttendArgs& a, int q0) {
  int n_most = 0;
  for (int j = 0; j < Q; ++j)
    n_most = a.n_positions[q0 + j] > n_most ? a.n_positions[q0 + j] : n_most;
  const float* q[Q];
  for (int j = 0; j < Q; ++j) q[j] = a.q[q0 + j];
  // A whole page at a time: positions beyond n_most are computed from whatever is there, and
  // unused.
  for (int start = 0; start < n_most; start += kPageTokens) {
    const auto* k = reinterpret_cast<const uint16_t*>(a.pages[start / kPageTokens] + a.k_offset);
    F acc[Q][2];
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) acc[j][0] = acc[j][1] = set1(0.0f);
    for (int i = 0; i < a.head_dim; ++i) {
      const F k0 = load_f16(k + i * kPageTokens);
      const F k1 = load_f16(k + i * kPageTokens + 16);
#pragma GCC unroll 6
      for (int j = 0; j < Q; ++j) {
        const F qi = set1(q[j][i]);
        acc[j][0] = fma(qi, k0, acc[j][0]);
        acc[j][1] = fma(qi, k1, acc[j][1]);
      }
    }
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) {
      float* scores = a.scores + static_cast<size_t>(j) * a.scores_stride + start;
      store(scores, acc[j][0]);
      store(scores + 16, acc[j][1]);
    }
  }
  float inverse[Q];
  const int n16 = (n_most + 15) / 16 * 16;
  for (int j = 0; j < Q; ++j) {
    float* scores = a.scores + static_cast<size_t>(j) * a.scores_stride;
    const int n = a.n_positions[q0 + j];
    inverse[j] = exponentials(scores, n);
    for (int i = (n + 15) / 16 * 16; i < n16; ++i) scores[i] = 0.0f;
  }
  // A position beyond a query's own has weight 0 and adds exactly nothing.
  for (int column = 0; column < a.head_dim; column += 64) {
    const int parts = a.head_dim - column >= 64 ? 4 : (a.head_dim - column) / 16;
    F acc[Q][4];
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) acc[j][c] = set1(0.0f);
    }
    for (int start = 0; start < n_most; start += kPageTokens) {
      const auto* v =
          reinterpret_cast<const uint16_t*>(a.pages[start / kPageTokens] + a.v_offset) + column;
      const int end = n_most - start < kPageTokens ? n_most - start : kPageTokens;
      for (int i = 0; i < end; ++i, v += a.head_dim) {
        F vi[4];
        if (parts == 4) {
#pragma GCC unroll 4
          for (int c = 0; c < 4; ++c) vi[c] = load_f16(v + 16 * c);
        } else {
          for (int c = 0; c < 4; ++c) vi[c] = c < parts ? load_f16(v + 16 * c) : set1(0.0f);
        }
#pragma GCC unroll 6
        for (int j = 0; j < Q; ++j) {
          const F p = set1(a.scores[static_cast<size_t>(j) * a.scores_stride + start + i]);
#pragma GCC unroll 4
          for (int c = 0; c < 4; ++c) acc[j][c] = fma(p, vi[c], acc[j][c]);
        }
      }
    }
    for (int j = 0; j < Q; ++j) {
      for (int c = 0; c < parts; ++c) {
        store(a.out[q0 + j] + column + 16 * c, mul(acc[j][c], set1(inverse[j])));
      }
    }
  }
}

void attend(const AttendArgs& a) {
  int j = 0;
  constexpr int kMost = kAttendTogether;
  for (; a.n_q - j >= kMost; j += kMost) attend_queries<kMost>(a, j);
  if constexpr (kMost > 3) {
    for (; a.n_q - j >= 3; j += 3) attend_queries<3>(a, j);
  }
  for (; j < a.n_q; ++j) attend_queries<1>(a, j);
}

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

template <int Q>
void attend_all_queries(const float* q, size_t q_stride, const float* k_t, const float* v,
                        size_t v_stride, int n, int head_dim, float* scores, float* out,
                        size_t out_stride) {
  const int n16 = (n + 15) / 16 * 16;
  for (int start = 0; start < n16; start += 32) {
    const int second = start + 16 < n16 ? start + 16 : start;  // An odd last one is done twice.
    F acc[Q][2];
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) acc[j][0] = acc[j][1] = set1(0.0f);
    for (int i = 0; i < head_dim; ++i) {
      const F k0 = load(k_t + static_cast<size_t>(i) * n16 + start);
      const F k1 = load(k_t + static_cast<size_t>(i) * n16 + second);
#pragma GCC unroll 6
      for (int j = 0; j < Q; ++j) {
        const F qi = set1(q[static_cast<size_t>(j) * q_stride + i]);
        acc[j][0] = fma(qi, k0, acc[j][0]);
        acc[j][1] = fma(qi, k1, acc[j][1]);
      }
    }
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) {
      store(scores + static_cast<size_t>(j) * n16 + start, acc[j][0]);
      store(scores + static_cast<size_t>(j) * n16 + second, acc[j][1]);
    }
  }
  float inverse[Q];
  for (int j = 0; j < Q; ++j) inverse[j] = exponentials(scores + static_cast<size_t>(j) * n16, n);
  for (int column = 0; column < head_dim; column += 32) {
    const bool two = head_dim - column >= 32;
    F acc[Q][2];
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) acc[j][0] = acc[j][1] = set1(0.0f);
    for (int i = 0; i < n; ++i) {
      const float* vi = v + static_cast<size_t>(i) * v_stride + column;
      const F v0 = load(vi);
      const F v1 = two ? load(vi + 16) : set1(0.0f);
#pragma GCC unroll 6
      for (int j = 0; j < Q; ++j) {
        const F p = set1(scores[static_cast<size_t>(j) * n16 + i]);
        acc[j][0] = fma(p, v0, acc[j][0]);
        acc[j][1] = fma(p, v1, acc[j][1]);
      }
    }
    for (int j = 0; j < Q; ++j) {
      float* o = out + static_cast<size_t>(j) * out_stride + column;
      store(o, mul(acc[j][0], set1(inverse[j])));
      if (two) store(o + 16, mul(acc[j][1], set1(inverse[j])));
    }
  }
}

void attend_all(const float* q, size_t q_stride, const float* k_t, const float* v, size_t v_stride,
                int n, int head_dim, float* scores, float* out, size_t out_stride) {
  int j = 0;
  constexpr int kMost = kAttendTogether;
  for (; n - j >= kMost; j += kMost) {
    attend_all_queries<kMost>(q + static_cast<size_t>(j) * q_stride, q_stride, k_t, v, v_stride, n,
                              head_dim, scores, out + static_cast<size_t>(j) * out_stride,
                              out_stride);
  }
  for (; j < n; ++j) {
    attend_all_queries<1>(q + static_cast<size_t>(j) * q_stride, q_stride, k_t, v, v_stride, n,
                          head_dim, scores, out + static_cast<size_t>(j) * out_stride, out_stride);
  }
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

constexpr Kernels make_kernels(Isa isa) {
  return {.isa = isa,
          .quantize = quantize,
          .q4_panel = q4_panel,
          .q8_panel = q8_panel,
          .f32_panels = f32_panels,
          .attend = attend,
          .rms_norm = rms_norm,
          .layer_norm = layer_norm,
          .silu_mul = silu_mul,
          .gelu = gelu,
          .add = add_rows,
          .softmax = softmax,
          .log_sum_exp = log_sum_exp,
          .attend_all = attend_all,
          .f32_to_f16 = f32_to_f16};
}

}  // namespace
}  // namespace consort::tensor

// Attention: queries against pages of keys and values, and over one whole sequence. Part of
// kernels_body.h, which says how these files are compiled.
#pragma once

#include "tensor/kernels.h"

namespace consort::tensor {
namespace {

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
  int page0 = 0;  // Position at which the first page that any query sees begins.
  if (a.first != nullptr) {
    page0 = a.first[q0];
    for (int j = 1; j < Q; ++j) page0 = a.first[q0 + j] < page0 ? a.first[q0 + j] : page0;
    page0 = page0 / kPageTokens * kPageTokens;
  }
  const float* q[Q];
  for (int j = 0; j < Q; ++j) q[j] = a.q[q0 + j];
  // A whole page at a time: positions beyond n_most are computed from whatever is there, and
  // unused.
  for (int start = page0; start < n_most; start += kPageTokens) {
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
    const int first = a.first != nullptr ? a.first[q0 + j] : 0;
    const int first16 = first / 16 * 16;
    for (int i = first16; i < first; ++i) scores[i] = -1e30f;
    inverse[j] = exponentials(scores + first16, n - first16);
    for (int i = page0; i < first16; ++i) scores[i] = 0.0f;
    for (int i = (n + 15) / 16 * 16; i < n16; ++i) scores[i] = 0.0f;
  }
  // A position outside a query's own has weight 0 and adds exactly nothing.
  for (int column = 0; column < a.head_dim; column += 64) {
    const int parts = a.head_dim - column >= 64 ? 4 : (a.head_dim - column) / 16;
    F acc[Q][4];
#pragma GCC unroll 6
    for (int j = 0; j < Q; ++j) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) acc[j][c] = set1(0.0f);
    }
    for (int start = page0; start < n_most; start += kPageTokens) {
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

}  // namespace
}  // namespace consort::tensor

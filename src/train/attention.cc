#include "train/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace consort::train {
namespace {

constexpr int kQueries = 48;  // Rows of scores in hand; a multiple of 12.

int round_up(int n) { return (n + 15) / 16 * 16; }

// x's columns [0, head_dim) of n rows, transposed: [head_dim][padded].
std::vector<float> transposed(const float* x, size_t stride, int n, int head_dim, int padded) {
  std::vector<float> out(static_cast<size_t>(head_dim) * static_cast<size_t>(padded));
  for (int i = 0; i < n; ++i)
    for (int d = 0; d < head_dim; ++d)
      out[static_cast<size_t>(d) * static_cast<size_t>(padded) + static_cast<size_t>(i)] =
          x[static_cast<size_t>(i) * stride + static_cast<size_t>(d)];
  return out;
}

// One sequence and one key head: what both directions work on.
struct Piece {
  const AttentionShape& shape;
  int start, length, padded;
  size_t q_row, kv_row;  // Strides.
  size_t q_at, kv_at;    // Of row 0, first query head of the group / key head.
  int group;

  Piece(const AttentionShape& s, const Sequence& sequence, int head_kv)
      : shape(s),
        start(sequence.start),
        length(sequence.length),
        padded(round_up(sequence.length)),
        q_row(static_cast<size_t>(s.n_q())),
        kv_row(static_cast<size_t>(s.n_kv())),
        q_at(static_cast<size_t>(start) * q_row +
             static_cast<size_t>(head_kv * (s.n_head / s.n_head_kv) * s.head_dim)),
        kv_at(static_cast<size_t>(start) * kv_row + static_cast<size_t>(head_kv * s.head_dim)),
        group(s.n_head / s.n_head_kv) {}

  // Keys that the queries [i0, i0 + rows) see together, and query i alone.
  int seen(int i0, int rows) const { return shape.causal ? i0 + rows : length; }
  int seen_by(int i) const { return shape.causal ? i + 1 : length; }
  size_t query(int head, int row) const {
    return q_at + static_cast<size_t>(head * shape.head_dim) + static_cast<size_t>(row) * q_row;
  }
};

// softmax of the masked scores of queries [i0, i0 + rows): [rows][padded].
void probabilities(const tensor::TrainKernels& kernels, const Piece& piece, const float* q,
                   const float* k_t, int i0, int rows, float* p) {
  const int seen = round_up(piece.seen(i0, rows));
  const size_t row = static_cast<size_t>(piece.padded);
  kernels.gemm_f32(rows, seen, piece.shape.head_dim, q, piece.q_row, 1, k_t, row, p, row, false);
  const float scale = 1.0f / std::sqrt(static_cast<float>(piece.shape.head_dim));
  for (int i = 0; i < rows; ++i)
    kernels.softmax(p + static_cast<size_t>(i) * row, piece.seen_by(i0 + i), seen, scale);
}

}  // namespace

void attend(ThreadPool& pool, const tensor::TrainKernels& kernels, const AttentionShape& shape,
            std::span<const Sequence> sequences, const float* q, const float* k, const float* v,
            float* out) {
  const int n = static_cast<int>(sequences.size());
  pool.parallel_for(n * shape.n_head_kv, [&](int index) {
    const Piece piece(shape, sequences[static_cast<size_t>(index / shape.n_head_kv)],
                      index % shape.n_head_kv);
    const auto k_t =
        transposed(k + piece.kv_at, piece.kv_row, piece.length, shape.head_dim, piece.padded);
    std::vector<float> p(static_cast<size_t>(kQueries) * static_cast<size_t>(piece.padded));
    for (int head = 0; head < piece.group; ++head) {
      for (int i0 = 0; i0 < piece.length; i0 += kQueries) {
        const int rows = std::min(kQueries, piece.length - i0);
        const size_t at = piece.query(head, i0);
        probabilities(kernels, piece, q + at, k_t.data(), i0, rows, p.data());
        kernels.gemm_f32(rows, shape.head_dim, piece.seen(i0, rows), p.data(),
                         static_cast<size_t>(piece.padded), 1, v + piece.kv_at, piece.kv_row,
                         out + at, piece.q_row, false);
      }
    }
  });
}

void attend_back(ThreadPool& pool, const tensor::TrainKernels& kernels,
                 const AttentionShape& shape, std::span<const Sequence> sequences, const float* q,
                 const float* k, const float* v, const float* d_out, float* d_q, float* d_k,
                 float* d_v) {
  const int n = static_cast<int>(sequences.size());
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  pool.parallel_for(n * shape.n_head_kv, [&](int index) {
    const Piece piece(shape, sequences[static_cast<size_t>(index / shape.n_head_kv)],
                      index % shape.n_head_kv);
    const size_t row = static_cast<size_t>(piece.padded), kv = piece.kv_at;
    const auto k_t = transposed(k + kv, piece.kv_row, piece.length, shape.head_dim, piece.padded);
    const auto v_t = transposed(v + kv, piece.kv_row, piece.length, shape.head_dim, piece.padded);
    std::vector<float> p(static_cast<size_t>(kQueries) * row), ds(p.size());
    for (int j = 0; j < piece.length; ++j) {
      const size_t at = kv + static_cast<size_t>(j) * piece.kv_row;
      std::fill_n(d_k + at, shape.head_dim, 0.0f);
      std::fill_n(d_v + at, shape.head_dim, 0.0f);
    }
    for (int head = 0; head < piece.group; ++head) {
      for (int i0 = 0; i0 < piece.length; i0 += kQueries) {
        const int rows = std::min(kQueries, piece.length - i0), seen = piece.seen(i0, rows);
        const size_t at = piece.query(head, i0);
        probabilities(kernels, piece, q + at, k_t.data(), i0, rows, p.data());
        kernels.gemm_f32(rows, round_up(seen), shape.head_dim, d_out + at, piece.q_row, 1,
                         v_t.data(), row, ds.data(), row, false);
        for (int i = 0; i < rows; ++i)
          kernels.softmax_back(p.data() + static_cast<size_t>(i) * row,
                               ds.data() + static_cast<size_t>(i) * row, round_up(seen), scale);
        kernels.gemm_f32(rows, shape.head_dim, seen, ds.data(), row, 1, k + kv, piece.kv_row,
                         d_q + at, piece.q_row, false);
        kernels.gemm_f32(seen, shape.head_dim, rows, ds.data(), 1, row, q + at, piece.q_row,
                         d_k + kv, piece.kv_row, true);
        kernels.gemm_f32(seen, shape.head_dim, rows, p.data(), 1, row, d_out + at, piece.q_row,
                         d_v + kv, piece.kv_row, true);
      }
    }
  });
}

void rotate(ThreadPool& pool, std::span<const Sequence> sequences, int n_heads, int head_dim,
            int n_rot, float theta, bool inverse, float* x) {
  const size_t stride = static_cast<size_t>(n_heads * head_dim);
  std::vector<float> frequency(static_cast<size_t>(n_rot / 2));
  for (size_t i = 0; i < frequency.size(); ++i)
    frequency[i] = std::pow(theta, -2.0f * static_cast<float>(i) / static_cast<float>(n_rot));
  int longest = 0;
  for (const Sequence& s : sequences) longest = std::max(longest, s.length);
  // By position: every sequence of the batch uses the same sines.
  constexpr int kPositions = 16;
  pool.parallel_for((longest + kPositions - 1) / kPositions, [&](int piece) {
    std::vector<float> cosine(frequency.size()), sine(frequency.size());
    for (int p = piece * kPositions; p < std::min(longest, (piece + 1) * kPositions); ++p) {
      for (size_t i = 0; i < frequency.size(); ++i) {
        cosine[i] = std::cos(static_cast<float>(p) * frequency[i]);
        sine[i] = std::sin(static_cast<float>(p) * frequency[i]) * (inverse ? -1.0f : 1.0f);
      }
      for (const Sequence& s : sequences) {
        if (p >= s.length) continue;
        float* row = x + static_cast<size_t>(s.start + p) * stride;
        for (int h = 0; h < n_heads; ++h, row += head_dim) {
          for (size_t i = 0; i < frequency.size(); ++i) {
            const float even = row[2 * i], odd = row[2 * i + 1];
            row[2 * i] = even * cosine[i] - odd * sine[i];
            row[2 * i + 1] = even * sine[i] + odd * cosine[i];
          }
        }
      }
    }
  });
}

}  // namespace consort::train

#include "tensor/gemm_bf16.h"

#include <algorithm>
#include <cstring>

namespace consort::tensor {
namespace {

constexpr int kDepth = 512;      // k of one pass: a panel's slice of 64 KiB stays in the L2 cache.
constexpr int kRowsTogether = 192;  // Rows of one piece of work; a multiple of 12.

int round_up(int n, int to) { return (n + to - 1) / to * to; }

}  // namespace

const TrainKernels& train_kernels(Isa isa) {
  const TrainKernels* table = scalar_train_kernels();
#if defined(__x86_64__)
  if (isa == Isa::avx512) table = avx512_train_kernels();
  if (isa == Isa::avx2) table = avx2_train_kernels();
#endif
  return *table;
}

GemmWeights::GemmWeights(TrainPrecision precision, int k, int n)
    : precision_(precision),
      k_(k),
      n_(round_up(n, 16)),
      bytes_(static_cast<size_t>(k) * static_cast<size_t>(n_) * element()) {
  clear();
}

void GemmWeights::clear() { std::memset(bytes_.data(), 0, bytes_.size()); }

int GemmWeights::panel_columns(int panel) const { return std::min(64, n_ - 64 * panel); }

void GemmWeights::pack(const TrainKernels& kernels, const float* source, size_t stride,
                       bool transposed, int column, int n) {
  const size_t depth = static_cast<size_t>(k_);
  std::vector<float> line(16);
  std::vector<uint16_t> rounded(16);
  // 16 columns at a time: within a panel they are neighbours.
  for (int j0 = 0; j0 < n; j0 += 16) {
    const int width = std::min(16, n - j0), at = column + j0;
    const size_t columns = static_cast<size_t>(panel_columns(at / 64));
    uint8_t* const base = const_cast<uint8_t*>(panel(at / 64));
    const size_t inside = static_cast<size_t>(at % 64);
    for (size_t i = 0; i < depth; ++i) {
      for (int j = 0; j < width; ++j) {
        const size_t from = static_cast<size_t>(j0 + j);
        line[static_cast<size_t>(j)] =
            transposed ? source[from * stride + i] : source[i * stride + from];
      }
      if (precision_ == TrainPrecision::f32) {
        std::memcpy(base + (i * columns + inside) * 4, line.data(), static_cast<size_t>(width) * 4);
        continue;
      }
      kernels.to_bf16(line.data(), width, rounded.data());
      uint16_t* out = reinterpret_cast<uint16_t*>(base) + (i / 2 * columns + inside) * 2 + i % 2;
      for (int j = 0; j < width; ++j) out[2 * j] = rounded[static_cast<size_t>(j)];
    }
  }
}

void GemmRows::assign(ThreadPool& pool, const TrainKernels& kernels, TrainPrecision precision,
                      const float* x, size_t stride, int rows, int columns) {
  bf16_ = precision == TrainPrecision::bf16;
  if (!bf16_) {
    f32_ = x;
    stride_ = stride;
    return;
  }
  // Rows a page apart would fall into the same lines of the first cache.
  stride_ = static_cast<size_t>(columns) + (columns % 1024 == 0 ? 32 : 0);
  if (own_.size() < stride_ * static_cast<size_t>(rows))
    own_.resize(stride_ * static_cast<size_t>(rows));
  constexpr int kTogether = 64;
  pool.parallel_for((rows + kTogether - 1) / kTogether, [&](int piece) {
    for (int m = piece * kTogether; m < std::min(rows, (piece + 1) * kTogether); ++m)
      kernels.to_bf16(x + static_cast<size_t>(m) * stride, columns,
                      own_.data() + static_cast<size_t>(m) * stride_);
  });
}

void gemm(ThreadPool& pool, const TrainKernels& kernels, std::span<const GemmTerm> terms, int rows,
          float* c, size_t c_row, bool accumulate) {
  const GemmWeights& first = *terms[0].b;
  const int panels = first.n_panels();
  const int blocks = (rows + kRowsTogether - 1) / kRowsTogether;
  pool.parallel_for(panels * blocks, [&](int piece) {
    const int panel = piece / blocks, row0 = piece % blocks * kRowsTogether;
    const int n_rows = std::min(kRowsTogether, rows - row0);
    const int columns = first.panel_columns(panel);
    float* out = c + static_cast<size_t>(row0) * c_row + 64 * static_cast<size_t>(panel);
    bool add = accumulate;
    for (const GemmTerm& term : terms) {
      for (int k0 = 0; k0 < term.b->k(); k0 += kDepth) {
        const int k = std::min(kDepth, term.b->k() - k0);
        const void* a = term.a->at(row0, term.a_column + k0);
        const uint8_t* b = term.b->panel(panel) + static_cast<size_t>(k0) *
                                                      static_cast<size_t>(columns) *
                                                      term.b->element();
        if (term.b->precision() == TrainPrecision::bf16) {
          kernels.gemm_bf16(n_rows, columns, k, static_cast<const uint16_t*>(a), term.a->stride(),
                            reinterpret_cast<const uint16_t*>(b), out, c_row, add);
        } else {
          kernels.gemm_f32(n_rows, columns, k, static_cast<const float*>(a), term.a->stride(), 1,
                           reinterpret_cast<const float*>(b), static_cast<size_t>(columns), out,
                           c_row, add);
        }
        add = true;
      }
    }
  });
}

void gemm_outer(ThreadPool& pool, const TrainKernels& kernels, const float* a, size_t a_row,
                int n_a, const float* b, size_t b_row, int n, int rows, float* c) {
  pool.parallel_for((n + 63) / 64, [&](int panel) {
    const int column = 64 * panel;
    kernels.gemm_f32(n_a, std::min(64, n - column), rows, a, 1, a_row, b + column, b_row,
                     c + column, static_cast<size_t>(n), true);
  });
}

}  // namespace consort::tensor

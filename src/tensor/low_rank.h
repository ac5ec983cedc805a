// Low-rank additions to a product: y += scale * B (A x), what a LoRA adapter does to a projection.
//
// A [rank, n_in] and B [n_out, rank] are kept in 8 bits (16 columns or fewer of B in a form of
// their own, q8_narrow): a step over many adapters is bound by reading them, and their rounding is
// that of Q8_0 files. Beside f32 base weights they stay f32. A row's bits do not depend on the
// others.
#pragma once

#include "tensor/matmul.h"

namespace consort::tensor {

struct LowRank {
  static constexpr int kRankMax = 64;
  static constexpr int kRowsMax = 32;  // Rows of one call to add_low_rank.

  // `a`: [rank, n_in], `b`: [n_out, rank], row-major; rank at most kRankMax. n_in is a multiple of
  // 32. Errors: those of PackedMatrix.
  static Result<LowRank> pack(std::span<const float> a, std::span<const float> b, int n_out,
                              int n_in, int rank, float scale, bool as_f32,
                              std::shared_ptr<Arena> arena = nullptr);
  uint64_t resident_bytes() const { return a.resident_bytes() + b.resident_bytes(); }

  PackedMatrix a, b;
  float scale = 1.0f;
};

// y[m] += scale * B (A x[row0 + m]) for m in [0, rows), on the calling thread. Reads x's 8-bit
// rows, or its f32 rows where the pair is f32.
void add_low_rank(const Kernels& kernels, const LowRank& pair, const Activations& x, int row0,
                  int rows, float* y, size_t y_stride);

}  // namespace consort::tensor

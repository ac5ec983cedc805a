// Products of activation rows with packed weights, spread over threads by output panels (never over
// columns, so that no result depends on the number of threads).
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "tensor/kernels.h"
#include "tensor/packed.h"

namespace consort::tensor {

// Rows of activations, f32 and (on demand) 8-bit or bfloat16, reused from step to step. One thread
// at a time.
class Activations final {
 public:
  // Makes room for `rows` x `n`; contents undefined. No allocation once it was as large.
  // `rounds`: with room for bfloat16 copies.
  void resize(int rows, int n, bool rounds = false);
  // What resize takes at most, without bfloat16 copies.
  static uint64_t bytes_for(int rows, int n);
  uint64_t bytes() const { return 4 * f32_.size() + 2 * bf16_.size() + tiles_.size(); }
  float* row(int m) { return f32_.data() + static_cast<size_t>(m) * static_cast<size_t>(n_); }
  const float* row(int m) const {
    return f32_.data() + static_cast<size_t>(m) * static_cast<size_t>(n_);
  }
  int rows() const { return rows_; }
  int n() const { return n_; }
  // 8-bit copy of row m. Different rows may be quantised by different threads.
  void quantize_row(const Kernels& kernels, int m);
  // bfloat16 copy of row m, likewise.
  void round_row(const Kernels& kernels, int m);
  const uint16_t* bf16_row(int m) const {
    return bf16_.data() + static_cast<size_t>(m) * static_cast<size_t>(n_);
  }
  QuantizedRows quantized() const { return {tiles_.data(), n_}; }

 private:
  int rows_ = 0;
  int n_ = 0;
  std::vector<float> f32_;
  AlignedBytes tiles_;
  std::vector<uint16_t> bf16_;
};

// One matrix of a product and where its first output column goes.
struct MatmulPart {
  const PackedMatrix* weights;
  int column;
};

// Bytes that will be read right after a product.
using Coming = std::span<const uint8_t>;

// y[m, part.column + j] (+)= x[m] . weights[j] for rows [row0, row0 + rows) of x; y's row 0 belongs
// to x's row row0. Quantised parts read x.quantized(), bf16 parts its bf16 rows, f32 parts its f32
// rows. `coming`: brought into the caches meanwhile, which pays where the product is bound by
// arithmetic; heeded from kComingRows rows on.
constexpr int kComingRows = 8;
void matmul(ThreadPool& pool, const Kernels& kernels, const Activations& x, int row0, int rows,
            std::span<const MatmulPart> parts, float* y, size_t y_stride, bool accumulate,
            std::span<const Coming> coming = {});

// Panels [first, last) of `weights` only, on the calling thread: y[m, 16 p + j] for rows
// [row0, row0 + rows). The same bits as matmul gives.
void matmul_panels(const Kernels& kernels, const Activations& x, int row0, int rows,
                   const PackedMatrix& weights, int first, int last, float* y, size_t y_stride);

}  // namespace consort::tensor

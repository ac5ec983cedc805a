// Matrix products for training: activation rows in bfloat16 (or f32, for tests) with packed
// weights, sums in f32.
//
// A packed matrix is cut into panels of 64 columns, each [k / 2][columns][2] bfloat16 or
// [k][columns] f32, so that one vector holds a k-pair of 16 columns. A product may have several
// terms (a weight and its LoRA pair, or the three projections that share an input): their sums run
// on in the same registers. The order of each sum depends on the shapes alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/packed.h"
#include "tensor/train_kernels.h"

namespace consort::tensor {

enum class TrainPrecision { bf16, f32 };

// The right-hand side of a product: b[k, n]. Columns are padded with zeros to a multiple of 16.
class GemmWeights final {
 public:
  GemmWeights() = default;
  // Room for b[k, n]; k even. Values are undefined until packed.
  GemmWeights(TrainPrecision precision, int k, int n);
  // b[i, j] = source[i * stride + j], or source[j * stride + i] if `transposed`. Columns
  // [column, column + n) alone are written; `column` is a multiple of 16.
  void pack(const TrainKernels& kernels, const float* source, size_t stride, bool transposed,
            int column, int n);
  void clear();

  TrainPrecision precision() const { return precision_; }
  int k() const { return k_; }
  int n() const { return n_; }  // Padded.
  int panel_columns(int panel) const;
  int n_panels() const { return (n_ + 63) / 64; }
  const uint8_t* panel(int index) const {
    return bytes_.data() + static_cast<size_t>(index) * 64 * static_cast<size_t>(k_) * element();
  }
  size_t element() const { return precision_ == TrainPrecision::bf16 ? 2 : 4; }
  uint64_t resident_bytes() const { return bytes_.size(); }

 private:
  TrainPrecision precision_ = TrainPrecision::bf16;
  int k_ = 0;
  int n_ = 0;
  AlignedBytes bytes_;
};

// The left-hand side: rows in the precision of the product. f32 rows are not copied, and must then
// outlive the object's use.
class GemmRows final {
 public:
  // Takes `rows` x `columns` f32 values, rounding them where the precision asks.
  void assign(ThreadPool& pool, const TrainKernels& kernels, TrainPrecision precision,
              const float* x, size_t stride, int rows, int columns);
  const void* row(int m) const {
    return bf16_ ? static_cast<const void*>(own_.data() + static_cast<size_t>(m) * stride_)
                 : static_cast<const void*>(f32_ + static_cast<size_t>(m) * stride_);
  }
  size_t stride() const { return stride_; }
  const void* at(int m, int column) const {
    return static_cast<const uint8_t*>(row(m)) + static_cast<size_t>(column) * (bf16_ ? 2 : 4);
  }

 private:
  bool bf16_ = true;
  size_t stride_ = 0;
  std::vector<uint16_t> own_;
  const float* f32_ = nullptr;
};

struct GemmTerm {
  const GemmRows* a;
  int a_column;  // First column of `a` that is read.
  const GemmWeights* b;
};

// c[m, j] (+)= sum over terms of a[m, :] b[:, j] for m in [0, rows), j in [0, b.n()). All terms'
// b have the same n; `c` rows have room for it.
void gemm(ThreadPool& pool, const TrainKernels& kernels, std::span<const GemmTerm> terms, int rows,
          float* c, size_t c_row, bool accumulate);

// c[i, j] += sum over m of a[m, i] b[m, j], all f32: the gradient of a small weight. n and the
// width of `c` are multiples of 16.
void gemm_outer(ThreadPool& pool, const TrainKernels& kernels, const float* a, size_t a_row,
                int n_a, const float* b, size_t b_row, int n, int rows, float* c);

}  // namespace consort::tensor

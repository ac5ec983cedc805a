// PackedMatrix: a weight matrix [n_out, n_in] laid out for the kernels, once, at load.
//
// 16 output rows are interleaved into a panel, so that one vector holds the same four columns of 16
// rows: the integer dot product then needs no sum across lanes, and a row's result is one chain in
// column order. Sizes are the file's: a Q4_1 panel takes 5.0 bits a weight, a Q8_0 one 8.5.
//
//   kind  from                    block of 32 columns x 16 rows                  exact
//   q4    Q4_1, Q4_0              256 B nibbles, 16 f16 scales, 16 f16 offsets    yes
//         Q4_K                    its 6-bit scales and offsets, as f16            to 2^-11
//   q8    Q8_0, Q5_0              512 B of weight + 128, 16 f16 scales            yes
//         Q5_1, Q5_K, Q6_K        rounded as Q8_0 does                            to 2^-8
//   f32   F32, F16, BF16          [n_in][16] f32                                  yes
//
// Rounded from f32 by those who ask for it (`round_to`): q8 by blocks of 32 as Q8_0 does, and
//
//   q8_narrow   at most 16 columns   256 B of weight + 128, 16 f16 scales
//   bf16                             [n_in / 2][16][2] bf16
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/kernels.h"

namespace consort::tensor {

// How the file stores weights (names as in GGUF).
enum class WeightFormat { f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k };

// Bytes of n weights (n is a multiple of the format's block).
uint64_t weight_bytes(WeightFormat format, uint64_t n);
uint32_t weight_block(WeightFormat format);  // Weights that are stored together.

// n weights to f32, exactly. `in` has weight_bytes(format, n) bytes, unaligned allowed.
void dequantize(WeightFormat format, const uint8_t* in, uint64_t n, float* out);

// Of part `part` (0 to 7, 32 weights each) of one Q4_K block: weight = scale * code + offset.
void q4_k_scale(const uint8_t* block, int part, float* scale, float* offset);

// Cache-line aligned bytes, uninitialised. From 2 MiB on in huge pages where the system has them.
class AlignedBytes final {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size);
  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  std::unique_ptr<uint8_t, Free> data_;
  size_t size_ = 0;
};

// Memory of matrices that are read together, side by side in huge pages: a step reads each weight
// once, so it would miss the address cache at every small page. Thread-safe; freed as a whole.
class Arena final {
 public:
  uint8_t* allocate(size_t bytes);

 private:
  std::mutex mutex_;
  std::vector<AlignedBytes> slabs_;
  size_t used_ = 0;  // Of the last slab.
};

// Immutable after packing; shared by threads.
class PackedMatrix final {
 public:
  enum class Kind { q4, q8, q8_narrow, f32, bf16 };

  PackedMatrix() = default;
  // `data`: n_out rows of n_in weights, row-major, exactly weight_bytes(format, n_out * n_in).
  // `arena`: where the weights go; null = memory of its own. Errors: unsupported 4003 (n_in is no
  // multiple of the format's block), corruption 4004 (data of another size, or a scale or weight
  // that is not finite).
  static Result<PackedMatrix> pack(WeightFormat format, std::span<const uint8_t> data, int n_out,
                                   int n_in, std::shared_ptr<Arena> arena = nullptr);

  // `values` [n_out, n_in] row-major as `kind` q8, q8_narrow or bf16. n_in() of the result is what
  // rows of activations must have, the columns past the given ones being 0: the next multiple of 32
  // (q8, q8_narrow) or of 2. Errors: corruption 4004 (a value that is not finite or too large).
  static Result<PackedMatrix> round_to(Kind kind, std::span<const float> values, int n_out,
                                       int n_in, std::shared_ptr<Arena> arena = nullptr);

  Kind kind() const { return kind_; }
  int n_out() const { return n_out_; }
  int n_in() const { return n_in_; }
  int n_panels() const { return (n_out_ + kPanelRows - 1) / kPanelRows; }
  size_t panel_bytes() const { return panel_bytes_; }
  const uint8_t* panel(int index) const {
    return data_ + panel_bytes_ * static_cast<size_t>(index);
  }
  uint64_t resident_bytes() const { return panel_bytes_ * static_cast<size_t>(n_panels()); }
  // Row `index` as f32, [n_in]: an embedding look-up (not for q8_narrow).
  void row(int index, float* out) const;

 private:
  void allocate(Kind kind, int n_out, int n_in, size_t panel_bytes, std::shared_ptr<Arena> arena);

  Kind kind_ = Kind::f32;
  int n_out_ = 0;
  int n_in_ = 0;
  size_t panel_bytes_ = 0;
  uint8_t* data_ = nullptr;  // In one of the two:
  AlignedBytes bytes_;
  std::shared_ptr<Arena> arena_;
};

}  // namespace consort::tensor

// Register tiles of the products in train_kernels.h, in GCC's portable vectors. Included by one
// source file for each instruction set, which defines CONSORT_TILE_VECTORS: how many vectors of 16
// columns a tile is wide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

typedef float V __attribute__((vector_size(64)));     // 16 f32
typedef uint32_t U __attribute__((vector_size(64)));  // 16 u32

inline V load(const float* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline U load(const uint32_t* p) {
  U v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, V v) { std::memcpy(p, &v, sizeof v); }

template <int kRows, int kVectors>
inline void load_tile(V (&acc)[kRows][kVectors], const float* c, size_t c_row, bool accumulate) {
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j)
      acc[i][j] = accumulate ? load(c + static_cast<size_t>(i) * c_row + 16 * j) : V{};
}

template <int kRows, int kVectors>
inline void store_tile(const V (&acc)[kRows][kVectors], float* c, size_t c_row) {
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j)
      store(c + static_cast<size_t>(i) * c_row + 16 * j, acc[i][j]);
}

struct F32Operands {
  const float* a;
  size_t a_row, a_k;
  const float* b;
  size_t b_row;
  int k;

  void skip_rows(int n) { a += static_cast<size_t>(n) * a_row; }
  void skip_vectors(int n) { b += 16 * n; }
  template <int kRows, int kVectors>
  void multiply(V (&acc)[kRows][kVectors]) const {
    const float* at = a;
    const float* bt = b;
    for (int t = 0; t < k; ++t, at += a_k, bt += b_row) {
      V row[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) row[j] = load(bt + 16 * j);
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
        const float s = at[static_cast<size_t>(i) * a_row];
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) acc[i][j] += s * row[j];
      }
    }
  }
};

struct Bf16Operands {
  const uint16_t* a;
  size_t a_row;
  const uint32_t* b;  // Pairs.
  size_t b_row;       // Columns.
  int k_pairs;

  void skip_rows(int n) { a += static_cast<size_t>(n) * a_row; }
  void skip_vectors(int n) { b += 16 * n; }
  template <int kRows, int kVectors>
  void multiply(V (&acc)[kRows][kVectors]) const;
};

inline float bf16_low(uint32_t pair) {
  pair <<= 16;
  float f;
  std::memcpy(&f, &pair, 4);
  return f;
}
inline float bf16_high(uint32_t pair) {
  pair &= 0xffff0000u;
  float f;
  std::memcpy(&f, &pair, 4);
  return f;
}

// For CPUs without a bfloat16 dot product.
template <int kRows, int kVectors>
inline void multiply_widened(const Bf16Operands& o, V (&acc)[kRows][kVectors]) {
  for (int t = 0; t < o.k_pairs; ++t) {
    V low[kVectors], high[kVectors];
    for (int j = 0; j < kVectors; ++j) {
      const U pairs = load(o.b + static_cast<size_t>(t) * o.b_row + 16 * j);
      low[j] = reinterpret_cast<V>(pairs << 16);
      high[j] = reinterpret_cast<V>(pairs & 0xffff0000u);
    }
    for (int i = 0; i < kRows; ++i) {
      uint32_t pair;
      std::memcpy(&pair, o.a + static_cast<size_t>(i) * o.a_row + 2 * t, 4);
      for (int j = 0; j < kVectors; ++j) {
        acc[i][j] += bf16_low(pair) * low[j];
        acc[i][j] += bf16_high(pair) * high[j];
      }
    }
  }
}

// All rows of one column block: tiles of kRows, then ever smaller ones.
template <int kRows, int kVectors, typename Operands>
void column_block(Operands o, int rows, float* c, size_t c_row, bool accumulate) {
  while (rows >= kRows) {
    V acc[kRows][kVectors];
    load_tile(acc, c, c_row, accumulate);
    o.multiply(acc);
    store_tile(acc, c, c_row);
    o.skip_rows(kRows);
    c += static_cast<size_t>(kRows) * c_row;
    rows -= kRows;
  }
  if constexpr (kRows > 1) {
    if (rows > 0) column_block<kRows / 2, kVectors>(o, rows, c, c_row, accumulate);
  }
}

template <typename Operands>
void all_columns(Operands o, int rows, int columns, float* c, size_t c_row, bool accumulate) {
  int vectors = columns / 16;
#if CONSORT_TILE_VECTORS == 4
  while (vectors >= 4) {
    column_block<6, 4>(o, rows, c, c_row, accumulate);
    o.skip_vectors(4);
    c += 64;
    vectors -= 4;
  }
  if (vectors == 3) {
    column_block<6, 3>(o, rows, c, c_row, accumulate);
    return;
  }
  if (vectors == 2) {
    column_block<12, 2>(o, rows, c, c_row, accumulate);
    return;
  }
  if (vectors == 1) column_block<12, 1>(o, rows, c, c_row, accumulate);
#else
  for (; vectors > 0; --vectors, c += 16) {
    column_block<CONSORT_TILE_ROWS, 1>(o, rows, c, c_row, accumulate);
    o.skip_vectors(1);
  }
#endif
}

void gemm_f32(int rows, int columns, int k, const float* a, size_t a_row, size_t a_k,
              const float* b, size_t b_row, float* c, size_t c_row, bool accumulate) {
  all_columns(F32Operands{a, a_row, a_k, b, b_row, k}, rows, columns, c, c_row, accumulate);
}

void gemm_bf16(int rows, int columns, int k, const uint16_t* a, size_t a_row, const uint16_t* b,
               float* c, size_t c_row, bool accumulate) {
  all_columns(Bf16Operands{a, a_row, reinterpret_cast<const uint32_t*>(b),
                           static_cast<size_t>(columns), k / 2},
              rows, columns, c, c_row, accumulate);
}

}  // namespace

// Kernels: the inner loops, one table of function pointers for each instruction set.
//
// Every output element is computed by one chain of operations whose order depends on the model's
// shapes alone: not on the number of rows, on threads, or on where a row stands in a batch. The
// quantised products use no fused multiply-add, so all instruction sets give the same bits; the
// others differ between scalar and AVX by rounding (stated in kernels_test.cc).
//
// Shapes: rows are contiguous f32; "panel" = 16 output rows of a weight matrix interleaved, see
// packed.h. Lengths are multiples of 16 (of 32 where quantised) unless said.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/cpu.h"

namespace consort::tensor {

constexpr int kPanelRows = 16;
constexpr int kBlock = 32;       // Weights that share a scale.
constexpr int kPageTokens = 32;  // Positions in one page of keys and values.

// Activations in 8 bits, in tiles of 8 rows: block b of 32 columns of a tile is kTileBlockBytes
// long and holds q [8][32] i8, scales d [8] f32, d * sum(q) [8] f32, -128 * sum(q) [8] i32. A
// kernel so reaches all rows of a tile at fixed distances from one pointer.
constexpr int kTileRows = 8;
constexpr size_t kTileScales = 256, kTileSums = 288, kTileStarts = 320, kTileBlockBytes = 352;
struct QuantizedRows {
  const uint8_t* tiles;
  int n;  // Columns.
  size_t tile_bytes() const { return kTileBlockBytes * static_cast<size_t>(n / kBlock); }
  const uint8_t* tile(int row) const {
    return tiles + tile_bytes() * static_cast<size_t>(row / kTileRows);
  }
  // For those who look at single values.
  const uint8_t* block(int row, int b) const {
    return tile(row) + kTileBlockBytes * static_cast<size_t>(b);
  }
  int8_t q(int row, int i) const {
    return static_cast<int8_t>(block(row, i / kBlock)[kBlock * (row % kTileRows) + i % kBlock]);
  }
  float d(int row, int b) const {
    return reinterpret_cast<const float*>(block(row, b) + kTileScales)[row % kTileRows];
  }
  float s(int row, int b) const {
    return reinterpret_cast<const float*>(block(row, b) + kTileSums)[row % kTileRows];
  }
};

// Memory that a later kernel will read, brought near while this one computes: `step` bytes (whole
// lines of 64) for each block of columns and group of rows, up to `end`.
struct Ahead {
  const uint8_t* next = nullptr;
  const uint8_t* end = nullptr;
  size_t step = 0;
};

// One product y[m, 0..n_valid) (+)= x[m] . panel^T for m in [0, rows).
struct PanelOutput {
  float* y;         // Row 0, first column of the panel.
  size_t stride;    // Floats from row to row.
  int n_valid;      // 1 to 16
  bool accumulate;  // Add to what is there.
  float scale;      // Multiplies the product (f32 kernels only).
  Ahead ahead = {};  // Heeded by q4_panel and q8_panel where rows are many.
};

// Queries of one sequence and one KV head against that sequence's pages.
// A page holds K as [head_dim][32 positions] and V as [32 positions][head_dim], both f16.
struct AttendArgs {
  const float* const* q;       // n_q pointers to head_dim floats, already scaled.
  float* const* out;           // n_q pointers to head_dim floats.
  const int* n_positions;      // Of each query: it sees positions [first, n).
  const int* first = nullptr;  // Of each query, below its n; null = 0 for all. A query's bits
                               // depend on neither the others' firsts nor what lies before its own.
  int n_q;
  int head_dim;
  const uint8_t* const* pages;  // By position / 32.
  size_t k_offset;              // Bytes from a page's start.
  size_t v_offset;
  float* scores;         // Scratch: [kAttendQueries, scores_stride]
  size_t scores_stride;  // At least the largest n_positions rounded up to 32.
};
constexpr int kAttendQueries = 6;  // Queries handled together; larger n_q are cut.

struct Kernels {
  Isa isa;
  // x: [n] f32 -> row r of a tile, as QuantizedRows describes.
  void (*quantize)(const float* x, int n, uint8_t* tile, int r);
  // Weights of 4 bits with scale and offset (Q4_1, Q4_0) / 8 bits with scale (Q8_0, Q5_0) / f32.
  void (*q4_panel)(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
                   const PanelOutput& out);
  void (*q8_panel)(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
                   const PanelOutput& out);
  // 8-bit weights of 16 columns: block 0 of x counts with its first 16 columns only. Panels side by
  // side, 16 outputs each; n_valid is the last one's.
  void (*q8_narrow_panels)(const uint8_t* panels, int n_panels, const QuantizedRows& x, int row0,
                           int rows, const PanelOutput& out);
  // Two panels at a time when `n_panels` is 2 (the second follows the first); columns in a row.
  void (*f32_panels)(const float* panels, int n_panels, const float* x, size_t x_stride, int n,
                     int rows, const PanelOutput& out);
  // The same for bfloat16 weights and rows (pairs of columns side by side; n is even).
  void (*bf16_panels)(const uint16_t* panels, int n_panels, const uint16_t* x, size_t x_stride,
                      int n, int rows, const PanelOutput& out);
  void (*attend)(const AttendArgs& args);
  // out = x * w / sqrt(mean(x^2) + epsilon)
  void (*rms_norm)(const float* x, const float* w, int n, float epsilon, float* out);
  // out = (x - mean) / sqrt(variance + epsilon) * w + b; out may be x.
  void (*layer_norm)(const float* x, const float* w, const float* b, int n, float epsilon,
                     float* out);
  void (*silu_mul)(const float* gate, const float* up, int n, float* out);  // silu(gate) * up
  // gelu(gate) * up, gelu in its tanh form: x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3)))
  void (*gelu_mul)(const float* gate, const float* up, int n, float* out);
  void (*gelu)(float* x, int n);  // x/2 (1 + erf(x / sqrt 2)), erf by Abramowitz-Stegun 7.1.26
  void (*add)(float* x, const float* y, int n);  // x += y
  // softmax over n (any n >= 1) values in place; reads and writes x up to n rounded up to 16.
  void (*softmax)(float* x, int n);
  // log(sum(exp(x))) over any n >= 1.
  float (*log_sum_exp)(const float* x, int n);
  // f32 attention of one whole sequence, one head: out[i] = sum_j softmax(q_i . k_j) v_j over n
  // tokens. k_t: [head_dim][n rounded up to 16] transposed. Strides in floats. scores: scratch
  // [kAttendQueries, n rounded up to 16].
  void (*attend_all)(const float* q, size_t q_stride, const float* k_t, const float* v,
                     size_t v_stride, int n, int head_dim, float* scores, float* out,
                     size_t out_stride);
  void (*f32_to_f16)(const float* x, int n, uint16_t* out);   // Round to nearest even; any n.
  void (*f32_to_bf16)(const float* x, int n, uint16_t* out);  // The same.
};

// `isa` must be supported.
const Kernels& kernels(Isa isa);

// The tables. Null when this build has no such code.
const Kernels* scalar_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_bf16_kernels();  // With bfloat16 dot products; its isa is avx512 as well.

}  // namespace consort::tensor

// Products of rows with packed weights: quantisation of activations, 4-bit, 8-bit and f32 panels.
// Part of kernels_body.h, which says how these files are compiled.
#pragma once

#include <cstring>

#include "tensor/kernels.h"

namespace consort::tensor {
namespace {

inline int32_t load_i32(const uint8_t* p) {
  int32_t x;
  std::memcpy(&x, p, 4);
  return x;
}
inline F set1_at(const uint8_t* p) { return set1(*reinterpret_cast<const float*>(p)); }

void quantize(const float* x, int n, uint8_t* tile, int r) {
  for (int b = 0; b < n / kBlock; ++b, tile += kTileBlockBytes) {
    const F x0 = load(x + b * kBlock);
    const F x1 = load(x + b * kBlock + 16);
    const float peak = max_lanes(max(abs(x0), abs(x1)));
    const F inverse = set1(peak > 0 ? 127.0f / peak : 0.0f);
    const I q0 = to_i(mul(x0, inverse));
    const I q1 = to_i(mul(x1, inverse));
    auto* q = reinterpret_cast<int8_t*>(tile + kBlock * r);
    store_i8(q, q0);
    store_i8(q + 16, q1);
    const int32_t sum = sum_lanes_i(q0, q1);
    const float d = peak / 127.0f;
    reinterpret_cast<float*>(tile + kTileScales)[r] = d;
    reinterpret_cast<float*>(tile + kTileSums)[r] = d * static_cast<float>(sum);
    reinterpret_cast<int32_t*>(tile + kTileStarts)[r] = -128 * sum;
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

constexpr int kBf16Columns = 192;  // Of rows that are widened at a time.

// Rows whose dot products are interleaved: two chains hide each other's latency.
constexpr int together(int m) { return m % 2 == 0 ? 2 : 1; }

// Block of a 4-bit panel: 256 bytes of nibbles (byte 64 g + 4 r + j: element 4 g + j of row r in
// the low nibble, element 16 + 4 g + j in the high one), 16 f16 scales, 16 f16 offsets.
struct Q4Block {
  static constexpr size_t kBytes = 320;
  static constexpr int kGroups = 8;
  W w[8];
  F scale, offset;
  inline explicit Q4Block(const uint8_t* panel) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      const W pair = load_w(panel + 64 * g);
      w[g] = low_nibbles(pair);
      w[g + 4] = high_nibbles(pair);
    }
    scale = load_f16(reinterpret_cast<const uint16_t*>(panel + 256));
    offset = load_f16(reinterpret_cast<const uint16_t*>(panel + 288));
  }
  static inline I start(const uint8_t*) { return set1_i(0); }
  static inline I dot(I t, W w, int32_t x) { return dot_u4(t, w, x); }
  inline F add_to(F acc, I t, const uint8_t* tile, int r) const {
    acc = add(acc, mul(mul(to_f(t), scale), set1_at(tile + kTileScales + 4 * r)));
    return add(acc, mul(offset, set1_at(tile + kTileSums + 4 * r)));
  }
};

// Block of an 8-bit panel: 64 bytes of weight + 128 a group of 4 columns (byte 64 g + 4 r + j:
// element 4 g + j of row r), then 16 f16 scales. 8 groups, or 4 where there are but 16 columns.
template <int Groups>
struct Q8Block {
  static constexpr size_t kBytes = 64 * Groups + 32;
  static constexpr int kGroups = Groups;
  W w[Groups];
  F scale;
  inline explicit Q8Block(const uint8_t* panel) {
#pragma GCC unroll 8
    for (int g = 0; g < Groups; ++g) w[g] = load_w(panel + 64 * g);
    scale = load_f16(reinterpret_cast<const uint16_t*>(panel + 64 * Groups));
  }
  static inline I start(const uint8_t* at) { return start_s8(load_i32(at)); }
  static inline I dot(I t, W w, int32_t x) { return dot_s8(t, w, x); }
  inline F add_to(F acc, I t, const uint8_t* tile, int r) const {
    return add(acc, mul(mul(to_f(t), scale), set1_at(tile + kTileScales + 4 * r)));
  }
};

// Rows [r, r + M) of one tile with one panel. `tile` points at row r's place in the first block.
template <typename Block, int M>
void quantised_rows(const uint8_t* panel, const uint8_t* tile, int r, int n_blocks, float* y,
                    const PanelOutput& out, Ahead ahead) {
  constexpr int U = together(M);
  F acc[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) acc[m] = set1(0.0f);
  const uint8_t* q = tile + kBlock * r;
  const uint8_t* scales = tile + 4 * r;
  for (int b = 0; b < n_blocks; ++b) {
    const Block block(panel);
    if constexpr (M >= 4) {
      const uint8_t* end = ahead.next + ahead.step < ahead.end ? ahead.next + ahead.step : ahead.end;
      for (; ahead.next < end; ahead.next += 64) __builtin_prefetch(ahead.next, 0, 2);
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; m += U) {
      I t[U];
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) t[u] = Block::start(scales + kTileStarts + 4 * (m + u));
#pragma GCC unroll 8
      for (int g = 0; g < Block::kGroups; ++g) {
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) {
          t[u] = Block::dot(t[u], block.w[g], load_i32(q + kBlock * (m + u) + 4 * g));
        }
      }
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) acc[m + u] = block.add_to(acc[m + u], t[u], scales, m + u);
    }
    panel += Block::kBytes;
    q += kTileBlockBytes;
    scales += kTileBlockBytes;
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) put(acc[m], y + static_cast<size_t>(m) * out.stride, out);
}

// The largest group of at most M rows that lies in one tile; each row's chain of operations is the
// same in all of them.
template <typename Block, int M = kQuantRows>
int some_rows(const uint8_t* panel, const uint8_t* tile, int r, int rows, int n_blocks, float* y,
              const PanelOutput& out, const Ahead& ahead) {
  if constexpr (M > 1) {
    if (rows < M || r + M > kTileRows) {
      return some_rows<Block, M / 2>(panel, tile, r, rows, n_blocks, y, out, ahead);
    }
  }
  quantised_rows<Block, M>(panel, tile, r, n_blocks, y, out, ahead);
  return M;
}

template <typename Block>
void quantised_panel(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
                     const PanelOutput& out) {
  Ahead ahead = out.ahead;
  for (int m = 0; m < rows;) {
    const int row = row0 + m;
    m += some_rows<Block>(panel, x.tile(row), row % kTileRows, rows - m, x.n / kBlock,
                          out.y + static_cast<size_t>(m) * out.stride, out, ahead);
    ahead.next += ahead.step * static_cast<size_t>(x.n / kBlock);
  }
}

void q4_panel(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
              const PanelOutput& out) {
  quantised_panel<Q4Block>(panel, x, row0, rows, out);
}
void q8_panel(const uint8_t* panel, const QuantizedRows& x, int row0, int rows,
              const PanelOutput& out) {
  quantised_panel<Q8Block<8>>(panel, x, row0, rows, out);
}

// One row against all panels: its 16 codes stay in registers. The order of operations is
// quantised_rows'.
void q8_narrow_panels(const uint8_t* panels, int n_panels, const QuantizedRows& x, int row0,
                      int rows, const PanelOutput& out) {
  using Block = Q8Block<4>;
  for (int m = 0; m < rows; ++m) {
    const uint8_t* tile = x.tile(row0 + m);
    const int r = (row0 + m) % kTileRows;
    int32_t q[Block::kGroups];
#pragma GCC unroll 4
    for (int g = 0; g < Block::kGroups; ++g) q[g] = load_i32(tile + kBlock * r + 4 * g);
    const I start = Block::start(tile + kTileStarts + 4 * r);
    float* y = out.y + static_cast<size_t>(m) * out.stride;
    const uint8_t* panel = panels;
    PanelOutput whole = out;
    for (int p = 0; p < n_panels; ++p, panel += Block::kBytes, y += kPanelRows) {
      whole.n_valid = p + 1 < n_panels ? kPanelRows : out.n_valid;
      const Block block(panel);
      I t = start;
#pragma GCC unroll 4
      for (int g = 0; g < Block::kGroups; ++g) t = Block::dot(t, block.w[g], q[g]);
      put(block.add_to(set1(0.0f), t, tile, r), y, whole);
    }
  }
}

// acc[m][p] += the products of columns [k, k + n) of rows and panels.
template <int M, int P>
inline void bf16_columns(const uint8_t* first, const uint8_t* second, const uint16_t* x,
                         size_t x_stride, int n, F (&acc)[M][P]) {
  const auto* rows = reinterpret_cast<const uint8_t*>(x);
#ifdef CONSORT_BF16_DOT
  for (int k = 0; k < n; k += 2, first += 64, second += 64, rows += 4) {
    W w[P];
    w[0] = load_w(first);
    if constexpr (P == 2) w[1] = load_w(second);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const int32_t pair = load_i32(rows + 2 * x_stride * static_cast<size_t>(m));
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) acc[m][p] = dot_bf16(acc[m][p], w[p], pair);
    }
  }
#else
  // Without the instruction: f32 arithmetic on the same values, even column first. The rows are
  // widened once for both panels, so that the inner loop has a broadcast and products only.
  alignas(64) float wide[M][kBf16Columns];
  for (int m = 0; m < M; ++m) {
    const uint8_t* row = rows + 2 * x_stride * static_cast<size_t>(m);
    for (int k = 0; k < n; ++k) {
      uint16_t half;
      std::memcpy(&half, row + 2 * k, 2);
      const uint32_t bits = static_cast<uint32_t>(half) << 16;
      std::memcpy(&wide[m][k], &bits, 4);
    }
  }
  for (int k = 0; k < n; k += 2, first += 64, second += 64) {
    F even[P], odd[P];
    widen_bf16(load_w(first), &even[0], &odd[0]);
    if constexpr (P == 2) widen_bf16(load_w(second), &even[1], &odd[1]);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const F x0 = set1(wide[m][k]), x1 = set1(wide[m][k + 1]);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) acc[m][p] = fma(x1, odd[p], fma(x0, even[p], acc[m][p]));
    }
  }
#endif
}

// Panel of bf16: [n / 2][16][2].
template <int M, int P>
void bf16_rows(const uint16_t* panels, const uint16_t* x, size_t x_stride, int n, float* y,
               const PanelOutput& out) {
  F acc[M][P];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) acc[m][p] = set1(0.0f);
  }
  const auto* first = reinterpret_cast<const uint8_t*>(panels);
  const uint8_t* second = first + static_cast<size_t>(n) * 2 * kPanelRows;
  for (int k = 0; k < n; k += kBf16Columns) {
    const size_t at = 2 * kPanelRows * static_cast<size_t>(k);
    bf16_columns<M, P>(first + at, second + at, x + k, x_stride,
                       n - k < kBf16Columns ? n - k : kBf16Columns, acc);
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    float* ym = y + static_cast<size_t>(m) * out.stride;
    PanelOutput whole = out;
    if constexpr (P == 2) whole.n_valid = kPanelRows;
    put(acc[m][0], ym, whole);
    if constexpr (P == 2) put(acc[m][1], ym + kPanelRows, out);
  }
}

template <int P, int M = kF32Rows>
void bf16_groups(const uint16_t* panels, const uint16_t* x, size_t x_stride, int n, int rows, int m,
                 const PanelOutput& out) {
  for (; rows - m >= M; m += M) {
    bf16_rows<M, P>(panels, x + static_cast<size_t>(m) * x_stride, x_stride, n,
                    out.y + static_cast<size_t>(m) * out.stride, out);
  }
  if constexpr (M > 1) bf16_groups<P, M / 2>(panels, x, x_stride, n, rows, m, out);
}

void bf16_panels(const uint16_t* panels, int n_panels, const uint16_t* x, size_t x_stride, int n,
                 int rows, const PanelOutput& out) {
  if (n_panels == 2) {
    bf16_groups<2>(panels, x, x_stride, n, rows, 0, out);
  } else {
    bf16_groups<1>(panels, x, x_stride, n, rows, 0, out);
  }
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

}  // namespace
}  // namespace consort::tensor

#include "tensor/matmul.h"

#include <algorithm>

namespace consort::tensor {
namespace {

// What panel `index` of `n_panels` brings near: its part of one of the spans, which so are spread
// over all panels.
Ahead part_of(std::span<const Coming> coming, int index, int n_panels, int row0, int rows, int n) {
  const auto n_spans = static_cast<int64_t>(coming.size());
  if (n_spans == 0 || rows < kComingRows) return {};
  const auto span = index * n_spans / n_panels;
  const auto begin = (span * n_panels + n_spans - 1) / n_spans;  // The panels of this span.
  const auto end = ((span + 1) * n_panels + n_spans - 1) / n_spans;
  const Coming& all = coming[static_cast<size_t>(span)];
  const auto lines = static_cast<int64_t>((all.size() + 63) / 64);
  const int64_t from = lines * (index - begin) / (end - begin);
  const int64_t to = lines * (index + 1 - begin) / (end - begin);
  const int64_t blocks =
      (n / kBlock) * ((row0 + rows - 1) / kTileRows - row0 / kTileRows + int64_t{1});
  return {.next = all.data() + 64 * from,
          .end = all.data() + std::min<size_t>(static_cast<size_t>(64 * to), all.size()),
          .step = static_cast<size_t>(64 * ((to - from + blocks - 1) / blocks))};
}

struct Coverage {
  std::span<const Coming> coming;
  int first_panel = 0, n_panels = 1;  // Of the whole product.
};

void panel_range(const Kernels& kernels, const Activations& x, int row0, int rows,
                 const PackedMatrix& w, int first, int last, float* y, size_t y_stride,
                 bool accumulate, const Coverage& coverage = {}) {
  for (int p = first; p < last;) {
    const bool floats = w.kind() == PackedMatrix::Kind::f32 || w.kind() == PackedMatrix::Kind::bf16;
    const int together = floats && last - p >= 2 ? 2 : 1;
    const int last_panel = p + together - 1;
    const PanelOutput out{.y = y + static_cast<size_t>(p) * kPanelRows,
                          .stride = y_stride,
                          .n_valid = std::min(kPanelRows, w.n_out() - last_panel * kPanelRows),
                          .accumulate = accumulate,
                          .scale = 1.0f,
                          .ahead = part_of(coverage.coming, coverage.first_panel + p,
                                           coverage.n_panels, row0, rows, x.n())};
    switch (w.kind()) {
      case PackedMatrix::Kind::q4:
        kernels.q4_panel(w.panel(p), x.quantized(), row0, rows, out);
        break;
      case PackedMatrix::Kind::q8:
        kernels.q8_panel(w.panel(p), x.quantized(), row0, rows, out);
        break;
      case PackedMatrix::Kind::q8_narrow:
        kernels.q8_narrow_panels(w.panel(p), 1, x.quantized(), row0, rows, out);
        break;
      case PackedMatrix::Kind::bf16:
        kernels.bf16_panels(reinterpret_cast<const uint16_t*>(w.panel(p)), together,
                            x.bf16_row(row0), static_cast<size_t>(x.n()), x.n(), rows, out);
        break;
      case PackedMatrix::Kind::f32:
        kernels.f32_panels(reinterpret_cast<const float*>(w.panel(p)), together, x.row(row0),
                           static_cast<size_t>(x.n()), x.n(), rows, out);
        break;
    }
    p += together;
  }
}

}  // namespace

void Activations::resize(int rows, int n, bool rounds) {
  rows_ = rows;
  n_ = n;
  const auto cells = static_cast<size_t>(rows) * static_cast<size_t>(n);
  if (f32_.size() < cells) f32_.resize(cells);
  if (rounds && bf16_.size() < cells) bf16_.resize(cells);
  const size_t tile_bytes = quantized().tile_bytes();
  const size_t bytes = tile_bytes * static_cast<size_t>((rows + kTileRows - 1) / kTileRows);
  if (tiles_.size() < bytes) tiles_ = AlignedBytes(bytes);
}

uint64_t Activations::bytes_for(int rows, int n) {
  return 4 * static_cast<uint64_t>(rows) * static_cast<uint64_t>(n) +
         QuantizedRows{nullptr, n}.tile_bytes() *
             static_cast<uint64_t>((rows + kTileRows - 1) / kTileRows);
}

void Activations::quantize_row(const Kernels& kernels, int m) {
  const QuantizedRows to = quantized();
  kernels.quantize(row(m), n_, tiles_.data() + to.tile_bytes() * static_cast<size_t>(m / kTileRows),
                   m % kTileRows);
}

void Activations::round_row(const Kernels& kernels, int m) {
  kernels.f32_to_bf16(row(m), n_, bf16_.data() + static_cast<size_t>(m) * static_cast<size_t>(n_));
}

void matmul(ThreadPool& pool, const Kernels& kernels, const Activations& x, int row0, int rows,
            std::span<const MatmulPart> parts, float* y, size_t y_stride, bool accumulate,
            std::span<const Coming> coming) {
  int total = 0;
  for (const MatmulPart& part : parts) {
    CONSORT_CHECK(part.weights->n_in() == x.n());
    total += part.weights->n_panels();
  }
  // A few pieces for each thread even out what the system takes from one of them; pieces are even
  // because f32 panels go two by two.
  const int n_threads = pool.n_threads();
  const int share = (total + 4 * n_threads - 1) / (4 * n_threads);
  const int piece = n_threads == 1 ? total : std::max(2, (share + 1) / 2 * 2);
  // Many rows are cut as well, so that a piece's activations stay in the second-level cache.
  constexpr int kRowsTogether = 256;
  pool.parallel_for((total + piece - 1) / piece, [&](int index) {
    for (int m = 0; m < rows; m += kRowsTogether) {
      const int n_rows = std::min(kRowsTogether, rows - m);
      int first = index * piece;
      int last = std::min(total, first + piece);
      int passed = 0;
      for (const MatmulPart& part : parts) {
        const int n = part.weights->n_panels();
        if (first < n && last > 0) {
          panel_range(kernels, x, row0 + m, n_rows, *part.weights, std::max(first, 0),
                      std::min(last, n), y + static_cast<size_t>(m) * y_stride + part.column,
                      y_stride, accumulate, {coming, passed, total});
        }
        first -= n;
        last -= n;
        passed += n;
      }
    }
  });
}

void matmul_panels(const Kernels& kernels, const Activations& x, int row0, int rows,
                   const PackedMatrix& weights, int first, int last, float* y, size_t y_stride) {
  CONSORT_CHECK(weights.n_in() == x.n());
  panel_range(kernels, x, row0, rows, weights, first, last, y, y_stride, false);
}

}  // namespace consort::tensor

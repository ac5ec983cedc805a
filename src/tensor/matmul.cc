#include "tensor/matmul.h"

#include <algorithm>

namespace consort::tensor {
namespace {

void panel_range(const Kernels& kernels, const Activations& x, int row0, int rows,
                 const PackedMatrix& w, int first, int last, float* y, size_t y_stride,
                 bool accumulate) {
  for (int p = first; p < last;) {
    const bool floats = w.kind() == PackedMatrix::Kind::f32 || w.kind() == PackedMatrix::Kind::bf16;
    const int together = floats && last - p >= 2 ? 2 : 1;
    const int last_panel = p + together - 1;
    const PanelOutput out{.y = y + static_cast<size_t>(p) * kPanelRows,
                          .stride = y_stride,
                          .n_valid = std::min(kPanelRows, w.n_out() - last_panel * kPanelRows),
                          .accumulate = accumulate,
                          .scale = 1.0f};
    switch (w.kind()) {
      case PackedMatrix::Kind::q4:
        kernels.q4_panel(w.panel(p), x.quantized(), row0, rows, out);
        break;
      case PackedMatrix::Kind::q8:
        kernels.q8_panel(w.panel(p), x.quantized(), row0, rows, out);
        break;
      case PackedMatrix::Kind::q8_narrow:
        kernels.q8_narrow_panel(w.panel(p), x.quantized(), row0, rows, out);
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
            std::span<const MatmulPart> parts, float* y, size_t y_stride, bool accumulate) {
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
      for (const MatmulPart& part : parts) {
        const int n = part.weights->n_panels();
        if (first < n && last > 0) {
          panel_range(kernels, x, row0 + m, n_rows, *part.weights, std::max(first, 0),
                      std::min(last, n), y + static_cast<size_t>(m) * y_stride + part.column,
                      y_stride, accumulate);
        }
        first -= n;
        last -= n;
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

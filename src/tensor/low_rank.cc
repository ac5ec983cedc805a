#include "tensor/low_rank.h"

#include <algorithm>

namespace consort::tensor {
namespace {

using Kind = PackedMatrix::Kind;

constexpr int kWidth = LowRank::kRankMax;
constexpr int kNarrow = 16;

// Calls body(panel, output) for every panel of w.
template <typename Body>
void each_panel(const PackedMatrix& w, float* y, size_t stride, bool accumulate, float scale,
                Body&& body) {
  for (int p = 0; p < w.n_panels(); ++p) {
    body(w.panel(p), PanelOutput{.y = y + static_cast<size_t>(p) * kPanelRows,
                                 .stride = stride,
                                 .n_valid = std::min(kPanelRows, w.n_out() - p * kPanelRows),
                                 .accumulate = accumulate,
                                 .scale = scale});
  }
}

void product_f32(const Kernels& kernels, const PackedMatrix& w, const float* x, size_t x_stride,
                 int rows, float scale, float* y, size_t y_stride, bool accumulate) {
  each_panel(w, y, y_stride, accumulate, scale, [&](const uint8_t* panel, const PanelOutput& out) {
    kernels.f32_panels(reinterpret_cast<const float*>(panel), 1, x, x_stride, w.n_in(), rows, out);
  });
}

}  // namespace

Result<LowRank> LowRank::pack(std::span<const float> a, std::span<const float> b, int n_out,
                              int n_in, int rank, float scale, bool as_f32,
                              std::shared_ptr<Arena> arena) {
  CONSORT_CHECK(rank > 0 && rank <= kRankMax && n_in % kBlock == 0);
  LowRank out;
  out.scale = scale;
  if (as_f32) {
    const auto bytes = [](std::span<const float> v) {
      return std::span(reinterpret_cast<const uint8_t*>(v.data()), v.size_bytes());
    };
    CONSORT_ASSIGN(out.a, PackedMatrix::pack(WeightFormat::f32, bytes(a), rank, n_in));
    CONSORT_ASSIGN(out.b, PackedMatrix::pack(WeightFormat::f32, bytes(b), n_out, rank));
  } else {
    CONSORT_ASSIGN(out.a, PackedMatrix::round_to(Kind::q8, a, rank, n_in, arena));
    CONSORT_ASSIGN(out.b, PackedMatrix::round_to(rank <= kNarrow ? Kind::q8_narrow : Kind::q8, b,
                                                 n_out, rank, arena));
  }
  return out;
}

void add_low_rank(const Kernels& kernels, const LowRank& pair, const Activations& x, int row0,
                  int rows, float* y, size_t y_stride) {
  CONSORT_CHECK(rows <= LowRank::kRowsMax);
  float low[LowRank::kRowsMax * kWidth];
  if (pair.a.kind() == Kind::f32) {
    product_f32(kernels, pair.a, x.row(row0), static_cast<size_t>(x.n()), rows, 1.0f, low, kWidth,
                false);
    product_f32(kernels, pair.b, low, kWidth, rows, pair.scale, y, y_stride, true);
    return;
  }
  const int width = pair.b.n_in();
  for (int m = 0; m < rows; ++m) {
    std::fill(low + m * kWidth + pair.a.n_out(), low + m * kWidth + width, 0.0f);
  }
  each_panel(pair.a, low, kWidth, false, 1.0f, [&](const uint8_t* panel, const PanelOutput& out) {
    kernels.q8_panel(panel, x.quantized(), row0, rows, out);
  });
  alignas(64) uint8_t tiles[LowRank::kRowsMax / kTileRows * (kWidth / kBlock) * kTileBlockBytes];
  const QuantizedRows small{tiles, width};
  for (int m = 0; m < rows; ++m) {
    for (int r = 0; r < pair.a.n_out(); ++r) low[m * kWidth + r] *= pair.scale;
    kernels.quantize(low + m * kWidth, width,
                     tiles + small.tile_bytes() * static_cast<size_t>(m / kTileRows),
                     m % kTileRows);
  }
  if (pair.b.kind() == Kind::q8_narrow) {
    const int n_panels = pair.b.n_panels();
    kernels.q8_narrow_panels(
        pair.b.panel(0), n_panels, small, 0, rows,
        {.y = y,
         .stride = y_stride,
         .n_valid = std::min(kPanelRows, pair.b.n_out() - (n_panels - 1) * kPanelRows),
         .accumulate = true,
         .scale = 1.0f});
    return;
  }
  each_panel(pair.b, y, y_stride, true, 1.0f, [&](const uint8_t* panel, const PanelOutput& out) {
    kernels.q8_panel(panel, small, 0, rows, out);
  });
}

}  // namespace consort::tensor

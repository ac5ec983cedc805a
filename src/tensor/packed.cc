#include "tensor/packed.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace consort::tensor {
namespace {

constexpr size_t kQ4BlockBytes = 320;
constexpr size_t kQ8BlockBytes = 544;
constexpr size_t kQ8NarrowBytes = 288;
constexpr int kNarrow = 16;  // Columns of q8_narrow.

bool finite_half(uint16_t h) { return (h & 0x7c00) != 0x7c00; }

uint16_t read_half(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}

void write_half(uint8_t* p, uint16_t h) { std::memcpy(p, &h, 2); }

// -8 * d of an f16: exact unless it overflows (then the file's scale is absurd) or d is subnormal,
// where the exponent cannot just be raised.
Result<uint16_t> minus_eight_times(uint16_t d) {
  float f;
  dequantize(WeightFormat::f16, reinterpret_cast<const uint8_t*>(&d), 1, &f);
  const float product = -8.0f * f;
  uint16_t out = 0;
  if (std::fabs(product) > 65504.0f) {
    return fail(ErrorCode::corruption, 4004, "a weight's scale is out of range");
  }
  scalar_kernels()->f32_to_f16(&product, 1, &out);
  return out;
}

Error not_finite() {
  return make_error(ErrorCode::corruption, 4004, "a weight or its scale is not a finite number")
      .to_fix("fetch the file again; its bytes are damaged");
}

// One source row of Q4_0 or Q4_1 into row r of a panel.
Result<void> pack_q4_row(const uint8_t* in, bool has_offset, int n_blocks, int r, uint8_t* panel) {
  for (int b = 0; b < n_blocks; ++b, panel += kQ4BlockBytes) {
    const uint16_t d = read_half(in);
    uint16_t m = 0;
    if (has_offset) {
      m = read_half(in + 2);
    } else {
      CONSORT_ASSIGN(m, minus_eight_times(d));
    }
    if (!finite_half(d) || !finite_half(m)) return fail(not_finite());
    const uint8_t* q = in + (has_offset ? 4 : 2);
    // The file keeps element i in the low and 16 + i in the high nibble of byte i, as the panel
    // does.
    for (int g = 0; g < 4; ++g) std::memcpy(panel + 64 * g + 4 * r, q + 4 * g, 4);
    write_half(panel + 256 + 2 * r, d);
    write_half(panel + 288 + 2 * r, m);
    in += has_offset ? 20 : 18;
  }
  return {};
}

Result<void> pack_q8_row(const uint8_t* in, bool five_bits, int n_blocks, int r, uint8_t* panel) {
  for (int b = 0; b < n_blocks; ++b, panel += kQ8BlockBytes) {
    const uint16_t d = read_half(in);
    if (!finite_half(d)) return fail(not_finite());
    uint8_t biased[32];
    if (five_bits) {
      uint32_t high;
      std::memcpy(&high, in + 2, 4);
      const uint8_t* q = in + 6;
      for (int i = 0; i < 16; ++i) {
        biased[i] = static_cast<uint8_t>(128 - 16 + ((q[i] & 15) | (high >> i & 1) << 4));
        biased[i + 16] =
            static_cast<uint8_t>(128 - 16 + ((q[i] >> 4) | (high >> (i + 16) & 1) << 4));
      }
    } else {
      for (int i = 0; i < 32; ++i) biased[i] = static_cast<uint8_t>(in[2 + i] ^ 0x80);
    }
    for (int g = 0; g < 8; ++g) std::memcpy(panel + 64 * g + 4 * r, biased + 4 * g, 4);
    write_half(panel + 512 + 2 * r, d);
    in += five_bits ? 22 : 34;
  }
  return {};
}

// One source row of Q4_K: its 32-weight parts, each with a scale and an offset, are as Q4_1's once
// these two are rounded to f16 (in the file they are products of an f16 and 6 bits).
Result<void> pack_q4_k_row(const uint8_t* in, int n_blocks, int r, uint8_t* panel) {
  for (int b = 0; b < n_blocks; ++b, panel += kQ4BlockBytes) {
    const uint8_t* super_block = in + 144 * (b / 8);
    float scale_offset[2];
    q4_k_scale(super_block, b % 8, &scale_offset[0], &scale_offset[1]);
    const uint8_t* q = super_block + 16 + 32 * (b % 8 / 2);
    const int shift = b % 2 * 4;
    for (int i = 0; i < 16; ++i) {
      const int low = q[i] >> shift & 15, high = q[i + 16] >> shift & 15;
      panel[64 * (i / 4) + 4 * r + i % 4] = static_cast<uint8_t>(low | high << 4);
    }
    uint16_t halves[2];
    scalar_kernels()->f32_to_f16(scale_offset, 2, halves);
    if (!finite_half(halves[0]) || !finite_half(halves[1])) return fail(not_finite());
    write_half(panel + 256 + 2 * r, halves[0]);
    write_half(panel + 288 + 2 * r, halves[1]);
  }
  return {};
}

// One row of f32 to `n_blocks` blocks of `groups` x 4 columns, as Q8_0 rounds: codes by the exact
// scale, which is then kept as f16. Columns from n_in on are 0.
Result<void> round_q8_row(const float* from, int n_in, int groups, int n_blocks, int r,
                          uint8_t* panel) {
  const size_t block_bytes = groups == 8 ? kQ8BlockBytes : kQ8NarrowBytes;
  for (int b = 0; b < n_blocks; ++b, panel += block_bytes) {
    float block[kBlock] = {};
    const int n = std::min(kBlock, n_in - b * kBlock);
    float peak = 0;
    for (int k = 0; k < n; ++k) {
      block[k] = from[b * kBlock + k];
      if (!std::isfinite(block[k])) return fail(not_finite());
      peak = std::max(peak, std::fabs(block[k]));
    }
    const float d = peak / 127.0f;
    if (d > 65504.0f) return fail(not_finite());
    uint8_t codes[kBlock];
    for (int k = 0; k < kBlock; ++k) {
      const float code = d > 0 ? std::nearbyintf(block[k] / d) : 0.0f;
      codes[k] = static_cast<uint8_t>(static_cast<int>(code) + 128);
    }
    for (int g = 0; g < groups; ++g) std::memcpy(panel + 64 * g + 4 * r, codes + 4 * g, 4);
    uint16_t half;
    scalar_kernels()->f32_to_f16(&d, 1, &half);
    write_half(panel + 64 * groups + 2 * r, half);
  }
  return {};
}

Result<void> pack_f32_row(WeightFormat format, const uint8_t* in, int n, int r, uint8_t* panel,
                          std::vector<float>* row) {
  dequantize(format, in, static_cast<uint64_t>(n), row->data());
  auto* out = reinterpret_cast<float*>(panel);
  for (int k = 0; k < n; ++k) {
    if (!std::isfinite((*row)[static_cast<size_t>(k)])) return fail(not_finite());
    out[static_cast<size_t>(k) * kPanelRows + static_cast<size_t>(r)] =
        (*row)[static_cast<size_t>(k)];
  }
  return {};
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  constexpr size_t kHuge = size_t{2} << 20;
  const size_t alignment = size >= kHuge ? kHuge : 64;
  // Whole cache lines and one more, so that a vector load of the last ones stays inside.
  const size_t rounded = (size + 64 + alignment - 1) / alignment * alignment;
  auto* data = static_cast<uint8_t*>(std::aligned_alloc(alignment, rounded));
  if (data == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHuge) ::madvise(data, rounded, MADV_HUGEPAGE);
#endif
  data_.reset(data);
}

void AlignedBytes::Free::operator()(uint8_t* p) const { std::free(p); }

uint8_t* Arena::allocate(size_t bytes) {
  constexpr size_t kSlab = size_t{8} << 20;
  const size_t rounded = (bytes + 63) / 64 * 64;
  std::lock_guard lock(mutex_);
  if (slabs_.empty() || used_ + rounded > slabs_.back().size()) {
    slabs_.emplace_back(std::max(kSlab, rounded));
    used_ = 0;
  }
  uint8_t* out = slabs_.back().data() + used_;
  used_ += rounded;
  return out;
}

Result<PackedMatrix> PackedMatrix::pack(WeightFormat format, std::span<const uint8_t> data,
                                        int n_out, int n_in, std::shared_ptr<Arena> arena) {
  const auto n = static_cast<uint64_t>(n_in);
  const bool by_blocks = format == WeightFormat::q4_0 || format == WeightFormat::q4_1 ||
                         format == WeightFormat::q5_0 || format == WeightFormat::q8_0;
  if (n_in <= 0 || n_out <= 0 || (by_blocks && n_in % kBlock != 0) ||
      n % weight_block(format) != 0) {
    return fail(
        make_error(ErrorCode::unsupported, 4003, "a weight matrix's rows are no multiple of 32")
            .got(std::to_string(n_out) + " x " + std::to_string(n_in))
            .to_fix("use a model whose layer sizes are multiples of 32"));
  }
  const uint64_t row_bytes = weight_bytes(format, n);
  if (data.size() != row_bytes * static_cast<uint64_t>(n_out)) {
    return fail(
        make_error(ErrorCode::corruption, 4004, "a weight matrix has another size than its shape")
            .got(std::to_string(data.size()) + " bytes"));
  }
  PackedMatrix out;
  const int n_blocks = n_in / kBlock;
  switch (format) {
    case WeightFormat::q4_0:
    case WeightFormat::q4_1:
    case WeightFormat::q4_k:
      out.allocate(Kind::q4, n_out, n_in, kQ4BlockBytes * static_cast<size_t>(n_blocks),
                   std::move(arena));
      break;
    case WeightFormat::q5_0:
    case WeightFormat::q8_0:
    case WeightFormat::q5_1:
    case WeightFormat::q5_k:
    case WeightFormat::q6_k:
      out.allocate(Kind::q8, n_out, n_in, kQ8BlockBytes * static_cast<size_t>(n_blocks),
                   std::move(arena));
      break;
    default:
      out.allocate(Kind::f32, n_out, n_in, 64 * static_cast<size_t>(n_in), std::move(arena));
      break;
  }
  const bool rounded =
      format == WeightFormat::q5_1 || format == WeightFormat::q5_k || format == WeightFormat::q6_k;
  std::vector<float> scratch(out.kind_ == Kind::f32 || rounded ? n : 0);
  for (int i = 0; i < n_out; ++i) {
    const uint8_t* in = data.data() + row_bytes * static_cast<uint64_t>(i);
    uint8_t* panel = out.data_ + out.panel_bytes_ * static_cast<size_t>(i / kPanelRows);
    const int r = i % kPanelRows;
    if (rounded) {
      dequantize(format, in, n, scratch.data());
      CONSORT_TRY(round_q8_row(scratch.data(), n_in, kBlock / 4, n_blocks, r, panel));
    } else if (format == WeightFormat::q4_k) {
      CONSORT_TRY(pack_q4_k_row(in, n_blocks, r, panel));
    } else if (out.kind_ == Kind::q4) {
      CONSORT_TRY(pack_q4_row(in, format == WeightFormat::q4_1, n_blocks, r, panel));
    } else if (out.kind_ == Kind::q8) {
      CONSORT_TRY(pack_q8_row(in, format == WeightFormat::q5_0, n_blocks, r, panel));
    } else {
      CONSORT_TRY(pack_f32_row(format, in, n_in, r, panel, &scratch));
    }
  }
  return out;
}

// The last panel may have rows that stand for nothing: they are 0.
void PackedMatrix::allocate(Kind kind, int n_out, int n_in, size_t panel_bytes,
                            std::shared_ptr<Arena> arena) {
  kind_ = kind;
  n_out_ = n_out;
  n_in_ = n_in;
  panel_bytes_ = panel_bytes;
  const size_t bytes = panel_bytes * static_cast<size_t>(n_panels());
  if (arena) {
    data_ = arena->allocate(bytes);
    arena_ = std::move(arena);
  } else {
    bytes_ = AlignedBytes(bytes);
    data_ = bytes_.data();
  }
  if (n_out % kPanelRows != 0) {
    std::memset(data_ + panel_bytes * static_cast<size_t>(n_panels() - 1), 0, panel_bytes);
  }
}

Result<PackedMatrix> PackedMatrix::round_to(Kind kind, std::span<const float> values, int n_out,
                                            int n_in, std::shared_ptr<Arena> arena) {
  CONSORT_CHECK(n_out > 0 && n_in > 0 && (kind != Kind::q8_narrow || n_in <= kNarrow));
  CONSORT_CHECK(values.size() == static_cast<size_t>(n_out) * static_cast<size_t>(n_in));
  PackedMatrix out;
  if (kind == Kind::bf16) {
    const int width = (n_in + 1) / 2 * 2;
    out.allocate(kind, n_out, width, 32 * static_cast<size_t>(width), std::move(arena));
    std::vector<uint16_t> row(static_cast<size_t>(width), 0);
    for (int i = 0; i < n_out; ++i) {
      const float* from = values.data() + static_cast<size_t>(i) * static_cast<size_t>(n_in);
      for (int k = 0; k < n_in; ++k) {
        if (!std::isfinite(from[k])) return fail(not_finite());
      }
      scalar_kernels()->f32_to_bf16(from, n_in, row.data());
      uint8_t* panel = out.data_ + out.panel_bytes_ * static_cast<size_t>(i / kPanelRows);
      for (int k = 0; k < width; k += 2)
        std::memcpy(panel + 32 * k + 4 * (i % kPanelRows), row.data() + k, 4);
    }
    return out;
  }
  CONSORT_CHECK(kind == Kind::q8 || kind == Kind::q8_narrow);
  const int groups = kind == Kind::q8 ? 8 : kNarrow / 4;
  const int n_blocks = kind == Kind::q8 ? (n_in + kBlock - 1) / kBlock : 1;
  const size_t block_bytes = kind == Kind::q8 ? kQ8BlockBytes : kQ8NarrowBytes;
  out.allocate(kind, n_out, n_blocks * kBlock, block_bytes * static_cast<size_t>(n_blocks),
               std::move(arena));
  for (int i = 0; i < n_out; ++i) {
    const float* from = values.data() + static_cast<size_t>(i) * static_cast<size_t>(n_in);
    uint8_t* panel = out.data_ + out.panel_bytes_ * static_cast<size_t>(i / kPanelRows);
    CONSORT_TRY(round_q8_row(from, n_in, groups, n_blocks, i % kPanelRows, panel));
  }
  return out;
}

void PackedMatrix::row(int index, float* out) const {
  CONSORT_CHECK(index >= 0 && index < n_out_ && kind_ != Kind::q8_narrow);
  const uint8_t* panel = this->panel(index / kPanelRows);
  const int r = index % kPanelRows;
  if (kind_ == Kind::f32) {
    for (int k = 0; k < n_in_; ++k) {
      std::memcpy(out + k,
                  panel + 4 * (static_cast<size_t>(k) * kPanelRows + static_cast<size_t>(r)), 4);
    }
    return;
  }
  if (kind_ == Kind::bf16) {
    for (int k = 0; k < n_in_; ++k) {
      uint16_t half;
      std::memcpy(&half, panel + 64 * (k / 2) + 4 * r + 2 * (k % 2), 2);
      const uint32_t bits = static_cast<uint32_t>(half) << 16;
      std::memcpy(out + k, &bits, 4);
    }
    return;
  }
  for (int b = 0; b < n_in_ / kBlock; ++b, out += kBlock) {
    float d, m = 0;
    const size_t scale_at = kind_ == Kind::q4 ? 256 : 512;
    dequantize(WeightFormat::f16, panel + scale_at + 2 * static_cast<size_t>(r), 1, &d);
    if (kind_ == Kind::q4) {
      dequantize(WeightFormat::f16, panel + 288 + 2 * static_cast<size_t>(r), 1, &m);
      for (int i = 0; i < 16; ++i) {
        const uint8_t byte = panel[64 * (i / 4) + 4 * r + i % 4];
        out[i] = static_cast<float>(byte & 15) * d + m;
        out[i + 16] = static_cast<float>(byte >> 4) * d + m;
      }
      panel += kQ4BlockBytes;
    } else {
      for (int i = 0; i < 32; ++i) {
        out[i] =
            static_cast<float>(static_cast<int>(panel[64 * (i / 4) + 4 * r + i % 4]) - 128) * d;
      }
      panel += kQ8BlockBytes;
    }
  }
}

}  // namespace consort::tensor

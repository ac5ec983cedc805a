// The block formats of GGUF, as ggml defines them (ggml-quants.c), to f32.
#include <bit>
#include <cstring>

#include "tensor/packed.h"

namespace consort::tensor {
namespace {

float half(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  const uint32_t fraction = h & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) {
    const float m = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -m : m;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

// Scale and minimum number j of a K block's 12 packed bytes (6 bits each).
void scale_min(int j, const uint8_t* p, uint8_t* scale, uint8_t* minimum) {
  if (j < 4) {
    *scale = p[j] & 63;
    *minimum = p[j + 4] & 63;
  } else {
    *scale = static_cast<uint8_t>((p[j + 4] & 15) | ((p[j - 4] >> 6) << 4));
    *minimum = static_cast<uint8_t>((p[j + 4] >> 4) | ((p[j] >> 6) << 4));
  }
}

void block_q4_k(const uint8_t* in, float* out) {
  const float d = half(in), dmin = half(in + 2);
  const uint8_t* scales = in + 4;
  const uint8_t* q = in + 16;
  for (int j = 0; j < 8; ++j) {
    uint8_t s, m;
    scale_min(j, scales, &s, &m);
    const float scale = d * s, minimum = dmin * m;
    const uint8_t* nibbles = q + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      const int v = j % 2 == 0 ? nibbles[i] & 15 : nibbles[i] >> 4;
      out[32 * j + i] = scale * static_cast<float>(v) - minimum;
    }
  }
}

void block_q5_k(const uint8_t* in, float* out) {
  const float d = half(in), dmin = half(in + 2);
  const uint8_t* scales = in + 4;
  const uint8_t* high = in + 16;
  const uint8_t* q = in + 48;
  for (int j = 0; j < 8; ++j) {
    uint8_t s, m;
    scale_min(j, scales, &s, &m);
    const float scale = d * s, minimum = dmin * m;
    const uint8_t* nibbles = q + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      const int low = j % 2 == 0 ? nibbles[i] & 15 : nibbles[i] >> 4;
      out[32 * j + i] = scale * static_cast<float>(low + ((high[i] >> j & 1) << 4)) - minimum;
    }
  }
}

void block_q6_k(const uint8_t* in, float* out) {
  const uint8_t* ql = in;
  const uint8_t* qh = in + 128;
  const auto* scales = reinterpret_cast<const int8_t*>(in + 192);
  const float d = half(in + 208);
  for (int side = 0; side < 2; ++side, ql += 64, qh += 32, scales += 8, out += 128) {
    for (int i = 0; i < 32; ++i) {
      const int q[4] = {(ql[i] & 15) | (qh[i] & 3) << 4, (ql[i + 32] & 15) | (qh[i] >> 2 & 3) << 4,
                        (ql[i] >> 4) | (qh[i] >> 4 & 3) << 4,
                        (ql[i + 32] >> 4) | (qh[i] >> 6 & 3) << 4};
      for (int part = 0; part < 4; ++part) {
        out[i + 32 * part] =
            d * static_cast<float>(scales[i / 16 + 2 * part]) * static_cast<float>(q[part] - 32);
      }
    }
  }
}

void block_q5(const uint8_t* in, bool has_offset, float* out) {
  const float d = half(in);
  const float m = has_offset ? half(in + 2) : -16.0f * d;
  const uint8_t* at = in + (has_offset ? 4 : 2);
  uint32_t high;
  std::memcpy(&high, at, 4);
  const uint8_t* q = at + 4;
  for (int i = 0; i < 16; ++i) {
    const int low = (q[i] & 15) | static_cast<int>(high >> i & 1) << 4;
    const int top = (q[i] >> 4) | static_cast<int>(high >> (i + 16) & 1) << 4;
    out[i] = has_offset ? static_cast<float>(low) * d + m : static_cast<float>(low - 16) * d;
    out[i + 16] = has_offset ? static_cast<float>(top) * d + m : static_cast<float>(top - 16) * d;
  }
}

void block_q4(const uint8_t* in, bool has_offset, float* out) {
  const float d = half(in);
  const float m = has_offset ? half(in + 2) : 0.0f;
  const uint8_t* q = in + (has_offset ? 4 : 2);
  const int zero = has_offset ? 0 : 8;
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((q[i] & 15) - zero) * d + m;
    out[i + 16] = static_cast<float>((q[i] >> 4) - zero) * d + m;
  }
}

struct Shape {
  uint32_t weights;
  uint32_t bytes;
};

Shape shape(WeightFormat format) {
  switch (format) {
    case WeightFormat::f32:
      return {1, 4};
    case WeightFormat::f16:
      return {1, 2};
    case WeightFormat::bf16:
      return {1, 2};
    case WeightFormat::q4_0:
      return {32, 18};
    case WeightFormat::q4_1:
      return {32, 20};
    case WeightFormat::q5_0:
      return {32, 22};
    case WeightFormat::q5_1:
      return {32, 24};
    case WeightFormat::q8_0:
      return {32, 34};
    case WeightFormat::q4_k:
      return {256, 144};
    case WeightFormat::q5_k:
      return {256, 176};
    case WeightFormat::q6_k:
      return {256, 210};
  }
  return {1, 4};
}

}  // namespace

uint64_t weight_bytes(WeightFormat format, uint64_t n) {
  return n / shape(format).weights * shape(format).bytes;
}
uint32_t weight_block(WeightFormat format) { return shape(format).weights; }

void q4_k_scale(const uint8_t* block, int part, float* scale, float* offset) {
  uint8_t s, m;
  scale_min(part, block + 4, &s, &m);
  *scale = half(block) * s;
  *offset = -(half(block + 2) * m);
}

void dequantize(WeightFormat format, const uint8_t* in, uint64_t n, float* out) {
  const Shape block = shape(format);
  for (uint64_t i = 0; i < n; i += block.weights, in += block.bytes, out += block.weights) {
    switch (format) {
      case WeightFormat::f32:
        std::memcpy(out, in, 4);
        break;
      case WeightFormat::f16:
        *out = half(in);
        break;
      case WeightFormat::bf16: {
        uint16_t bits;
        std::memcpy(&bits, in, 2);
        *out = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
        break;
      }
      case WeightFormat::q4_0:
        block_q4(in, false, out);
        break;
      case WeightFormat::q4_1:
        block_q4(in, true, out);
        break;
      case WeightFormat::q5_0:
        block_q5(in, false, out);
        break;
      case WeightFormat::q5_1:
        block_q5(in, true, out);
        break;
      case WeightFormat::q8_0:
        for (int k = 0; k < 32; ++k) {
          out[k] = half(in) * static_cast<float>(static_cast<int8_t>(in[2 + k]));
        }
        break;
      case WeightFormat::q4_k:
        block_q4_k(in, out);
        break;
      case WeightFormat::q5_k:
        block_q5_k(in, out);
        break;
      case WeightFormat::q6_k:
        block_q6_k(in, out);
        break;
    }
  }
}

}  // namespace consort::tensor

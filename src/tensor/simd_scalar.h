// 16 lanes in plain C++: the path of any CPU, and the one that the others are checked against.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

// Rows that one pass over a panel serves: what fits the registers.
constexpr int kQuantRows = 2;
constexpr int kF32Rows = 2;
constexpr int kAttendTogether = 3;

struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};
struct W {
  uint8_t v[64];
};

template <typename Op>
inline F lanes(Op op) {
  F r;
  for (int i = 0; i < 16; ++i) r.v[i] = op(i);
  return r;
}

inline float half_to_float(uint16_t h) {
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
inline uint16_t float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // Subnormal: let the FPU round at 2^-24.
    const float rounded = std::bit_cast<float>(magnitude) * 0x1p24f;
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyintf(rounded)));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

inline F load(const float* p) {
  F r;
  std::memcpy(r.v, p, 64);
  return r;
}
inline void store(float* p, F a) { std::memcpy(p, a.v, 64); }
inline void store_first(float* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline F load_first(const float* p, int n) {
  return lanes([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline F load_f16(const uint16_t* p) {
  return lanes([&](int i) { return half_to_float(p[i]); });
}
inline void store_f16(uint16_t* p, F a) {
  for (int i = 0; i < 16; ++i) p[i] = float_to_half(a.v[i]);
}
inline void store_bf16(uint16_t* p, F a) {
  for (int i = 0; i < 16; ++i) {
    const auto bits = std::bit_cast<uint32_t>(a.v[i]);
    p[i] = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}
inline F set1(float x) {
  return lanes([&](int) { return x; });
}
inline F add(F a, F b) {
  return lanes([&](int i) { return a.v[i] + b.v[i]; });
}
inline F sub(F a, F b) {
  return lanes([&](int i) { return a.v[i] - b.v[i]; });
}
inline F mul(F a, F b) {
  return lanes([&](int i) { return a.v[i] * b.v[i]; });
}
inline F div(F a, F b) {
  return lanes([&](int i) { return a.v[i] / b.v[i]; });
}
// Rounds twice: without the instruction, one rounding would cost a library call per lane.
inline F fma(F a, F b, F c) {
  return lanes([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline F max(F a, F b) {
  return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F min(F a, F b) {
  return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F round_even(F a) {
  return lanes([&](int i) { return std::nearbyintf(a.v[i]); });
}
inline F abs(F a) {
  return lanes([&](int i) { return std::fabs(a.v[i]); });
}
inline F exp2_int(F n) {
  return lanes(
      [&](int i) { return std::bit_cast<float>((static_cast<int32_t>(n.v[i]) + 127) << 23); });
}
inline F zero_below(F a, float limit, F b) {
  return lanes([&](int i) { return a.v[i] < limit ? 0.0f : b.v[i]; });
}
inline F copy_sign(F a, F b) {
  return lanes([&](int i) { return std::copysign(b.v[i], a.v[i]); });
}

inline I set1_i(int32_t x) {
  I r;
  for (int32_t& v : r.v) v = x;
  return r;
}
inline F to_f(I a) {
  return lanes([&](int i) { return static_cast<float>(a.v[i]); });
}
inline I to_i(F a) {
  I r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<int32_t>(std::nearbyintf(a.v[i]));
  return r;
}
inline void store_i(int32_t* p, I a) { std::memcpy(p, a.v, 64); }
inline void store_i8(int8_t* p, I a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

inline int32_t sum_lanes_i(const I& a, const I& b) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += a.v[i] + b.v[i];
  return sum;
}
// Halves added until one lane is left: the same order in all instruction sets.
inline float sum_lanes(F a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] += a.v[i + width];
  }
  return a.v[0];
}
inline float max_lanes(const F& a) {
  float most = a.v[0];
  for (int i = 1; i < 16; ++i) most = a.v[i] > most ? a.v[i] : most;
  return most;
}

inline W load_w(const uint8_t* p) {
  W r;
  std::memcpy(r.v, p, 64);
  return r;
}
inline W low_nibbles(W a) {
  for (uint8_t& v : a.v) v &= 15;
  return a;
}
inline W high_nibbles(W a) {
  for (uint8_t& v : a.v) v >>= 4;
  return a;
}
inline I dot_u4(I acc, const W& w, int32_t x) {
  int8_t b[4];
  std::memcpy(b, &x, 4);
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 4; ++j) acc.v[i] += static_cast<int>(w.v[4 * i + j]) * b[j];
  }
  return acc;
}
inline I start_s8(int32_t start) { return set1_i(start); }
inline I dot_s8(I acc, const W& w, int32_t x) { return dot_u4(acc, w, x); }

// 16 pairs of bf16 as f32: the first and the second of each pair.
inline void widen_bf16(const W& w, F* first, F* second) {
  for (int i = 0; i < 16; ++i) {
    uint32_t pair;
    std::memcpy(&pair, w.v + 4 * i, 4);
    first->v[i] = std::bit_cast<float>(pair << 16);
    second->v[i] = std::bit_cast<float>(pair & 0xffff0000u);
  }
}

}  // namespace

// 16 lanes on AVX-512. Only for kernels_avx512.cc and kernels_avx512_bf16.cc, which
// alone are compiled for it.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

// Rows that one pass over a panel serves: what fits the registers.
constexpr int kQuantRows = 8;
constexpr int kF32Rows = 12;
constexpr int kAttendTogether = 6;

struct F {
  __m512 v;
};  // 16 f32
struct I {
  __m512i v;
};  // 16 i32
struct W {
  __m512i v;
};  // 64 bytes

inline F load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
inline void store_first(float* p, F a, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}
inline F load_first(const float* p, int n) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
inline F load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_f16(uint16_t* p, F a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline F set1(float a) { return {_mm512_set1_ps(a)}; }
inline F add(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F sub(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F mul(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F div(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F round_even(F a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline F abs(F a) { return {_mm512_abs_ps(a.v)}; }
// 2^n for whole n in [-126, 127].
inline F exp2_int(F n) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
}
// a < limit ? 0 : b
inline F zero_below(F a, float limit, F b) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, _mm512_set1_ps(limit), _CMP_NLT_UQ), b.v)};
}
// Sign of `a` on the magnitude of `b`.
inline F copy_sign(F a, F b) {
  const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return {
      _mm512_castsi512_ps(_mm512_or_si512(_mm512_and_si512(_mm512_castps_si512(a.v), sign),
                                          _mm512_andnot_si512(sign, _mm512_castps_si512(b.v))))};
}

// Round to nearest even, by integers: the same bits as the other instruction sets.
inline void store_bf16(uint16_t* p, F a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16)));
}

inline I set1_i(int32_t a) { return {_mm512_set1_epi32(a)}; }
inline F to_f(I a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline I to_i(F a) { return {_mm512_cvtps_epi32(a.v)}; }
inline void store_i8(int8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline void store_i(int32_t* p, I a) { _mm512_storeu_si512(p, a.v); }

inline int32_t sum_lanes_i(I a, I b) { return _mm512_reduce_add_epi32(_mm512_add_epi32(a.v, b.v)); }

// Halves added until one lane is left: the same order in all instruction sets.
inline __m128 sum_of_4(__m128 a) {
  const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_add_ss(b, _mm_movehdup_ps(b));
}
inline float sum_lanes(F a) {
  const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  return _mm_cvtss_f32(
      sum_of_4(_mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1))));
}
inline float max_lanes(F a) { return _mm512_reduce_max_ps(a.v); }

inline W load_w(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline W low_nibbles(W a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
inline W high_nibbles(W a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
inline I dot_u4(I acc, W w, int32_t x) {
  return {_mm512_dpbusd_epi32(acc.v, w.v, _mm512_set1_epi32(x))};
}
// Bytes of w are weight + 128: `start` is -128 * sum(x), the surplus.
inline I start_s8(int32_t start) { return set1_i(start); }
inline I dot_s8(I acc, W w, int32_t x) {
  return {_mm512_dpbusd_epi32(acc.v, w.v, _mm512_set1_epi32(x))};
}

#ifdef __AVX512BF16__
#define CONSORT_BF16_DOT 1
// acc + the products of 16 pairs of bf16 with one pair.
inline F dot_bf16(F acc, W w, int32_t x) {
  return {_mm512_dpbf16_ps(acc.v, reinterpret_cast<__m512bh>(w.v),
                           reinterpret_cast<__m512bh>(_mm512_set1_epi32(x)))};
}
#else
// 16 pairs of bf16 as f32: the first and the second of each pair.
inline void widen_bf16(W w, F* first, F* second) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  *first = {_mm512_castsi512_ps(_mm512_slli_epi32(w.v, 16))};
  *second = {_mm512_castsi512_ps(_mm512_and_si512(w.v, high))};
}
#endif

}  // namespace

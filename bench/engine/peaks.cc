// Loops of one instruction on registers (12 independent chains), and of loads. Compiled for AVX-512
// with VNNI and BF16 where the compiler can; what the CPU lacks is left out at run time.
#include "peaks.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace consort::bench {
namespace {

constexpr int kLoops = 2000000;
constexpr int kRuns = 15;

#define CHAINS(ONE) \
  ONE(0) ONE(1) ONE(2) ONE(3) ONE(4) ONE(5) ONE(6) ONE(7) ONE(8) ONE(9) ONE(10) ONE(11)
#define INT8_STEP(i) "vpdpbusd %%zmm20, %%zmm21, %%zmm" #i "\n"
#define BF16_STEP(i) "vdpbf16ps %%zmm20, %%zmm21, %%zmm" #i "\n"
#define F32_STEP(i) "vfmadd231ps %%zmm20, %%zmm21, %%zmm" #i "\n"
#define CHANGED                                                                            \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm20", "xmm21"
#define ZERO "vpxord %%zmm20, %%zmm20, %%zmm20\nvpxord %%zmm21, %%zmm21, %%zmm21\n"

void int8_loop() {
  asm volatile(ZERO ::: CHANGED);
  for (int i = 0; i < kLoops; ++i) asm volatile(CHAINS(INT8_STEP)::: CHANGED);
}
void bf16_loop() {
  asm volatile(ZERO ::: CHANGED);
  for (int i = 0; i < kLoops; ++i) asm volatile(CHAINS(BF16_STEP)::: CHANGED);
}
void f32_loop() {
  asm volatile(ZERO ::: CHANGED);
  for (int i = 0; i < kLoops; ++i) asm volatile(CHAINS(F32_STEP)::: CHANGED);
}

// Seconds of `body` on all threads at once, least of several runs.
template <typename Body>
double least_seconds(int n_threads, Body body) {
  double least = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < n_threads; ++t) threads.emplace_back(body, t);
    for (std::thread& thread : threads) thread.join();
    least = std::min(
        least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

double rate(int n_threads, void (*loop)(), int operations) {
  const double seconds = least_seconds(n_threads, [&](int) { loop(); });
  return 12.0 * operations * kLoops * n_threads / seconds * 1e-9;
}

double read_rate(int n_threads) {
  const size_t size = size_t{256} << 20;  // Bytes of each thread; more than the caches hold.
  std::vector<std::vector<uint64_t>> data(static_cast<size_t>(n_threads),
                                          std::vector<uint64_t>(size / 8, 1));
  std::vector<uint64_t> sums(static_cast<size_t>(n_threads) * 8);
  const double seconds = least_seconds(n_threads, [&](int t) {
    const auto* from = data[static_cast<size_t>(t)].data();
    uint64_t sum[8] = {};
    for (size_t i = 0; i < size / 8; i += 8) {
      for (size_t k = 0; k < 8; ++k) sum[k] += from[i + k];
    }
    for (uint64_t s : sum) sums[static_cast<size_t>(t) * 8] += s;
  });
  volatile uint64_t sink = sums[0];
  static_cast<void>(sink);
  return static_cast<double>(size) * n_threads / seconds * 1e-9;
}

}  // namespace

Peaks measure_peaks(int n_threads) {
  Peaks out;
  if (__builtin_cpu_supports("avx512f")) out.f32_gflops = rate(n_threads, f32_loop, 32);
  if (__builtin_cpu_supports("avx512vnni")) out.int8_gops = rate(n_threads, int8_loop, 128);
  if (__builtin_cpu_supports("avx512bf16")) out.bf16_gflops = rate(n_threads, bf16_loop, 64);
  out.read_gb_s = read_rate(n_threads);
  return out;
}

}  // namespace consort::bench

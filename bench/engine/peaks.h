// What this machine can do at most, measured: the roof that kernels_bench.cc compares with.
#pragma once

namespace consort::bench {

struct Peaks {
  double int8_gops = 0;    // 8-bit dot products, two operations a multiply-add; 0: no instruction.
  double bf16_gflops = 0;  // bfloat16 dot products.
  double f32_gflops = 0;   // Fused multiply-adds.
  double read_gb_s = 0;    // Reading memory once, in order.
};

// All `n_threads` at once, best of several runs of each.
Peaks measure_peaks(int n_threads);

}  // namespace consort::bench

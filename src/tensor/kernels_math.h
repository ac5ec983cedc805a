// The exponential. Part of kernels_body.h, which says how these files are
// compiled.
#pragma once

#include "tensor/kernels.h"

namespace consort::tensor {
namespace {

// exp with relative error about 2e-7 (Cephes' polynomial); exactly 0 below -87.3.
inline F exp_f(F x) {
  const F clamped = min(max(x, set1(-87.3f)), set1(88.3f));
  const F n = round_even(mul(clamped, set1(1.44269504088896341f)));
  F r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  F p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(mul(r, r), p, r), set1(1.0f));
  return zero_below(x, -87.3f, mul(p, exp2_int(n)));
}

}  // namespace
}  // namespace consort::tensor

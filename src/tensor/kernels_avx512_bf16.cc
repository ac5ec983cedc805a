// The order matters: the lanes first, then the kernels over them.
// clang-format off
#include "tensor/simd_avx512.h"
#include "tensor/kernels_body.h"
// clang-format on

namespace consort::tensor {

const Kernels* avx512_bf16_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::avx512);
  return &kKernels;
}

}  // namespace consort::tensor

// The order matters: the lanes first, then the kernels over them.
// clang-format off
#include "tensor/simd_avx2.h"
#include "tensor/kernels_body.h"
// clang-format on

namespace consort::tensor {

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::avx2);
  return &kKernels;
}

}  // namespace consort::tensor

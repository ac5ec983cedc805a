// The order matters: the lanes first, then the kernels over them.
// clang-format off
#include "tensor/simd_scalar.h"
#include "tensor/kernels_body.h"
// clang-format on

namespace consort::tensor {

const Kernels* scalar_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::scalar);
  return &kKernels;
}

}  // namespace consort::tensor

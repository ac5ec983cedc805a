#include "tensor/simd_scalar.h"

#include "tensor/kernels_body.h"

namespace consort::tensor {

const Kernels* scalar_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::scalar);
  return &kKernels;
}

}  // namespace consort::tensor

#include "tensor/simd_avx2.h"

#include "tensor/kernels_body.h"

namespace consort::tensor {

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::avx2);
  return &kKernels;
}

}  // namespace consort::tensor

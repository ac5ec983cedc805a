#include "tensor/simd_avx512.h"

#include "tensor/kernels_body.h"

namespace consort::tensor {

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels = make_kernels(Isa::avx512);
  return &kKernels;
}

}  // namespace consort::tensor

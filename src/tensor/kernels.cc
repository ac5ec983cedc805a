#include "tensor/kernels.h"

#include "base/result.h"

namespace consort::tensor {

const Kernels& kernels(Isa isa) {
  CONSORT_CHECK(is_supported(isa));
#if defined(__x86_64__)
  if (isa == Isa::avx512) return has_avx512_bf16() ? *avx512_bf16_kernels() : *avx512_kernels();
  if (isa == Isa::avx2) return *avx2_kernels();
#endif
  return *scalar_kernels();
}

}  // namespace consort::tensor

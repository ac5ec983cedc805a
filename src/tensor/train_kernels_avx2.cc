#define CONSORT_TILE_VECTORS 1
#define CONSORT_TILE_ROWS 6
#include "tensor/train_kernels.h"
#include "tensor/train_kernels_body.h"

namespace {
template <int kRows, int kVectors>
void Bf16Operands::multiply(V (&acc)[kRows][kVectors]) const {
  multiply_widened(*this, acc);
}
}  // namespace

namespace consort::tensor {

const TrainKernels* avx2_train_kernels() {
  static constexpr TrainKernels table = {Isa::avx2, false, gemm_f32, gemm_bf16, to_bf16,
                                         rms_norm_back, silu_mul_back, layer_norm_back,
                                         gelu_back, softmax, softmax_back, cross_entropy};
  return &table;
}

}  // namespace consort::tensor

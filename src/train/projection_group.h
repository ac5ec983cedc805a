// ProjectionGroup: frozen projections that read one input, each with a LoRA pair that is trained:
//
//   out_i = in W_i^T + scale (in A_i^T) B_i^T
//
// Forward and backward as products whose terms share a pass over the output. The base gets no
// gradients. The order of every sum depends on the shapes alone.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/gemm_bf16.h"
#include "train/lora.h"

namespace consort::train {

// Rows in the precision of products; one set serves all groups of a pass in turn.
struct ProjectionScratch {
  tensor::GemmRows in, down, d_out[3], d_down;
  std::vector<float> du;
};

// Resource of one pass.
class ProjectionGroup final {
 public:
  struct Member {
    int projection;  // Its index in LoraConfig::targets.
    int n_out;
  };
  // At most three members.
  ProjectionGroup(const LoraConfig& lora, tensor::TrainPrecision precision, int n_in,
                  std::vector<Member> members);
  // Member i's weight: [n_out, n_in] f32.
  void set_base(const tensor::TrainKernels& kernels, int i, const float* weight);
  void set_lora(const tensor::TrainKernels& kernels, const LoraWeights& weights, int layer);

  // outs[i] [rows, n_out] += what its projection gives; fills u [rows, u_width()], which backward
  // reads.
  void forward(ThreadPool& pool, const tensor::TrainKernels& kernels, ProjectionScratch& scratch,
               const float* in, int rows, float* u, float* const* outs) const;
  // Adds the LoRA gradients; d_in [rows, n_in] is overwritten, or added to, or not wanted (null).
  void backward(ThreadPool& pool, const tensor::TrainKernels& kernels, ProjectionScratch& scratch,
                const float* in, int rows, const float* u, const float* const* d_outs, float* d_in,
                bool accumulate, LoraWeights& weights, int layer) const;

  int u_width() const { return static_cast<int>(members_.size()) * lora_.rank_padded(); }
  uint64_t resident_bytes() const;

 private:
  struct Packed {
    bool trained = false;
    tensor::GemmWeights forward, backward;  // [n_in, n_out], [n_out, n_in]
    tensor::GemmWeights b_forward, b_backward, a_backward;
  };
  LoraConfig lora_;
  tensor::TrainPrecision precision_;
  int n_in_;
  std::vector<Member> members_;
  std::vector<Packed> packed_;
  bool trained_ = false;
  tensor::GemmWeights a_forward_;  // [n_in, u_width]: the members' side by side.
};

}  // namespace consort::train

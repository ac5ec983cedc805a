// Attention of packed sequences, forward and backward, all f32.
//
// Rows are the tokens of several sequences one after another; a token sees those before it in its
// own sequence and itself, or, where it is not causal, its whole sequence. Query heads share key
// heads in groups (GQA).
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "tensor/train_kernels.h"

namespace consort::train {

struct Sequence {
  int start = 0;  // First row.
  int length = 0;
};

struct AttentionShape {
  int n_head, n_head_kv, head_dim;
  bool causal = true;
  int n_q() const { return n_head * head_dim; }
  int n_kv() const { return n_head_kv * head_dim; }
};

// q, out: [rows, n_q]; k, v: [rows, n_kv]. Row-major.
void attend(ThreadPool& pool, const tensor::TrainKernels& kernels, const AttentionShape& shape,
            std::span<const Sequence> sequences, const float* q, const float* k, const float* v,
            float* out);

// Gradients of the above given d_out; d_q, d_k, d_v are overwritten.
void attend_back(ThreadPool& pool, const tensor::TrainKernels& kernels,
                 const AttentionShape& shape, std::span<const Sequence> sequences, const float* q,
                 const float* k, const float* v, const float* d_out, float* d_q, float* d_k,
                 float* d_v);

// Rotates adjacent pairs of the first n_rot dimensions of every head by position in the sequence
// times theta^(-2i / n_rot); backwards when `inverse`. x: [rows, n_heads * head_dim].
void rotate(ThreadPool& pool, std::span<const Sequence> sequences, int n_heads, int head_dim,
            int n_rot, float theta, bool inverse, float* x);

}  // namespace consort::train

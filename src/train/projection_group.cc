#include "train/projection_group.h"

namespace consort::train {

using tensor::GemmTerm;
using tensor::GemmWeights;

ProjectionGroup::ProjectionGroup(const LoraConfig& lora, tensor::TrainPrecision precision,
                                 int n_in, std::vector<Member> members)
    : lora_(lora),
      precision_(precision),
      n_in_(n_in),
      members_(std::move(members)),
      packed_(members_.size()) {
  CONSORT_CHECK(members_.size() <= 3);
  const int r = lora_.rank_padded();
  for (size_t i = 0; i < members_.size(); ++i) {
    const int n_out = members_[i].n_out;
    Packed& p = packed_[i];
    p.forward = GemmWeights(precision_, n_in_, n_out);
    p.backward = GemmWeights(precision_, n_out, n_in_);
    p.trained = lora_.targets[static_cast<size_t>(members_[i].projection)];
    if (!p.trained) continue;
    trained_ = true;
    p.b_forward = GemmWeights(precision_, r, n_out);
    p.b_backward = GemmWeights(precision_, n_out, r);
    p.a_backward = GemmWeights(precision_, r, n_in_);
  }
  a_forward_ = GemmWeights(precision_, n_in_, u_width());
  a_forward_.clear();
}

void ProjectionGroup::set_base(const tensor::TrainKernels& kernels, int i, const float* weight) {
  Packed& p = packed_[static_cast<size_t>(i)];
  const int n_out = members_[static_cast<size_t>(i)].n_out;
  p.forward.pack(kernels, weight, static_cast<size_t>(n_in_), true, 0, n_out);
  p.backward.pack(kernels, weight, static_cast<size_t>(n_in_), false, 0, n_in_);
}

void ProjectionGroup::set_lora(const tensor::TrainKernels& kernels, const LoraWeights& weights,
                               int layer) {
  const int r = lora_.rank_padded();
  for (size_t i = 0; i < members_.size(); ++i) {
    const LoraWeights::Pair* pair = weights.pair(layer, members_[i].projection);
    if (pair == nullptr) continue;
    const float* a = weights.values.data() + pair->a;
    const float* b = weights.values.data() + pair->b;
    const auto n_in = static_cast<size_t>(pair->n_in), n_out = static_cast<size_t>(pair->n_out);
    a_forward_.pack(kernels, a, n_in, true, static_cast<int>(i) * r, r);
    packed_[i].b_forward.pack(kernels, b, n_out, false, 0, pair->n_out);
    packed_[i].b_backward.pack(kernels, b, n_out, true, 0, r);
    packed_[i].a_backward.pack(kernels, a, n_in, false, 0, pair->n_in);
  }
}

void ProjectionGroup::forward(ThreadPool& pool, const tensor::TrainKernels& kernels,
                              ProjectionScratch& scratch, const float* in, int rows, float* u,
                              float* const* outs) const {
  const int r = lora_.rank_padded(), width = u_width();
  scratch.in.assign(pool, kernels, precision_, in, static_cast<size_t>(n_in_), rows, n_in_);
  if (trained_) {
    const GemmTerm down[] = {{&scratch.in, 0, &a_forward_}};
    tensor::gemm(pool, kernels, down, rows, u, static_cast<size_t>(width), false);
    const float scale = lora_.scale();
    const size_t n = static_cast<size_t>(rows) * static_cast<size_t>(width);
    for (size_t i = 0; i < n; ++i) u[i] *= scale;
    scratch.down.assign(pool, kernels, precision_, u, static_cast<size_t>(width), rows, width);
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    const GemmTerm terms[] = {{&scratch.in, 0, &packed_[i].forward},
                              {&scratch.down, static_cast<int>(i) * r, &packed_[i].b_forward}};
    tensor::gemm(pool, kernels, std::span(terms, packed_[i].trained ? 2 : 1), rows, outs[i],
                 static_cast<size_t>(members_[i].n_out), true);
  }
}

void ProjectionGroup::backward(ThreadPool& pool, const tensor::TrainKernels& kernels,
                               ProjectionScratch& scratch, const float* in, int rows,
                               const float* u, const float* const* d_outs, float* d_in,
                               bool accumulate, LoraWeights& weights, int layer) const {
  const int r = lora_.rank_padded(), width = u_width();
  const size_t n = static_cast<size_t>(rows) * static_cast<size_t>(width);
  if (scratch.du.size() < n) scratch.du.resize(n);
  std::vector<GemmTerm> terms;
  for (size_t i = 0; i < members_.size(); ++i) {
    const auto n_out = static_cast<size_t>(members_[i].n_out);
    scratch.d_out[i].assign(pool, kernels, precision_, d_outs[i], n_out, rows, members_[i].n_out);
    terms.push_back({&scratch.d_out[i], 0, &packed_[i].backward});
    float* const du = scratch.du.data() + i * static_cast<size_t>(r);
    if (packed_[i].trained) {
      const GemmTerm back[] = {{&scratch.d_out[i], 0, &packed_[i].b_backward}};
      tensor::gemm(pool, kernels, back, rows, du, static_cast<size_t>(width), false);
      continue;
    }
    for (size_t m = 0; m < static_cast<size_t>(rows); ++m)
      std::fill_n(du + m * static_cast<size_t>(width), r, 0.0f);
  }
  if (trained_) {
    const float scale = lora_.scale();
    for (size_t i = 0; i < n; ++i) scratch.du[i] *= scale;
    scratch.d_down.assign(pool, kernels, precision_, scratch.du.data(),
                          static_cast<size_t>(width), rows, width);
    for (size_t i = 0; i < members_.size(); ++i)
      if (packed_[i].trained)
        terms.push_back({&scratch.d_down, static_cast<int>(i) * r, &packed_[i].a_backward});
  }
  if (d_in != nullptr)
    tensor::gemm(pool, kernels, terms, rows, d_in, static_cast<size_t>(n_in_), accumulate);
  for (size_t i = 0; i < members_.size(); ++i) {
    const LoraWeights::Pair* pair = weights.pair(layer, members_[i].projection);
    if (pair == nullptr) continue;
    const size_t at = i * static_cast<size_t>(r);
    tensor::gemm_outer(pool, kernels, scratch.du.data() + at, static_cast<size_t>(width),
                       lora_.rank, in, static_cast<size_t>(n_in_), n_in_, rows,
                       weights.gradients.data() + pair->a);
    tensor::gemm_outer(pool, kernels, u + at, static_cast<size_t>(width), lora_.rank, d_outs[i],
                       static_cast<size_t>(pair->n_out), pair->n_out, rows,
                       weights.gradients.data() + pair->b);
  }
}

uint64_t ProjectionGroup::resident_bytes() const {
  uint64_t bytes = a_forward_.resident_bytes();
  for (const Packed& p : packed_)
    bytes += p.forward.resident_bytes() + p.backward.resident_bytes() +
             p.b_forward.resident_bytes() + p.b_backward.resident_bytes() +
             p.a_backward.resident_bytes();
  return bytes;
}

}  // namespace consort::train

// One layer of DecoderPass, forward and backward.
#include <algorithm>

#include "model/half.h"
#include "train/decoder_state.h"

namespace consort::train {
namespace {

constexpr int kRowsTogether = 32;

// body(m) for every row.
template <typename Body>
void each_row(ThreadPool& pool, int rows, Body body) {
  pool.parallel_for((rows + kRowsTogether - 1) / kRowsTogether, [&](int piece) {
    for (int m = piece * kRowsTogether; m < std::min(rows, (piece + 1) * kRowsTogether); ++m)
      body(static_cast<size_t>(m));
  });
}

float* room(std::vector<float>& v, int rows, int columns) {
  const size_t n = static_cast<size_t>(rows) * static_cast<size_t>(columns);
  if (v.size() < n) v.resize(n);
  return v.data();
}

}  // namespace

void DecoderPass::State::embed(const Batch& batch) {
  const size_t n = static_cast<size_t>(config.n_embd);
  room(x, batch.rows(), config.n_embd);
  each_row(pool, batch.rows(), [&](size_t m) {
    const size_t from = static_cast<size_t>(batch.tokens[m]) * n;
    for (size_t i = 0; i < n; ++i)
      x[m * n + i] = embedding.empty() ? model::bf16_to_f32(embedding_bf16[from + i])
                                       : embedding[from + i];
  });
}

void DecoderPass::State::norm_rows(const float* in, const std::vector<float>& weight, int rows,
                                   float* out) {
  const size_t n = static_cast<size_t>(config.n_embd);
  each_row(pool, rows, [&](size_t m) {
    kernels.rms_norm(in + m * n, weight.data(), config.n_embd, config.norm_epsilon, out + m * n);
  });
}

void DecoderPass::State::norm_rows_back(const float* in, const std::vector<float>& weight,
                                        const float* d, int rows, float* out) {
  const size_t n = static_cast<size_t>(config.n_embd);
  each_row(pool, rows, [&](size_t m) {
    train.rms_norm_back(in + m * n, weight.data(), d + m * n, config.n_embd, config.norm_epsilon,
                        out + m * n);
  });
}

void DecoderPass::State::project(int layer, int g, const float* in, int rows, float* u,
                                 float* const* outs, bool accumulate) {
  const Group group = kGroups[g];
  const PackedLayer& base = layers[static_cast<size_t>(layer)];
  const PackedLora& pairs = lora[static_cast<size_t>(layer)];
  const int n_in = n_in_of(config, group.first), r = rank(), width = group.count * r;
  const size_t u_row = static_cast<size_t>(model::kProjections * r);
  float* const u_group = u + group.first * r;
  rows_x.assign(pool, train, options.precision, in, static_cast<size_t>(n_in), rows, n_in);
  if (pairs.present[g]) {
    const GemmTerm down[] = {{&rows_x, 0, &pairs.a_forward[g]}};
    tensor::gemm(pool, train, down, rows, u_group, u_row, false);
    const float scale = lora_config.scale();
    each_row(pool, rows, [&](size_t m) {
      for (int i = 0; i < width; ++i) u_group[m * u_row + static_cast<size_t>(i)] *= scale;
    });
    rows_u.assign(pool, train, options.precision, u_group, u_row, rows, width);
  }
  for (int i = 0; i < group.count; ++i) {
    const int p = group.first + i;
    const GemmTerm terms[] = {{&rows_x, 0, &base.forward[p]},
                              {&rows_u, i * r, &pairs.pairs[p].b_forward}};
    tensor::gemm(pool, train, std::span(terms, pairs.pairs[p].present ? 2 : 1), rows, outs[i],
                 static_cast<size_t>(n_out_of(config, p)), accumulate);
  }
}

void DecoderPass::State::project_back(int layer, int g, const float* in, int rows, const float* u,
                                      const float* const* d_outs, float* d_in,
                                      LoraWeights& weights) {
  const Group group = kGroups[g];
  const PackedLayer& base = layers[static_cast<size_t>(layer)];
  const PackedLora& pairs = lora[static_cast<size_t>(layer)];
  const int n_in = n_in_of(config, group.first), r = rank(), width = group.count * r;
  const size_t u_row = static_cast<size_t>(model::kProjections * r);
  room(du, rows, width);
  for (int i = 0; i < group.count; ++i) {
    const int p = group.first + i, n_out = n_out_of(config, p);
    rows_dy[i].assign(pool, train, options.precision, d_outs[i], static_cast<size_t>(n_out), rows,
                      n_out);
    if (!pairs.pairs[p].present) continue;
    const GemmTerm terms[] = {{&rows_dy[i], 0, &pairs.pairs[p].b_backward}};
    tensor::gemm(pool, train, terms, rows, du.data() + i * r, static_cast<size_t>(width), false);
  }
  if (pairs.present[g]) {
    const float scale = lora_config.scale();
    const size_t n = static_cast<size_t>(rows) * static_cast<size_t>(width);
    for (size_t i = 0; i < n; ++i) du[i] *= scale;
    rows_du.assign(pool, train, options.precision, du.data(), static_cast<size_t>(width), rows,
                   width);
  }
  std::vector<GemmTerm> terms;
  for (int i = 0; i < group.count; ++i) {
    const int p = group.first + i;
    terms.push_back({&rows_dy[i], 0, &base.backward[p]});
    if (pairs.pairs[p].present) terms.push_back({&rows_du, i * r, &pairs.pairs[p].a_backward});
  }
  if (d_in != nullptr)
    tensor::gemm(pool, train, terms, rows, d_in, static_cast<size_t>(n_in), false);
  for (int i = 0; i < group.count; ++i) {
    const int p = group.first + i;
    const LoraWeights::Pair* pair = weights.pair(layer, p);
    if (pair == nullptr) continue;
    tensor::gemm_outer(pool, train, du.data() + i * r, static_cast<size_t>(width),
                       lora_config.rank, in, static_cast<size_t>(n_in), n_in, rows,
                       weights.gradients.data() + pair->a);
    tensor::gemm_outer(pool, train, u + p * r, u_row, lora_config.rank, d_outs[i],
                       static_cast<size_t>(pair->n_out), pair->n_out, rows,
                       weights.gradients.data() + pair->b);
  }
}

void DecoderPass::State::layer_forward(int l, const Batch& batch, Kept& k) {
  const PackedLayer& layer = layers[static_cast<size_t>(l)];
  const int rows = batch.rows();
  const model::DecoderConfig& c = config;
  room(normed, rows, c.n_embd);
  room(hidden, rows, c.n_ff);
  norm_rows(x.data(), layer.attn_norm, rows, normed.data());
  float* const qkv[] = {k.q.data(), k.k.data(), k.v.data()};
  project(l, 0, normed.data(), rows, k.u.data(), qkv, false);
  rotate(pool, batch.sequences, c.n_head, c.head_dim, c.n_rot, c.rope_theta, false, k.q.data());
  rotate(pool, batch.sequences, c.n_head_kv, c.head_dim, c.n_rot, c.rope_theta, false, k.k.data());
  attend(pool, train, attention(), batch.sequences, k.q.data(), k.k.data(), k.v.data(),
         k.attended.data());
  float* const out[] = {x.data()};
  project(l, 1, k.attended.data(), rows, k.u.data(), out, true);
  std::copy_n(x.begin(), static_cast<size_t>(rows) * static_cast<size_t>(c.n_embd),
              k.x_middle.begin());
  norm_rows(x.data(), layer.ffn_norm, rows, normed.data());
  float* const gate_up[] = {k.gate.data(), k.up.data()};
  project(l, 2, normed.data(), rows, k.u.data(), gate_up, false);
  const size_t n_ff = static_cast<size_t>(c.n_ff);
  each_row(pool, rows, [&](size_t m) {
    kernels.silu_mul(k.gate.data() + m * n_ff, k.up.data() + m * n_ff, c.n_ff,
                     hidden.data() + m * n_ff);
  });
  project(l, 3, hidden.data(), rows, k.u.data(), out, true);
}

void DecoderPass::State::layer_backward(int l, const Batch& batch, const Kept& k,
                                        LoraWeights& weights) {
  const PackedLayer& layer = layers[static_cast<size_t>(l)];
  const model::DecoderConfig& c = config;
  const int rows = batch.rows();
  const size_t n_ff = static_cast<size_t>(c.n_ff);
  room(normed, rows, c.n_embd);
  room(hidden, rows, c.n_ff);
  room(d_gate, rows, c.n_ff);
  room(d_up, rows, c.n_ff);
  each_row(pool, rows, [&](size_t m) {
    kernels.silu_mul(k.gate.data() + m * n_ff, k.up.data() + m * n_ff, c.n_ff,
                     hidden.data() + m * n_ff);
  });
  const float* const d_x[] = {dx.data()};
  project_back(l, 3, hidden.data(), rows, k.u.data(), d_x, room(d_hidden, rows, c.n_ff), weights);
  each_row(pool, rows, [&](size_t m) {
    train.silu_mul_back(k.gate.data() + m * n_ff, k.up.data() + m * n_ff,
                        d_hidden.data() + m * n_ff, c.n_ff, d_gate.data() + m * n_ff,
                        d_up.data() + m * n_ff);
  });
  norm_rows(k.x_middle.data(), layer.ffn_norm, rows, normed.data());
  const float* const d_gate_up[] = {d_gate.data(), d_up.data()};
  project_back(l, 2, normed.data(), rows, k.u.data(), d_gate_up, room(d_normed, rows, c.n_embd),
               weights);
  norm_rows_back(k.x_middle.data(), layer.ffn_norm, d_normed.data(), rows, dx.data());

  project_back(l, 1, k.attended.data(), rows, k.u.data(), d_x, room(d_attended, rows, c.n_q()),
               weights);
  room(d_q, rows, c.n_q());
  room(d_k, rows, c.n_kv());
  room(d_v, rows, c.n_kv());
  attend_back(pool, train, attention(), batch.sequences, k.q.data(), k.k.data(), k.v.data(),
              d_attended.data(), d_q.data(), d_k.data(), d_v.data());
  rotate(pool, batch.sequences, c.n_head, c.head_dim, c.n_rot, c.rope_theta, true, d_q.data());
  rotate(pool, batch.sequences, c.n_head_kv, c.head_dim, c.n_rot, c.rope_theta, true, d_k.data());
  norm_rows(k.x.data(), layer.attn_norm, rows, normed.data());
  const float* const d_qkv[] = {d_q.data(), d_k.data(), d_v.data()};
  // Nothing below the first layer is trained.
  project_back(l, 0, normed.data(), rows, k.u.data(), d_qkv, l > 0 ? d_normed.data() : nullptr,
               weights);
  if (l > 0) norm_rows_back(k.x.data(), layer.attn_norm, d_normed.data(), rows, dx.data());
}

double DecoderPass::State::head(const Batch& batch, float weight, bool backward) {
  constexpr int kTogether = 192;  // Logit rows in hand.
  const size_t n = static_cast<size_t>(config.n_embd);
  const int padded = head_forward.n();
  room(dx, batch.rows(), config.n_embd);
  if (backward) std::fill_n(dx.begin(), static_cast<size_t>(batch.rows()) * n, 0.0f);
  std::vector<size_t> labelled;
  for (size_t m = 0; m < batch.labels.size(); ++m)
    if (batch.labels[m] >= 0) labelled.push_back(m);
  const int most = std::min<int>(kTogether, static_cast<int>(labelled.size()));
  room(normed, most, config.n_embd);
  room(d_normed, most, config.n_embd);
  room(logits, most, padded);
  double total = 0;
  for (size_t first = 0; first < labelled.size(); first += kTogether) {
    const int rows = static_cast<int>(std::min<size_t>(kTogether, labelled.size() - first));
    std::vector<float> losses(static_cast<size_t>(rows));
    each_row(pool, rows, [&](size_t m) {
      kernels.rms_norm(x.data() + labelled[first + m] * n, output_norm.data(), config.n_embd,
                       config.norm_epsilon, normed.data() + m * n);
    });
    rows_x.assign(pool, train, options.precision, normed.data(), n, rows, config.n_embd);
    const GemmTerm forward[] = {{&rows_x, 0, &head_forward}};
    tensor::gemm(pool, train, forward, rows, logits.data(), static_cast<size_t>(padded), false);
    pool.parallel_for(rows, [&](int i) {
      const size_t m = static_cast<size_t>(i);
      losses[m] = train.cross_entropy(logits.data() + m * static_cast<size_t>(padded),
                                      config.n_vocab, padded, batch.labels[labelled[first + m]],
                                      weight);
    });
    for (const float loss : losses) total += static_cast<double>(loss) * weight;
    if (!backward) continue;
    rows_dy[0].assign(pool, train, options.precision, logits.data(), static_cast<size_t>(padded),
                      rows, padded);
    const GemmTerm back[] = {{&rows_dy[0], 0, &head_backward}};
    tensor::gemm(pool, train, back, rows, d_normed.data(), n, false);
    each_row(pool, rows, [&](size_t m) {
      const size_t at = labelled[first + m] * n;
      train.rms_norm_back(x.data() + at, output_norm.data(), d_normed.data() + m * n,
                          config.n_embd, config.norm_epsilon, dx.data() + at);
    });
  }
  return total;
}

}  // namespace consort::train

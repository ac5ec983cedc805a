#include "train/encoder_pass.h"

#include <algorithm>
#include <cmath>

#include "tensor/kernels.h"
#include "train/projection_group.h"

namespace consort::train {
namespace {

constexpr int kRowsTogether = 32;
enum { kQ, kK, kV, kO, kUp = 5, kDown = 6 };  // In LoraConfig::targets.
constexpr int kGroups = 4;                    // q k v, o, up, down.

size_t area(int rows, int columns) {
  return static_cast<size_t>(rows) * static_cast<size_t>(columns);
}

float* room(std::vector<float>& v, int rows, int columns) {
  if (v.size() < area(rows, columns)) v.resize(area(rows, columns));
  return v.data();
}

// body(m) for every row.
template <typename Body>
void each_row(ThreadPool& pool, int rows, Body body) {
  pool.parallel_for((rows + kRowsTogether - 1) / kRowsTogether, [&](int piece) {
    for (int m = piece * kRowsTogether; m < std::min(rows, (piece + 1) * kRowsTogether); ++m)
      body(static_cast<size_t>(m));
  });
}

std::vector<float> unpacked(const tensor::PackedMatrix& matrix) {
  std::vector<float> out(area(matrix.n_out(), matrix.n_in()));
  for (int i = 0; i < matrix.n_out(); ++i) matrix.row(i, out.data() + area(i, matrix.n_in()));
  return out;
}

// What one layer's backward pass reads, [M, ...] row-major. `sum` stands before its norm.
struct Kept {
  std::vector<float> x, q, k, v, attended, attention_sum, middle, inner, output_sum;
  std::vector<float> u[kGroups];
};

}  // namespace

void EncoderBatch::add(std::span<const int32_t> ids, size_t n_first) {
  sequences.push_back({rows(), static_cast<int>(ids.size())});
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  for (size_t i = 0; i < ids.size(); ++i) types.push_back(i < n_first ? 0 : 1);
}

struct EncoderPass::State {
  const model::Encoder& encoder;
  const model::EncoderConfig& c;
  ThreadPool& pool;
  const tensor::Kernels& kernels;
  const tensor::TrainKernels& train;
  std::vector<std::vector<ProjectionGroup>> layers;  // [n_layer][kGroups]

  // Of the last forward pass.
  std::vector<Kept> kept;
  std::vector<Sequence> sequences;
  int rows = 0;
  bool has_kept = false;
  std::vector<float> vectors, norms;  // Unit vectors, and their lengths before.
  // Scratch.
  ProjectionScratch scratch;
  std::vector<float> x, hidden, dx, d_hidden, d_attended, d_q, d_k, d_v, d_middle;

  State(const model::Encoder& e, const LoraConfig& lora, tensor::TrainPrecision precision,
        ThreadPool& p)
      : encoder(e),
        c(e.config()),
        pool(p),
        kernels(tensor::kernels(*tensor::choose_isa())),
        train(tensor::train_kernels(kernels.isa)),
        layers(static_cast<size_t>(c.n_layer)) {
    LoraConfig config = lora;
    config.targets[kGate] = false;
    pool.parallel_for(c.n_layer, [&](int l) {
      std::vector<ProjectionGroup>& groups = layers[static_cast<size_t>(l)];
      const model::Encoder::Layer& from = encoder.layer(l);
      using Members = std::vector<ProjectionGroup::Member>;
      groups.emplace_back(config, precision, c.n_embd,
                          Members{{kQ, c.n_embd}, {kK, c.n_embd}, {kV, c.n_embd}});
      groups.emplace_back(config, precision, c.n_embd, Members{{kO, c.n_embd}});
      groups.emplace_back(config, precision, c.n_embd, Members{{kUp, c.n_ff}});
      groups.emplace_back(config, precision, c.n_ff, Members{{kDown, c.n_embd}});
      groups[0].set_base(train, 0, unpacked(from.q.weight).data());
      groups[0].set_base(train, 1, unpacked(from.k.weight).data());
      groups[0].set_base(train, 2, unpacked(from.v.weight).data());
      groups[1].set_base(train, 0, unpacked(from.o.weight).data());
      groups[2].set_base(train, 0, unpacked(from.up.weight).data());
      groups[3].set_base(train, 0, unpacked(from.down.weight).data());
    });
  }

  AttentionShape attention() const { return {c.n_head, c.n_head, c.head_dim(), false}; }

  void fill(float* out, const std::vector<float>& bias) {
    each_row(pool, rows, [&](size_t m) { std::copy(bias.begin(), bias.end(), out + m * bias.size()); });
  }
  void norm(const float* in, const model::Encoder::Norm& n, float* out) {
    const auto width = static_cast<size_t>(c.n_embd);
    each_row(pool, rows, [&](size_t m) {
      kernels.layer_norm(in + m * width, n.weight.data(), n.bias.data(), c.n_embd, c.norm_epsilon,
                         out + m * width);
    });
  }
  // dx becomes the gradient of the norm's input.
  void norm_back(const float* in, const model::Encoder::Norm& n, float* d) {
    const auto width = static_cast<size_t>(c.n_embd);
    each_row(pool, rows, [&](size_t m) {
      train.layer_norm_back(in + m * width, n.weight.data(), d + m * width, c.n_embd,
                            c.norm_epsilon, d + m * width);
    });
  }

  void embed(const EncoderBatch& batch);
  void layer_forward(int l, Kept& k);
  void layer_backward(int l, const Kept& k, LoraWeights& weights);
  void pool_rows();
  void pool_back(std::span<const float> d_vectors);
};

void EncoderPass::State::embed(const EncoderBatch& batch) {
  room(x, rows, c.n_embd);
  pool.parallel_for(static_cast<int>(sequences.size()), [&](int i) {
    const Sequence& s = sequences[static_cast<size_t>(i)];
    for (int t = 0; t < s.length; ++t) {
      const auto m = static_cast<size_t>(s.start + t);
      encoder.embed(kernels, batch.tokens[m], t, batch.types[m],
                    x.data() + m * static_cast<size_t>(c.n_embd));
    }
  });
}

// x becomes the layer's output; k.x holds its input.
void EncoderPass::State::layer_forward(int l, Kept& k) {
  const model::Encoder::Layer& w = encoder.layer(l);
  const std::vector<ProjectionGroup>& groups = layers[static_cast<size_t>(l)];
  const size_t cells = area(rows, c.n_embd);
  const auto n_ff = static_cast<size_t>(c.n_ff);
  const auto project = [&](int g, const float* in, float* const* outs) {
    const auto i = static_cast<size_t>(g);
    groups[i].forward(pool, train, scratch, in, rows, room(k.u[g], rows, groups[i].u_width()), outs);
  };
  std::copy_n(x.begin(), cells, room(k.x, rows, c.n_embd));
  fill(room(k.q, rows, c.n_embd), w.q.bias);
  fill(room(k.k, rows, c.n_embd), w.k.bias);
  fill(room(k.v, rows, c.n_embd), w.v.bias);
  float* const qkv[] = {k.q.data(), k.k.data(), k.v.data()};
  project(0, k.x.data(), qkv);
  attend(pool, train, attention(), sequences, k.q.data(), k.k.data(), k.v.data(),
         room(k.attended, rows, c.n_embd));
  const auto sum_of = [&](std::vector<float>& sum, const float* add, const std::vector<float>& bias) {
    fill(room(sum, rows, c.n_embd), bias);
    each_row(pool, rows, [&](size_t m) {
      const size_t at = m * static_cast<size_t>(c.n_embd);
      kernels.add(sum.data() + at, add + at, c.n_embd);
    });
    return sum.data();
  };
  float* const first[] = {sum_of(k.attention_sum, k.x.data(), w.o.bias)};
  project(1, k.attended.data(), first);
  norm(k.attention_sum.data(), w.attention_norm, room(k.middle, rows, c.n_embd));
  fill(room(k.inner, rows, c.n_ff), w.up.bias);
  float* const inner[] = {k.inner.data()};
  project(2, k.middle.data(), inner);
  room(hidden, rows, c.n_ff);
  each_row(pool, rows, [&](size_t m) {
    std::copy_n(k.inner.data() + m * n_ff, n_ff, hidden.data() + m * n_ff);
    kernels.gelu(hidden.data() + m * n_ff, c.n_ff);
  });
  float* const second[] = {sum_of(k.output_sum, k.middle.data(), w.down.bias)};
  project(3, hidden.data(), second);
  norm(k.output_sum.data(), w.output_norm, x.data());
}

// dx: of the layer's output, then of its input.
void EncoderPass::State::layer_backward(int l, const Kept& k, LoraWeights& weights) {
  const model::Encoder::Layer& w = encoder.layer(l);
  const std::vector<ProjectionGroup>& groups = layers[static_cast<size_t>(l)];
  const auto n_ff = static_cast<size_t>(c.n_ff);
  const auto back = [&](int g, const float* in, const float* const* d_outs, float* d_in,
                        bool accumulate) {
    groups[static_cast<size_t>(g)].backward(pool, train, scratch, in, rows, k.u[g].data(), d_outs,
                                            d_in, accumulate, weights, l);
  };
  norm_back(k.output_sum.data(), w.output_norm, dx.data());
  room(hidden, rows, c.n_ff);
  each_row(pool, rows, [&](size_t m) {
    std::copy_n(k.inner.data() + m * n_ff, n_ff, hidden.data() + m * n_ff);
    kernels.gelu(hidden.data() + m * n_ff, c.n_ff);
  });
  const float* const d_x[] = {dx.data()};
  back(3, hidden.data(), d_x, room(d_hidden, rows, c.n_ff), false);
  each_row(pool, rows, [&](size_t m) {
    train.gelu_back(k.inner.data() + m * n_ff, d_hidden.data() + m * n_ff, c.n_ff,
                    d_hidden.data() + m * n_ff);
  });
  const float* const d_inner[] = {d_hidden.data()};
  back(2, k.middle.data(), d_inner, dx.data(), true);  // Past the addition, both ways meet.
  norm_back(k.attention_sum.data(), w.attention_norm, dx.data());
  back(1, k.attended.data(), d_x, room(d_attended, rows, c.n_embd), false);
  attend_back(pool, train, attention(), sequences, k.q.data(), k.k.data(), k.v.data(),
              d_attended.data(), room(d_q, rows, c.n_embd), room(d_k, rows, c.n_embd),
              room(d_v, rows, c.n_embd));
  const float* const d_qkv[] = {d_q.data(), d_k.data(), d_v.data()};
  // Nothing below the first layer is trained.
  back(0, k.x.data(), d_qkv, l > 0 ? dx.data() : nullptr, true);
}

void EncoderPass::State::pool_rows() {
  const auto width = static_cast<size_t>(c.n_embd);
  const int n = static_cast<int>(sequences.size());
  room(vectors, n, c.n_embd);
  room(norms, n, 1);
  pool.parallel_for(n, [&](int i) {
    const Sequence& s = sequences[static_cast<size_t>(i)];
    float* const out = vectors.data() + area(i, c.n_embd);
    const float* const first = x.data() + area(s.start, c.n_embd);
    std::copy_n(first, width, out);
    if (c.pooling == model::EncoderConfig::Pooling::mean)
      for (int t = 1; t < s.length; ++t)
        kernels.add(out, first + area(t, c.n_embd), c.n_embd);
    double squares = 0;
    for (size_t j = 0; j < width; ++j) squares += static_cast<double>(out[j]) * out[j];
    const double norm = std::max(std::sqrt(squares), 1e-12);
    norms[static_cast<size_t>(i)] = static_cast<float>(norm);
    for (size_t j = 0; j < width; ++j) out[j] = static_cast<float>(out[j] / norm);
  });
}

void EncoderPass::State::pool_back(std::span<const float> d_vectors) {
  const auto width = static_cast<size_t>(c.n_embd);
  room(dx, rows, c.n_embd);
  const bool mean = c.pooling == model::EncoderConfig::Pooling::mean;
  pool.parallel_for(static_cast<int>(sequences.size()), [&](int i) {
    const Sequence& s = sequences[static_cast<size_t>(i)];
    const float* const v = vectors.data() + area(i, c.n_embd);
    const float* const d = d_vectors.data() + area(i, c.n_embd);
    double along = 0;
    for (size_t j = 0; j < width; ++j) along += static_cast<double>(v[j]) * d[j];
    float* const first = dx.data() + area(s.start, c.n_embd);
    const float inverse = 1.0f / norms[static_cast<size_t>(i)];
    for (size_t j = 0; j < width; ++j)
      first[j] = (d[j] - v[j] * static_cast<float>(along)) * inverse;
    for (int t = 1; t < s.length; ++t) {
      float* const row = first + area(t, c.n_embd);
      if (mean)
        std::copy_n(first, width, row);
      else
        std::fill_n(row, width, 0.0f);
    }
  });
}

EncoderPass::EncoderPass(std::unique_ptr<State> state) : state_(std::move(state)) {}
EncoderPass::~EncoderPass() = default;

std::unique_ptr<EncoderPass> EncoderPass::create(const model::Encoder& encoder,
                                                 const LoraConfig& lora,
                                                 tensor::TrainPrecision precision,
                                                 ThreadPool& pool) {
  return std::unique_ptr<EncoderPass>(
      new EncoderPass(std::make_unique<State>(encoder, lora, precision, pool)));
}

void EncoderPass::set_lora(const LoraWeights& lora) {
  State& s = *state_;
  s.pool.parallel_for(s.c.n_layer * kGroups, [&](int piece) {
    const int l = piece / kGroups;
    s.layers[static_cast<size_t>(l)][static_cast<size_t>(piece % kGroups)].set_lora(s.train, lora,
                                                                                     l);
  });
}

std::span<const float> EncoderPass::forward(const EncoderBatch& batch, bool keep) {
  State& s = *state_;
  s.rows = batch.rows();
  s.sequences = batch.sequences;
  s.has_kept = keep;
  s.kept.resize(std::max(s.kept.size(), keep ? static_cast<size_t>(s.c.n_layer) : size_t{1}));
  s.embed(batch);
  for (int l = 0; l < s.c.n_layer; ++l) s.layer_forward(l, s.kept[keep ? static_cast<size_t>(l) : 0]);
  s.pool_rows();
  return {s.vectors.data(), area(static_cast<int>(s.sequences.size()), s.c.n_embd)};
}

void EncoderPass::backward(std::span<const float> d_vectors, LoraWeights& lora) {
  State& s = *state_;
  CONSORT_CHECK(s.has_kept);
  s.pool_back(d_vectors);
  for (int l = s.c.n_layer - 1; l >= 0; --l)
    s.layer_backward(l, s.kept[static_cast<size_t>(l)], lora);
}

uint64_t EncoderPass::resident_bytes() const {
  uint64_t bytes = 0;
  for (const auto& groups : state_->layers)
    for (const ProjectionGroup& group : groups) bytes += group.resident_bytes();
  return bytes;
}

}  // namespace consort::train

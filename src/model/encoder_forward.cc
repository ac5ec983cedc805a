#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/encoder.h"

namespace consort::model {

struct EncoderRunner::State {
  const Encoder& encoder;
  const EncoderConfig& c;
  ThreadPool& pool;
  const tensor::Kernels& kernels;

  struct Sequence {
    int first, n;
  };
  std::vector<Sequence> sequences;
  int rows = 0;
  tensor::Activations x, attended, inner;   // [rows, n_embd], [rows, n_embd], [rows, n_ff]
  std::vector<float> qkv;                   // [rows, 3 n_embd]
  std::vector<float> sums;                  // [rows, n_embd]
  std::vector<std::vector<float>> scratch;  // By piece of attention work.

  template <typename Body>
  void each_row(Body&& body) {
    const int piece = std::max(1, rows / (4 * pool.n_threads()));
    pool.parallel_for((rows + piece - 1) / piece, [&](int i) {
      for (int m = i * piece; m < std::min(rows, (i + 1) * piece); ++m) body(m);
    });
  }
  static void fill(float* to, const std::vector<float>& from) {
    std::memcpy(to, from.data(), from.size() * sizeof(float));
  }
  // Rows of the last layer for all inputs, in x; `sequences` says where each begins.
  struct Input {
    std::span<const int32_t> ids;
    int n_first;  // Ids of type 0.
  };
  void encode(std::span<const Input> inputs);
  std::vector<std::vector<float>> vectors();  // Of what was encoded.
  void attend();
  void layer(const Encoder::Layer& w);
  // sums = bias + in . weight, then x = norm(x + sums).
  void project_and_norm(const tensor::Activations& in, const Encoder::Linear& w,
                        const Encoder::Norm& n);
};

void EncoderRunner::State::attend() {
  const int d = c.head_dim();
  const size_t width = 3 * static_cast<size_t>(c.n_embd);
  const int n = static_cast<int>(sequences.size()) * c.n_head;
  if (static_cast<int>(scratch.size()) < n) scratch.resize(static_cast<size_t>(n));
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  pool.parallel_for(n, [&](int item) {
    const Sequence& s = sequences[static_cast<size_t>(item / c.n_head)];
    const int head = item % c.n_head;
    const size_t n16 = static_cast<size_t>((s.n + 15) / 16 * 16);
    std::vector<float>& memory = scratch[static_cast<size_t>(item)];
    const size_t wanted = (static_cast<size_t>(d) + tensor::kAttendQueries) * n16;
    if (memory.size() < wanted) memory.resize(wanted);
    float* k_t = memory.data();
    float* rows0 = qkv.data() + static_cast<size_t>(s.first) * width + head * d;
    for (size_t t = 0; t < n16; ++t) {
      for (int i = 0; i < d; ++i) {
        k_t[static_cast<size_t>(i) * n16 + t] =
            t < static_cast<size_t>(s.n) ? rows0[t * width + static_cast<size_t>(c.n_embd + i)]
                                         : 0.0f;
      }
    }
    for (int t = 0; t < s.n; ++t) {
      for (int i = 0; i < d; ++i)
        rows0[static_cast<size_t>(t) * width + static_cast<size_t>(i)] *= scale;
    }
    kernels.attend_all(rows0, width, k_t, rows0 + 2 * c.n_embd, width, s.n, d,
                       k_t + static_cast<size_t>(d) * n16, attended.row(s.first) + head * d,
                       static_cast<size_t>(c.n_embd));
  });
}

void EncoderRunner::State::project_and_norm(const tensor::Activations& in, const Encoder::Linear& w,
                                            const Encoder::Norm& n) {
  const auto width = static_cast<size_t>(c.n_embd);
  each_row([&](int m) { fill(sums.data() + static_cast<size_t>(m) * width, w.bias); });
  const tensor::MatmulPart part[] = {{&w.weight, 0}};
  tensor::matmul(pool, kernels, in, 0, rows, part, sums.data(), width, true);
  each_row([&](int m) {
    kernels.add(x.row(m), sums.data() + static_cast<size_t>(m) * width, c.n_embd);
    kernels.layer_norm(x.row(m), n.weight.data(), n.bias.data(), c.n_embd, c.norm_epsilon,
                       x.row(m));
    x.round_row(kernels, m);
  });
}

void EncoderRunner::State::layer(const Encoder::Layer& w) {
  const auto e = static_cast<size_t>(c.n_embd);
  each_row([&](int m) {
    float* row = qkv.data() + static_cast<size_t>(m) * 3 * e;
    fill(row, w.q.bias);
    fill(row + e, w.k.bias);
    fill(row + 2 * e, w.v.bias);
  });
  const tensor::MatmulPart parts[] = {
      {&w.q.weight, 0}, {&w.k.weight, c.n_embd}, {&w.v.weight, 2 * c.n_embd}};
  tensor::matmul(pool, kernels, x, 0, rows, parts, qkv.data(), 3 * e, true);
  attend();
  each_row([&](int m) { attended.round_row(kernels, m); });
  project_and_norm(attended, w.o, w.attention_norm);
  each_row([&](int m) { fill(inner.row(m), w.up.bias); });
  const tensor::MatmulPart up[] = {{&w.up.weight, 0}};
  tensor::matmul(pool, kernels, x, 0, rows, up, inner.row(0), static_cast<size_t>(c.n_ff), true);
  each_row([&](int m) {
    kernels.gelu(inner.row(m), c.n_ff);
    inner.round_row(kernels, m);
  });
  project_and_norm(inner, w.down, w.output_norm);
}

EncoderRunner::EncoderRunner(const Encoder& encoder, ThreadPool& pool,
                             const tensor::Kernels& kernels)
    : state_(new State{encoder, encoder.config(), pool, kernels, {}, 0, {}, {}, {}, {}, {}, {}}) {}
EncoderRunner::~EncoderRunner() = default;

void EncoderRunner::State::encode(std::span<const Input> inputs) {
  sequences.clear();
  rows = 0;
  for (const Input& input : inputs) {
    const auto n = static_cast<int>(input.ids.size());
    CONSORT_CHECK(n > 0 && n <= c.n_positions);
    CONSORT_CHECK(input.n_first == n || c.n_types > 1);
    sequences.push_back({rows, n});
    rows += n;
  }
  if (rows == 0) return;
  x.resize(rows, c.n_embd, true);
  attended.resize(rows, c.n_embd, true);
  inner.resize(rows, c.n_ff, true);
  const size_t cells = static_cast<size_t>(rows) * static_cast<size_t>(c.n_embd);
  if (sums.size() < cells) {
    sums.resize(cells);
    qkv.resize(3 * cells);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (int t = 0; t < sequences[i].n; ++t) {
      const int m = sequences[i].first + t;
      encoder.embed(kernels, inputs[i].ids[static_cast<size_t>(t)], t,
                    t < inputs[i].n_first ? 0 : 1, x.row(m));
      x.round_row(kernels, m);
    }
  }
  for (int i = 0; i < c.n_layer; ++i) layer(encoder.layer(i));
}

std::vector<std::vector<float>> EncoderRunner::score(std::span<const TextPair> pairs) {
  State& s = *state_;
  CONSORT_CHECK(s.c.n_labels > 0);
  std::vector<State::Input> inputs;
  for (const TextPair& pair : pairs) inputs.push_back({pair.ids, pair.n_first});
  s.encode(inputs);
  std::vector<std::vector<float>> out;
  for (const State::Sequence& q : s.sequences) out.push_back(s.encoder.classify(s.x.row(q.first)));
  return out;
}

std::vector<std::vector<float>> EncoderRunner::State::vectors() {
  std::vector<std::vector<float>> out;
  for (const Sequence& q : sequences) {
    std::vector<float> v(x.row(q.first), x.row(q.first) + c.n_embd);
    if (c.pooling == EncoderConfig::Pooling::mean) {
      for (int t = 1; t < q.n; ++t) kernels.add(v.data(), x.row(q.first + t), c.n_embd);
    }
    double squares = 0;
    for (const float f : v) squares += static_cast<double>(f) * f;
    // The mean's division by n vanishes in the norm.
    const auto scale = static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
    for (float& f : v) f *= scale;
    out.push_back(std::move(v));
  }
  return out;
}

std::vector<std::vector<float>> EncoderRunner::run(
    std::span<const std::vector<int32_t>> sequences) {
  std::vector<State::Input> inputs;
  for (const auto& ids : sequences) inputs.push_back({ids, static_cast<int>(ids.size())});
  state_->encode(inputs);
  return state_->vectors();
}

std::vector<std::vector<float>> EncoderRunner::run(std::span<const TextPair> texts) {
  std::vector<State::Input> inputs;
  for (const TextPair& text : texts) inputs.push_back({text.ids, text.n_first});
  state_->encode(inputs);
  return state_->vectors();
}

}  // namespace consort::model

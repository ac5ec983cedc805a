#include <algorithm>
#include <cmath>

#include "model/decoder.h"
#include "model/decoder_head.h"

namespace consort::model {

using tensor::Activations;
using tensor::kPageTokens;
using tensor::PackedMatrix;

namespace {
constexpr int kRowsInline = 2;  // Up to here, work by rows is not worth waking a thread.
constexpr int kLoraRows = tensor::LowRank::kRowsMax;
constexpr int kPiecesAThread = 8;  // Of attention.
constexpr int kComingMost = 64;    // Past so many rows a step is bound by its base's arithmetic.
}  // namespace

struct DecoderRunner::State {
  State(const Decoder& d, ThreadPool& p, const tensor::Kernels& k)
      : decoder(d), c(d.config()), pool(p), kernels(k) {}

  struct Row {
    const Segment* segment;
    int32_t token;
    int position;
  };
  // Rows [first, first + n) of the step, of one segment.
  struct Piece {
    const Segment* segment;
    int first, n;
  };

  template <typename Body>
  void each_row(Body&& body) {
    const int n = static_cast<int>(rows.size());
    if (n <= kRowsInline) {
      for (int m = 0; m < n; ++m) body(m);
    } else {
      const int piece = std::max(1, n / (4 * pool.n_threads()));
      pool.parallel_for((n + piece - 1) / piece, [&](int i) {
        for (int m = i * piece; m < std::min(n, (i + 1) * piece); ++m) {
          if (pending.n_products > 0) adapt_row(m);
          body(m);
        }
      });
      pending.n_products = 0;
    }
  }

  void lay_out(std::span<const Segment> segments);
  void embed();
  // Cosine and sine of every angle of the step.
  struct Turns {
    std::vector<float> cosines, sines;  // [R, n_rot / 2]
  };
  void turn(int m, const std::vector<double>& frequencies, double magnitude, Turns* to) const;
  void rotate(float* head, int m, const Turns& by) const;
  // What a block adds, normed, onto x.
  void add_normed(const std::vector<float>& norm, std::vector<float>* sums);
  void attention_block(int layer);
  void write_kv(int layer, int m);
  void attend(int layer);
  void feed_forward_block(int layer);
  struct Adapted {
    Projection projection;
    float* y;  // Row 0.
  };
  // `products` are those of projections side by side.
  void adapt(int layer, const Activations& in, std::span<const Adapted> products, size_t stride);
  void adapt_row(int m);
  void adapt_pending();
  std::span<const tensor::Coming> adapters_of(int layer, Projection first, Projection last);

  const Decoder& decoder;
  const DecoderConfig& c;
  ThreadPool& pool;
  const tensor::Kernels& kernels;

  std::vector<Row> rows;
  std::vector<Piece> tiles;        // For attention: rows whose queries go together.
  std::vector<Piece> lora_pieces;  // Of segments with an adapter; neighbours with the same as one.
  std::vector<const DecoderAdapter*> row_adapters;  // Where each piece is one row: by row.
  std::vector<tensor::Coming> coming;
  // What `adapt` left to the next work by rows, so that no thread waits twice.
  struct Pending {
    int layer = -1;
    const Activations* in = nullptr;
    Adapted products[3];
    int n_products = 0;
    size_t stride = 0;
  };
  Pending pending;
  int query_rows = 1;              // Rows of a tile.
  Turns turns[2];                  // Of layers without and with a window.
  std::vector<float> x;            // [R, n_embd], the residual stream
  std::vector<float> added;        // [R, n_embd], where a norm stands before the addition
  Activations normed, attended, gated, output_rows;
  std::vector<float> qkv;      // [R, n_q + 2 n_kv]
  std::vector<float> gate_up;  // [R, 2 n_ff]
  std::vector<float> scores;   // Per attention piece
  std::vector<float> logits;
  int n_outputs = 0;
};

void DecoderRunner::State::lay_out(std::span<const Segment> segments) {
  rows.clear();
  tiles.clear();
  lora_pieces.clear();
  n_outputs = 0;
  int n = 0;
  for (const Segment& s : segments) n += static_cast<int>(s.tokens.size());
  query_rows = std::max(1, tensor::kAttendQueries / (c.n_head / c.n_head_kv));
  for (const Segment& s : segments) {
    const int first = static_cast<int>(rows.size());
    const int count = static_cast<int>(s.tokens.size());
    CONSORT_CHECK(count > 0 && s.n_outputs >= 0 && s.n_outputs <= count);
    CONSORT_CHECK(static_cast<int>(s.pages.size()) * kPageTokens >= s.position + count);
    for (int i = 0; i < count; ++i)
      rows.push_back({&s, s.tokens[static_cast<size_t>(i)], s.position + i});
    for (int i = 0; i < count; i += query_rows) {
      tiles.push_back({&s, first + i, std::min(query_rows, count - i)});
    }
    for (int i = 0; s.adapter != nullptr && i < count;) {
      Piece* before = lora_pieces.empty() ? nullptr : &lora_pieces.back();
      if (before != nullptr && before->segment->adapter == s.adapter &&
          before->first + before->n == first + i && before->n < kLoraRows) {
        const int n_more = std::min(kLoraRows - before->n, count - i);
        before->n += n_more;
        i += n_more;
      } else {
        lora_pieces.push_back({&s, first + i, 0});
      }
    }
    n_outputs += s.n_outputs;
  }
  row_adapters.clear();
  const bool apart = n >= tensor::kComingRows &&
                     std::all_of(lora_pieces.begin(), lora_pieces.end(),
                                 [](const Piece& piece) { return piece.n == 1; });
  if (apart && !lora_pieces.empty()) {
    row_adapters.resize(static_cast<size_t>(n), nullptr);
    for (const Piece& piece : lora_pieces)
      row_adapters[static_cast<size_t>(piece.first)] = piece.segment->adapter;
  }
  const auto r = static_cast<size_t>(n);
  const auto grow = [](std::vector<float>& v, size_t size) {
    if (v.size() < size) v.resize(size);
  };
  grow(x, r * static_cast<size_t>(c.n_embd));
  grow(qkv, r * static_cast<size_t>(c.n_q() + 2 * c.n_kv()));
  grow(gate_up, r * 2 * static_cast<size_t>(c.n_ff));
  if (c.family.post_norms) grow(added, r * static_cast<size_t>(c.n_embd));
  for (Turns* t : {&turns[0], c.window > 0 ? &turns[1] : nullptr}) {
    if (t == nullptr) continue;
    grow(t->cosines, r * static_cast<size_t>(c.n_rot / 2));
    grow(t->sines, r * static_cast<size_t>(c.n_rot / 2));
  }
  normed.resize(n, c.n_embd);
  attended.resize(n, c.n_q());
  gated.resize(n, c.n_ff);
}

void DecoderRunner::State::turn(int m, const std::vector<double>& frequencies, double magnitude,
                                Turns* to) const {
  const size_t at = static_cast<size_t>(m) * frequencies.size();
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = rows[static_cast<size_t>(m)].position * frequencies[i];
    to->cosines[at + i] = static_cast<float>(std::cos(angle) * magnitude);
    to->sines[at + i] = static_cast<float>(std::sin(angle) * magnitude);
  }
}

void DecoderRunner::State::embed() {
  each_row([&](int m) {
    float* to = x.data() + static_cast<size_t>(m) * static_cast<size_t>(c.n_embd);
    decoder.embedding().row(rows[static_cast<size_t>(m)].token, to);
    if (c.family.scaled_embedding) {
      for (int i = 0; i < c.n_embd; ++i) to[i] *= c.embedding_scale;
    }
    turn(m, decoder.rope(false), c.rope_scaling.magnitude, &turns[0]);
    if (c.window > 0) turn(m, decoder.rope(true), 1, &turns[1]);
  });
}

void DecoderRunner::State::rotate(float* head, int m, const Turns& by) const {
  const auto half = static_cast<size_t>(c.n_rot / 2);
  const float* cosine = by.cosines.data() + static_cast<size_t>(m) * half;
  const float* sine = by.sines.data() + static_cast<size_t>(m) * half;
  // GGUF keeps the rows of llama's q and k so that a pair's two are neighbours.
  const size_t step = c.family.half_pairs ? 1 : 2;
  const size_t apart = c.family.half_pairs ? half : 1;
  for (size_t i = 0; i < half; ++i) {
    float& first = head[step * i];
    float& second = head[step * i + apart];
    const float a = first, b = second;
    first = a * cosine[i] - b * sine[i];
    second = a * sine[i] + b * cosine[i];
  }
}

// Row m's q, k and v from what the products gave: biased, normed, rotated; k and v into their page.
void DecoderRunner::State::write_kv(int layer, int m) {
  const Row& row = rows[static_cast<size_t>(m)];
  const DecoderLayer& w = decoder.layer(layer);
  const Turns& by = turns[c.has_window(layer) ? 1 : 0];
  const size_t width = static_cast<size_t>(c.n_q() + 2 * c.n_kv());
  float* q = qkv.data() + static_cast<size_t>(m) * width;
  float* k = q + c.n_q();
  float* v = k + c.n_kv();
  if (c.family.qkv_bias) kernels.add(q, w.qkv_bias.data(), static_cast<int>(width));
  if (c.family.qk_norm) {
    for (int h = 0; h < c.n_head + c.n_head_kv; ++h) {
      float* head = q + h * c.head_dim;
      const float* norm = h < c.n_head ? w.q_norm.data() : w.k_norm.data();
      kernels.rms_norm(head, norm, c.head_dim, c.norm_epsilon, head);
    }
  }
  for (int h = 0; h < c.n_head; ++h) rotate(q + h * c.head_dim, m, by);
  for (int i = 0; i < c.n_q(); ++i) q[i] *= c.attention_scale;
  for (int h = 0; h < c.n_head_kv; ++h) rotate(k + h * c.head_dim, m, by);
  uint8_t* page = row.segment->pages[static_cast<size_t>(row.position / kPageTokens)];
  const int slot = row.position % kPageTokens;
  uint16_t halves[1024];
  for (int h = 0; h < c.n_head_kv; ++h) {
    kernels.f32_to_f16(k + h * c.head_dim, c.head_dim, halves);
    auto* to = reinterpret_cast<uint16_t*>(page + decoder.k_offset(layer, h)) + slot;
    for (int i = 0; i < c.head_dim; ++i) to[i * kPageTokens] = halves[i];
    kernels.f32_to_f16(
        v + h * c.head_dim, c.head_dim,
        reinterpret_cast<uint16_t*>(page + decoder.v_offset(layer, h)) + slot * c.head_dim);
  }
}

void DecoderRunner::State::attend(int layer) {
  const int group = c.n_head / c.n_head_kv;
  const size_t width = static_cast<size_t>(c.n_q() + 2 * c.n_kv());
  int positions = 0;
  for (const Row& row : rows) positions = std::max(positions, row.position + 1);
  const size_t stride =
      static_cast<size_t>((positions + kPageTokens - 1) / kPageTokens * kPageTokens);
  // One row on few KV heads would leave threads idle: then every head is a piece of its own.
  const int n_tiles = static_cast<int>(tiles.size());
  const bool by_head = n_tiles * c.n_head_kv < 2 * pool.n_threads();
  const int per_tile = by_head ? c.n_head : c.n_head_kv;
  const int n = n_tiles * per_tile;
  const int piece = std::max(1, n / (kPiecesAThread * pool.n_threads()));
  const int n_pieces = (n + piece - 1) / piece;
  const size_t scratch = stride * tensor::kAttendQueries;
  if (scores.size() < scratch * static_cast<size_t>(n_pieces)) {
    scores.resize(scratch * static_cast<size_t>(n_pieces));
  }
  pool.parallel_for(n_pieces, [&](int index) {
    const float* q[64];
    float* out[64];
    int limits[64], firsts[64];
    const bool window = c.has_window(layer);
    for (int item = index * piece; item < std::min(n, (index + 1) * piece); ++item) {
      const Piece& tile = tiles[static_cast<size_t>(item / per_tile)];
      const int part = item % per_tile;
      const int head0 = by_head ? part : part * group;
      const int heads = by_head ? 1 : group;
      int n_q = 0;
      for (int m = tile.first; m < tile.first + tile.n; ++m) {
        for (int h = head0; h < head0 + heads; ++h) {
          q[n_q] = qkv.data() + static_cast<size_t>(m) * width + h * c.head_dim;
          out[n_q] = attended.row(m) + h * c.head_dim;
          limits[n_q] = rows[static_cast<size_t>(m)].position + 1;
          firsts[n_q] = std::max(0, limits[n_q] - c.window);
          if (++n_q == 64 || (m == tile.first + tile.n - 1 && h == head0 + heads - 1)) {
            kernels.attend({.q = q,
                            .out = out,
                            .n_positions = limits,
                            .first = window ? firsts : nullptr,
                            .n_q = n_q,
                            .head_dim = c.head_dim,
                            .pages = tile.segment->pages.data(),
                            .k_offset = decoder.k_offset(layer, head0 / group),
                            .v_offset = decoder.v_offset(layer, head0 / group),
                            .scores = scores.data() + scratch * static_cast<size_t>(index),
                            .scores_stride = stride});
            n_q = 0;
          }
        }
      }
    }
  });
}

// What the rows' adapters add to products of the same rows `in`.
void DecoderRunner::State::adapt(int layer, const Activations& in,
                                 std::span<const Adapted> products, size_t stride) {
  if (lora_pieces.empty()) return;
  const int n_products = static_cast<int>(products.size());
  if (!row_adapters.empty()) {
    pending = {.layer = layer, .in = &in, .products = {}, .n_products = n_products, .stride = stride};
    std::copy(products.begin(), products.end(), pending.products);
    return;
  }
  pool.parallel_for(static_cast<int>(lora_pieces.size()) * n_products, [&](int i) {
    const Piece& piece = lora_pieces[static_cast<size_t>(i / n_products)];
    const Adapted& product = products[static_cast<size_t>(i % n_products)];
    const tensor::LowRank* pair = piece.segment->adapter->pair(layer, product.projection);
    if (pair == nullptr) return;
    tensor::add_low_rank(kernels, *pair, in, piece.first, piece.n,
                         product.y + static_cast<size_t>(piece.first) * stride, stride);
  });
}

void DecoderRunner::State::adapt_row(int m) {
  const DecoderAdapter* adapter = row_adapters[static_cast<size_t>(m)];
  if (adapter == nullptr) return;
  for (int i = 0; i < pending.n_products; ++i) {
    const Adapted& product = pending.products[i];
    const tensor::LowRank* pair = adapter->pair(pending.layer, product.projection);
    if (pair == nullptr) continue;
    tensor::add_low_rank(kernels, *pair, *pending.in, m, 1,
                         product.y + static_cast<size_t>(m) * pending.stride, pending.stride);
  }
}

void DecoderRunner::State::adapt_pending() {
  if (pending.n_products > 0) each_row([](int) {});
}

// What the step's adapters will read after a product: it comes from memory while the product, with
// its many rows, is bound by arithmetic.
std::span<const tensor::Coming> DecoderRunner::State::adapters_of(int layer, Projection first,
                                                                  Projection last) {
  coming.clear();
  if (static_cast<int>(rows.size()) > kComingMost) return {};
  for (const Piece& piece : lora_pieces) {
    const tensor::Coming bytes = piece.segment->adapter->bytes_of(layer, first, last);
    if (!bytes.empty()) coming.push_back(bytes);
  }
  return coming;
}

void DecoderRunner::State::add_normed(const std::vector<float>& norm, std::vector<float>* sums) {
  const auto width = static_cast<size_t>(c.n_embd);
  each_row([&](int m) {
    float* row = sums->data() + static_cast<size_t>(m) * width;
    kernels.rms_norm(row, norm.data(), c.n_embd, c.norm_epsilon, row);
    kernels.add(x.data() + static_cast<size_t>(m) * width, row, c.n_embd);
  });
}

void DecoderRunner::State::attention_block(int layer) {
  const DecoderLayer& w = decoder.layer(layer);
  const auto& weights = w.weights;
  const int r = static_cast<int>(rows.size());
  const size_t width = static_cast<size_t>(c.n_q() + 2 * c.n_kv());
  each_row([&](int m) {
    kernels.rms_norm(x.data() + static_cast<size_t>(m) * static_cast<size_t>(c.n_embd),
                     w.attn_norm.data(), c.n_embd, c.norm_epsilon, normed.row(m));
    normed.quantize_row(kernels, m);
  });
  const tensor::MatmulPart parts[] = {
      {&weights[0], 0}, {&weights[1], c.n_q()}, {&weights[2], c.n_q() + c.n_kv()}};
  tensor::matmul(pool, kernels, normed, 0, r, parts, qkv.data(), width, false,
                 adapters_of(layer, Projection::q, Projection::v));
  const Adapted adapted[] = {{Projection::q, qkv.data()},
                             {Projection::k, qkv.data() + c.n_q()},
                             {Projection::v, qkv.data() + c.n_q() + c.n_kv()}};
  adapt(layer, normed, adapted, width);
  each_row([&](int m) { write_kv(layer, m); });
  attend(layer);
  each_row([&](int m) { attended.quantize_row(kernels, m); });
  const tensor::MatmulPart out[] = {{&weights[static_cast<int>(Projection::o)], 0}};
  std::vector<float>& to = c.family.post_norms ? added : x;
  tensor::matmul(pool, kernels, attended, 0, r, out, to.data(), static_cast<size_t>(c.n_embd),
                 !c.family.post_norms, adapters_of(layer, Projection::o, Projection::o));
  const Adapted adapted_out[] = {{Projection::o, to.data()}};
  adapt(layer, attended, adapted_out, static_cast<size_t>(c.n_embd));
  if (c.family.post_norms) add_normed(w.attn_post_norm, &added);
}

void DecoderRunner::State::feed_forward_block(int layer) {
  const DecoderLayer& w = decoder.layer(layer);
  const auto& weights = w.weights;
  const int r = static_cast<int>(rows.size());
  const size_t width = 2 * static_cast<size_t>(c.n_ff);
  each_row([&](int m) {
    kernels.rms_norm(x.data() + static_cast<size_t>(m) * static_cast<size_t>(c.n_embd),
                     w.ffn_norm.data(), c.n_embd, c.norm_epsilon, normed.row(m));
    normed.quantize_row(kernels, m);
  });
  const tensor::MatmulPart parts[] = {{&weights[static_cast<int>(Projection::gate)], 0},
                                      {&weights[static_cast<int>(Projection::up)], c.n_ff}};
  tensor::matmul(pool, kernels, normed, 0, r, parts, gate_up.data(), width, false,
                 adapters_of(layer, Projection::gate, Projection::up));
  const Adapted adapted[] = {{Projection::gate, gate_up.data()},
                             {Projection::up, gate_up.data() + c.n_ff}};
  adapt(layer, normed, adapted, width);
  const auto activate = c.family.gelu ? kernels.gelu_mul : kernels.silu_mul;
  each_row([&](int m) {
    const float* gate = gate_up.data() + static_cast<size_t>(m) * width;
    activate(gate, gate + c.n_ff, c.n_ff, gated.row(m));
    gated.quantize_row(kernels, m);
  });
  const tensor::MatmulPart down[] = {{&weights[static_cast<int>(Projection::down)], 0}};
  std::vector<float>& to = c.family.post_norms ? added : x;
  tensor::matmul(pool, kernels, gated, 0, r, down, to.data(), static_cast<size_t>(c.n_embd),
                 !c.family.post_norms, adapters_of(layer, Projection::down, Projection::down));
  const Adapted adapted_down[] = {{Projection::down, to.data()}};
  adapt(layer, gated, adapted_down, static_cast<size_t>(c.n_embd));
  if (c.family.post_norms) add_normed(w.ffn_post_norm, &added);
}

DecoderRunner::DecoderRunner(const Decoder& decoder, ThreadPool& pool,
                             const tensor::Kernels& kernels)
    : state_(std::make_unique<State>(decoder, pool, kernels)) {}
DecoderRunner::~DecoderRunner() = default;

void DecoderRunner::forward(std::span<const Segment> segments) {
  State& s = *state_;
  s.lay_out(segments);
  if (s.rows.empty()) return;
  s.embed();
  for (int layer = 0; layer < s.c.n_layer; ++layer) {
    s.attention_block(layer);
    s.feed_forward_block(layer);
  }
  s.adapt_pending();
  s.output_rows.resize(std::max(1, s.n_outputs), s.c.n_embd);
  int to = 0, m = 0;
  for (const Segment& segment : segments) {
    m += static_cast<int>(segment.tokens.size());
    for (int i = m - segment.n_outputs; i < m; ++i, ++to) {
      s.kernels.rms_norm(s.x.data() + static_cast<size_t>(i) * static_cast<size_t>(s.c.n_embd),
                         s.decoder.output_norm().data(), s.c.n_embd, s.c.norm_epsilon,
                         s.output_rows.row(to));
      s.output_rows.quantize_row(s.kernels, to);
    }
  }
}

int DecoderRunner::n_outputs() const { return state_->n_outputs; }

std::span<float> DecoderRunner::logits(int first, int n) {
  State& s = *state_;
  CONSORT_CHECK(first >= 0 && n >= 0 && first + n <= s.n_outputs);
  const size_t size = static_cast<size_t>(n) * static_cast<size_t>(s.c.n_vocab);
  if (s.logits.size() < size) s.logits.resize(size);
  const tensor::MatmulPart parts[] = {{&s.decoder.output(), 0}};
  tensor::matmul(s.pool, s.kernels, s.output_rows, first, n, parts, s.logits.data(),
                 static_cast<size_t>(s.c.n_vocab), false);
  return std::span(s.logits.data(), size);
}

void DecoderRunner::logits_of(std::span<const HeadRow> rows) {
  State& s = *state_;
  head_rows(s.pool, s.kernels, s.decoder.output(), s.output_rows, rows);
}

uint64_t DecoderRunner::scratch_bytes() const {
  const State& s = *state_;
  uint64_t floats = s.x.size() + s.added.size() + s.qkv.size() + s.gate_up.size() +
                    s.scores.size() + s.logits.size();
  for (const State::Turns& t : s.turns) floats += t.cosines.size() + t.sines.size();
  return 4 * floats + s.normed.bytes() + s.attended.bytes() + s.gated.bytes() +
         s.output_rows.bytes();
}

uint64_t DecoderRunner::scratch_bytes_for(int rows, int positions, int n_logits) const {
  const DecoderConfig& c = state_->c;
  const auto n_embd = static_cast<uint64_t>(c.n_embd);
  const uint64_t row = n_embd * (c.family.post_norms ? 2 : 1) +
                       static_cast<uint64_t>(c.n_q() + 2 * c.n_kv() + 2 * c.n_ff) +
                       static_cast<uint64_t>(c.n_rot / 2) * (c.window > 0 ? 4 : 2);
  // An attention step has at most a piece for each row and head, and less than twice what every
  // thread is meant to have.
  const int pieces = std::min(rows * c.n_head, 2 * kPiecesAThread * state_->pool.n_threads());
  const auto pages = static_cast<uint64_t>((positions + kPageTokens - 1) / kPageTokens);
  const uint64_t scores = pages * kPageTokens * tensor::kAttendQueries;
  return 4 * (row * static_cast<uint64_t>(rows) + scores * static_cast<uint64_t>(pieces) +
              static_cast<uint64_t>(n_logits) * static_cast<uint64_t>(c.n_vocab)) +
         Activations::bytes_for(rows, c.n_embd) + Activations::bytes_for(rows, c.n_q()) +
         Activations::bytes_for(rows, c.n_ff) + Activations::bytes_for(std::max(1, rows), c.n_embd);
}

}  // namespace consort::model

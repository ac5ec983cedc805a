#include "train/decoder_pass.h"

#include <algorithm>

#include "train/decoder_state.h"

namespace consort::train {
namespace {

std::vector<float> dequantised(const tensor::PackedMatrix& matrix) {
  std::vector<float> out(static_cast<size_t>(matrix.n_out()) * static_cast<size_t>(matrix.n_in()));
  for (int i = 0; i < matrix.n_out(); ++i)
    matrix.row(i, out.data() + static_cast<size_t>(i) * static_cast<size_t>(matrix.n_in()));
  return out;
}

}  // namespace

int Batch::n_labels() const {
  return static_cast<int>(std::count_if(labels.begin(), labels.end(), [](int l) { return l >= 0; }));
}

void Kept::resize(const model::DecoderConfig& c, int rows, int rank, bool x_only) {
  const auto room = [&](std::vector<float>& v, int columns) {
    const size_t n = static_cast<size_t>(rows) * static_cast<size_t>(columns);
    if (v.size() < n) v.resize(n);
  };
  room(x, c.n_embd);
  if (x_only) return;
  room(q, c.n_q());
  room(k, c.n_kv());
  room(v, c.n_kv());
  room(attended, c.n_q());
  room(x_middle, c.n_embd);
  room(gate, c.n_ff);
  room(up, c.n_ff);
  room(u, model::kProjections * rank);
}

DecoderPass::State::State(const model::Decoder& decoder, const LoraConfig& lora_in,
                          const PassOptions& options_in, ThreadPool& pool_in)
    : config(decoder.config()),
      lora_config(lora_in),
      options(options_in),
      pool(pool_in),
      kernels(tensor::kernels(*tensor::choose_isa())),
      train(tensor::train_kernels(kernels.isa)),
      layers(static_cast<size_t>(config.n_layer)),
      lora(static_cast<size_t>(config.n_layer)),
      output_norm(decoder.output_norm()) {
  pool.parallel_for(config.n_layer, [&](int l) {
    const model::DecoderLayer& from = decoder.layer(l);
    PackedLayer& to = layers[static_cast<size_t>(l)];
    to.attn_norm = from.attn_norm;
    to.ffn_norm = from.ffn_norm;
    for (int p = 0; p < model::kProjections; ++p) {
      const int n_out = n_out_of(config, p), n_in = n_in_of(config, p);
      const std::vector<float> w = dequantised(from.weights[p]);
      to.forward[p] = GemmWeights(options.precision, n_in, n_out);
      to.forward[p].pack(train, w.data(), static_cast<size_t>(n_in), true, 0, n_out);
      to.backward[p] = GemmWeights(options.precision, n_out, n_in);
      to.backward[p].pack(train, w.data(), static_cast<size_t>(n_in), false, 0, n_in);
    }
  });
  const int n_vocab = config.n_vocab, n_embd = config.n_embd;
  embedding = dequantised(decoder.output());
  head_forward = GemmWeights(options.precision, n_embd, n_vocab);
  head_backward = GemmWeights(options.precision, (n_vocab + 15) / 16 * 16, n_embd);
  embedding.resize(static_cast<size_t>(head_backward.k()) * static_cast<size_t>(n_embd));
  pool.parallel_for(2, [&](int i) {
    if (i == 0) {
      head_forward.pack(train, embedding.data(), static_cast<size_t>(n_embd), true, 0, n_vocab);
    } else {
      head_backward.pack(train, embedding.data(), static_cast<size_t>(n_embd), false, 0, n_embd);
    }
  });
  if (&decoder.output() != &decoder.embedding()) embedding = dequantised(decoder.embedding());
  if (options.precision == tensor::TrainPrecision::bf16) {
    embedding_bf16.resize(embedding.size());
    train.to_bf16(embedding.data(), static_cast<int>(embedding.size()), embedding_bf16.data());
    embedding = {};
  }
  for (PackedLora& layer : lora) {
    for (int g = 0; g < 4; ++g) {
      const Group group = kGroups[g];
      layer.a_forward[g] =
          GemmWeights(options.precision, n_in_of(config, group.first), group.count * rank());
      for (int p = group.first; p < group.first + group.count; ++p) {
        PackedPair& pair = layer.pairs[p];
        pair.present = lora_config.targets[static_cast<size_t>(p)];
        if (!pair.present) continue;
        layer.present[g] = true;
        pair.b_forward = GemmWeights(options.precision, rank(), n_out_of(config, p));
        pair.b_backward = GemmWeights(options.precision, n_out_of(config, p), rank());
        pair.a_backward = GemmWeights(options.precision, rank(), n_in_of(config, p));
      }
    }
  }
}

DecoderPass::DecoderPass(std::unique_ptr<State> state) : state_(std::move(state)) {}
DecoderPass::~DecoderPass() = default;
const model::DecoderConfig& DecoderPass::config() const { return state_->config; }

std::unique_ptr<DecoderPass> DecoderPass::create(const model::Decoder& decoder,
                                                 const LoraConfig& lora,
                                                 const PassOptions& options, ThreadPool& pool) {
  return std::unique_ptr<DecoderPass>(
      new DecoderPass(std::make_unique<State>(decoder, lora, options, pool)));
}

void DecoderPass::set_lora(const LoraWeights& weights) {
  State& s = *state_;
  const int rank = s.rank();
  s.pool.parallel_for(s.config.n_layer * 4, [&](int piece) {
    const int l = piece / 4, g = piece % 4;
    PackedLora& layer = s.lora[static_cast<size_t>(l)];
    for (int i = 0; i < kGroups[g].count; ++i) {
      const int p = kGroups[g].first + i;
      const LoraWeights::Pair* pair = weights.pair(l, p);
      if (pair == nullptr) continue;
      const float* a = weights.values.data() + pair->a;
      const float* b = weights.values.data() + pair->b;
      const size_t n_in = static_cast<size_t>(pair->n_in), n_out = static_cast<size_t>(pair->n_out);
      layer.a_forward[g].pack(s.train, a, n_in, true, i * rank, rank);
      layer.pairs[p].b_forward.pack(s.train, b, n_out, false, 0, pair->n_out);
      layer.pairs[p].b_backward.pack(s.train, b, n_out, true, 0, rank);
      layer.pairs[p].a_backward.pack(s.train, a, n_in, false, 0, pair->n_in);
    }
  });
}

double DecoderPass::loss(const Batch& batch, float weight, LoraWeights* lora) {
  State& s = *state_;
  const int rows = batch.rows();
  const auto floats = static_cast<uint64_t>(2 * s.config.n_embd + 2 * s.config.n_q() +
                                            2 * s.config.n_kv() + 2 * s.config.n_ff +
                                            model::kProjections * s.rank());
  const uint64_t needed = floats * 4 * static_cast<uint64_t>(rows) *
                          static_cast<uint64_t>(s.config.n_layer);
  const bool keep = lora != nullptr && needed <= s.options.kept_bytes_max;
  s.kept.resize(lora != nullptr ? static_cast<size_t>(s.config.n_layer) : 0);
  if (!keep) s.again.resize(s.config, rows, s.rank(), false);
  const size_t n_x = static_cast<size_t>(rows) * static_cast<size_t>(s.config.n_embd);

  s.embed(batch);
  for (int l = 0; l < s.config.n_layer; ++l) {
    if (lora != nullptr) {
      Kept& mine = s.kept[static_cast<size_t>(l)];
      mine.resize(s.config, rows, s.rank(), !keep);
      std::copy_n(s.x.begin(), n_x, mine.x.begin());
    }
    s.layer_forward(l, batch, keep ? s.kept[static_cast<size_t>(l)] : s.again);
  }
  const double loss = s.head(batch, weight, lora != nullptr);
  if (lora == nullptr) return loss;
  for (int l = s.config.n_layer - 1; l >= 0; --l) {
    const Kept& mine = s.kept[static_cast<size_t>(l)];
    if (!keep) {
      std::copy_n(mine.x.begin(), n_x, s.x.begin());
      std::copy_n(mine.x.begin(), n_x, s.again.x.begin());
      s.layer_forward(l, batch, s.again);
    }
    s.layer_backward(l, batch, keep ? mine : s.again, *lora);
  }
  return loss;
}

uint64_t DecoderPass::resident_bytes() const {
  const State& s = *state_;
  uint64_t bytes = s.head_forward.resident_bytes() + s.head_backward.resident_bytes() +
                   s.embedding.size() * 4 + s.embedding_bf16.size() * 2;
  for (const PackedLayer& layer : s.layers)
    for (int p = 0; p < model::kProjections; ++p)
      bytes += layer.forward[p].resident_bytes() + layer.backward[p].resident_bytes();
  return bytes;
}

}  // namespace consort::train

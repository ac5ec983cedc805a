#include "train/lora.h"

#include <fmt/format.h>

#include <cmath>

#include "base/rng.h"

namespace consort::train {
namespace {

constexpr const char* kTensorNames[model::kProjections] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

Error bad(std::string message, std::string_view value) {
  return make_error(ErrorCode::invalid_argument, 9001, std::move(message)).got(value);
}

}  // namespace

int n_out_of(const model::DecoderConfig& c, int projection) {
  const int sizes[model::kProjections] = {c.n_q(), c.n_kv(), c.n_kv(), c.n_embd,
                                          c.n_ff,  c.n_ff,   c.n_embd};
  return sizes[projection];
}

int n_in_of(const model::DecoderConfig& c, int projection) {
  const int sizes[model::kProjections] = {c.n_embd, c.n_embd, c.n_embd, c.n_q(),
                                          c.n_embd, c.n_embd, c.n_ff};
  return sizes[projection];
}

int n_out_of(const model::EncoderConfig& c, int projection) {
  const int sizes[model::kProjections] = {c.n_embd, c.n_embd, c.n_embd, c.n_embd,
                                          0,        c.n_ff,   c.n_embd};
  return sizes[projection];
}

int n_in_of(const model::EncoderConfig& c, int projection) {
  const int sizes[model::kProjections] = {c.n_embd, c.n_embd, c.n_embd, c.n_embd,
                                          0,        c.n_embd, c.n_ff};
  return sizes[projection];
}

Result<LoraWeights> LoraWeights::create(const model::DecoderConfig& model,
                                        const LoraConfig& config) {
  // The backward pass knows no biases, windows, further norms or scaled rotation.
  if (!model.is_plain_llama())
    return fail(bad("adapters are trained on llama models without rotary scaling only",
                    model.architecture));
  Size sizes[model::kProjections];
  for (int p = 0; p < model::kProjections; ++p) sizes[p] = {n_in_of(model, p), n_out_of(model, p)};
  return of_sizes(model.n_layer, sizes, config);
}

Result<LoraWeights> LoraWeights::create(const model::EncoderConfig& model,
                                        const LoraConfig& config) {
  Size sizes[model::kProjections];
  for (int p = 0; p < model::kProjections; ++p) sizes[p] = {n_in_of(model, p), n_out_of(model, p)};
  LoraConfig mine = config;
  mine.targets[kGate] = false;
  return of_sizes(model.n_layer, sizes, mine);
}

Result<LoraWeights> LoraWeights::of_sizes(int n_layer, const Size (&sizes)[model::kProjections],
                                          const LoraConfig& config) {
  if (config.rank < 1 || config.rank > model::AdapterFile::kRankMax)
    return fail(bad("the rank of an adapter is 1 to 64", std::to_string(config.rank)));
  if (!(config.alpha > 0) || !std::isfinite(config.alpha))
    return fail(bad("alpha is a positive number", fmt::format("{}", config.alpha)));
  LoraWeights out;
  out.config_ = config;
  out.n_layer_ = n_layer;
  size_t at = 0;
  const size_t rank = static_cast<size_t>(config.rank_padded());
  for (int layer = 0; layer < n_layer; ++layer) {
    for (int p = 0; p < model::kProjections; ++p) {
      Pair pair;
      if (config.targets[static_cast<size_t>(p)]) {
        pair = {at, at + rank * static_cast<size_t>(sizes[p].n_in), sizes[p].n_in, sizes[p].n_out};
        at = pair.b + rank * static_cast<size_t>(pair.n_out);
      }
      out.pairs_.push_back(pair);
    }
  }
  if (at == 0) return fail(bad("an adapter acts on one projection at least", "none"));
  out.values.resize(at);
  out.gradients.resize(at);
  return out;
}

void LoraWeights::initialise(uint64_t seed) {
  Rng rng(seed);
  for (const Pair& pair : pairs_) {
    const float bound = pair.n_in > 0 ? 1.0f / std::sqrt(static_cast<float>(pair.n_in)) : 0;
    const size_t n = static_cast<size_t>(config_.rank) * static_cast<size_t>(pair.n_in);
    for (size_t i = 0; i < n; ++i)
      values[pair.a + i] = bound * static_cast<float>(2 * rng.uniform() - 1);
  }
}

Result<void> LoraWeights::take(const model::AdapterFile& adapter) {
  size_t taken = 0;
  for (int layer = 0; layer < n_layer_; ++layer) {
    for (int p = 0; p < model::kProjections; ++p) {
      const Pair* to = pair(layer, p);
      if (to == nullptr) continue;
      const std::string tensor = fmt::format("blk.{}.{}.weight", layer, kTensorNames[p]);
      const auto from = adapter.pairs.find(tensor);
      if (from == adapter.pairs.end() || from->second.rank != config_.rank || from->second.n_in != to->n_in ||
          from->second.n_out != to->n_out || from->second.scale != config_.scale()) {
        return fail(make_error(ErrorCode::invalid_argument, 9006,
                               "a training can go on only from an adapter of its own rank, alpha and targets")
                        .at(tensor)
                        .got(fmt::format("rank {}, alpha {}", adapter.rank, adapter.alpha))
                        .to_fix(fmt::format("give --rank {} --alpha {}", adapter.rank, adapter.alpha)));
      }
      const size_t rank = static_cast<size_t>(config_.rank), n_out = static_cast<size_t>(to->n_out);
      std::copy(from->second.a.begin(), from->second.a.end(), values.begin() + static_cast<std::ptrdiff_t>(to->a));
      for (size_t i = 0; i < n_out; ++i)
        for (size_t r = 0; r < rank; ++r) values[to->b + r * n_out + i] = from->second.b[i * rank + r];
      ++taken;
    }
  }
  if (taken == adapter.pairs.size()) return {};
  return fail(make_error(ErrorCode::invalid_argument, 9006, "the adapter to go on from has targets that this training has not")
                  .got(fmt::format("{} tensors, {} of them here", adapter.pairs.size(), taken)));
}

const LoraWeights::Pair* LoraWeights::pair(int layer, int projection) const {
  const Pair& found = pairs_[static_cast<size_t>(layer * model::kProjections + projection)];
  return found.n_in > 0 ? &found : nullptr;
}

size_t LoraWeights::n_trained() const {
  size_t n = 0;
  for (const Pair& pair : pairs_)
    n += static_cast<size_t>(config_.rank) * static_cast<size_t>(pair.n_in + pair.n_out);
  return n;
}

model::AdapterFile LoraWeights::to_adapter(const std::string& architecture) const {
  model::AdapterFile out;
  out.architecture = architecture;
  out.rank = config_.rank;
  out.alpha = config_.alpha;
  for (int layer = 0; layer < n_layer_; ++layer) {
    for (int p = 0; p < model::kProjections; ++p) {
      const Pair* from = pair(layer, p);
      if (from == nullptr) continue;
      model::LoraPair to;
      to.rank = config_.rank;
      to.n_in = from->n_in;
      to.n_out = from->n_out;
      to.scale = config_.scale();
      const size_t rank = static_cast<size_t>(to.rank), n_out = static_cast<size_t>(to.n_out);
      const auto a = values.begin() + static_cast<std::ptrdiff_t>(from->a);
      to.a.assign(a, a + static_cast<std::ptrdiff_t>(rank * static_cast<size_t>(to.n_in)));
      to.b.resize(n_out * rank);
      for (size_t i = 0; i < n_out; ++i)
        for (size_t r = 0; r < rank; ++r) to.b[i * rank + r] = values[from->b + r * n_out + i];
      out.pairs.emplace(fmt::format("blk.{}.{}.weight", layer, kTensorNames[p]), std::move(to));
    }
  }
  return out;
}

}  // namespace consort::train

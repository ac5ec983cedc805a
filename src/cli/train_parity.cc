#include "cli/train_parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/engine.h"

namespace consort::cli {
namespace {

constexpr size_t kTokensMax = 4096;

train::Dataset sample(const train::Dataset& data) {
  train::Dataset out;
  const size_t stride = std::max<size_t>(1, data.n_tokens() / kTokensMax);
  size_t tokens = 0;
  for (size_t i = 0; i < data.examples.size(); i += stride) {
    tokens += data.examples[i].tokens.size();
    if (!out.examples.empty() && tokens > kTokensMax) break;
    out.examples.push_back(data.examples[i]);
  }
  return out;
}

// Sum over the labels of all examples: token i is predicted from those before it.
Result<double> served_loss(engine::Engine& engine, const train::Dataset& data, std::stop_token stop) {
  double total = 0;
  for (const train::Example& e : data.examples) {
    CONSORT_ASSIGN(const engine::Perplexity p, engine.perplexity("base", "adapter", e.tokens, 0, stop));
    // Where the model puts a begin token first, the first token is predicted too.
    const size_t first = p.nll.size() - (e.tokens.size() - static_cast<size_t>(e.n_prompt));
    for (size_t i = first; i < p.nll.size(); ++i) total += p.nll[i];
  }
  return total;
}

}  // namespace

double Parity::limit() const {
  const double fewer = std::max(1.0, std::sqrt(kParityLabels / static_cast<double>(std::max<size_t>(1, labels))));
  return std::max(kParityShare * trained, kParityNats) * fewer;
}

contract::Value Parity::to_value() const {
  return contract::Value::object({{"trained", trained},
                                  {"served", served},
                                  {"limit", limit()},
                                  {"examples", static_cast<uint64_t>(examples)},
                                  {"labels", static_cast<uint64_t>(labels)}});
}

Result<Parity> check_parity(const std::filesystem::path& base, const std::filesystem::path& adapter,
                            const model::Decoder& decoder, const train::LoraWeights& weights,
                            const train::Dataset& data, const train::TrainOptions& options, const Clock& clock,
                            std::stop_token stop) {
  const train::Dataset some = sample(data);
  Parity out;
  out.examples = some.examples.size();
  out.labels = some.n_labels();
  CONSORT_ASSIGN(out.trained, train::mean_loss(decoder, weights, some, options));
  engine::EngineOptions engine_options;
  engine_options.n_threads = options.n_threads;
  CONSORT_ASSIGN(const auto engine, engine::Engine::create(engine_options, clock));
  CONSORT_TRY(engine->load_model("base", base));
  CONSORT_TRY(engine->load_adapter("adapter", "base", adapter));
  CONSORT_ASSIGN(const double total, served_loss(*engine, some, stop));
  out.served = total / static_cast<double>(out.labels);
  if (std::abs(out.difference()) <= out.limit()) return out;
  return fail(make_error(ErrorCode::failed_precondition, 9032,
                         fmt::format("the adapter loses {:.4f} nats a label where it is served and {:.4f} where it was "
                                     "trained, on {} labels",
                                     out.served, out.trained, out.labels))
                  .at(adapter.string())
                  .got(fmt::format("{:+.4f}", out.difference()))
                  .to_fix("write it with --adapter-type f16 or f32, or lower the learning rate; it was not registered"));
}

}  // namespace consort::cli

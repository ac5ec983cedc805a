#include "train/trainer.h"

#include <fmt/format.h>

#include <numeric>

#include "base/rng.h"

namespace consort::train {
namespace {

Result<void> check_options(const TrainOptions& o) {
  const auto bad = [](const char* what, double value) {
    return fail(make_error(ErrorCode::invalid_argument, 9004,
                           fmt::format("{} is out of range", what))
                    .got(fmt::format("{}", value)));
  };
  if (o.epochs < 1 || o.epochs > 1000) return bad("the number of epochs", o.epochs);
  if (o.tokens_per_batch < 16 || o.tokens_per_batch > (1 << 16))
    return bad("tokens a batch", o.tokens_per_batch);
  if (o.accumulate < 1 || o.accumulate > 4096) return bad("batches a step", o.accumulate);
  if (!(o.optimizer.learning_rate > 0 && o.optimizer.learning_rate <= 1))
    return bad("the learning rate", o.optimizer.learning_rate);
  return {};
}

// Of everything that the bits depend on.
Digest key_of(const Digest& base, const Dataset& data, const TrainOptions& o) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", base.hex(),
                                 data.digest.hex(), o.lora.rank, o.lora.alpha, o.epochs,
                                 o.tokens_per_batch, o.accumulate, o.seed,
                                 o.optimizer.learning_rate, o.optimizer.beta1, o.optimizer.beta2,
                                 o.optimizer.epsilon, o.optimizer.weight_decay,
                                 o.optimizer.clip_norm, o.optimizer.warmup,
                                 o.optimizer.final_share, static_cast<int>(o.pass.precision));
  for (const bool target : o.lora.targets) text += target ? '1' : '0';
  for (const Example& e : data.examples) text += fmt::format(" {}", e.tokens.size());
  if (o.from) {
    for (const auto& [tensor, pair] : o.from->pairs) {
      const auto bytes = [](const std::vector<float>& v) {
        return std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
      };
      text += " " + sha256(bytes(pair.a)).hex() + sha256(bytes(pair.b)).hex();
    }
  }
  return sha256(text);
}

// All batches of all epochs, in order.
std::vector<Batch> schedule(const Dataset& data, const TrainOptions& o) {
  std::vector<Batch> out;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    std::vector<size_t> order(data.examples.size());
    std::iota(order.begin(), order.end(), size_t{0});
    Rng rng(o.seed + static_cast<uint64_t>(epoch));
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    for (Batch& batch : pack(data.examples, order, o.tokens_per_batch))
      out.push_back(std::move(batch));
  }
  return out;
}

}  // namespace

Result<TrainResult> train_decoder(const model::Decoder& decoder, const Digest& base,
                                  const Dataset& data, const TrainOptions& o,
                                  const std::filesystem::path& folder, const Clock& clock,
                                  std::stop_token stop,
                                  const std::function<void(const TrainProgress&)>& progress) {
  CONSORT_TRY(check_options(o));
  CONSORT_ASSIGN(LoraWeights weights, LoraWeights::create(decoder.config(), o.lora));
  weights.initialise(o.seed);
  if (o.from) CONSORT_TRY(weights.take(*o.from));
  const std::vector<Batch> batches = schedule(data, o);
  const auto n_batches = static_cast<int64_t>(batches.size());
  ThreadPool pool(o.n_threads);
  const auto pass = DecoderPass::create(decoder, o.lora, o.pass, pool);
  const auto step_of = [&](int64_t step) {
    const int64_t from = step * o.accumulate, to = std::min(n_batches, from + o.accumulate);
    int64_t labels = 0;
    for (int64_t b = from; b < to; ++b) labels += batches[static_cast<size_t>(b)].n_labels();
    pass->set_lora(weights);
    StepResult out;
    for (int64_t b = from; b < to; ++b) {
      const Batch& batch = batches[static_cast<size_t>(b)];
      out.loss += pass->loss(batch, 1.0f / static_cast<float>(labels), &weights);
      out.n_tokens += batch.tokens.size();
    }
    return out;
  };
  const LoopOptions loop{.key = key_of(base, data, o),
                         .steps = (n_batches + o.accumulate - 1) / o.accumulate,
                         .optimizer = o.optimizer,
                         .checkpoint_every = o.checkpoint_every,
                         .folder = folder};
  CONSORT_ASSIGN(LoopResult done, run_steps(loop, weights.values, weights.gradients, step_of, clock,
                                            std::move(stop), progress));
  return TrainResult{.weights = std::move(weights),
                     .losses = std::move(done.losses),
                     .resumed_at = done.resumed_at,
                     .n_tokens = done.n_tokens,
                     .seconds = done.seconds};
}

Result<double> mean_loss(const model::Decoder& decoder, const LoraWeights& weights,
                         const Dataset& data, const TrainOptions& o) {
  ThreadPool pool(o.n_threads);
  const auto pass = DecoderPass::create(decoder, weights.config(), o.pass, pool);
  pass->set_lora(weights);
  std::vector<size_t> order(data.examples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  double total = 0;
  for (const Batch& batch : pack(data.examples, order, o.tokens_per_batch))
    total += pass->loss(batch, 1.0f, nullptr);
  return total / static_cast<double>(data.n_labels());
}

}  // namespace consort::train

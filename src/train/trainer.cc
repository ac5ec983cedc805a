#include "train/trainer.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "train/checkpoint.h"

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
  AdamW adam(weights.values.size());
  const Digest key = key_of(base, data, o);
  const auto file = folder / "checkpoint.bin";
  TrainResult result;
  int64_t step = 0;
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    CONSORT_ASSIGN(Checkpoint saved, load_checkpoint(file, key));
    weights.values = std::move(saved.values);
    adam.first = std::move(saved.first);
    adam.second = std::move(saved.second);
    result.losses = std::move(saved.losses);
    adam.n_steps = result.resumed_at = step = saved.step;
  }
  const std::vector<Batch> batches = schedule(data, o);
  const auto n_batches = static_cast<int64_t>(batches.size());
  const int64_t steps = (n_batches + o.accumulate - 1) / o.accumulate;
  ThreadPool pool(o.n_threads);
  const auto pass = DecoderPass::create(decoder, o.lora, o.pass, pool);
  const auto save = [&]() -> Result<void> {
    if (o.checkpoint_every == 0) return {};
    return save_checkpoint(file,
                           {key, step, result.losses, weights.values, adam.first, adam.second});
  };
  const Nanoseconds begun = clock.monotonic();
  while (step < steps) {
    const int64_t from = step * o.accumulate, to = std::min(n_batches, from + o.accumulate);
    int64_t labels = 0;
    for (int64_t b = from; b < to; ++b) labels += batches[static_cast<size_t>(b)].n_labels();
    pass->set_lora(weights);
    std::fill(weights.gradients.begin(), weights.gradients.end(), 0.0f);
    double loss = 0;
    for (int64_t b = from; b < to; ++b) {
      const Batch& batch = batches[static_cast<size_t>(b)];
      loss += pass->loss(batch, 1.0f / static_cast<float>(labels), &weights);
      result.n_tokens += batch.tokens.size();
    }
    if (!std::isfinite(loss)) {
      return fail(make_error(ErrorCode::failed_precondition, 9003,
                             fmt::format("the loss of step {} is not a finite number", step + 1))
                      .to_fix("lower the learning rate; the last checkpoint is whole"));
    }
    auto updated = adam.step(o.optimizer, learning_rate_at(o.optimizer, step, steps),
                             weights.gradients, weights.values);
    if (!updated) return fail(std::move(updated).error());
    result.losses.push_back(loss);
    ++step;
    result.seconds = std::chrono::duration<double>(clock.monotonic() - begun).count();
    if (progress) {
      const double done = static_cast<double>(step - result.resumed_at);
      progress({step, steps, loss, static_cast<double>(result.n_tokens) / result.seconds,
                result.seconds / done * static_cast<double>(steps - step)});
    }
    const bool stopped = stop.stop_requested() && step < steps;
    if (stopped || step == steps || (o.checkpoint_every > 0 && step % o.checkpoint_every == 0))
      CONSORT_TRY(save());
    if (stopped) {
      return fail(make_error(ErrorCode::cancelled, 9005,
                             fmt::format("stopped after step {} of {}", step, steps))
                      .to_fix("the same command goes on from there"));
    }
  }
  result.weights = std::move(weights);
  return result;
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

#include "cli/train_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "cli/commands.h"
#include "contract/json.h"
#include "tensor/kernels.h"
#include "train/adapter_export.h"

namespace consort::cli {
namespace {

using contract::Value;

constexpr double kParityMax = 0.02;  // Relative difference of the losses where trained and served.
constexpr size_t kTogether = 32;     // Texts of one pass.

std::vector<std::vector<float>> vectors_of(const model::Encoder& encoder, ThreadPool& pool,
                                           std::span<const model::TextPair> texts) {
  model::EncoderRunner runner(encoder, pool, tensor::kernels(*tensor::choose_isa()));
  std::vector<std::vector<float>> out;
  for (size_t at = 0; at < texts.size(); at += kTogether)
    for (auto& v : runner.run(texts.subspan(at, std::min(kTogether, texts.size() - at))))
      out.push_back(std::move(v));
  return out;
}

model::AdapterFile adapter_of(const EncoderTraining& o, const model::Encoder& encoder,
                              const train::EncoderDataset& data,
                              const train::EncoderTrainResult& done) {
  model::AdapterFile adapter = done.lora.to_adapter("bert");
  adapter.base_sha256 = encoder.digest();
  adapter.metadata = {{"consort.base.name", o.model},
                      {"consort.data.sha256", data.digest.hex()},
                      {"consort.objective", std::string(train::name(data.objective))}};
  if (!o.licence.empty()) adapter.metadata["consort.licence"] = o.licence;
  if (done.head.n_labels == 0) return adapter;
  model::AdapterHead head;
  const bool classes = data.objective == train::Objective::classes;
  head.kind = classes ? model::AdapterHead::Kind::classes : model::AdapterHead::Kind::pairs;
  head.labels = classes ? data.labels : std::vector<std::string>{"score"};
  head.n_embd = done.head.width;
  const auto n = static_cast<std::ptrdiff_t>(done.head.n_labels);
  head.weight.assign(done.head_values.begin(), done.head_values.end() - n);
  head.bias.assign(done.head_values.end() - n, done.head_values.end());
  adapter.head = std::move(head);
  return adapter;
}

// The dev set as the head's logits, from the serving pass.
struct Judged {
  std::vector<std::vector<float>> logits;
  std::vector<int> labels;
};

// The largest probability at a temperature, and the class that has it.
std::pair<double, int> top_of(const std::vector<float>& logits, double temperature) {
  const auto top = std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float x : logits) total += std::exp((static_cast<double>(x) - *top) / temperature);
  return {1 / total, static_cast<int>(top - logits.begin())};
}

double nll(const Judged& dev, double temperature) {
  double sum = 0, n = 0;
  for (size_t i = 0; i < dev.labels.size(); ++i) {
    if (dev.labels[i] < 0) continue;
    const std::vector<float>& x = dev.logits[i];
    const double top = *std::max_element(x.begin(), x.end());
    double total = 0;
    for (const float v : x) total += std::exp((v - top) / temperature);
    sum += std::log(total) - (x[static_cast<size_t>(dev.labels[i])] - top) / temperature;
    ++n;
  }
  return n > 0 ? sum / n : 0;
}

// Temperature by likelihood (Guo et al. 2017), then the largest threshold that costs no more of the
// in-scope accuracy than allowed. What they do on dev is returned.
Value calibrate(const Judged& dev, double scope_cost, model::AdapterHead& head) {
  double low = -3, high = 3;  // log of the temperature; the likelihood has one minimum in it.
  for (int i = 0; i < 60; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    const bool below = nll(dev, std::exp(a)) < nll(dev, std::exp(b));
    (below ? high : low) = below ? b : a;
  }
  const double temperature = std::exp((low + high) / 2);
  std::vector<double> right, outside;  // Largest probabilities: of right answers, of outsiders.
  size_t inside = 0;
  for (size_t i = 0; i < dev.labels.size(); ++i) {
    const auto [p, best] = top_of(dev.logits[i], temperature);
    if (dev.labels[i] < 0) outside.push_back(p);
    inside += dev.labels[i] >= 0 ? 1 : 0;
    if (dev.labels[i] >= 0 && best == dev.labels[i]) right.push_back(p);
  }
  std::sort(right.begin(), right.end());
  std::sort(outside.begin(), outside.end());
  double threshold = 0;
  if (!outside.empty() && !right.empty()) {
    const auto lost = std::min(right.size() - 1, static_cast<size_t>(scope_cost * static_cast<double>(inside)));
    threshold = right[lost];
  }
  const double before = nll(dev, 1), after = nll(dev, temperature);
  for (float& v : head.weight) v = static_cast<float>(v / temperature);
  for (float& v : head.bias) v = static_cast<float>(v / temperature);
  head.threshold = threshold;
  const auto below = [&](const std::vector<double>& p) {
    return static_cast<double>(std::lower_bound(p.begin(), p.end(), threshold) - p.begin());
  };
  const double n = static_cast<double>(std::max<size_t>(inside, 1));
  return Value::object(
      {{"inside", static_cast<uint64_t>(inside)},
       {"outside", static_cast<uint64_t>(outside.size())},
       {"accuracy_without_threshold", static_cast<double>(right.size()) / n},
       {"accuracy", (static_cast<double>(right.size()) - below(right)) / n},
       {"outside_recall", outside.empty() ? Value() : Value(below(outside) / static_cast<double>(outside.size()))},
       {"temperature", temperature},
       {"threshold", threshold},
       {"nll_before", before},
       {"nll_after", after}});
}

Result<Value> calibrate_on(const EncoderTraining& o, const std::string& text, const model::Encoder& served,
                           const model::Tokenizer& tokenizer, ThreadPool& pool, model::AdapterHead& head) {
  CONSORT_ASSIGN(const train::EncoderDataset set,
                 train::read_encoder_dataset(text, o.dev, tokenizer, served.config(), head.labels));
  if (set.objective != train::Objective::classes)
    return fail(usage("--dev has rows of another form than --data").got(o.dev));
  const auto vectors = vectors_of(served, pool, set.texts);
  std::vector<float> values = head.weight;
  values.insert(values.end(), head.bias.begin(), head.bias.end());
  const train::HeadShape shape{static_cast<int>(head.labels.size()), head.n_embd, 1};
  Judged dev;
  for (const train::EncoderExample& e : set.examples) {
    dev.logits.push_back(train::head_forward(shape, values, vectors[static_cast<size_t>(e.queries[0])]));
    dev.labels.push_back(e.label);
  }
  return calibrate(dev, o.scope_cost, head);
}

Error apart(double trained, double served) {
  return make_error(ErrorCode::failed_precondition, 9033,
                    "the adapter's loss where it is served differs too much from where it was trained")
      .got(fmt::format("{:.4f} where trained, {:.4f} where served", trained, served))
      .to_fix("keep the weights as f32 (--adapter-type), or lower the learning rate");
}

}  // namespace

Result<Value> train_encoder_adapter(Context& context, const EncoderTraining& o,
                                    const std::filesystem::path& folder,
                                    const std::function<void(const train::TrainProgress&)>& progress) {
  const auto seconds = [begun = context.clock.monotonic(), &context]() {
    return std::chrono::duration<double>(context.clock.monotonic() - begun).count();
  };
  CONSORT_ASSIGN(const auto encoder, model::Encoder::load(folder));
  CONSORT_ASSIGN(const auto tokenizer, model::load_wordpiece(folder));
  CONSORT_ASSIGN(const std::string text, read_text(o.data));
  std::string dev_text;
  if (!o.dev.empty()) {
    CONSORT_ASSIGN(dev_text, read_text(o.dev));
  }
  CONSORT_ASSIGN(const train::EncoderDataset data,
                 train::read_encoder_dataset(text, o.data, *tokenizer, encoder->config()));
  if (!o.dev.empty() && data.objective != train::Objective::classes)
    return fail(usage("--dev calibrates classes alone").got(o.dev));
  say(context, fmt::format("{} rows ({}), {} texts, {} of them cut, {} labels", data.examples.size(),
                           train::name(data.objective), data.texts.size(), data.n_cut, data.labels.size()));
  const double loaded = seconds();
  CONSORT_ASSIGN(const train::EncoderTrainResult done,
                 train::train_encoder(*encoder, data, o.train, o.out, context.clock, context.stop.get_token(),
                                      progress));
  context.progress().finish();
  const double trained_at = seconds();
  model::AdapterFile adapter = adapter_of(o, *encoder, data, done);
  const auto weights = o.weights == "q8_0" ? model::AdapterWeights::q8_0
                       : o.weights == "f16" ? model::AdapterWeights::f16
                                            : model::AdapterWeights::f32;
  const std::filesystem::path file = std::filesystem::path(o.out) / "adapter.gguf";
  CONSORT_TRY(train::write_encoder_adapter_files(o.out, adapter, weights));
  // As it will be served: from the file that was written.
  CONSORT_ASSIGN(const model::AdapterFile written, model::load_adapter_file(file));
  CONSORT_ASSIGN(const auto served, encoder->with_adapter(written));
  ThreadPool pool(o.train.n_threads);
  const double loss_trained =
      train::first_batch_loss(data, o.train, done, train::training_vectors(*encoder, done, o.train, pool));
  const double loss_served = train::first_batch_loss(
      data, o.train, done, [&](std::span<const model::TextPair> texts) { return vectors_of(*served, pool, texts); });
  // A loss near zero is a small difference of large numbers.
  if (std::abs(loss_served - loss_trained) > kParityMax * std::max(loss_trained, 0.05))
    return fail(apart(loss_trained, loss_served));
  Value dev;
  if (!o.dev.empty()) {
    CONSORT_ASSIGN(dev, calibrate_on(o, dev_text, *served, *tokenizer, pool, *adapter.head));
    CONSORT_TRY(train::write_encoder_adapter_files(o.out, adapter, weights));
  }
  const train::LoopResult& loop = done.loop;
  contract::Array losses;
  for (const double loss : loop.losses) losses.push_back(Value(loss));
  return Value::object(
      {{"model", o.model},
       {"objective", train::name(data.objective)},
       {"examples", static_cast<uint64_t>(data.examples.size())},
       {"steps", static_cast<uint64_t>(loop.losses.size())},
       {"resumed_at", loop.resumed_at},
       {"tokens", loop.n_tokens},
       {"seconds", loop.seconds},
       {"tokens_per_second", loop.seconds > 0 ? static_cast<double>(loop.n_tokens) / loop.seconds : 0.0},
       {"first_loss", loop.losses.front()},
       {"last_loss", loop.losses.back()},
       {"parity", Value::object({{"trained", loss_trained}, {"served", loss_served}})},
       {"dev", std::move(dev)},
       {"adapter", file.string()},
       {"peft", (std::filesystem::path(o.out) / "peft").string()},
       {"stages", Value::object({{"data and model", loaded},
                                 {"training", trained_at - loaded},
                                 {"parity and calibration", seconds() - trained_at}})},
       {"losses", Value(std::move(losses))}});
}

}  // namespace consort::cli

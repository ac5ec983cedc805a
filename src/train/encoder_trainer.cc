#include "train/encoder_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/rng.h"

namespace consort::train {
namespace {

constexpr int kFirstOfClass = 20;  // Texts whose mean vector a class begins with.

Result<void> check_options(const EncoderTrainOptions& o) {
  const auto bad = [](const char* what, double value) {
    return fail(
        make_error(ErrorCode::invalid_argument, 9004, fmt::format("{} is out of range", what))
            .got(fmt::format("{}", value)));
  };
  if (o.epochs < 1 || o.epochs > 1000) return bad("the number of epochs", o.epochs);
  if (o.examples_per_batch < 1 || o.examples_per_batch > 4096)
    return bad("examples a batch", o.examples_per_batch);
  if (o.tokens_per_batch < 16 || o.tokens_per_batch > (1 << 16))
    return bad("tokens a batch", o.tokens_per_batch);
  if (!(o.optimizer.learning_rate > 0 && o.optimizer.learning_rate <= 1))
    return bad("the learning rate", o.optimizer.learning_rate);
  if (!(o.temperature >= 1e-3 && o.temperature <= 10)) return bad("the temperature", o.temperature);
  if (!(o.outside_weight >= 0 && o.outside_weight <= 1000))
    return bad("the weight of texts outside all classes", o.outside_weight);
  if (!(o.head_scale > 0 && o.head_scale <= 1000)) return bad("the head's scale", o.head_scale);
  return {};
}

// Of everything that the bits depend on.
Digest key_of(const model::Encoder& encoder, const EncoderDataset& data,
              const EncoderTrainOptions& o) {
  std::string text = fmt::format(
      "encoder {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", encoder.digest().hex(),
      data.digest.hex(), o.lora.rank, o.lora.alpha, o.epochs, o.examples_per_batch,
      o.tokens_per_batch, o.seed, o.optimizer.learning_rate, o.optimizer.beta1, o.optimizer.beta2,
      o.optimizer.epsilon, o.optimizer.weight_decay, o.optimizer.clip_norm, o.optimizer.warmup,
      o.optimizer.final_share, static_cast<int>(o.precision), o.temperature, o.outside_weight,
      o.head_scale);
  text += fmt::format(" {}", static_cast<int>(o.rank_loss));
  for (const bool target : o.lora.targets) text += target ? '1' : '0';
  return sha256(text);
}

// Some examples together, their texts each once.
class Step {
 public:
  void add(const EncoderDataset& data, size_t index) {
    const EncoderExample& e = data.examples[index];
    examples_.push_back(&e);
    for (const auto* list : {&e.queries, &e.documents})
      for (const int text : *list) {
        if (!rows_.emplace(text, static_cast<int>(rows_.size())).second) continue;
        texts_.push_back(text);
        n_tokens_ += static_cast<int>(data.texts[static_cast<size_t>(text)].ids.size());
      }
  }
  size_t n_examples() const { return examples_.size(); }
  int n_tokens() const { return n_tokens_; }
  const std::vector<int>& texts() const { return texts_; }  // In the order of the vectors.

  EncoderBatch batch(const EncoderDataset& data) const {
    EncoderBatch out;
    for (const int text : texts_) {
      const model::TextPair& pair = data.texts[static_cast<size_t>(text)];
      out.add(pair.ids, static_cast<size_t>(pair.n_first));
    }
    return out;
  }

  // Mean loss an item; its gradients are added where there is room for them.
  double loss(const EncoderDataset& data, const EncoderTrainOptions& o, const HeadShape& head,
              std::span<const float> head_values, int width, std::span<const float> vectors,
              std::span<float> d_vectors, std::span<float> d_head) const {
    if (data.objective == Objective::vectors) return contrast(o, width, vectors, d_vectors);
    const std::vector<float> logits = head_forward(head, head_values, vectors);
    std::vector<float> d_logits(logits.size());
    const double weight = 1.0 / static_cast<double>(examples_.size());
    double loss = 0;
    if (data.objective == Objective::classes) {
      std::vector<int> labels;
      for (const int text : texts_) labels.push_back(label_of(text));
      loss = class_loss(logits, labels, 1.0 / static_cast<double>(labels.size()), o.outside_weight,
                        d_logits);
    } else {
      size_t at = 0;  // The pairs of an example stand together.
      for (const EncoderExample* e : examples_) {
        const size_t n = e->documents.size();
        loss += rank_loss(o.rank_loss, std::span(logits).subspan(at, n), e->relevance, weight,
                          std::span(d_logits).subspan(at, n));
        at += n;
      }
    }
    head_backward(head, head_values, vectors, d_logits, d_vectors, d_head);
    return loss;
  }

 private:
  int label_of(int text) const {
    for (const EncoderExample* e : examples_)
      if (e->queries[0] == text) return e->label;
    return -1;
  }
  double contrast(const EncoderTrainOptions& o, int width, std::span<const float> vectors,
                  std::span<float> d_vectors) const {
    std::vector<ContrastiveItem> items;
    std::vector<int> documents;
    std::map<int, std::vector<int>> answers;  // Of each query: documents that answer it.
    for (const EncoderExample* e : examples_) {
      for (const int d : e->documents) documents.push_back(rows_.at(d));
      for (const int q : e->queries) answers[q].push_back(rows_.at(e->documents[0]));
    }
    std::sort(documents.begin(), documents.end());
    documents.erase(std::unique(documents.begin(), documents.end()), documents.end());
    for (const EncoderExample* e : examples_)
      for (const int q : e->queries) {
        ContrastiveItem item{rows_.at(q), rows_.at(e->documents[0]), {}};
        for (const int d : answers.at(q))
          if (d != item.positive) item.excluded.push_back(d);
        items.push_back(std::move(item));
      }
    return info_nce(vectors, width, items, documents, o.temperature,
                    1.0 / static_cast<double>(items.size()), d_vectors);
  }

  std::vector<const EncoderExample*> examples_;
  std::map<int, int> rows_;  // Of `vectors`, by text.
  std::vector<int> texts_;
  int n_tokens_ = 0;
};

// Examples in this order, as many together as the options allow.
std::vector<Step> steps_of(const EncoderDataset& data, std::span<const size_t> order,
                           const EncoderTrainOptions& o) {
  std::vector<Step> out;
  for (const size_t index : order) {
    Step grown = out.empty() ? Step() : out.back();
    grown.add(data, index);
    const bool fits = !out.empty() &&
                      grown.n_examples() <= static_cast<size_t>(o.examples_per_batch) &&
                      grown.n_tokens() <= o.tokens_per_batch;
    if (fits) {
      out.back() = std::move(grown);
    } else {
      out.emplace_back();
      out.back().add(data, index);
    }
  }
  return out;
}

std::vector<Step> schedule(const EncoderDataset& data, const EncoderTrainOptions& o) {
  std::vector<Step> out;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    std::vector<size_t> order(data.examples.size());
    std::iota(order.begin(), order.end(), size_t{0});
    Rng rng(o.seed + static_cast<uint64_t>(epoch));
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    for (Step& step : steps_of(data, order, o)) out.push_back(std::move(step));
  }
  return out;
}

// A class begins as the mean of the base's vectors of some of its texts.
void begin_head(EncoderPass& pass, const EncoderDataset& data, const EncoderTrainOptions& o,
                const HeadShape& head, std::span<float> values) {
  std::vector<int> seen(data.labels.size());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < data.examples.size(); ++i) {
    const int label = data.examples[i].label;
    if (label >= 0 && seen[static_cast<size_t>(label)]++ < kFirstOfClass) chosen.push_back(i);
  }
  const auto width = static_cast<size_t>(head.width);
  for (const Step& step : steps_of(data, chosen, o)) {
    const auto vectors = pass.forward(step.batch(data), false);
    for (size_t i = 0; i < step.texts().size(); ++i) {
      const auto of_text = std::find_if(data.examples.begin(), data.examples.end(), [&](const auto& e) {
        return e.queries[0] == step.texts()[i];
      });
      float* const row = values.data() + static_cast<size_t>(of_text->label) * width;
      for (size_t j = 0; j < width; ++j) row[j] += vectors[i * width + j];
    }
  }
  for (size_t l = 0; l < data.labels.size(); ++l) {
    float* const row = values.data() + l * width;
    double squares = 0;
    for (size_t j = 0; j < width; ++j) squares += static_cast<double>(row[j]) * row[j];
    const auto inverse = static_cast<float>(1 / std::max(std::sqrt(squares), 1e-12));
    for (size_t j = 0; j < width; ++j) row[j] *= inverse;
  }
}

}  // namespace

Result<EncoderTrainResult> train_encoder(const model::Encoder& encoder, const EncoderDataset& data,
                                         const EncoderTrainOptions& o,
                                         const std::filesystem::path& folder, const Clock& clock,
                                         std::stop_token stop,
                                         const std::function<void(const TrainProgress&)>& progress) {
  CONSORT_TRY(check_options(o));
  CONSORT_ASSIGN(LoraWeights weights, LoraWeights::create(encoder.config(), o.lora));
  weights.initialise(o.seed);
  const int width = encoder.config().n_embd;
  const HeadShape head{.n_labels = data.objective == Objective::classes
                                       ? static_cast<int>(data.labels.size())
                                   : data.objective == Objective::pairs ? 1
                                                                        : 0,
                       .width = width,
                       .scale = o.head_scale};
  // One flat vector: LoRA, then the head.
  const size_t n_lora = weights.values.size();
  weights.values.resize(n_lora + head.n_values());
  weights.gradients.resize(weights.values.size());
  ThreadPool pool(o.n_threads);
  const auto pass = EncoderPass::create(encoder, o.lora, o.precision, pool);
  if (data.objective == Objective::classes) {
    pass->set_lora(weights);
    begin_head(*pass, data, o, head, std::span(weights.values).subspan(n_lora));
  }
  const std::vector<Step> steps = schedule(data, o);
  std::vector<float> d_vectors;
  const auto step_of = [&](int64_t index) {
    const Step& step = steps[static_cast<size_t>(index)];
    const EncoderBatch batch = step.batch(data);
    pass->set_lora(weights);
    const auto vectors = pass->forward(batch, true);
    d_vectors.assign(vectors.size(), 0.0f);
    StepResult out;
    out.n_tokens = batch.tokens.size();
    out.loss = step.loss(data, o, head, std::span(weights.values).subspan(n_lora), width, vectors,
                         d_vectors, std::span(weights.gradients).subspan(n_lora));
    pass->backward(d_vectors, weights);
    return out;
  };
  const LoopOptions loop{.key = key_of(encoder, data, o),
                         .steps = static_cast<int64_t>(steps.size()),
                         .optimizer = o.optimizer,
                         .checkpoint_every = o.checkpoint_every,
                         .folder = folder};
  CONSORT_ASSIGN(LoopResult done, run_steps(loop, weights.values, weights.gradients, step_of, clock,
                                            std::move(stop), progress));
  EncoderTrainResult out{std::move(weights), head, {}, std::move(done)};
  out.head_values.assign(out.lora.values.begin() + static_cast<std::ptrdiff_t>(n_lora),
                         out.lora.values.end());
  for (size_t i = 0; i + static_cast<size_t>(head.n_labels) < out.head_values.size(); ++i)
    out.head_values[i] *= head.scale;
  out.head.scale = 1;
  out.lora.values.resize(n_lora);
  out.lora.gradients.resize(n_lora);
  return out;
}

double first_batch_loss(const EncoderDataset& data, const EncoderTrainOptions& o,
                        const EncoderTrainResult& trained, const VectorsOf& run) {
  std::vector<size_t> order(
      std::min(data.examples.size(), static_cast<size_t>(o.examples_per_batch)));
  std::iota(order.begin(), order.end(), size_t{0});
  const Step step = steps_of(data, order, o)[0];
  std::vector<model::TextPair> texts;
  for (const int text : step.texts()) texts.push_back(data.texts[static_cast<size_t>(text)]);
  std::vector<float> vectors;
  for (const std::vector<float>& v : run(texts)) vectors.insert(vectors.end(), v.begin(), v.end());
  std::vector<float> d_vectors(vectors.size()), d_head(trained.head_values.size());
  return step.loss(data, o, trained.head, trained.head_values, trained.head.width, vectors,
                   d_vectors, d_head);
}

VectorsOf training_vectors(const model::Encoder& encoder, const EncoderTrainResult& trained,
                           const EncoderTrainOptions& o, ThreadPool& pool) {
  std::shared_ptr<EncoderPass> pass = EncoderPass::create(encoder, o.lora, o.precision, pool);
  pass->set_lora(trained.lora);
  return [pass, width = static_cast<size_t>(encoder.config().n_embd)](
             std::span<const model::TextPair> texts) {
    EncoderBatch batch;
    for (const model::TextPair& t : texts) batch.add(t.ids, static_cast<size_t>(t.n_first));
    const auto flat = pass->forward(batch, false);
    std::vector<std::vector<float>> out;
    for (size_t i = 0; i < texts.size(); ++i)
      out.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(i * width),
                       flat.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
    return out;
  };
}

}  // namespace consort::train

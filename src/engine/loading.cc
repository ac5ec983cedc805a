// Models and adapters in and out. Reading, packing and trying run beside the engine's thread, so
// others decode on.
#include <pthread.h>
#include <sched.h>

#include <cmath>

#include "engine/state.h"
#include "model/adapter_file.h"

namespace consort::engine {
namespace {

Error over_budget(const ByteBudget& budget, uint64_t bytes) {
  return make_error(ErrorCode::resource_exhausted, 4101, "loading goes beyond the memory budget")
      .got(std::to_string((budget.used() + bytes) >> 20) + " MiB of " +
           std::to_string(budget.max() >> 20) + " MiB")
      .to_fix("raise memory_bytes_max, or unload a model");
}

// Runs on a thread that the system lets work only while no other wants to, so that streams which
// decode meanwhile keep both cores.
template <typename Body>
void at_idle_priority(Body&& body) {
  std::thread([&] {
    const sched_param none{};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);  // Refused: then as any thread.
    body();
  }).join();
}

Error does_not_fit(const std::filesystem::path& path, std::string message, std::string_view value) {
  return make_error(ErrorCode::failed_precondition, 4106, std::move(message))
      .at(path.string())
      .got(value)
      .to_fix("load the adapter on the base model that it was trained for");
}

// An adapter that binds to its base and changes what it says.
struct AdapterCandidate {
  std::unique_ptr<const model::DecoderAdapter> weights;
  std::vector<int32_t> invocation;
  Digest digest;
  int rank = 0;
  std::vector<float> base;  // The base's logits of the probe.
};

// Logits after each of a few tokens, read apart from the batch: a row's bits do not depend on
// where it is computed. The adapter acts from the first token on, whatever invokes it.
std::vector<float> probe(const LoadedModel& model, const model::DecoderAdapter* adapter,
                         const tensor::Kernels& kernels) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 4; ++i) tokens.push_back((i * 7919 + 17) % model.info.n_vocab);
  tensor::AlignedBytes page(model.decoder->page_bytes());
  uint8_t* const pages[] = {page.data()};
  ThreadPool alone(1);
  model::DecoderRunner runner(*model.decoder, alone, kernels);
  const model::Segment segment{.tokens = tokens,
                               .position = 0,
                               .pages = pages,
                               .adapter = adapter,
                               .n_outputs = static_cast<int>(tokens.size())};
  runner.forward({&segment, 1});
  const auto logits = runner.logits(0, segment.n_outputs);
  return {logits.begin(), logits.end()};
}

// Reads, packs and tries it: an adapter that changes nothing is not the one that someone meant.
// `base`: the base's logits of the probe, when known.
Result<AdapterCandidate> read_and_try(const LoadedModel& model, const std::filesystem::path& path,
                                      std::vector<float> base, const tensor::Kernels& kernels) {
  AdapterCandidate out;
  CONSORT_ASSIGN(
      model::AdapterFile file,
      model::load_adapter_file(path, model::PeftBase{.architecture = model.info.architecture,
                                                     .n_head = model.n_head,
                                                     .n_head_kv = model.n_head_kv}));
  if (file.base_sha256 && *file.base_sha256 != model.info.digest) {
    return fail(does_not_fit(path, "the adapter names another base", file.base_sha256->hex()));
  }
  for (const int32_t t : file.invocation_tokens) {
    if (t < 0 || t >= model.info.n_vocab) {
      return fail(
          does_not_fit(path, "an invocation token is outside the vocabulary", std::to_string(t)));
    }
  }
  auto bound = model::DecoderAdapter::bind(*model.decoder, file);
  if (!bound) return fail(std::move(bound).error().at(path.string()));
  out.weights = std::move(*bound);
  out.invocation = std::move(file.invocation_tokens);
  out.digest = file.digest;
  out.rank = file.rank;
  out.base = base.empty() ? probe(model, nullptr, kernels) : std::move(base);
  const std::vector<float> with = probe(model, out.weights.get(), kernels);
  if (out.base == with) {
    return fail(
        does_not_fit(path, "the adapter does not change the model's logits", path.string()));
  }
  for (const float v : with) {
    if (!std::isfinite(v)) {
      return fail(
          does_not_fit(path, "the adapter makes the model's logits infinite", path.string()));
    }
  }
  return out;
}

}  // namespace

Result<ModelInfo> Engine::load_model(std::string name, const std::filesystem::path& path) {
  auto made = std::make_shared<LoadedModel>(state_->budget);
  made->info.name = name;
  if (std::filesystem::is_directory(path)) {
    CONSORT_ASSIGN(made->encoder, model::Encoder::load(path));
    CONSORT_ASSIGN(made->tokenizer, model::load_wordpiece(path));
    const model::EncoderConfig& c = made->encoder->config();
    if (made->tokenizer->n_vocab() > static_cast<size_t>(c.n_vocab)) {
      return fail(
          make_error(ErrorCode::corruption, 4114, "the tokenizer has more tokens than the model")
              .at(path.string()));
    }
    made->info = {.name = name,
                  .digest = made->encoder->digest(),
                  .architecture = "bert",
                  .n_ctx = c.tokens_max,
                  .n_embd = c.n_embd,
                  .n_vocab = c.n_vocab,
                  .resident_bytes = made->encoder->resident_bytes(),
                  .is_encoder = true};
  } else {
    CONSORT_ASSIGN(const auto file, model::GgufFile::open(path));
    CONSORT_ASSIGN(made->decoder, model::Decoder::load(*file, state_->options.n_threads));
    CONSORT_ASSIGN(made->tokenizer, model::load_tokenizer(*file));
    const model::DecoderConfig& c = made->decoder->config();
    if (made->tokenizer->n_vocab() > static_cast<size_t>(c.n_vocab)) {
      return fail(
          make_error(ErrorCode::corruption, 4114, "the tokenizer has more tokens than the model")
              .at(path.string()));
    }
    CONSORT_ASSIGN(made->chat, model::ChatFormat::load(*file, *made->tokenizer));
    made->info = {.name = name,
                  .digest = file->digest(),
                  .architecture = c.architecture,
                  .n_ctx = c.n_ctx,
                  .n_embd = c.n_embd,
                  .n_vocab = c.n_vocab,
                  .resident_bytes = made->decoder->resident_bytes(),
                  .is_encoder = false};
    made->n_head = c.n_head;
    made->n_head_kv = c.n_head_kv;
  }
  std::lock_guard lock(state_->mutex);
  if (const auto at = state_->models.find(name); at != state_->models.end()) {
    if (at->second->info.digest == made->info.digest) return at->second->info;
    return fail(
        make_error(ErrorCode::already_exists, 4115, "another model is loaded under this name")
            .got(name)
            .to_fix("unload it first"));
  }
  if (!state_->budget.try_add(made->info.resident_bytes))
    return fail(over_budget(state_->budget, made->info.resident_bytes));
  made->charged = made->info.resident_bytes;
  state_->models[name] = made;
  return made->info;
}

Result<void> Engine::unload_model(std::string_view name) {
  std::shared_ptr<LoadedModel> gone;  // Freed after the lock is let go.
  std::lock_guard lock(state_->mutex);
  const auto at = state_->models.find(name);
  if (at == state_->models.end())
    return fail(make_error(ErrorCode::not_found, 4109, "no such model is loaded").got(name));
  if (at->second.use_count() > 1) {
    return fail(make_error(ErrorCode::failed_precondition, 4105, "the model is in use")
                    .got(name)
                    .to_fix("wait for its requests to end"));
  }
  gone = std::move(at->second);
  state_->models.erase(at);
  return {};
}

Result<AdapterInfo> Engine::load_adapter(std::string name, std::string_view model_name,
                                         const std::filesystem::path& path) {
  CONSORT_ASSIGN(const auto model, state_->find_model(model_name));
  if (!model->decoder) {
    return fail(does_not_fit(path, "adapters for encoders are not supported", model_name));
  }
  if (name.empty()) return fail(invalid_request("an adapter needs a name", "", "give a name"));
  std::vector<float> base;  // Known since the first adapter of this model.
  {
    std::lock_guard lock(state_->mutex);
    base = model->probe;
  }
  Result<AdapterCandidate> tried = fail(Error());
  at_idle_priority([&] { tried = read_and_try(*model, path, std::move(base), state_->kernels); });
  if (!tried) return fail(std::move(tried).error());
  auto made = std::make_shared<LoadedAdapter>();
  made->weights = std::move(tried->weights);
  made->invocation = std::move(tried->invocation);
  made->info = {.name = name,
                .model = std::string(model_name),
                .digest = tried->digest,
                .rank = tried->rank,
                .resident_bytes = made->weights->resident_bytes()};
  std::lock_guard lock(state_->mutex);
  if (model->probe.empty()) model->probe = std::move(tried->base);
  if (const auto at = model->adapters.find(name); at != model->adapters.end()) {
    if (at->second->info.digest == made->info.digest) return at->second->info;
    return fail(
        make_error(ErrorCode::already_exists, 4115, "another adapter is loaded under this name")
            .got(name)
            .to_fix("unload it first"));
  }
  if (!state_->budget.try_add(made->info.resident_bytes))
    return fail(over_budget(state_->budget, made->info.resident_bytes));
  model->charged += made->info.resident_bytes;
  made->id = state_->next_adapter_id++;
  model->adapters[name] = made;
  return made->info;
}

Result<void> Engine::unload_adapter(std::string_view name, std::string_view model_name) {
  CONSORT_ASSIGN(const auto model, state_->find_model(model_name));
  std::shared_ptr<const LoadedAdapter> gone;  // Freed after the lock is let go.
  std::lock_guard lock(state_->mutex);
  const auto at = model->adapters.find(name);
  if (at == model->adapters.end())
    return fail(make_error(ErrorCode::not_found, 4110, "no such adapter is loaded on this model")
                    .got(name));
  if (at->second.use_count() > 1) {
    return fail(make_error(ErrorCode::failed_precondition, 4105, "the adapter is in use")
                    .got(name)
                    .to_fix("wait for its requests to end"));
  }
  state_->budget.remove(at->second->info.resident_bytes);
  model->charged -= at->second->info.resident_bytes;
  state_->forgotten.emplace_back(model, at->second->id);
  gone = std::move(at->second);
  model->adapters.erase(at);
  state_->wake.notify_one();
  return {};
}

}  // namespace consort::engine

// Models and adapters in and out. Reading and packing run on the caller's thread, so others decode
// on.
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
  std::shared_ptr<LoadedModel> gone;
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
  const auto refuse = [&](std::string message, std::string_view value) {
    return fail(make_error(ErrorCode::failed_precondition, 4106, std::move(message))
                    .at(path.string())
                    .got(value)
                    .to_fix("load the adapter on the base model that it was trained for"));
  };
  if (!model->decoder) return refuse("adapters for encoders are not supported", model_name);
  if (name.empty()) return fail(invalid_request("an adapter needs a name", "", "give a name"));
  Result<model::AdapterFile> read = fail(Error());
  Result<std::unique_ptr<const model::DecoderAdapter>> bound = fail(Error());
  at_idle_priority([&] {
    read = model::load_adapter_file(path, model::PeftBase{.architecture = model->info.architecture,
                                                          .n_head = model->n_head,
                                                          .n_head_kv = model->n_head_kv});
    if (read) bound = model::DecoderAdapter::bind(*model->decoder, *read);
  });
  if (!read) return fail(std::move(read).error());
  const model::AdapterFile& file = *read;
  if (file.base_sha256 && *file.base_sha256 != model->info.digest) {
    return refuse("the adapter names another base", file.base_sha256->hex());
  }
  for (const int32_t t : file.invocation_tokens) {
    if (t < 0 || t >= model->info.n_vocab) {
      return refuse("an invocation token is outside the vocabulary", std::to_string(t));
    }
  }
  auto made = std::make_shared<LoadedAdapter>();
  if (!bound) return fail(std::move(bound).error().at(path.string()));
  made->weights = std::move(*bound);
  made->invocation = file.invocation_tokens;
  made->info = {.name = name,
                .model = std::string(model_name),
                .digest = file.digest,
                .rank = file.rank,
                .resident_bytes = made->weights->resident_bytes()};
  {
    std::lock_guard lock(state_->mutex);
    if (const auto at = model->adapters.find(name); at != model->adapters.end()) {
      if (at->second->info.digest == made->info.digest) return at->second->info;
      return fail(
          make_error(ErrorCode::already_exists, 4115, "another adapter is loaded under this name")
              .got(name)
              .to_fix("unload it first"));
    }
    made->id = state_->next_adapter_id++;
  }
  // The probe: an adapter that changes nothing is not the adapter that someone meant.
  const auto probe =
      [&](const std::shared_ptr<const LoadedAdapter>& adapter) -> Result<std::vector<float>> {
    Task task;
    task.kind = Task::Kind::rows;
    task.model = model;
    task.adapter = adapter;  // From the first token on, whatever invokes it.
    for (int i = 0; i < 4; ++i) task.prompt.push_back((i * 7919 + 17) % model->info.n_vocab);
    std::vector<float> logits;
    task.on_row = [&](int, std::span<const float> row) {
      logits.insert(logits.end(), row.begin(), row.end());
    };
    CONSORT_TRY(state_->submit(task));
    return logits;
  };
  std::vector<float> without;
  {
    std::lock_guard lock(state_->mutex);
    without = model->probe;
  }
  if (without.empty()) {
    CONSORT_ASSIGN(without, probe(nullptr));
    std::lock_guard lock(state_->mutex);
    model->probe = without;
  }
  CONSORT_ASSIGN(const std::vector<float> with, probe(made));
  if (without == with) return refuse("the adapter does not change the model's logits", name);
  for (const float v : with) {
    if (!std::isfinite(v)) return refuse("the adapter makes the model's logits infinite", name);
  }
  std::lock_guard lock(state_->mutex);
  if (model->adapters.contains(name)) {
    return fail(
        make_error(ErrorCode::already_exists, 4115, "another adapter is loaded under this name")
            .got(name)
            .to_fix("unload it first"));
  }
  if (!state_->budget.try_add(made->info.resident_bytes))
    return fail(over_budget(state_->budget, made->info.resident_bytes));
  model->charged += made->info.resident_bytes;
  model->adapters[name] = made;
  return made->info;
}

Result<void> Engine::unload_adapter(std::string_view name, std::string_view model_name) {
  CONSORT_ASSIGN(const auto model, state_->find_model(model_name));
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
  model->adapters.erase(at);
  state_->wake.notify_one();
  return {};
}

}  // namespace consort::engine

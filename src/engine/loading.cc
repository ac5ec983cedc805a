// Models and adapters in and out. Reading, packing and trying run beside the engine's thread, so
// others decode on.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <cmath>

#include "engine/state.h"
#include "model/adapter_file.h"

namespace consort::engine {
namespace {

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
  std::unique_ptr<const model::Encoder> encoder;
  std::optional<model::AdapterHead> head;
  std::vector<int32_t> invocation;
  Digest digest;
  int rank = 0;
  uint64_t resident_bytes() const {
    return encoder ? encoder->layer_bytes() : weights->resident_bytes();
  }
  std::shared_ptr<LoadedAdapter> loaded() && {
    auto made = std::make_shared<LoadedAdapter>();
    made->weights = std::move(weights);
    made->encoder = std::move(encoder);
    made->head = std::move(head);
    made->invocation = std::move(invocation);
    return made;
  }
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

// The vector of a few tokens, and what the head says of it.
std::vector<float> probe(const model::Encoder& encoder, const tensor::Kernels& kernels) {
  std::vector<std::vector<int32_t>> tokens(1);
  for (int i = 0; i < 4; ++i) tokens[0].push_back((i * 7919 + 17) % encoder.config().n_vocab);
  ThreadPool alone(1);
  return model::EncoderRunner(encoder, alone, kernels).run(tokens)[0];
}

Result<void> check_changes(const std::filesystem::path& path, const std::vector<float>& base,
                           const std::vector<float>& with, std::string_view what) {
  if (base == with) {
    return fail(does_not_fit(path, fmt::format("the adapter does not change the model's {}", what),
                             path.string()));
  }
  for (const float v : with) {
    if (!std::isfinite(v)) {
      return fail(does_not_fit(path, fmt::format("the adapter makes the model's {} infinite", what),
                               path.string()));
    }
  }
  return {};
}

// Reads, packs and, with `tries`, tries it: an adapter that changes nothing is not the one that
// someone meant. `base`: the base's logits of the probe, when known.
Result<AdapterCandidate> read_and_try(const LoadedModel& model, const std::filesystem::path& path,
                                      bool tries, std::vector<float> base,
                                      const tensor::Kernels& kernels) {
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
  out.digest = file.digest;
  out.rank = file.rank;
  if (model.encoder) {
    auto merged = model.encoder->with_adapter(file);
    if (!merged) return fail(std::move(merged).error().at(path.string()));
    out.encoder = std::move(*merged);
    out.head = std::move(file.head);
    if (!tries) return out;
    out.base = base.empty() ? probe(*model.encoder, kernels) : std::move(base);
    CONSORT_TRY(check_changes(path, out.base, probe(*out.encoder, kernels), "vectors"));
    return out;
  }
  if (file.head) return fail(does_not_fit(path, "a decoder's adapter has no head", path.string()));
  auto bound = model::DecoderAdapter::bind(*model.decoder, file);
  if (!bound) return fail(std::move(bound).error().at(path.string()));
  out.weights = std::move(*bound);
  out.invocation = std::move(file.invocation_tokens);
  if (!tries) return out;
  out.base = base.empty() ? probe(model, nullptr, kernels) : std::move(base);
  CONSORT_TRY(check_changes(path, out.base, probe(model, out.weights.get(), kernels), "logits"));
  return out;
}

uint64_t file_bytes(const std::filesystem::path& path) {
  std::error_code none;
  uint64_t bytes = 0;
  if (!std::filesystem::is_directory(path, none)) {
    bytes = std::filesystem::file_size(path, none);
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(path, none)) {
      if (entry.path().extension() == ".safetensors") bytes += entry.file_size(none);
    }
  }
  return none ? 0 : bytes;
}

Error changed(const std::filesystem::path& path, std::string_view name) {
  return make_error(ErrorCode::failed_precondition, 4121,
                    "the file has changed since it was loaded")
      .at(path.string())
      .got(name)
      .to_fix("unload it and load it again, or restore the file");
}

Result<std::shared_ptr<LoadedModel>> read_model(ByteBudget& budget, const std::string& name,
                                                const std::filesystem::path& path, int n_threads) {
  auto made = std::make_shared<LoadedModel>(budget);
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
    CONSORT_ASSIGN(made->decoder, model::Decoder::load(*file, n_threads));
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
  return made;
}

}  // namespace

Error over_budget(const ByteBudget& budget, std::string_view what, uint64_t bytes) {
  const auto mib = [](uint64_t n) { return std::to_string((n + (1 << 20) - 1) >> 20); };
  const uint64_t lacking = budget.lacking(bytes);
  return make_error(ErrorCode::resource_exhausted, 4101, std::string(what))
      .got(mib(bytes) + " MiB beside " + mib(budget.used() + budget.promised()) +
           " MiB in use, of " + mib(budget.max()) + " MiB")
      .to_fix("raise the memory budget (--memory, memory_bytes_max) by at least " + mib(lacking) +
              " MiB, to " + mib(budget.max() + lacking) + " MiB");
}

Result<ModelInfo> Engine::load_model(std::string name, const std::filesystem::path& path) {
  State& state = *state_;
  std::lock_guard loading(state.loading);
  const auto find_known = [&]() -> const KnownModel* {
    std::lock_guard lock(state.mutex);
    const auto at = state.known.find(name);
    return at == state.known.end() ? nullptr : &at->second;  // Gone only under `loading`.
  };
  const KnownModel* known = find_known();
  // The file is nearly all of what it will take; what a graph is about to use stays.
  const RoomRule rule{.spares = 2, .prefixes = true};
  const std::string what = "loading '" + name + "' goes beyond the memory budget";
  const uint64_t guess = known != nullptr ? 0 : file_bytes(path);
  CONSORT_ASSIGN(State::Reservation room, state.reserve(guess, what, rule));
  auto read = read_model(state.budget, name, path, state.options.n_threads);
  if (!read) return fail(std::move(read).error());
  const uint64_t bytes = (*read)->info.resident_bytes;
  if (known != nullptr) {
    if (known->info.digest == (*read)->info.digest) return known->info;
    return fail(
        make_error(ErrorCode::already_exists, 4115, "another model is loaded under this name")
            .got(name)
            .to_fix("unload it first"));
  }
  room.shrink(std::min(bytes, guess));
  CONSORT_ASSIGN(State::Reservation more,
                 state.reserve(bytes - std::min(bytes, guess), what, rule));
  std::lock_guard lock(state.mutex);
  (*read)->charged = room.keep_locked() + more.keep_locked();
  state.known[name] = {
      .path = path, .info = (*read)->info, .used = ++state.now, .vocabulary = {}, .adapters = {}};
  state.models[name] = *read;
  ++state.stats.n_loads;
  return (*read)->info;
}

Result<std::shared_ptr<LoadedModel>> Engine::State::bring_model(std::string_view name,
                                                                RoomRule rule) {
  const auto find = [&]() -> Result<std::shared_ptr<LoadedModel>> {
    std::lock_guard lock(mutex);
    const auto at = known.find(name);
    if (at == known.end()) {
      return fail(make_error(ErrorCode::not_found, 4109, "no such model is loaded")
                      .got(name)
                      .to_fix("load it first"));
    }
    if (rule.prefixes) at->second.used = ++now;  // Asked for, not fetched ahead.
    const auto resident = models.find(name);
    return resident == models.end() ? nullptr : resident->second;
  };
  CONSORT_ASSIGN(auto found, find());
  if (found) return found;
  std::lock_guard one_at_a_time(loading);
  CONSORT_ASSIGN(found, find());
  if (found) return found;
  KnownModel source;
  {
    std::lock_guard lock(mutex);
    const KnownModel& k = known.find(name)->second;
    source = {
        .path = k.path, .info = k.info, .used = 0, .vocabulary = k.vocabulary, .adapters = {}};
  }
  const uint64_t bytes = source.info.resident_bytes;
  CONSORT_ASSIGN(
      Reservation room,
      reserve(bytes, "reading '" + source.info.name + "' again goes beyond the memory budget",
              rule));
  auto read = read_model(budget, source.info.name, source.path, options.n_threads);
  if (!read) return fail(std::move(read).error());
  if ((*read)->info.digest != source.info.digest) return fail(changed(source.path, name));
  (*read)->vocabulary = source.vocabulary;
  std::lock_guard lock(mutex);
  (*read)->charged = room.keep_locked();
  models[source.info.name] = *read;
  ++stats.n_loads;
  return *read;
}

Result<void> Engine::unload_model(std::string_view name) {
  std::shared_ptr<LoadedModel> gone;  // Freed after the lock is let go.
  State& state = *state_;
  for (;;) {
    std::unique_lock loading(state.loading);
    std::unique_lock lock(state.mutex);
    const auto at = state.known.find(name);
    if (at == state.known.end())
      return fail(make_error(ErrorCode::not_found, 4109, "no such model is loaded").got(name));
    const auto resident = state.models.find(name);
    if (resident != state.models.end() && resident->second.use_count() > 1) {
      if (state.looking && !state.stopping) {  // It may be the loader, about to read an adapter.
        loading.unlock();
        state.finished.wait(lock, [&] { return !state.looking || state.stopping; });
        continue;
      }
      return fail(make_error(ErrorCode::failed_precondition, 4105, "the model is in use")
                      .got(name)
                      .to_fix("wait for its requests to end"));
    }
    if (resident != state.models.end()) {
      gone = std::move(resident->second);
      state.models.erase(resident);
    }
    if (at->second.vocabulary) state.masks.forget(at->second.vocabulary.get());
    state.known.erase(at);
    return {};
  }
}

Result<AdapterInfo> Engine::load_adapter(std::string name, std::string_view model_name,
                                         const std::filesystem::path& path) {
  State& state = *state_;
  CONSORT_ASSIGN(const auto model, state.find_model(model_name));
  if (name.empty()) return fail(invalid_request("an adapter needs a name", "", "give a name"));
  std::vector<float> base;  // Known since the first adapter of this model.
  {
    std::lock_guard lock(state.mutex);
    base = model->probe;
  }
  Result<AdapterCandidate> tried = fail(Error());
  at_idle_priority(
      [&] { tried = read_and_try(*model, path, true, std::move(base), state.kernels); });
  if (!tried) return fail(std::move(tried).error());
  const AdapterInfo info{.name = name,
                         .model = std::string(model_name),
                         .digest = tried->digest,
                         .rank = tried->rank,
                         .resident_bytes = tried->resident_bytes()};
  std::vector<float> probed = std::move(tried->base);
  const auto made = std::move(*tried).loaded();
  made->info = info;
  // Nothing waits for one who only reads.
  std::lock_guard loading(state.loading);
  {
    std::lock_guard lock(state.mutex);
    const KnownModel& known = state.known.find(model_name)->second;
    if (model->probe.empty()) model->probe = std::move(probed);
    if (const auto at = known.adapters.find(name); at != known.adapters.end()) {
      if (at->second.info.digest == made->info.digest) return at->second.info;
      return fail(
          make_error(ErrorCode::already_exists, 4115, "another adapter is loaded under this name")
              .got(name)
              .to_fix("unload it first"));
    }
  }
  CONSORT_ASSIGN(State::Reservation room,
                 state.reserve(made->info.resident_bytes,
                               "loading '" + name + "' goes beyond the memory budget",
                               {.spares = 2, .prefixes = true}));
  std::lock_guard lock(state.mutex);
  model->charged += room.keep_locked();
  made->id = state.next_adapter_id++;
  model->adapters[name] = made;
  state.known.find(model_name)->second.adapters[name] = {
      .path = path, .info = made->info, .id = made->id, .used = ++state.now};
  ++state.stats.n_loads;
  return made->info;
}

Result<std::shared_ptr<const LoadedAdapter>> Engine::State::bring_adapter(
    const std::shared_ptr<LoadedModel>& model, std::string_view name, RoomRule rule) {
  KnownAdapter source;
  const auto find = [&]() -> Result<std::shared_ptr<const LoadedAdapter>> {
    std::lock_guard lock(mutex);
    const auto base = known.find(model->info.name);
    const auto end = base == known.end() ? decltype(KnownModel::adapters)::iterator()
                                         : base->second.adapters.find(name);
    if (base == known.end() || end == base->second.adapters.end()) {
      return fail(make_error(ErrorCode::not_found, 4110, "no such adapter is loaded on this model")
                      .got(name)
                      .to_fix("load it first"));
    }
    if (rule.prefixes) end->second.used = ++now;
    source = end->second;
    const auto resident = model->adapters.find(name);
    return resident == model->adapters.end() ? nullptr : resident->second;
  };
  CONSORT_ASSIGN(auto found, find());
  if (found) return found;
  std::lock_guard one_at_a_time(loading);
  CONSORT_ASSIGN(found, find());
  if (found) return found;
  const uint64_t bytes = source.info.resident_bytes;
  CONSORT_ASSIGN(
      Reservation room,
      reserve(bytes, "reading '" + source.info.name + "' again goes beyond the memory budget",
              rule));
  auto read = read_and_try(*model, source.path, false, {}, kernels);
  if (!read) return fail(std::move(read).error());
  if (read->digest != source.info.digest) return fail(changed(source.path, name));
  auto made = std::move(*read).loaded();
  made->id = source.id;  // The same weights: known prefixes stay true.
  made->info = source.info;
  std::lock_guard lock(mutex);
  model->charged += room.keep_locked();
  model->adapters[source.info.name] = made;
  ++stats.n_loads;
  return std::shared_ptr<const LoadedAdapter>(std::move(made));
}

Result<void> Engine::unload_adapter(std::string_view name, std::string_view model_name) {
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const LoadedAdapter> gone;  // Freed after the locks are let go.
  State& state = *state_;
  std::lock_guard loading(state.loading);
  std::lock_guard lock(state.mutex);
  const auto base = state.known.find(model_name);
  if (base == state.known.end())
    return fail(make_error(ErrorCode::not_found, 4109, "no such model is loaded").got(model_name));
  const auto source = base->second.adapters.find(name);
  if (source == base->second.adapters.end())
    return fail(make_error(ErrorCode::not_found, 4110, "no such adapter is loaded on this model")
                    .got(name));
  if (const auto resident = state.models.find(model_name); resident != state.models.end()) {
    model = resident->second;
    const auto at = model->adapters.find(name);
    if (at != model->adapters.end()) {
      if (at->second.use_count() > 1) {
        return fail(make_error(ErrorCode::failed_precondition, 4105, "the adapter is in use")
                        .got(name)
                        .to_fix("wait for its requests to end"));
      }
      state.budget.remove(at->second->info.resident_bytes);
      model->charged -= at->second->info.resident_bytes;
      gone = std::move(at->second);
      model->adapters.erase(at);
    }
    state.forgotten.emplace_back(model, source->second.id);
    state.wake.notify_one();
  }
  base->second.adapters.erase(source);
  return {};
}

}  // namespace consort::engine

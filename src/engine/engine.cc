#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/state.h"

namespace consort::engine {
namespace {

Result<std::shared_ptr<const mask::Vocabulary>> vocabulary(
    LoadedModel& model, std::map<std::string, KnownModel, std::less<>>& known, std::mutex& mutex) {
  {
    std::lock_guard lock(mutex);
    if (model.vocabulary) return model.vocabulary;
  }
  std::vector<std::string> pieces(model.tokenizer->n_vocab());
  for (size_t t = 0; t < pieces.size(); ++t) {
    const auto id = static_cast<int32_t>(t);
    if (!model.tokenizer->is_special(id)) pieces[t] = model.tokenizer->piece(id);
  }
  pieces.resize(static_cast<size_t>(model.info.n_vocab));
  CONSORT_ASSIGN(auto made,
                 mask::Vocabulary::create(std::move(pieces), model.tokenizer->end_tokens()));
  std::lock_guard lock(mutex);
  if (!model.vocabulary) model.vocabulary = std::move(made);
  if (const auto at = known.find(model.info.name); at != known.end()) {
    at->second.vocabulary = model.vocabulary;
  }
  return model.vocabulary;
}

// Ids of the options, each with its place in the scores.
Result<void> read_options(const LoadedModel& model, std::span<const std::string> texts, Stem* stem,
                          size_t* longest) {
  if (texts.empty() || texts.size() > 255) {
    return fail(invalid_request("between 1 and 255 texts can be scored",
                                std::to_string(texts.size()), "split the request"));
  }
  for (const std::string& text : texts) {
    CONSORT_ASSIGN(std::vector<int32_t> ids, model.tokenizer->encode(text));
    if (ids.empty()) return fail(invalid_request("a text to score is empty", text, "remove it"));
    *longest = std::max(*longest, ids.size());
    stem->scores.push_back({.log_prob = 0, .n_tokens = static_cast<int>(ids.size())});
    stem->options.push_back(std::move(ids));
  }
  return {};
}

}  // namespace

// The prompt's text and ids. A raw prompt counts as rendered by this program.
Result<std::vector<int32_t>> read_prompt(const LoadedModel& model,
                                         const std::vector<Message>& messages,
                                         const std::optional<std::string>& prompt,
                                         std::string* rendered) {
  if (model.info.is_encoder) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "an encoder cannot generate")
                    .got(model.info.name)
                    .to_fix("name a decoder model"));
  }
  std::vector<int32_t> ids;
  if (prompt) {
    *rendered = *prompt;
    CONSORT_ASSIGN(
        ids, model.tokenizer->encode(*rendered, {.add_special = true, .parse_special = true}));
  } else {
    CONSORT_ASSIGN(*rendered, render_chat(model, messages));
    CONSORT_ASSIGN(ids, model.chat->encode(*rendered));
  }
  if (ids.empty())
    return fail(invalid_request("the prompt is empty", "", "give at least one character"));
  return ids;
}

Result<void> check_length(const LoadedModel& model, size_t prompt, size_t more) {
  if (prompt + more <= static_cast<size_t>(model.info.n_ctx)) return {};
  return fail(make_error(ErrorCode::resource_exhausted, 4107,
                         "the prompt and what it may generate exceed the model's context")
                  .got(std::to_string(prompt) + " + " + std::to_string(more) + " of " +
                       std::to_string(model.info.n_ctx) + " tokens")
                  .to_fix("shorten the prompt or lower max_tokens"));
}

// As llama.cpp and PEFT: the last place counts, and the invocation's own tokens are adapted.
Result<int> acts_from(const LoadedAdapter* adapter, std::span<const int32_t> prompt) {
  if (adapter == nullptr || adapter->invocation.empty()) return 0;
  const auto at = std::find_end(prompt.begin(), prompt.end(), adapter->invocation.begin(),
                                adapter->invocation.end());
  if (at == prompt.end()) {
    return fail(make_error(ErrorCode::invalid_argument, 4116,
                           "the prompt lacks the adapter's invocation tokens")
                    .got(adapter->info.name)
                    .to_fix("put the adapter's invocation into the prompt, or name no adapter"));
  }
  return static_cast<int>(at - prompt.begin());
}

Error invalid_request(std::string message, std::string_view value, std::string fix) {
  return make_error(ErrorCode::invalid_argument, 4108, std::move(message))
      .got(value)
      .to_fix(std::move(fix));
}

Result<std::string> render_chat(const LoadedModel& model, std::span<const Message> messages) {
  if (!model.chat) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "the model has no chat template")
                    .got(model.info.name)
                    .to_fix("give a raw prompt, or use an instruct model"));
  }
  return model.chat->render(messages);
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}

Engine::~Engine() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->wake.notify_all();
    state_->look.notify_all();
  }
  state_->loader.join();
  state_->thread.join();
}

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options, const Clock& clock) {
  if (options.batch_max < 1 || options.batch_max > 1024 || options.queue_max < 1 ||
      options.n_threads < 0 || options.n_threads > 256) {
    return fail(invalid_request("an engine option is out of range", "",
                                "batch_max 1 to 1024, queue_max from 1, n_threads 0 to 256"));
  }
  CONSORT_ASSIGN(const tensor::Isa isa, tensor::choose_isa());
  auto state = std::make_unique<State>(options, clock, tensor::kernels(isa));
  State* raw = state.get();
  state->thread = std::thread([raw] { raw->thread_main(); });
  state->loader = std::thread([raw] { raw->loader_main(); });
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Result<void> Engine::State::submit(Task& task) {
  const std::string model = task.model->info.name;
  const Digest digest = task.model->info.digest;
  const std::string adapter = task.adapter ? task.adapter->info.name : "";
  const uint64_t adapter_id = task.adapter ? task.adapter->id : 0;
  for (;;) {
    Result<void> answer = wait_for(task);
    if (!task.aside) return answer;
    task.aside = false;
    CONSORT_ASSIGN(task.model, find_model(model));
    CONSORT_ASSIGN(task.adapter, find_adapter(task.model, adapter));
    if (task.model->info.digest != digest || (task.adapter && task.adapter->id != adapter_id)) {
      return fail(make_error(ErrorCode::failed_precondition, 4121,
                             "another file was loaded under this name while the request waited")
                      .got(adapter.empty() ? model : adapter)
                      .to_fix("ask again"));
    }
  }
}

Result<void> Engine::State::wait_for(Task& task) {
  task.submitted = clock.monotonic();
  const FairQueue::Limits limits{options.queue_max, options.owner_queue_max,
                                 options.owner_active_max};
  FairQueue::Item item{.task = &task,
                       .owner = task.service.owner,
                       .priority = task.service.priority,
                       .work = task.work()};
  std::unique_lock lock(mutex);
  const Work ahead = queue.ahead(item);
  const Forecast& forecast = task.model->forecast;
  task.told_ms = forecast.request_ms_told(item.work, ahead, options.batch_max);
  if (task.deadline) {
    const double left_ms = milliseconds(*task.deadline - task.submitted);
    const double ms = forecast.request_ms(item.work, ahead, options.batch_max);
    if (left_ms > 0 && ms > left_ms) {
      ++stats.n_refused;
      return fail(make_error(ErrorCode::resource_exhausted, 4102,
                             "the request would end after its deadline")
                      .got(std::to_string(static_cast<int64_t>(ms)) + " ms by the speed of late, " +
                           std::to_string(static_cast<int64_t>(left_ms)) + " ms are allowed")
                      .to_fix("try again in " +
                              std::to_string(static_cast<int>(std::ceil(1e-3 * (ms - left_ms)))) +
                              " s, or allow more time"));
    }
  }
  if (stopping) {
    return fail(make_error(ErrorCode::cancelled, 4103, "the engine is shutting down"));
  }
  CONSORT_TRY(queue.push(std::move(item), limits));
  wake.notify_one();
  finished.wait(lock, [&] { return task.done || task.aside; });
  if (task.error) return fail(*task.error);
  return {};
}

Result<std::shared_ptr<LoadedModel>> Engine::State::find_model(std::string_view name) {
  return bring_patiently([&] { return bring_model(name, {}); });
}

Result<std::shared_ptr<LoadedModel>> Engine::State::find_decoder(std::string_view name) {
  CONSORT_ASSIGN(auto found, find_model(name));
  if (found->decoder) return found;
  return fail(make_error(ErrorCode::failed_precondition, 4113, "an encoder has no next tokens")
                  .got(name)
                  .to_fix("name a decoder model"));
}

Result<std::shared_ptr<const LoadedAdapter>> Engine::State::find_adapter(
    const std::shared_ptr<LoadedModel>& model, std::string_view name) {
  if (name.empty()) return std::shared_ptr<const LoadedAdapter>();
  return bring_patiently([&] { return bring_adapter(model, name, {}); });
}

std::vector<ModelInfo> Engine::models() const {
  std::lock_guard lock(state_->mutex);
  std::vector<ModelInfo> out;
  for (const auto& [name, model] : state_->known) out.push_back(model.info);
  return out;
}

std::vector<AdapterInfo> Engine::adapters() const {
  std::lock_guard lock(state_->mutex);
  std::vector<AdapterInfo> out;
  for (const auto& [name, model] : state_->known) {
    for (const auto& [adapter_name, adapter] : model.adapters) out.push_back(adapter.info);
  }
  return out;
}

Result<Generation> Engine::generate(const GenerateRequest& request) {
  Task task;
  task.kind = Task::Kind::generate;
  task.request = &request;
  task.stop_token = request.stop_token;
  task.deadline = request.deadline;
  task.service = request.service;
  CONSORT_ASSIGN(task.model, state_->find_model(request.model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, request.adapter));
  if (request.max_tokens < 1)
    return fail(invalid_request("max_tokens must be at least 1", std::to_string(request.max_tokens),
                                "raise max_tokens"));
  if (!(request.sampling.temperature >= 0 && request.sampling.temperature <= 100) ||
      !(request.sampling.top_p > 0 && request.sampling.top_p <= 1)) {
    return fail(invalid_request("a sampling setting is out of range", "",
                                "temperature 0 to 100, top_p above 0 to 1"));
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return fail(invalid_request("a stop string is empty", "", "remove it"));
  }
  CONSORT_ASSIGN(task.prompt, read_prompt(*task.model, request.messages, request.prompt,
                                          &task.generation.rendered_prompt));
  CONSORT_TRY(
      check_length(*task.model, task.prompt.size(), static_cast<size_t>(request.max_tokens)));
  CONSORT_ASSIGN(task.from, acts_from(task.adapter.get(), task.prompt));
  if (request.schema) {
    CONSORT_ASSIGN(const auto words, vocabulary(*task.model, state_->known, state_->mutex));
    CONSORT_ASSIGN(const MaskCache::Found compiled,
                   state_->masks.get(request.schema, words, request.mask_options));
    if (const int least = mask::shortest_tokens(*compiled.mask); least > request.max_tokens) {
      return fail(invalid_request("max_tokens is less than the shortest value of the schema needs",
                                  std::to_string(request.max_tokens),
                                  "raise max_tokens to at least " + std::to_string(least)));
    }
    task.matcher.emplace(compiled.mask);
  }
  task.generation.prompt_tokens = static_cast<int>(task.prompt.size());
  CONSORT_TRY(state_->submit(task));
  return std::move(task.generation);
}

Result<Scores> Engine::score(const ScoreRequest& request) {
  Task task;
  task.kind = Task::Kind::score;
  task.stop_token = request.stop_token;
  task.deadline = request.deadline;
  task.service = request.service;
  CONSORT_ASSIGN(task.model, state_->find_model(request.model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, request.adapter));
  Scores out;
  CONSORT_ASSIGN(task.prompt,
                 read_prompt(*task.model, request.messages, request.prompt, &out.rendered_prompt));
  CONSORT_ASSIGN(task.from, acts_from(task.adapter.get(), task.prompt));
  Stem stem;
  stem.from = task.from;
  size_t longest = 0;
  CONSORT_TRY(read_options(*task.model, request.continuations, &stem, &longest));
  CONSORT_TRY(check_length(*task.model, task.prompt.size(), longest));
  task.stems.push_back(std::move(stem));
  CONSORT_TRY(state_->submit(task));
  out.scores = std::move(task.stems[0].scores);
  out.prompt_tokens = static_cast<int>(task.prompt.size());
  out.total_ms = task.total_ms;
  return out;
}

Result<Decisions> Engine::decide(const DecideRequest& request) {
  Task task;
  task.kind = Task::Kind::score;
  task.stop_token = request.stop_token;
  task.deadline = request.deadline;
  task.service = request.service;
  CONSORT_ASSIGN(task.model, state_->find_decoder(request.model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, request.adapter));
  if (request.questions.empty() || request.questions.size() > 255) {
    return fail(invalid_request("between 1 and 255 questions can be asked",
                                std::to_string(request.questions.size()), "split the request"));
  }
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& question : request.questions) {
    std::string rendered;
    CONSORT_ASSIGN(std::vector<int32_t> prompt,
                   read_prompt(*task.model, question.messages, question.prompt, &rendered));
    Stem stem;
    CONSORT_ASSIGN(stem.from, acts_from(task.adapter.get(), prompt));
    size_t longest = 0;
    CONSORT_TRY(read_options(*task.model, question.options, &stem, &longest));
    CONSORT_TRY(check_length(*task.model, prompt.size(), longest));
    task.stems.push_back(std::move(stem));
    prompts.push_back(std::move(prompt));
  }
  // What all prompts begin with is the state. Each keeps a token of its own, whose logits answer;
  // and an adapter acts on the same of it in all of them.
  size_t common = prompts[0].size() - 1;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto end =
        std::mismatch(prompts[0].begin(), prompts[0].end(), prompts[i].begin(), prompts[i].end());
    common = std::min(
        {common, static_cast<size_t>(end.first - prompts[0].begin()), prompts[i].size() - 1});
    if (task.adapter && task.stems[i].from != task.stems[0].from) {
      common = std::min<size_t>(
          common, static_cast<size_t>(std::min(task.stems[0].from, task.stems[i].from)));
    }
  }
  if (common == 0) {
    return fail(invalid_request("the questions' prompts have no beginning in common", "",
                                "put the state before the questions, or ask them one by one"));
  }
  Decisions out;
  out.state_tokens = out.prompt_tokens = static_cast<int>(common);
  for (size_t i = 0; i < prompts.size(); ++i) {
    task.stems[i].tokens.assign(prompts[i].begin() + static_cast<std::ptrdiff_t>(common),
                                prompts[i].end());
    out.prompt_tokens += static_cast<int>(task.stems[i].tokens.size());
  }
  prompts[0].resize(common);
  task.prompt = std::move(prompts[0]);
  task.from = std::min(task.stems[0].from, static_cast<int>(common));
  CONSORT_TRY(state_->submit(task));
  for (Stem& stem : task.stems) {
    Decision decision;
    decision.scores = std::move(stem.scores);
    double most = decision.scores[0].log_prob, total = 0;
    for (const Score& score : decision.scores) most = std::max(most, score.log_prob);
    for (const Score& score : decision.scores) total += std::exp(score.log_prob - most);
    for (const Score& score : decision.scores) {
      decision.probabilities.push_back(std::exp(score.log_prob - most) / total);
    }
    out.decisions.push_back(std::move(decision));
  }
  out.cached_tokens = task.cached_tokens;
  out.total_ms = task.total_ms;
  return out;
}

Result<std::vector<std::vector<float>>> Engine::embed(std::string_view model_name,
                                                      std::span<const std::string> texts,
                                                      std::stop_token stop,
                                                      std::string_view adapter) {
  Task task;
  task.kind = Task::Kind::embed;
  task.stop_token = std::move(stop);
  CONSORT_ASSIGN(task.model, state_->find_model(model_name));
  if (!task.model->encoder) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "a decoder cannot embed")
                    .got(model_name)
                    .to_fix("name an encoder model"));
  }
  if (!adapter.empty()) {
    CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, adapter));
  }
  if (texts.empty()) return std::vector<std::vector<float>>();
  const auto most = static_cast<size_t>(task.model->encoder->config().tokens_max);
  for (const std::string& text : texts) {
    // Special tokens spelled out in a text are read as such: the reference does.
    CONSORT_ASSIGN(std::vector<int32_t> ids,
                   task.model->tokenizer->encode(
                       text, {.add_special = true, .parse_special = true, .tokens_max = most}));
    task.texts.push_back(std::move(ids));
  }
  CONSORT_TRY(state_->submit(task));
  return std::move(task.vectors);
}

namespace {

Error not_taught(const AdapterInfo& adapter, std::string_view what) {
  return make_error(ErrorCode::failed_precondition, 4113,
                    "the adapter was not taught " + std::string(what))
      .got(adapter.name)
      .to_fix("name an adapter that was, or teach one: consort train");
}

// W v + b
std::vector<float> say_of(const model::AdapterHead& head, const std::vector<float>& v) {
  std::vector<float> out(head.labels.size());
  for (size_t l = 0; l < out.size(); ++l) {
    double sum = head.bias[l];
    for (size_t j = 0; j < v.size(); ++j)
      sum += static_cast<double>(head.weight[l * v.size() + j]) * v[j];
    out[l] = static_cast<float>(sum);
  }
  return out;
}

}  // namespace

Result<Classifications> Engine::classify(std::string_view model_name, std::string_view name,
                                         std::span<const std::string> texts,
                                         std::stop_token stop) {
  CONSORT_ASSIGN(const auto model, state_->find_model(model_name));
  CONSORT_ASSIGN(const auto adapter, state_->find_adapter(model, name));
  if (!adapter->head || adapter->head->kind != model::AdapterHead::Kind::classes)
    return fail(not_taught(adapter->info, "classes"));
  CONSORT_ASSIGN(const auto vectors, embed(model_name, texts, std::move(stop), name));
  Classifications out;
  out.labels = adapter->head->labels;
  for (const std::vector<float>& v : vectors) {
    const std::vector<float> logits = say_of(*adapter->head, v);
    Classification one;
    const auto top = std::max_element(logits.begin(), logits.end());
    one.best = static_cast<int>(top - logits.begin());
    double total = 0;
    for (const float x : logits) {
      one.probabilities.push_back(std::exp(static_cast<double>(x) - *top));
      total += one.probabilities.back();
    }
    for (double& p : one.probabilities) p /= total;
    one.outside = one.probabilities[static_cast<size_t>(one.best)] < adapter->head->threshold;
    out.texts.push_back(std::move(one));
  }
  return out;
}

Result<PairScores> Engine::score_pairs(std::string_view model_name, std::string_view query,
                                       std::span<const std::string> texts, std::stop_token stop,
                                       std::string_view adapter) {
  Task task;
  task.kind = Task::Kind::embed;
  task.stop_token = std::move(stop);
  CONSORT_ASSIGN(task.model, state_->find_model(model_name));
  const model::Encoder* encoder = task.model->encoder.get();
  if (encoder == nullptr ||
      (adapter.empty() && (encoder->config().n_labels == 0 || encoder->config().n_types < 2))) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "the model cannot score pairs")
                    .got(model_name)
                    .to_fix("name an encoder with a classifier, a cross-encoder"));
  }
  task.classifier = adapter.empty();
  if (!adapter.empty()) {
    CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, adapter));
    if (!task.adapter->head || task.adapter->head->kind != model::AdapterHead::Kind::pairs)
      return fail(not_taught(task.adapter->info, "pairs"));
  }
  PairScores out;
  if (texts.empty()) return out;
  for (const std::string& text : texts) {
    CONSORT_ASSIGN(model::TextPair pair, model::encode_pair(*task.model->tokenizer, query, text,
                                                            encoder->config().tokens_max));
    task.texts.push_back(std::move(pair.ids));
    task.n_first.push_back(pair.n_first);
    out.n_cut.push_back(pair.n_cut);
  }
  CONSORT_TRY(state_->submit(task));
  out.labels = std::move(task.vectors);
  if (task.adapter)
    for (std::vector<float>& v : out.labels) v = say_of(*task.adapter->head, v);
  return out;
}

Result<std::vector<int32_t>> Engine::tokenize(std::string_view model, std::string_view text) const {
  CONSORT_ASSIGN(const auto found, state_->find_model(model));
  return found->tokenizer->encode(text);
}

Result<std::string> Engine::detokenize(std::string_view model,
                                       std::span<const int32_t> tokens) const {
  CONSORT_ASSIGN(const auto found, state_->find_model(model));
  return found->tokenizer->decode(tokens);
}

Result<std::string> Engine::render(std::string_view model,
                                   std::span<const Message> messages) const {
  CONSORT_ASSIGN(const auto found, state_->find_model(model));
  return render_chat(*found, messages);
}

Result<std::vector<float>> Engine::logits(std::string_view model, std::string_view adapter,
                                          std::span<const int32_t> tokens) {
  std::vector<float> out;
  CONSORT_ASSIGN(const auto found, state_->find_decoder(model));
  const auto n_vocab = static_cast<size_t>(found->info.n_vocab);
  out.resize(tokens.size() * n_vocab);
  CONSORT_TRY(
      state_->read_rows(model, adapter, tokens, {}, [&](int position, std::span<const float> row) {
        std::copy(
            row.begin(), row.end(),
            out.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(position) * n_vocab));
      }));
  return out;
}

Result<Perplexity> Engine::perplexity(std::string_view model, std::string_view adapter,
                                      std::span<const int32_t> tokens, int window,
                                      std::stop_token stop) {
  CONSORT_ASSIGN(const auto found, state_->find_decoder(model));
  if (window == 0) window = found->info.n_ctx;
  if (window < 2 || window > found->info.n_ctx) {
    return fail(invalid_request("the window is out of range", std::to_string(window),
                                "2 to the model's context"));
  }
  // Before every window stands the begin token, where the model's file asks for one.
  CONSORT_ASSIGN(std::vector<int32_t> ids, found->tokenizer->encode("", {.add_special = true}));
  ids.resize(std::min<size_t>(ids.size(), 1));
  if (!ids.empty() && ids[0] != found->tokenizer->special().bos) ids.clear();
  const size_t n_begin = ids.size(), step = static_cast<size_t>(window) - n_begin;
  Perplexity out;
  for (size_t first = 0; first < tokens.size(); first += step) {
    const auto part = tokens.subspan(first, std::min(step, tokens.size() - first));
    ids.resize(n_begin);
    ids.insert(ids.end(), part.begin(), part.end());
    if (ids.size() < 2) break;
    CONSORT_TRY(
        state_->read_rows(model, adapter, ids, stop, [&](int position, std::span<const float> row) {
          const size_t next = static_cast<size_t>(position) + 1;
          if (next >= ids.size()) return;
          out.nll.push_back(static_cast<double>(state_->kernels.log_sum_exp(
                                row.data(), static_cast<int>(row.size()))) -
                            static_cast<double>(row[static_cast<size_t>(ids[next])]));
        }));
  }
  if (out.nll.empty()) {
    return fail(invalid_request("at least two tokens are needed", std::to_string(tokens.size()),
                                "give a longer text"));
  }
  out.n_tokens = static_cast<int>(out.nll.size());
  out.mean_nll = std::accumulate(out.nll.begin(), out.nll.end(), 0.0) / out.n_tokens;
  return out;
}

Result<void> Engine::State::read_rows(std::string_view model, std::string_view adapter,
                                      std::span<const int32_t> tokens, std::stop_token stop,
                                      std::function<void(int, std::span<const float>)> on_row) {
  Task task;
  task.kind = Task::Kind::rows;
  task.stop_token = std::move(stop);
  CONSORT_ASSIGN(task.model, find_decoder(model));
  CONSORT_ASSIGN(task.adapter, find_adapter(task.model, adapter));
  if (tokens.empty())
    return fail(invalid_request("logits need at least one token", model, "give some"));
  for (const int32_t t : tokens) {
    if (t < 0 || t >= task.model->info.n_vocab)
      return fail(invalid_request("a token id is outside the vocabulary", std::to_string(t),
                                  "use ids of this model's tokenizer"));
  }
  CONSORT_TRY(check_length(*task.model, tokens.size(), 0));
  CONSORT_ASSIGN(task.from, acts_from(task.adapter.get(), tokens));
  task.prompt.assign(tokens.begin(), tokens.end());
  task.on_row = std::move(on_row);
  return submit(task);
}

void Engine::forget_prefixes() {
  std::unique_lock lock(state_->mutex);
  state_->forget_prefixes = true;
  state_->wake.notify_one();
  state_->finished.wait(lock, [&] { return !state_->forget_prefixes || state_->stopping; });
}

EngineStats Engine::stats() const {
  EngineStats out;
  {
    std::lock_guard lock(state_->mutex);
    out = state_->stats;
    out.n_waiting = static_cast<int>(state_->queue.size());
  }
  out.bytes_used = state_->budget.used();
  out.mask_bytes = state_->masks.bytes();
  out.masks = static_cast<int>(state_->masks.size());
  return out;
}

}  // namespace consort::engine

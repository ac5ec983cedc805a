#include "engine/engine.h"

#include <algorithm>
#include <cstring>

#include "engine/state.h"

namespace consort::engine {
namespace {

// A message that spells a control token must not become one: a zero-width space breaks it up.
std::string defused(const LoadedModel& model, std::string content) {
  for (const std::string& control : model.control_texts) {
    for (size_t at = 0; (at = content.find(control, at)) != std::string::npos; at += 4) {
      content.insert(at + 1, "\u200b");
    }
  }
  return content;
}

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
  if (prompt) {
    *rendered = *prompt;
  } else {
    CONSORT_ASSIGN(*rendered, render_chat(model, messages));
  }
  CONSORT_ASSIGN(std::vector<int32_t> ids,
                 model.tokenizer->encode(
                     *rendered, {.add_special = prompt.has_value(), .parse_special = true}));
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

Result<std::shared_ptr<const mask::Vocabulary>> vocabulary(LoadedModel& model, std::mutex& mutex) {
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
  return model.vocabulary;
}

}  // namespace

Error invalid_request(std::string message, std::string_view value, std::string fix) {
  return make_error(ErrorCode::invalid_argument, 4108, std::move(message))
      .got(value)
      .to_fix(std::move(fix));
}

Result<std::string> render_chat(const LoadedModel& model, std::span<const Message> messages) {
  if (!model.chat_template) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "the model has no chat template")
                    .got(model.info.name)
                    .to_fix("give a raw prompt, or use an instruct model"));
  }
  contract::Array list;
  for (const Message& m : messages) {
    list.push_back(
        contract::Value::object({{"role", m.role}, {"content", defused(model, m.content)}}));
  }
  return model.chat_template->render(contract::Value(std::move(list)), true);
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}

Engine::~Engine() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->wake.notify_all();
  }
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
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Result<void> Engine::State::submit(Task& task) {
  task.submitted = clock.monotonic();
  std::unique_lock lock(mutex);
  if (static_cast<int>(queue.size()) >= options.queue_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 4102, "too many requests wait")
                    .got(std::to_string(queue.size()))
                    .to_fix("try again later, or raise queue_max"));
  }
  queue.push_back(&task);
  wake.notify_one();
  finished.wait(lock, [&] { return task.done; });
  if (task.error) return fail(*task.error);
  return {};
}

Result<std::shared_ptr<LoadedModel>> Engine::State::find_model(std::string_view name) const {
  std::lock_guard lock(mutex);
  const auto at = models.find(name);
  if (at == models.end()) {
    return fail(make_error(ErrorCode::not_found, 4109, "no such model is loaded")
                    .got(name)
                    .to_fix("load it first"));
  }
  return at->second;
}

Result<std::shared_ptr<const LoadedAdapter>> Engine::State::find_adapter(
    const LoadedModel& model, std::string_view name) const {
  if (name.empty()) return std::shared_ptr<const LoadedAdapter>();
  std::lock_guard lock(mutex);
  const auto at = model.adapters.find(name);
  if (at == model.adapters.end()) {
    return fail(make_error(ErrorCode::not_found, 4110, "no such adapter is loaded on this model")
                    .got(name)
                    .to_fix("load it first"));
  }
  return at->second;
}

std::vector<ModelInfo> Engine::models() const {
  std::lock_guard lock(state_->mutex);
  std::vector<ModelInfo> out;
  for (const auto& [name, model] : state_->models) out.push_back(model->info);
  return out;
}

std::vector<AdapterInfo> Engine::adapters() const {
  std::lock_guard lock(state_->mutex);
  std::vector<AdapterInfo> out;
  for (const auto& [name, model] : state_->models) {
    for (const auto& [adapter_name, adapter] : model->adapters) out.push_back(adapter->info);
  }
  return out;
}

Result<Generation> Engine::generate(const GenerateRequest& request) {
  Task task;
  task.kind = Task::Kind::generate;
  task.request = &request;
  task.stop_token = request.stop_token;
  task.deadline = request.deadline;
  CONSORT_ASSIGN(task.model, state_->find_model(request.model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(*task.model, request.adapter));
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
  if (request.schema) {
    CONSORT_ASSIGN(const auto words, vocabulary(*task.model, state_->mutex));
    CONSORT_ASSIGN(const auto compiled, mask::compile(request.schema, words, request.mask_options));
    if (const int least = mask::shortest_tokens(*compiled); least > request.max_tokens) {
      return fail(invalid_request("max_tokens is less than the shortest value of the schema needs",
                                  std::to_string(request.max_tokens),
                                  "raise max_tokens to at least " + std::to_string(least)));
    }
    task.matcher.emplace(compiled);
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
  CONSORT_ASSIGN(task.model, state_->find_model(request.model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(*task.model, request.adapter));
  if (request.continuations.empty() || request.continuations.size() > 255) {
    return fail(invalid_request("between 1 and 255 continuations can be scored",
                                std::to_string(request.continuations.size()), "split the request"));
  }
  CONSORT_ASSIGN(task.prompt, read_prompt(*task.model, request.messages, request.prompt,
                                          &task.scores.rendered_prompt));
  size_t longest = 0;
  for (const std::string& text : request.continuations) {
    CONSORT_ASSIGN(std::vector<int32_t> ids, task.model->tokenizer->encode(text));
    if (ids.empty()) return fail(invalid_request("a continuation is empty", text, "remove it"));
    longest = std::max(longest, ids.size());
    task.scores.scores.push_back({.log_prob = 0, .n_tokens = static_cast<int>(ids.size())});
    task.continuations.push_back(std::move(ids));
  }
  CONSORT_TRY(check_length(*task.model, task.prompt.size(), longest));
  task.scores.prompt_tokens = static_cast<int>(task.prompt.size());
  CONSORT_TRY(state_->submit(task));
  return std::move(task.scores);
}

Result<std::vector<std::vector<float>>> Engine::embed(std::string_view model_name,
                                                      std::span<const std::string> texts,
                                                      std::stop_token stop) {
  Task task;
  task.kind = Task::Kind::embed;
  task.stop_token = std::move(stop);
  CONSORT_ASSIGN(task.model, state_->find_model(model_name));
  if (!task.model->encoder) {
    return fail(make_error(ErrorCode::failed_precondition, 4113, "a decoder cannot embed")
                    .got(model_name)
                    .to_fix("name an encoder model"));
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
  Task task;
  task.kind = Task::Kind::logits;
  CONSORT_ASSIGN(task.model, state_->find_model(model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(*task.model, adapter));
  if (!task.model->decoder || tokens.empty())
    return fail(
        invalid_request("logits need a decoder and at least one token", model, "name a decoder"));
  for (const int32_t t : tokens) {
    if (t < 0 || t >= task.model->info.n_vocab)
      return fail(invalid_request("a token id is outside the vocabulary", std::to_string(t),
                                  "use ids of this model's tokenizer"));
  }
  CONSORT_TRY(check_length(*task.model, tokens.size(), 0));
  task.prompt.assign(tokens.begin(), tokens.end());
  task.logits.resize(tokens.size() * static_cast<size_t>(task.model->info.n_vocab));
  CONSORT_TRY(state_->submit(task));
  return std::move(task.logits);
}

}  // namespace consort::engine

// The engine's thread: admission, steps over mixed rows, and what happens with their logits.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

constexpr int kPrefillRows = 256;       // Of one step, when nobody waits for a next token.
constexpr int kPrefillRowsShared = 64;  // When somebody does: bounds the delay of his token.
constexpr int kLogitsRows = 32;         // Logits rows computed at a time.
constexpr int kScoreRows = 64;          // Continuation rows of one step.
constexpr int kEmbedTokens = 1024;      // Of one step.

int pages_for(int n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

double milliseconds(Nanoseconds d) { return static_cast<double>(d.count()) * 1e-6; }

size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

Error budget_spent(const ByteBudget& budget) {
  return make_error(ErrorCode::resource_exhausted, 4101,
                    "the request's keys and values do not fit the memory budget")
      .got(std::to_string(budget.used() >> 20) + " MiB used of " +
           std::to_string(budget.max() >> 20) + " MiB")
      .to_fix("raise memory_bytes_max, or ask for fewer tokens");
}

// Tokens whose keys and values a task needs, at most.
int tokens_max(const Task& task) {
  int n = static_cast<int>(task.prompt.size());
  if (task.kind == Task::Kind::generate) n += task.request->max_tokens;
  return n;
}

// The longest end of `text` that could still become one of `stops`.
size_t held_back(std::string_view text, const std::vector<std::string>& stops) {
  size_t most = 0;
  for (const std::string& stop : stops) {
    for (size_t n = std::min(stop.size() - 1, text.size()); n > most; --n) {
      if (text.ends_with(std::string_view(stop).substr(0, n))) most = n;
    }
  }
  return most;
}

}  // namespace

void Engine::State::complete(Task& task) {
  std::lock_guard lock(mutex);
  task.done = true;
  finished.notify_all();
}

void Engine::State::finish(Sequence& s, std::optional<Error> error) {
  if (s.finished) return;
  s.finished = true;
  LoadedModel& model = *s.task->model;
  if (model.pages) {
    if (!error) share_prefix(s);
    for (Page* page : s.pages) model.pages->release(page);
  }
  s.pages.clear();
  s.task->error = std::move(error);
}

Page* Engine::State::take_page(LoadedModel& model) {
  Page* page = model.pages->allocate();
  while (page == nullptr && model.prefixes->evict_one()) page = model.pages->allocate();
  return page;
}

// Admission has reserved the room; it fails only if a model was loaded into it meanwhile.
bool Engine::State::ensure_pages(Sequence& s, int n_tokens) {
  while (static_cast<int>(s.pages.size()) < pages_for(n_tokens)) {
    Page* page = take_page(*s.task->model);
    if (page == nullptr) return false;
    s.pages.push_back(page);
    s.page_data.push_back(page->bytes.data());
    --s.n_reserved;
  }
  return true;
}

void Engine::State::share_prefix(Sequence& s) {
  if (s.n_past < kPageTokens) return;
  const auto n_full = static_cast<size_t>(s.n_past / kPageTokens);
  s.task->model->prefixes->insert(s.task->adapter ? s.task->adapter->id : 0, s.tokens,
                                  std::span(s.pages).first(n_full));
}

std::optional<Error> Engine::State::interruption(const Task& task) const {
  if (task.stop_token.stop_requested()) {
    return make_error(ErrorCode::cancelled, 4103, "the request was cancelled");
  }
  if (task.deadline && clock.monotonic() >= *task.deadline) {
    return make_error(ErrorCode::deadline_exceeded, 4104, "the request's deadline passed")
        .to_fix("allow more time, or ask for fewer tokens");
  }
  return std::nullopt;
}

// True when the task was taken from the queue (admitted or failed); false when it has to wait.
bool Engine::State::try_admit(Task& task) {
  if (std::optional<Error> error = interruption(task)) {
    task.error = std::move(error);
    complete(task);
    return true;
  }
  LoadedModel& model = *task.model;
  Sequence s;
  s.task = &task;
  s.admitted = clock.monotonic();
  if (task.kind == Task::Kind::embed) {
    if (!model.encoder_runner) {
      model.encoder_runner = std::make_unique<model::EncoderRunner>(*model.encoder, pool, kernels);
    }
    s.order.resize(task.texts.size());
    std::iota(s.order.begin(), s.order.end(), size_t{0});
    std::stable_sort(s.order.begin(), s.order.end(), [&](size_t a, size_t b) {
      return task.texts[a].size() < task.texts[b].size();
    });
    task.vectors.resize(task.texts.size());
    active.push_back(std::move(s));
    return true;
  }
  if (!model.decoder_runner) {
    model.decoder_runner = std::make_unique<model::DecoderRunner>(*model.decoder, pool, kernels);
    model.pages = std::make_unique<PagePool>(model.decoder->page_bytes(), budget);
    model.prefixes = std::make_unique<PrefixTree>(*model.pages);
  }
  const uint64_t adapter = task.adapter ? task.adapter->id : 0;
  // Someone is reading the same beginning just now: wait for his pages instead of computing them
  // twice.
  for (const Sequence& other : active) {
    const Task& t = *other.task;
    if (t.kind == Task::Kind::embed || t.kind == Task::Kind::logits || other.prompt_read ||
        other.finished)
      continue;
    if (task.kind == Task::Kind::logits || t.model != task.model || t.adapter != task.adapter)
      continue;
    if (common_prefix(t.prompt, task.prompt) >= 2 * kPageTokens) return false;
  }
  // The last token is always read anew: its logits are wanted.
  if (task.kind != Task::Kind::logits) {
    s.pages = model.prefixes->find(adapter, task.prompt, (task.prompt.size() - 1) / kPageTokens);
  }
  s.n_past = static_cast<int>(s.pages.size()) * kPageTokens;
  s.n_reserved = pages_for(tokens_max(task)) - static_cast<int>(s.pages.size());
  if (task.kind == Task::Kind::score) {
    // Continuations of one step, each with its own last page of the prompt.
    size_t longest = 0;
    for (const auto& c : task.continuations) longest = std::max(longest, c.size());
    s.n_reserved += std::max(1, kScoreRows / std::max(1, static_cast<int>(longest))) *
                    (1 + pages_for(static_cast<int>(longest)));
  }
  const auto give_back = [&] {
    for (Page* page : s.pages) model.pages->release(page);
  };
  // Room is what is unused in the budget and what could be evicted, less what others were promised.
  uint64_t promised = 0;
  for (const Sequence& other : active) {
    if (other.task->model->pages && !other.finished) {
      promised += static_cast<uint64_t>(std::max(0, other.n_reserved)) *
                  other.task->model->pages->page_bytes();
    }
  }
  const uint64_t wanted = static_cast<uint64_t>(s.n_reserved) * model.pages->page_bytes();
  const auto has_room = [&] {
    const uint64_t used = budget.used();
    const uint64_t idle = (model.pages->bytes() / model.pages->page_bytes() -
                           static_cast<uint64_t>(model.pages->n_in_use())) *
                          model.pages->page_bytes();
    return used + promised + wanted <= budget.max() + idle;
  };
  while (!has_room()) {
    if (model.prefixes->evict_one()) continue;
    bool other_idle = false;
    {
      std::lock_guard lock(mutex);
      for (auto& [name, m] : models) {
        if (m.get() == &model || !m->prefixes) continue;
        while (m->prefixes->evict_one()) other_idle = true;
        m->pages->trim();
      }
    }
    if (other_idle && has_room()) break;
    give_back();
    const bool alone = std::none_of(active.begin(), active.end(), [](const Sequence& other) {
      return other.task->kind != Task::Kind::embed;
    });
    if (!alone) return false;
    task.error = budget_spent(budget);
    complete(task);
    return true;
  }
  s.tokens = task.prompt;
  for (Page* page : s.pages) s.page_data.push_back(page->bytes.data());
  if (task.kind == Task::Kind::generate) {
    task.generation.cached_tokens = s.n_past;
    s.sampler.emplace(task.request->sampling);
    if (task.matcher) s.allowed.resize((static_cast<size_t>(model.info.n_vocab) + 63) / 64);
  }
  active.push_back(std::move(s));
  return true;
}

void Engine::State::admit() {
  std::vector<Task*> waiting;
  {
    std::lock_guard lock(mutex);
    waiting.assign(queue.begin(), queue.end());
  }
  int n_active = static_cast<int>(active.size());
  std::vector<Task*> taken;
  for (Task* task : waiting) {
    if (n_active >= options.batch_max) break;
    if (try_admit(*task)) {
      taken.push_back(task);
      n_active = static_cast<int>(active.size());
    }
  }
  if (taken.empty()) return;
  std::lock_guard lock(mutex);
  std::erase_if(queue, [&](Task* task) {
    return std::find(taken.begin(), taken.end(), task) != taken.end();
  });
}

// One pass over the model's weights for all its sequences.
void Engine::State::step(LoadedModel& model) {
  bool anyone_decodes = false;
  for (const Sequence& s : active) {
    if (s.task->model.get() == &model && s.prompt_read && !s.finished &&
        s.task->kind == Task::Kind::generate) {
      anyone_decodes = true;
    }
  }
  int prefill_left = anyone_decodes ? kPrefillRowsShared : kPrefillRows;
  std::vector<model::Segment> segments;
  std::vector<Sequence*> members;
  for (Sequence& s : active) {
    if (s.finished || s.task->model.get() != &model) continue;
    const int pending = static_cast<int>(s.tokens.size()) - s.n_past;
    if (pending <= 0) continue;  // A score past its prompt.
    int n = pending;
    if (pending > 1 || !s.prompt_read) {
      n = std::min(pending, prefill_left);
      if (s.task->kind == Task::Kind::logits) n = std::min(n, kLogitsRows);
      if (n == 0) continue;
      prefill_left -= n;
    }
    if (!ensure_pages(s, s.n_past + n)) {
      finish(s, budget_spent(budget));
      continue;
    }
    segments.push_back({.tokens = std::span(s.tokens).subspan(static_cast<size_t>(s.n_past),
                                                              static_cast<size_t>(n)),
                        .position = s.n_past,
                        .pages = s.page_data,
                        .adapter = s.task->adapter ? s.task->adapter->weights.get() : nullptr,
                        .n_outputs = s.task->kind == Task::Kind::logits ? n
                                     : n == pending                     ? 1
                                                                        : 0});
    members.push_back(&s);
  }
  if (segments.empty()) return;
  model.decoder_runner->forward(segments);
  int row = 0;
  for (size_t i = 0; i < members.size();) {
    // Whole segments, as many as fit the rows computed together.
    size_t end = i;
    int n = 0;
    while (end < members.size() && (end == i || n + segments[end].n_outputs <= kLogitsRows)) {
      n += segments[end++].n_outputs;
    }
    const std::span<const float> logits = model.decoder_runner->logits(row, n);
    size_t at = 0;
    for (; i < end; ++i) {
      Sequence& s = *members[i];
      const int first_row = s.n_past;
      s.n_past += static_cast<int>(segments[i].tokens.size());
      const size_t size =
          static_cast<size_t>(segments[i].n_outputs) * static_cast<size_t>(model.info.n_vocab);
      if (size > 0) read_logits(s, logits.subspan(at, size), first_row);
      at += size;
    }
    row += n;
  }
}

void Engine::State::read_logits(Sequence& s, std::span<const float> logits, int first_row) {
  Task& task = *s.task;
  if (!s.prompt_read && s.n_past >= static_cast<int>(task.prompt.size())) {
    s.prompt_read = true;
    s.first_logits = clock.monotonic();
    if (task.kind != Task::Kind::logits) share_prefix(s);
  }
  const auto n_vocab = static_cast<size_t>(task.model->info.n_vocab);
  switch (task.kind) {
    case Task::Kind::logits:
      std::memcpy(task.logits.data() + static_cast<size_t>(first_row) * n_vocab, logits.data(),
                  logits.size_bytes());
      if (s.n_past == static_cast<int>(s.tokens.size())) finish(s, std::nullopt);
      break;
    case Task::Kind::score: {
      const double total = kernels.log_sum_exp(logits.data(), static_cast<int>(n_vocab));
      for (size_t i = 0; i < task.continuations.size(); ++i) {
        task.scores.scores[i].log_prob =
            logits[static_cast<size_t>(task.continuations[i][0])] - total;
      }
      break;
    }
    case Task::Kind::generate:
      continue_generation(s, logits);
      break;
    case Task::Kind::embed:
      break;
  }
}

// Chooses the next token, and any that are the only ones allowed after it.
void Engine::State::continue_generation(Sequence& s, std::span<const float> logits) {
  Task& task = *s.task;
  if (!task.matcher) {
    accept(s, s.sampler->choose(logits, {}));
    return;
  }
  bool forced = false;
  while (!s.finished) {
    const int tokens_left =
        task.request->max_tokens - static_cast<int>(task.generation.tokens.size());
    if (Result<void> made = task.matcher->allowed(tokens_left, s.allowed); !made) {
      finish(s, std::move(made).error());
      return;
    }
    int n = 0;
    for (const uint64_t word : s.allowed) n += std::popcount(word);
    if (n == 0) {
      finish(s, make_error(ErrorCode::internal, 4112, "the mask allows no token"));
      return;
    }
    const std::vector<int32_t>& ends = task.model->tokenizer->end_tokens();
    const auto n_ends = std::count_if(ends.begin(), ends.end(), [&](int32_t t) {
      return (s.allowed[static_cast<size_t>(t) / 64] >> (t % 64) & 1) != 0;
    });
    // One token, or nothing but ways to end: no logits are needed.
    const bool no_choice = n == 1 || n == n_ends;
    if (forced && !no_choice) return;  // It needs the logits of the next step.
    int32_t token = 0;
    if (no_choice) {
      for (size_t word = 0; word < s.allowed.size(); ++word) {
        if (s.allowed[word] != 0 && token == 0)
          token = static_cast<int32_t>(word * 64) + std::countr_zero(s.allowed[word]);
      }
    } else {
      token = s.sampler->choose(logits, s.allowed);
    }
    if (Result<void> moved = task.matcher->commit(token); !moved) {
      finish(s, std::move(moved).error());
      return;
    }
    if (!accept(s, token)) return;
    forced = true;
  }
}

// Appends a token and its text; false when the generation is over.
bool Engine::State::accept(Sequence& s, int32_t token) {
  Task& task = *s.task;
  Generation& g = task.generation;
  const Nanoseconds now = clock.monotonic();
  if (g.tokens.empty() && g.first_token_ms == 0) {
    g.first_token_ms = milliseconds(now - task.submitted);
    g.prefill_ms = milliseconds(s.first_logits - s.admitted);
  }
  const std::vector<int32_t>& ends = task.model->tokenizer->end_tokens();
  const bool ended = std::find(ends.begin(), ends.end(), token) != ends.end() ||
                     (task.matcher && task.matcher->ended());
  bool stopped = ended;
  if (!ended) {
    s.tokens.push_back(token);
    g.tokens.push_back(token);
    if (!task.model->tokenizer->is_special(token))
      g.text += s.utf8.push(task.model->tokenizer->piece(token));
    for (const std::string& stop : task.request->stop) {
      const size_t at = g.text.find(stop, s.emitted);
      if (at != std::string::npos) {
        g.text.resize(at);
        stopped = true;
      }
    }
  }
  const bool full = static_cast<int>(g.tokens.size()) >= task.request->max_tokens;
  const bool over = stopped || (full && !task.matcher);
  if (over && (ended || full)) g.text += stopped && !ended ? "" : s.utf8.finish();
  const size_t ready = over ? g.text.size()
                            : g.text.size() - held_back(std::string_view(g.text).substr(s.emitted),
                                                        task.request->stop);
  if (task.request->on_text && ready > s.emitted) {
    task.request->on_text(std::string_view(g.text).substr(s.emitted, ready - s.emitted));
  }
  s.emitted = std::max(s.emitted, ready);
  if (!over) return true;
  g.finish = stopped ? FinishReason::stop : FinishReason::length;
  g.decode_ms = milliseconds(clock.monotonic() - s.first_logits);
  finish(s, std::nullopt);
  return false;
}

// Reads the tokens of some continuations, each behind its own copy of the prompt's last page.
void Engine::State::score_some(Sequence& s) {
  Task& task = *s.task;
  LoadedModel& model = *task.model;
  const int n_prompt = s.n_past;
  const auto n_shared = static_cast<size_t>(n_prompt / kPageTokens);
  const auto n_vocab = static_cast<size_t>(model.info.n_vocab);
  std::vector<std::vector<uint8_t*>> pages;
  std::vector<Page*> taken;
  std::vector<model::Segment> segments;
  std::vector<size_t> members;
  int rows = 0;
  for (; s.next_continuation < task.continuations.size(); ++s.next_continuation) {
    const std::vector<int32_t>& tokens = task.continuations[s.next_continuation];
    const int n = static_cast<int>(tokens.size()) - 1;
    if (n == 0) continue;
    const int n_own = pages_for(n_prompt + n) - static_cast<int>(n_shared);
    if (!segments.empty() &&
        (rows + n > kScoreRows || static_cast<int>(taken.size()) + n_own > s.n_reserved))
      break;
    std::vector<uint8_t*> own(s.page_data.begin(),
                              s.page_data.begin() + static_cast<std::ptrdiff_t>(n_shared));
    for (int i = 0; i < n_own; ++i) {
      Page* page = take_page(model);
      if (page == nullptr) {
        for (Page* t : taken) model.pages->release(t);
        finish(s, budget_spent(budget));
        return;
      }
      taken.push_back(page);
      own.push_back(page->bytes.data());
    }
    if (n_prompt % kPageTokens != 0) {
      std::memcpy(own[n_shared], s.page_data[n_shared], model.pages->page_bytes());
    }
    pages.push_back(std::move(own));
    segments.push_back({.tokens = std::span(tokens).first(static_cast<size_t>(n)),
                        .position = n_prompt,
                        .pages = {},
                        .adapter = task.adapter ? task.adapter->weights.get() : nullptr,
                        .n_outputs = n});
    members.push_back(s.next_continuation);
    rows += n;
  }
  for (size_t i = 0; i < segments.size(); ++i) segments[i].pages = pages[i];
  if (!segments.empty()) {
    model.decoder_runner->forward(segments);
    std::vector<std::pair<size_t, size_t>> targets;  // Continuation, index of the token to score.
    for (const size_t c : members) {
      for (size_t i = 1; i < task.continuations[c].size(); ++i) targets.emplace_back(c, i);
    }
    for (size_t first = 0; first < targets.size(); first += kLogitsRows) {
      const size_t n = std::min<size_t>(kLogitsRows, targets.size() - first);
      const std::span<const float> logits =
          model.decoder_runner->logits(static_cast<int>(first), static_cast<int>(n));
      for (size_t i = 0; i < n; ++i) {
        const auto [c, index] = targets[first + i];
        const float* row = logits.data() + i * n_vocab;
        task.scores.scores[c].log_prob += row[static_cast<size_t>(task.continuations[c][index])] -
                                          kernels.log_sum_exp(row, static_cast<int>(n_vocab));
      }
    }
  }
  for (Page* page : taken) model.pages->release(page);
  if (s.next_continuation == task.continuations.size()) {
    task.scores.total_ms = milliseconds(clock.monotonic() - task.submitted);
    finish(s, std::nullopt);
  }
}

void Engine::State::embed_some(Sequence& s) {
  Task& task = *s.task;
  std::vector<std::vector<int32_t>> batch;
  const size_t first = s.next_text;
  size_t tokens = 0;
  while (s.next_text < s.order.size()) {
    std::vector<int32_t>& ids = task.texts[s.order[s.next_text]];
    if (!batch.empty() && tokens + ids.size() > kEmbedTokens) break;
    tokens += ids.size();
    batch.push_back(std::move(ids));
    ++s.next_text;
  }
  std::vector<std::vector<float>> vectors = task.model->encoder_runner->run(batch);
  for (size_t i = 0; i < vectors.size(); ++i)
    task.vectors[s.order[first + i]] = std::move(vectors[i]);
  if (s.next_text == s.order.size()) finish(s, std::nullopt);
}

void Engine::State::thread_main() {
  bool stop = false;
  while (!stop) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] {
        return stopping || !queue.empty() || !active.empty() || !forgotten.empty();
      });
      for (auto& [model, adapter] : forgotten) {
        if (model->prefixes) model->prefixes->forget(adapter);
      }
      forgotten.clear();
      stop = stopping;
      if (stop) {
        for (Task* task : queue) {
          task->error = make_error(ErrorCode::cancelled, 4103, "the engine is shutting down");
          task->done = true;
        }
        queue.clear();
        finished.notify_all();
      }
    }
    if (stop) {
      for (Sequence& s : active) {
        finish(s, make_error(ErrorCode::cancelled, 4103, "the engine is shutting down"));
      }
    } else {
      admit();
    }
    for (Sequence& s : active) {
      if (std::optional<Error> error = interruption(*s.task)) finish(s, std::move(error));
    }
    std::vector<LoadedModel*> decoders;
    for (Sequence& s : active) {
      if (s.finished || !s.task->model->decoder) continue;
      if (std::find(decoders.begin(), decoders.end(), s.task->model.get()) == decoders.end()) {
        decoders.push_back(s.task->model.get());
      }
    }
    for (LoadedModel* model : decoders) step(*model);
    for (Sequence& s : active) {
      if (s.finished) continue;
      if (s.task->kind == Task::Kind::embed) embed_some(s);
      if (s.task->kind == Task::Kind::score && s.prompt_read) score_some(s);
    }
    for (auto it = active.begin(); it != active.end();) {
      if (it->finished) {
        Task* task = it->task;
        it = active.erase(it);
        complete(*task);
      } else {
        ++it;
      }
    }
  }
}

}  // namespace consort::engine

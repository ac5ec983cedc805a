// The engine's thread: steps over mixed rows, and what happens with their logits.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

constexpr int kPrefillRows = 256;       // Of one step, when nobody waits for a next token.
constexpr int kPrefillRowsShared = 64;  // When somebody does: bounds the delay of his token.
constexpr int kLogitsRows = 32;         // Logits rows computed at a time.
constexpr int kEmbedTokens = 1024;      // Of one step.

double milliseconds(Nanoseconds d) { return static_cast<double>(d.count()) * 1e-6; }

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

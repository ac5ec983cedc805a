// The engine's thread: admits, steps, and lets go. Pages are taken and given back here.
#include <algorithm>
#include <set>

#include "engine/state.h"

namespace consort::engine {

using tensor::kPageTokens;

Work Task::work() const {
  Work out{.prompt = static_cast<double>(prompt.size()), .answer = 0};
  if (request != nullptr) out.answer = request->max_tokens;
  for (const Stem& stem : stems) {
    out.prompt += static_cast<double>(stem.tokens.size());
    for (const auto& option : stem.options) out.prompt += static_cast<double>(option.size());
  }
  return out;
}

// Wakes the caller: from here on the task may be gone.
void Engine::State::complete(Task& task) {
  const double used = static_cast<double>(task.prompt.size()) - task.cached_tokens +
                      static_cast<double>(task.generation.tokens.size());
  const double ms = milliseconds(clock.monotonic() - task.submitted);
  if (task.matcher) masks.settle();
  std::lock_guard lock(mutex);
  ++n_done;
  look_ahead = true;
  look.notify_one();
  Forecast& forecast = task.model->forecast;
  const bool late = task.error && task.error->number == 4104;
  if (!task.error || late) forecast.observe_request(task.told_ms, ms);
  if (!task.error) {
    if (task.request != nullptr) {
      forecast.observe_answer(task.request->max_tokens,
                              static_cast<double>(task.generation.tokens.size()));
    }
  }
  queue.end(task.service.owner, task.work().tokens(), used);
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
    while (model.prefixes->size() * model.pages->page_bytes() > options.prefix_bytes_max &&
           model.prefixes->evict_one()) {
    }
  }
  s.pages.clear();
  s.task->error = std::move(error);
}

Page* Engine::State::take_page(LoadedModel& model) {
  Page* page = model.pages->allocate();
  while (page == nullptr && (model.prefixes->evict_one() || evict_model_or_adapter({}, false) ||
                             masks.forget_oldest() || evict_model_or_adapter({}, true))) {
    page = model.pages->allocate();
  }
  return page;
}

// Admission has promised the room; it fails only where scratch has grown into it.
bool Engine::State::ensure_pages(Sequence& s, int n_tokens) {
  while (static_cast<int>(s.pages.size()) < pages_for(n_tokens)) {
    Page* page = take_page(*s.task->model);
    if (page == nullptr) return false;
    s.pages.push_back(page);
    s.page_data.push_back(page->data);
    --s.n_reserved;
  }
  return true;
}

void Engine::State::share_prefix(Sequence& s) {
  if (s.n_past < kPageTokens || s.task->kind == Task::Kind::rows ||
      s.task->kind == Task::Kind::adopt)
    return;
  const auto n_full = static_cast<size_t>(s.n_past / kPageTokens);
  LoadedModel& model = *s.task->model;
  model.prefixes->insert(s.task->acting(), s.tokens, std::span(s.pages).first(n_full));
}

void Engine::State::fail_all() {
  {
    std::lock_guard lock(mutex);
    for (Task* task : queue.tasks()) {
      queue.remove(task);
      task->error = make_error(ErrorCode::cancelled, 4103, "the engine is shutting down");
      task->done = true;
    }
    finished.notify_all();
  }
  for (Sequence& s : active) {
    finish(s, make_error(ErrorCode::cancelled, 4103, "the engine is shutting down"));
  }
}

void Engine::State::thread_main() {
  bool stop = false;
  while (!stop) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] {
        return stopping || !queue.empty() || !active.empty() || !forgotten.empty() ||
               forget_prefixes || bytes_wanted > 0;
      });
      for (auto& [model, adapter] : forgotten) {
        if (model->prefixes) model->prefixes->forget(adapter);
      }
      forgotten.clear();
      if (forget_prefixes) {
        for (auto& [name, model] : models) {
          while (model->prefixes && model->prefixes->evict_one()) {
          }
          if (model->pages) model->pages->trim();
        }
        forget_prefixes = false;
        count_pages_locked();
        finished.notify_all();
      }
      if (bytes_wanted > 0) give_back_pages();
      stop = stopping;
    }
    if (stop) {
      fail_all();
    } else {
      admit();
    }
    for (Sequence& s : active) {
      if (std::optional<Error> error = interruption(*s.task)) finish(s, std::move(error));
    }
    {
      // Room is held by callers who take their answer or are about to ask: nobody says when that
      // ends.
      std::unique_lock lock(mutex);
      const bool stalled = active.empty() && !queue.empty() && !stopping;
      n_stalled = stalled ? n_stalled + 1 : 0;
      if (stalled) wake.wait_for(lock, kBetweenTries);
    }
    std::vector<LoadedModel*> decoders;
    for (Sequence& s : active) {
      if (s.finished || !s.task->model->decoder) continue;
      if (std::find(decoders.begin(), decoders.end(), s.task->model.get()) == decoders.end()) {
        decoders.push_back(s.task->model.get());
      }
    }
    publish_work();
    for (LoadedModel* model : decoders) step(*model);
    for (Sequence& s : active) {
      if (s.finished) continue;
      if (s.task->kind == Task::Kind::embed) embed_some(s);
      if (s.task->kind == Task::Kind::score && s.prompt_read) score_some(s);
      if (s.task->kind == Task::Kind::adopt) adopt_pages(s);
    }
    std::vector<Task*> ended;
    for (const Sequence& s : active) {
      if (s.finished) ended.push_back(s.task);
    }
    active.remove_if([](const Sequence& s) { return s.finished; });
    publish_work();  // Before their callers wake and look.
    for (Task* task : ended) complete(*task);
  }
}

// What is left to do in the batch, for those who ask how long a new request would take.
void Engine::State::publish_work() {
  std::map<std::string, Work> work;
  for (const Sequence& s : active) {
    Work left = s.task->work();
    left.prompt = std::max(0.0, left.prompt - s.n_past);
    left.answer -= static_cast<double>(s.task->generation.tokens.size());
    work[s.task->service.owner] += left;
  }
  budget.set_promised(promised_bytes());
  std::lock_guard lock(mutex);
  queue.set_active(std::move(work));
  outstanding = queue.outstanding();
  stats.n_active = static_cast<int>(active.size());
  count_pages_locked();
}

void Engine::State::count_pages_locked() {
  stats.pages_in_use = stats.pages_known = 0;
  for (const auto& [name, model] : models) {
    if (!model->pages) continue;
    stats.pages_in_use += model->pages->n_in_use();
    stats.pages_known += static_cast<int>(model->prefixes->size());
    model->kv_bytes = model->pages->bytes();
    model->kv_idle = (static_cast<uint64_t>(model->pages->n_idle()) + model->prefixes->size()) *
                     model->pages->page_bytes();
    model->kv_behind = bytes_behind(*model);
  }
}

// Of running sequences: what the layers with a window will not read again. The layers without one
// still read these pages, so they stay (docs/decisions/0009).
uint64_t Engine::State::bytes_behind(const LoadedModel& model) const {
  const model::DecoderConfig& config = model.decoder->config();
  int n_window = 0;
  for (int l = 0; l < config.n_layer; ++l) n_window += config.has_window(l) ? 1 : 0;
  if (n_window == 0) return 0;
  std::set<const Page*> behind;
  for (const Sequence& s : active) {
    if (s.finished || s.task->model.get() != &model) continue;
    const auto n = std::min<size_t>(
        s.pages.size(),
        static_cast<size_t>(std::max(0, s.n_past + 1 - config.window) / kPageTokens));
    behind.insert(s.pages.begin(), s.pages.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return behind.size() * model.pages->page_bytes() * static_cast<uint64_t>(n_window) /
         static_cast<uint64_t>(config.n_layer);
}

}  // namespace consort::engine

// Which waiting task may start: room for all the keys and values it can need, promised beforehand.
#include <algorithm>
#include <numeric>

#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

// Tokens whose keys and values a task needs, at most.
int tokens_max(const Task& task) {
  int n = static_cast<int>(task.prompt.size());
  if (task.kind == Task::Kind::generate) n += task.request->max_tokens;
  return n;
}

}  // namespace

Error budget_spent(const ByteBudget& budget) {
  return make_error(ErrorCode::resource_exhausted, 4101,
                    "the request's keys and values do not fit the memory budget")
      .got(std::to_string(budget.used() >> 20) + " MiB used of " +
           std::to_string(budget.max() >> 20) + " MiB")
      .to_fix("raise memory_bytes_max, or ask for fewer tokens");
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

}  // namespace consort::engine

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

// Pages that a task needs at most, those of its prompt among them.
int pages_max(const Task& task) {
  const auto n_prompt = static_cast<int>(task.prompt.size());
  if (task.kind == Task::Kind::generate) return pages_for(n_prompt + task.request->max_tokens);
  if (task.kind == Task::Kind::adopt) return 1;
  int n = pages_for(n_prompt);
  if (task.kind != Task::Kind::score) return n;
  // The stems of one step, then some of their options, each behind a last page of its own.
  int n_stem = 0, n_option = 0, n_options = 0;
  for (const Stem& stem : task.stems) {
    n_stem = std::max(n_stem, static_cast<int>(stem.tokens.size()));
    for (const auto& option : stem.options) {
      n_option = std::max(n_option, static_cast<int>(option.size()) - 1);
      if (option.size() > 1) ++n_options;
    }
  }
  const auto behind = [](int n_tokens) {
    return n_tokens == 0 ? 0 : pages_for(kPageTokens - 1 + n_tokens);
  };
  return n + std::min<int>(kStemsTogether, static_cast<int>(task.stems.size())) * behind(n_stem) +
         std::min(kOptionsTogether, n_options) * behind(n_option);
}

// Of the smallest steps that get the task done.
Scratch least_scratch(const Task& task) {
  constexpr int kRowsLeast = 8;
  const auto n_prompt = static_cast<int>(task.prompt.size());
  Scratch out{.rows = std::min(n_prompt, kRowsLeast), .positions = n_prompt, .n_logits = 1};
  switch (task.kind) {
    case Task::Kind::generate:
      out.positions += task.request->max_tokens;
      out.masked = task.matcher.has_value();
      break;
    case Task::Kind::score: {
      int n_stem = 0, n_option = 0, n_rows = 0;
      for (const Stem& stem : task.stems) {
        n_stem = std::max(n_stem, static_cast<int>(stem.tokens.size()));
        for (const auto& option : stem.options) {
          n_option = std::max(n_option, static_cast<int>(option.size()));
          n_rows += static_cast<int>(option.size()) - 1;
        }
      }
      out.rows = std::max({out.rows, n_stem, n_option, std::min(n_rows, kScoreRows)});
      out.positions += n_stem + n_option;
      out.n_logits = std::min(out.rows, kLogitsRows);
      break;
    }
    case Task::Kind::adopt:
      out.rows = out.positions = kPageTokens;
      break;
    case Task::Kind::rows:
      out.n_logits = out.rows;
      break;
    default:
      break;
  }
  return out;
}

}  // namespace

Error budget_spent(const ByteBudget& budget, uint64_t bytes) {
  return over_budget(budget, "the request's keys and values do not fit the memory budget", bytes);
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

// Work that nobody would wait for is not begun: the batch's time goes to those who can be in time.
std::optional<Error> Engine::State::too_late(const Task& task) const {
  if (!task.deadline) return std::nullopt;
  double others = 0;
  for (const Sequence& s : active) others += s.task->kind == Task::Kind::generate ? 1 : 0;
  const Work own = task.work();
  // Beside those who are in the batch: each takes as many rows as it does.
  const double ms = task.model->forecast.request_ms_told(
      own, {.prompt = 0, .answer = others * own.answer}, options.batch_max);
  if (clock.monotonic() + Nanoseconds(static_cast<int64_t>(ms * 1e6)) < *task.deadline) {
    return std::nullopt;
  }
  return make_error(ErrorCode::deadline_exceeded, 4104,
                    "too little time is left to answer before the deadline")
      .to_fix("allow more time, or ask for fewer tokens");
}

void Engine::State::ready(LoadedModel& model) {
  if (model.encoder && !model.encoder_runner) {
    model.encoder_runner = std::make_unique<model::EncoderRunner>(*model.encoder, pool, kernels);
  }
  if (model.decoder && !model.decoder_runner) {
    model.decoder_runner = std::make_unique<model::DecoderRunner>(*model.decoder, pool, kernels);
    auto pages = std::make_unique<PagePool>(model.decoder->page_bytes(), budget);
    auto prefixes = std::make_unique<PrefixTree>(*pages);
    // Read by `stats` on other threads.
    std::lock_guard lock(mutex);
    model.pages = std::move(pages);
    model.prefixes = std::move(prefixes);
  }
}

// Room for pages and for the least steps: what is unused in the budget and what could be evicted,
// less what others were promised.
bool Engine::State::make_room(LoadedModel& model, int n_pages, const Scratch& scratch) {
  const uint64_t page_bytes = model.pages->page_bytes();
  const uint64_t promised = promised_bytes() + static_cast<uint64_t>(n_pages) * page_bytes;
  const uint64_t growth = scratch_growth(model, scratch);
  const auto has_room = [&] {
    if (!budget.try_add(growth)) return false;
    if (budget.promise(promised, static_cast<uint64_t>(model.pages->n_idle()) * page_bytes)) {
      return true;
    }
    budget.remove(growth);
    return false;
  };
  if (growth > 0) model.pages->trim();  // Scratch is no page: it needs the bytes themselves.
  const auto forget_others = [&] {
    std::lock_guard lock(mutex);
    bool found = false;
    for (auto& [name, m] : models) {
      if (m.get() == &model || !m->prefixes) continue;
      while (m->prefixes->evict_one()) {
      }
      found = found || m->pages->n_idle() > 0;
      m->pages->trim();
    }
    return found;
  };
  while (!has_room()) {
    if (!model.prefixes->evict_one() && !forget_others() && !evict_model_or_adapter({}, false) &&
        !masks.forget_oldest() && !evict_model_or_adapter({}, true)) {
      return false;
    }
    if (growth > 0) model.pages->trim();
  }
  charge_scratch(model, scratch, growth);
  return true;
}

// Those who wait for other models or adapters than the first let go of them, so that these can be
// evicted; their callers bring them back. False if there is none.
bool Engine::State::set_aside(const Task& first) {
  std::vector<std::pair<std::shared_ptr<LoadedModel>, std::shared_ptr<const LoadedAdapter>>> let_go;
  std::lock_guard lock(mutex);
  for (Task* task : queue.tasks()) {
    const bool other_adapter = task->adapter != nullptr && task->adapter != first.adapter;
    if (task == &first || (task->model == first.model && !other_adapter)) continue;
    queue.remove(task);
    let_go.emplace_back(std::move(task->model), std::move(task->adapter));
    task->aside = true;
  }
  if (let_go.empty()) return false;
  finished.notify_all();
  return true;
}

uint64_t Engine::State::promised_bytes() const {
  uint64_t bytes = 0;
  for (const Sequence& s : active) {
    if (!s.task->model->pages || s.finished) continue;
    bytes += static_cast<uint64_t>(std::max(0, s.n_reserved)) * s.task->model->pages->page_bytes();
  }
  return bytes;
}

// `taken`: it is active now, or it has failed and has its error.
Engine::State::Admitted Engine::State::try_admit(Task& task) {
  LoadedModel& model = *task.model;
  Sequence s;
  s.task = &task;
  s.admitted = clock.monotonic();
  ready(model);
  if (task.kind == Task::Kind::embed) {
    s.order.resize(task.texts.size());
    std::iota(s.order.begin(), s.order.end(), size_t{0});
    std::stable_sort(s.order.begin(), s.order.end(), [&](size_t a, size_t b) {
      return task.texts[a].size() < task.texts[b].size();
    });
    task.vectors.resize(task.texts.size());
    active.push_back(std::move(s));
    return Admitted::taken;
  }
  const bool shares = task.kind != Task::Kind::rows && task.kind != Task::Kind::adopt;
  // Someone is reading the same beginning just now: wait for his pages instead of computing them
  // twice.
  for (const Sequence& other : active) {
    const Task& t = *other.task;
    if (!shares || t.kind == Task::Kind::embed || t.kind == Task::Kind::rows ||
        t.kind == Task::Kind::adopt || other.prompt_read || other.finished || t.model != task.model)
      continue;
    size_t common = common_prefix(t.prompt, task.prompt);
    if (t.adapter != task.adapter || (task.adapter && t.from != task.from)) {
      if (t.adapter) common = std::min(common, static_cast<size_t>(t.from));
      if (task.adapter) common = std::min(common, static_cast<size_t>(task.from));
    }
    if (common >= 2 * kPageTokens) return Admitted::waits;
  }
  // The last token is always read anew: its logits are wanted.
  if (shares) {
    const size_t last = task.kind == Task::Kind::keep ? 0 : 1;
    s.pages =
        model.prefixes->find(task.acting(), task.prompt, (task.prompt.size() - last) / kPageTokens);
  }
  s.n_past = static_cast<int>(s.pages.size()) * kPageTokens;
  s.n_reserved = std::max(0, pages_max(task) - static_cast<int>(s.pages.size()));
  if (!make_room(model, s.n_reserved, least_scratch(task))) {
    for (Page* page : s.pages) model.pages->release(page);
    // What is idle is gone: the rest is held by those who run, or who have an answer to take or
    // are about to ask.
    const auto others_hold = [&] {
      std::lock_guard lock(mutex);
      return models.size() > 1 || model.adapters.size() > (task.adapter ? 1 : 0);
    };
    if (!active.empty() || (n_stalled < kTriesMax && others_hold())) return Admitted::no_room;
    task.error =
        budget_spent(budget, static_cast<uint64_t>(s.n_reserved) * model.pages->page_bytes());
    return Admitted::taken;
  }
  s.tokens = task.prompt;
  for (Page* page : s.pages) s.page_data.push_back(page->data);
  task.cached_tokens = s.n_past;
  active.push_back(std::move(s));
  if (task.kind == Task::Kind::generate) begin_generation(active.back());
  // All of it was known.
  if (active.back().n_past == static_cast<int>(active.back().tokens.size())) {
    prompt_done(active.back());
  }
  return Admitted::taken;
}

void Engine::State::admit() {
  const FairQueue::Limits limits{options.queue_max, options.owner_queue_max,
                                 options.owner_active_max};
  std::vector<Task*> waiting, gone;
  {
    std::lock_guard lock(mutex);
    if (queue.empty()) return;
    for (Task* task : queue.tasks()) {
      if (std::optional<Error> error = interruption(*task)) {
        task->error = std::move(error);
        gone.push_back(task);
      }
    }
    for (Task* task : gone) {
      queue.remove(task);
      task->done = true;
    }
    if (!gone.empty()) finished.notify_all();
    waiting = queue.order(limits);
  }
  for (Task* task : waiting) {
    // A place beyond the batch for an owner who has none in it.
    const int n_active = static_cast<int>(active.size());
    if (n_active >= options.batch_max) {
      const int n_max = options.batch_max + options.batch_max / 4;
      std::lock_guard lock(mutex);
      if (n_active >= n_max || queue.n_active(task->service.owner) > 0) continue;
    }
    task->error = too_late(*task);
    Admitted admitted = task->error ? Admitted::taken : try_admit(*task);
    bool alone = false;
    if (admitted == Admitted::no_room && active.empty() && set_aside(*task)) {
      alone = true;
      admitted = try_admit(*task);
    }
    // Smaller ones behind it do not overtake: it would wait for ever.
    if (admitted == Admitted::no_room) return;
    if (admitted == Admitted::waits) continue;
    {
      std::lock_guard lock(mutex);
      queue.start(task);
    }
    if (task->error) complete(*task);
    if (alone) return;  // Those who were aside come again.
  }
}

}  // namespace consort::engine

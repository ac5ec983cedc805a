// What stays in memory: room for what is loaded, what goes for it, and what is fetched ahead
// (docs/decisions/0010-byte-planner.md).
#include <algorithm>

#include "engine/state.h"

namespace consort::engine {
namespace {

constexpr size_t kAhead = 3;  // Steps of a graph.

}  // namespace

void Engine::State::Reservation::shrink(uint64_t bytes) {
  state_->budget.remove(bytes_ - bytes);
  std::lock_guard lock(state_->mutex);
  state_->bytes_loading -= bytes_ - bytes;
  bytes_ = bytes;
}

uint64_t Engine::State::Reservation::keep_locked() {
  state_->bytes_loading -= bytes_;
  state_ = nullptr;
  return bytes_;
}

// Under `loading`.
Result<Engine::State::Reservation> Engine::State::reserve(uint64_t bytes, std::string_view what,
                                                          RoomRule rule) {
  const auto try_add = [&] {
    std::lock_guard lock(mutex);
    if (!budget.try_add(bytes)) return false;
    bytes_loading += bytes;
    return true;
  };
  bool asked = false;
  while (!try_add()) {
    if (budget.max() < bytes) return fail(over_budget(budget, what, bytes));
    if (evict_model_or_adapter(rule, false)) continue;
    if (rule.prefixes && !asked) {
      std::unique_lock lock(mutex);
      bytes_wanted = bytes;
      wake.notify_one();
      finished.wait(lock, [&] { return bytes_wanted == 0 || stopping; });
      asked = true;
      continue;
    }
    if (rule.prefixes && masks.forget_oldest()) continue;
    if (!evict_model_or_adapter(rule, true)) return fail(over_budget(budget, what, bytes));
  }
  return Reservation(this, bytes);
}

// The one that is idle and should go first: of those that a graph expects, or of the others. False
// if there is none. Freed by the caller's thread, with no lock held.
bool Engine::State::evict_model_or_adapter(RoomRule rule, bool expected) {
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const LoadedAdapter> adapter;
  std::lock_guard lock(mutex);
  std::optional<Evictable> first;
  const auto consider = [&](std::string_view base, std::string_view name, uint64_t used) {
    Evictable e{std::string(base), std::string(name), used, next_uses.distance(base, name)};
    if (e.next.has_value() != expected || (e.next && *e.next < rule.spares)) return;
    if (!first || goes_before(e, *first)) first = std::move(e);
  };
  for (const auto& [name, m] : models) {
    const KnownModel& source = known.find(name)->second;
    if (m.use_count() == 1) consider(name, "", source.used);
    for (const auto& [adapter_name, a] : m->adapters) {
      if (a.use_count() == 1) {
        consider(name, adapter_name, source.adapters.find(adapter_name)->second.used);
      }
    }
  }
  if (!first) return false;
  ++stats.n_evictions;
  const auto at = models.find(first->model);
  if (first->adapter.empty()) {
    model = std::move(at->second);
    models.erase(at);
    return true;
  }
  const auto with = at->second->adapters.find(first->adapter);
  adapter = std::move(with->second);
  at->second->adapters.erase(with);
  at->second->charged -= adapter->info.resident_bytes;
  budget.remove(adapter->info.resident_bytes);
  return true;
}

// The engine's thread, under `mutex`: unused pages, then known prefixes, of the model with most
// first, until `bytes_wanted` have room.
void Engine::State::give_back_pages() {
  constexpr int kTogether = 16;
  for (auto& [name, m] : models) {
    if (m->pages) m->pages->trim();
  }
  while (budget.lacking(bytes_wanted) > 0) {
    LoadedModel* most = nullptr;
    for (auto& [name, m] : models) {
      if (!m->prefixes || m->prefixes->size() == 0) continue;
      if (most == nullptr || m->pages->bytes() > most->pages->bytes()) most = m.get();
    }
    if (most == nullptr) break;
    const uint64_t before = most->pages->bytes();
    for (int i = 0; i < kTogether && most->prefixes->evict_one(); ++i) {
    }
    most->pages->trim();
    if (most->pages->bytes() == before) break;  // What is left is in use.
  }
  bytes_wanted = 0;
  count_pages_locked();
  finished.notify_all();
}

// Bytes by which the scratch for all steps so far and `wanted` is more than what is charged.
uint64_t Engine::State::scratch_growth(const LoadedModel& model, const Scratch& wanted) const {
  const Scratch& had = model.scratch;
  const int n_logits = std::max(had.n_logits, wanted.n_logits);
  uint64_t bytes =
      model.decoder_runner->scratch_bytes_for(std::max(had.rows, wanted.rows),
                                              std::max(had.positions, wanted.positions), n_logits);
  if (had.masked || wanted.masked) {
    bytes += sizeof(float) * kLogitsRows * static_cast<uint64_t>(model.info.n_vocab);
  }
  return bytes > model.scratch_charged ? bytes - model.scratch_charged : 0;
}

// `growth` has been added to the budget.
void Engine::State::charge_scratch(LoadedModel& model, const Scratch& wanted, uint64_t growth) {
  Scratch& had = model.scratch;
  had = {.rows = std::max(had.rows, wanted.rows),
         .positions = std::max(had.positions, wanted.positions),
         .n_logits = std::max(had.n_logits, wanted.n_logits),
         .masked = had.masked || wanted.masked};
  std::lock_guard lock(mutex);
  model.charged += growth;
  model.scratch_charged += growth;
}

// For a larger step than admission took care of: into what is unused, or kept for nobody.
bool Engine::State::grow_scratch(LoadedModel& model, const Scratch& wanted) {
  const uint64_t growth = scratch_growth(model, wanted);
  const uint64_t kept = static_cast<uint64_t>(model.pages->n_idle()) + model.prefixes->size();
  if (budget.lacking(growth) > kept * model.pages->page_bytes()) return false;
  while (!budget.try_add(growth)) {
    if (model.pages->n_idle() == 0 && !model.prefixes->evict_one()) return false;
    model.pages->trim();
  }
  charge_scratch(model, wanted, growth);
  return true;
}

// Fetches what the graphs ask for next, as far as that costs nothing that is asked for sooner.
void Engine::State::loader_main() {
  std::unique_lock lock(mutex);
  for (;;) {
    look.wait(lock, [&] { return look_ahead || stopping; });
    if (stopping) return;
    look_ahead = false;
    looking = true;
    for (const Use& use : next_uses.soon(kAhead)) {
      const auto distance = next_uses.distance(use.model, use.adapter);
      const auto source = known.find(use.model);
      if (!distance || source == known.end()) continue;
      const auto resident = models.find(use.model);
      const bool has_model = resident != models.end();
      const bool has_adapter = use.adapter.empty() ||
                               !source->second.adapters.contains(use.adapter) ||
                               (has_model && resident->second->adapters.contains(use.adapter));
      if (has_model && has_adapter) continue;
      const RoomRule rule{.spares = *distance + 1, .prefixes = false};
      lock.unlock();
      bool fits = true;
      {
        auto model = bring_model(use.model, rule);
        fits = model.has_value();
        if (fits && !has_adapter) fits = bring_adapter(*model, use.adapter, rule).has_value();
      }
      lock.lock();
      if (stopping) return;
      if (!fits) break;  // What comes later has no more room.
      ++stats.n_loads_ahead;
    }
    looking = false;
    finished.notify_all();
  }
}

void Engine::expect(std::string_view run, std::vector<Use> uses) {
  std::lock_guard lock(state_->mutex);
  state_->next_uses.expect(run, std::move(uses));
  state_->look_ahead = true;
  state_->look.notify_one();
}

MemoryMap Engine::memory() const {
  const State& state = *state_;
  state_->masks.settle();
  MemoryMap out;
  std::lock_guard lock(state.mutex);
  out.bytes_max = state.budget.max();
  out.bytes_used = state.budget.used();
  out.bytes_promised = state.budget.promised();
  const auto add = [&](MemoryItem item) { out.items.push_back(std::move(item)); };
  for (const auto& [name, source] : state.known) {
    const auto at = state.models.find(name);
    const LoadedModel* m = at == state.models.end() ? nullptr : at->second.get();
    const uint64_t weights = source.info.resident_bytes;
    add({.kind = "model",
         .name = name,
         .bytes = m != nullptr ? weights : 0,
         .bytes_evicted = m != nullptr ? 0 : weights,
         .next_use = state.next_uses.distance(name, "")});
    for (const auto& [adapter_name, a] : source.adapters) {
      const bool resident = m != nullptr && m->adapters.contains(adapter_name);
      add({.kind = "adapter",
           .name = adapter_name,
           .model = name,
           .bytes = resident ? a.info.resident_bytes : 0,
           .bytes_evicted = resident ? 0 : a.info.resident_bytes,
           .next_use = state.next_uses.distance(name, adapter_name)});
    }
    if (m == nullptr) continue;
    if (m->kv_bytes > 0) {
      add({.kind = "keys and values",
           .name = name,
           .bytes = m->kv_bytes,
           .bytes_idle = m->kv_idle,
           .bytes_behind = m->kv_behind});
    }
    if (m->scratch_charged > 0) {
      add({.kind = "scratch", .name = name, .bytes = m->scratch_charged});
    }
  }
  add({.kind = "masks", .bytes = state.masks.bytes()});
  if (state.bytes_loading > 0) add({.kind = "loading", .bytes = state.bytes_loading});
  return out;
}

}  // namespace consort::engine

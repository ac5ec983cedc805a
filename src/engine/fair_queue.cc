#include "engine/fair_queue.h"

#include <algorithm>
#include <cmath>

namespace consort::engine {

FairQueue::Owner& FairQueue::owner(const std::string& name) {
  const auto at = owners_.find(name);
  if (at != owners_.end()) return at->second;
  double least = HUGE_VAL;
  for (const auto& [other, state] : owners_) least = std::min(least, state.served);
  Owner& made = owners_[name];
  made.served = least == HUGE_VAL ? 0 : least;
  return made;
}

void FairQueue::leave(const std::string& name) {
  const auto at = owners_.find(name);
  if (at != owners_.end() && at->second.n_waiting == 0 && at->second.n_active == 0) {
    owners_.erase(at);
  }
}

Result<void> FairQueue::push(Item item, const Limits& limits) {
  const auto at = owners_.find(item.owner);
  const int n_waiting = at == owners_.end() ? 0 : at->second.n_waiting;
  const int n_max = limits.queue_max + (n_waiting == 0 ? limits.queue_max / 4 : 0);
  if (static_cast<int>(items_.size()) >= n_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 4102, "too many requests wait")
                    .got(std::to_string(items_.size()))
                    .to_fix("try again later, or raise queue_max"));
  }
  if (limits.owner_queue_max > 0 && n_waiting >= limits.owner_queue_max) {
    return fail(
        make_error(ErrorCode::resource_exhausted, 4117, "too many requests of one owner wait")
            .got(item.owner + ": " + std::to_string(n_waiting))
            .to_fix("try again later, or raise owner_queue_max"));
  }
  ++owner(item.owner).n_waiting;
  items_.push_back(std::move(item));
  return {};
}

std::map<std::string, double> FairQueue::outstanding() const {
  std::map<std::string, double> out;
  for (const Item& item : items_) out[item.owner] += item.work.tokens();
  for (const auto& [name, work] : active_) out[name] += work.tokens();
  return out;
}

int FairQueue::n_active(const std::string& name) const {
  const auto at = owners_.find(name);
  return at == owners_.end() ? 0 : at->second.n_active;
}

// Owners take turns by tokens: of an owner of less work than the newcomer's all goes before or
// beside it, of one of more as much as the newcomer's own owner has.
Work FairQueue::ahead(const Item& item) const {
  std::map<std::string, Work> waiting;
  for (const Item& other : items_) {
    if (other.priority >= item.priority) waiting[other.owner] += other.work;
  }
  const std::map<std::string, double> all = outstanding();
  const auto of = [](const auto& map, const std::string& name) {
    const auto at = map.find(name);
    return at == map.end() ? typename std::decay_t<decltype(map)>::mapped_type{} : at->second;
  };
  const double mine = of(all, item.owner) + item.work.tokens();
  Work out = of(waiting, item.owner);
  out += of(active_, item.owner);
  for (const auto& [name, tokens] : all) {
    if (name == item.owner || heavier(tokens, mine)) continue;
    out += of(active_, name);
    Work theirs = of(waiting, name);
    const double most = of(waiting, item.owner).tokens() + item.work.tokens();
    if (theirs.tokens() > most) {
      const double share = most / theirs.tokens();
      theirs = {share * theirs.prompt, share * theirs.answer};
    }
    out += theirs;
  }
  return out;
}

std::vector<Task*> FairQueue::order(const Limits& limits) const {
  struct Line {
    std::vector<const Item*> items;  // By priority, then arrival.
    double served = 0;
    int places = 0;
    int n_active = 0;
    size_t next = 0;
  };
  std::map<std::string, Line> lines;
  for (const Item& item : items_) lines[item.owner].items.push_back(&item);
  for (auto& [name, line] : lines) {
    const Owner& state = owners_.at(name);
    line.served = state.served;
    line.n_active = state.n_active;
    line.places =
        limits.owner_active_max > 0 ? limits.owner_active_max - state.n_active : INT32_MAX;
    std::stable_sort(line.items.begin(), line.items.end(),
                     [](const Item* a, const Item* b) { return a->priority > b->priority; });
  }
  std::vector<Task*> out;
  while (true) {
    Line* best = nullptr;
    for (auto& [name, line] : lines) {
      if (line.next >= line.items.size() || line.places <= 0) continue;
      if (best == nullptr) {
        best = &line;
        continue;
      }
      const int a = line.items[line.next]->priority, b = best->items[best->next]->priority;
      if (a > b || (a == b && std::pair(line.served, line.n_active) <
                                  std::pair(best->served, best->n_active))) {
        best = &line;
      }
    }
    if (best == nullptr) return out;
    const Item& item = *best->items[best->next++];
    best->served += item.work.tokens();
    --best->places;
    ++best->n_active;
    out.push_back(item.task);
  }
}

void FairQueue::start(Task* task) {
  const auto at = std::find_if(items_.begin(), items_.end(),
                               [&](const Item& item) { return item.task == task; });
  CONSORT_CHECK(at != items_.end());
  Owner& state = owner(at->owner);
  --state.n_waiting;
  ++state.n_active;
  state.served += at->work.tokens();
  items_.erase(at);
}

void FairQueue::end(const std::string& name, double estimated, double tokens) {
  Owner& state = owner(name);
  --state.n_active;
  state.served += tokens - estimated;
  leave(name);
}

void FairQueue::remove(Task* task) {
  const auto at = std::find_if(items_.begin(), items_.end(),
                               [&](const Item& item) { return item.task == task; });
  if (at == items_.end()) return;
  const std::string name = at->owner;
  --owner(name).n_waiting;
  items_.erase(at);
  leave(name);
}

std::vector<Task*> FairQueue::tasks() const {
  std::vector<Task*> out;
  for (const Item& item : items_) out.push_back(item.task);
  return out;
}

}  // namespace consort::engine

#include "engine/fair_queue.h"

#include <algorithm>
#include <cmath>

namespace consort::engine {

FairQueue::Owner& FairQueue::owner(const std::string& name) {
  const auto at = owners_.find(name);
  if (at != owners_.end()) return at->second;
  int64_t least = INT64_MAX;
  for (const auto& [other, state] : owners_) least = std::min(least, state.served);
  Owner& made = owners_[name];
  made.served = least == INT64_MAX ? 0 : least;
  return made;
}

void FairQueue::leave(const std::string& name) {
  const auto at = owners_.find(name);
  if (at != owners_.end() && at->second.n_waiting == 0 && at->second.n_active == 0) {
    owners_.erase(at);
  }
}

Result<void> FairQueue::push(Item item, const Limits& limits, std::optional<Nanoseconds> within) {
  if (static_cast<int>(items_.size()) >= limits.queue_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 4102, "too many requests wait")
                    .got(std::to_string(items_.size()))
                    .to_fix("try again later, or raise queue_max"));
  }
  const auto at = owners_.find(item.owner);
  const int n_waiting = at == owners_.end() ? 0 : at->second.n_waiting;
  if (limits.owner_queue_max > 0 && n_waiting >= limits.owner_queue_max) {
    return fail(
        make_error(ErrorCode::resource_exhausted, 4117, "too many requests of one owner wait")
            .got(item.owner + ": " + std::to_string(n_waiting))
            .to_fix("try again later, or raise owner_queue_max"));
  }
  if (within && speed_ > 0) {
    int64_t ahead = 0;
    for (const Item& other : items_) {
      if (other.priority >= item.priority) ahead += other.tokens;
    }
    const double wait_s = static_cast<double>(ahead) / speed_;
    if (wait_s > std::chrono::duration<double>(*within).count()) {
      return fail(make_error(ErrorCode::resource_exhausted, 4102,
                             "the request could not begin before its deadline")
                      .got(std::to_string(items_.size()) + " requests, " + std::to_string(ahead) +
                           " tokens ahead")
                      .to_fix("try again in " +
                              std::to_string(static_cast<int>(std::ceil(wait_s))) +
                              " s, or allow more time"));
    }
  }
  ++owner(item.owner).n_waiting;
  items_.push_back(std::move(item));
  return {};
}

std::vector<Task*> FairQueue::order(const Limits& limits) const {
  struct Line {
    std::vector<const Item*> items;  // By priority, then arrival.
    int64_t served = 0;
    int places = 0;
    size_t next = 0;
  };
  std::map<std::string, Line> lines;
  for (const Item& item : items_) lines[item.owner].items.push_back(&item);
  for (auto& [name, line] : lines) {
    const Owner& state = owners_.at(name);
    line.served = state.served;
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
      if (a > b || (a == b && line.served < best->served)) best = &line;
    }
    if (best == nullptr) return out;
    const Item& item = *best->items[best->next++];
    best->served += item.tokens;
    --best->places;
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
  state.served += at->tokens;
  items_.erase(at);
}

void FairQueue::end(const std::string& name, int64_t estimated, int64_t tokens) {
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

int64_t FairQueue::waiting_tokens() const {
  int64_t sum = 0;
  for (const Item& item : items_) sum += item.tokens;
  return sum;
}

void FairQueue::measure(int64_t tokens, double seconds) {
  if (tokens <= 0 || seconds <= 0) return;
  const double now = static_cast<double>(tokens) / seconds;
  speed_ = speed_ == 0 ? now : 0.9 * speed_ + 0.1 * now;
}

}  // namespace consort::engine

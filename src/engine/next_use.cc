#include "engine/next_use.h"

#include <algorithm>

namespace consort::engine {

void NextUses::expect(std::string_view run, std::vector<Use> uses) {
  if (uses.empty()) {
    if (const auto at = runs_.find(run); at != runs_.end()) runs_.erase(at);
    return;
  }
  runs_.insert_or_assign(std::string(run), std::move(uses));
}

std::optional<size_t> NextUses::distance(std::string_view model, std::string_view adapter) const {
  std::optional<size_t> out;
  for (const auto& [run, uses] : runs_) {
    const auto at = std::find_if(uses.begin(), uses.end(), [&](const Use& use) {
      return use.model == model && (adapter.empty() || use.adapter == adapter);
    });
    if (at == uses.end()) continue;
    const auto steps = static_cast<size_t>(at - uses.begin());
    out = std::min(out.value_or(steps), steps);
  }
  return out;
}

std::vector<Use> NextUses::soon(size_t distance_max) const {
  std::vector<Use> out;
  for (size_t i = 0; i <= distance_max; ++i) {
    for (const auto& [run, uses] : runs_) {
      if (i < uses.size() && std::find(out.begin(), out.end(), uses[i]) == out.end()) {
        out.push_back(uses[i]);
      }
    }
  }
  return out;
}

bool goes_before(const Evictable& a, const Evictable& b) {
  if (a.next.has_value() != b.next.has_value()) return !a.next;
  if (a.next && *a.next != *b.next) return *a.next > *b.next;
  return a.used < b.used;
}

}  // namespace consort::engine

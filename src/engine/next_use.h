// NextUses: which models and adapters the running graphs ask for next, and who goes when room is
// short.
//
// A graph knows its coming steps, so the farthest next use can go first (Belady 1966); among what
// no graph expects, the least recently used.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace consort::engine {

// Not thread-safe.
class NextUses final {
 public:
  // In place of what was known of this run; empty: nothing more.
  void expect(std::string_view run, std::vector<Use> uses);
  // Steps until the nearest use, 0 = now; nothing when no run expects it. "" as the adapter: the
  // model with any adapter or none.
  std::optional<size_t> distance(std::string_view model, std::string_view adapter) const;
  // The nearest uses of all runs, at most `distance_max` steps away, soonest first.
  std::vector<Use> soon(size_t distance_max) const;

 private:
  std::map<std::string, std::vector<Use>, std::less<>> runs_;
};

// What could be evicted.
struct Evictable {
  std::string model;
  std::string adapter;  // Empty: the model itself.
  uint64_t used = 0;    // When it was last asked for; grows.
  std::optional<size_t> next;
};

// Whether `a` is to go before `b`.
bool goes_before(const Evictable& a, const Evictable& b);

}  // namespace consort::engine

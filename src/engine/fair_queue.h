// FairQueue: who is served next. Higher priority first; then the owner that was served least; then
// the order of arrival.
//
// Service is counted in tokens (Sheng et al. 2024, "Fairness in serving large language models"): an
// owner pays for what its requests may need when they start. One that was away cannot save up: it
// comes back at the level of the least served who is there.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace consort::engine {

struct Task;

// Not thread-safe.
class FairQueue final {
 public:
  struct Limits {
    int queue_max = 256;
    int owner_queue_max = 0;   // 0 = queue_max
    int owner_active_max = 0;  // 0 = no limit
  };
  struct Item {
    Task* task = nullptr;
    std::string owner;
    int priority = 0;
    int64_t tokens = 0;  // What it may need: prompt and answer.
  };

  // Errors: 4102 the queue is full, 4117 the owner's share of it is, 4102 when by the speed of late
  // it could not begin within `within` (its fix says after how long to try again).
  Result<void> push(Item item, const Limits& limits, std::optional<Nanoseconds> within);
  // Waiting tasks in the order in which they should start, those of owners with no place left out.
  std::vector<Task*> order(const Limits& limits) const;
  // The task begins: it takes a place and its owner pays.
  void start(Task* task);
  // A task that had begun has ended; `tokens`: what it needed in fact.
  void end(const std::string& owner, int64_t estimated, int64_t tokens);
  void remove(Task* task);  // Without beginning.
  std::vector<Task*> tasks() const;
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  int64_t waiting_tokens() const;
  // Tokens served in a time while somebody waited: the speed that `within` is judged by.
  void measure(int64_t tokens, double seconds);
  double tokens_per_second() const { return speed_; }

 private:
  struct Owner {
    int n_waiting = 0;
    int n_active = 0;
    int64_t served = 0;  // Tokens.
  };
  Owner& owner(const std::string& name);
  void leave(const std::string& name);
  std::deque<Item> items_;  // By arrival.
  std::map<std::string, Owner> owners_;
  double speed_ = 0;
};

}  // namespace consort::engine

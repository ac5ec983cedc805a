// FairQueue: who is served next. Higher priority first; then the owner that was served least; then
// the order of arrival.
//
// Service is counted in tokens (Sheng et al. 2024, "Fairness in serving large language models"): an
// owner pays for what its requests may need when they start. One that was away cannot save up: it
// comes back at the level of the least served who is there. Of owners served alike the one with
// less in the batch goes first.
//
// An owner with much less work than another (`heavier`) is served almost as if the other were not
// there: see step.cc for the rows of a step, and Limits for places.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/forecast.h"

namespace consort::engine {

struct Task;

// Not thread-safe.
class FairQueue final {
 public:
  struct Limits {
    int queue_max = 256;       // A quarter more for owners of whom nobody waits.
    int owner_queue_max = 0;   // 0 = queue_max
    int owner_active_max = 0;  // 0 = no limit
  };
  struct Item {
    Task* task = nullptr;
    std::string owner;
    int priority = 0;
    Work work;  // What it may need: prompt and answer.
  };

  // Errors: 4102 the queue is full, 4117 the owner's share of it is.
  Result<void> push(Item item, const Limits& limits);
  // What is served before or beside a new item: the waiting that go before it and the work in the
  // batch; not that of owners with much more work than its own.
  Work ahead(const Item& item) const;
  // Waiting tasks in the order in which they should start, those of owners with no place left out.
  std::vector<Task*> order(const Limits& limits) const;
  // The task begins: it takes a place and its owner pays.
  void start(Task* task);
  // A task that had begun has ended; `tokens`: what it needed in fact.
  void end(const std::string& owner, double estimated, double tokens);
  void remove(Task* task);  // Without beginning.
  std::vector<Task*> tasks() const;
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  // Work left in the batch, by owner.
  void set_active(std::map<std::string, Work> work) { active_ = std::move(work); }
  // Tokens waiting and left in the batch, by owner.
  std::map<std::string, double> outstanding() const;
  int n_active(const std::string& owner) const;

 private:
  struct Owner {
    int n_waiting = 0;
    int n_active = 0;
    double served = 0;  // Tokens.
  };
  Owner& owner(const std::string& name);
  void leave(const std::string& name);
  std::deque<Item> items_;  // By arrival.
  std::map<std::string, Owner> owners_;
  std::map<std::string, Work> active_;
};

// Whether an owner with so many tokens outstanding has much more to do than another.
inline bool heavier(double tokens, double than) { return tokens >= 4 * than; }

}  // namespace consort::engine

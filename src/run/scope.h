// Scope: where one execution of one graph stands. The root agent has one; every nested agent adds
// one.
//
// It decides what can begin next from values alone: dependencies, `when`, fan-out, and redo loops.
// It does no I/O, calls nothing, and knows no time, so the same values always open the same steps
// under the same names; that is what makes resuming and replaying safe.
//
// Order: a step opens once the steps that it reads have settled, and once every redo loop that
// stands before it in the file has settled. A loop is tested when its steps have settled; another
// round begins all its steps again, as new executions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/graph.h"
#include "base/result.h"

namespace consort::run {

// A step that can begin now.
struct Opening {
  size_t step = 0;                      // Index into graph.steps().
  int execution = 0;                    // 0, and one more with every redo.
  bool skipped = false;                 // `when` was false: it has settled without a value.
  std::vector<contract::Value> inputs;  // One; with fan-out one per element. None: settled as [].
};

// Value semantics aside (it refers to the graph, which must outlive it), a plain object: one
// thread.
class Scope final {
 public:
  Scope(const agent::Graph& graph, contract::Value input);

  // All steps that can begin and have not been opened; call again after every settle. Error:
  // resource_exhausted 7006, a fan-out over more than agent::kFanOutMax elements.
  Result<std::vector<Opening>> open();
  // The value of an opened step, or of one element of its fan-out (the step settles with the last
  // one).
  void settle(size_t step, size_t element, contract::Value value);
  // All steps and loops have settled.
  bool finished() const;
  // The value of `return`.
  contract::Value result() const;

  const agent::Graph& graph() const { return graph_; }
  // "report", "report#1", "findings[3]", "findings[3]#1".
  std::string name_of(const Opening& opening, size_t element) const;

 private:
  enum class Phase { closed, open, settled };
  struct StepSlot {
    Phase phase = Phase::closed;
    int executions = 0;                    // Begun so far.
    std::optional<contract::Value> value;  // Of the last execution; none if it was skipped.
    std::vector<std::optional<contract::Value>> elements;
    size_t n_missing = 0;
    std::vector<agent::Argument> overrides;  // Of this redo round, evaluated.
  };
  struct LoopSlot {
    size_t first = 0, last = 0;  // Its steps, inclusive.
    int rounds = 0;
    bool settled = false;
  };

  bool settle_loops();  // True if a loop settled or began a round.
  void begin_round(size_t loop);
  bool can_open(size_t step) const;
  Result<Opening> open_step(size_t step);
  const contract::Value* look_up(std::string_view name) const;
  agent::Lookup lookup() const;

  const agent::Graph& graph_;
  contract::Value input_;
  std::vector<StepSlot> steps_;
  std::vector<LoopSlot> loops_;
  std::unordered_map<std::string_view, size_t> by_name_;
  size_t first_unsettled_ = 0;  // All steps before it have settled.
};

}  // namespace consort::run

// ComingUses: which models and adapters a graph asks for from a step on, in the written order.
//
// It tells the engine what to keep (engine::Engine::expect), nothing else: which branch a fan-out
// or a redo takes is not known, and a wrong guess costs time, never an answer.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/graph.h"
#include "engine/engine.h"

namespace consort::run {

// Filled by one thread, then immutable.
class ComingUses final {
 public:
  // What a call of this node of `graph` asks for. Nodes that are not named ask for nothing.
  void set(const agent::Graph& graph, const std::string& node, engine::Use use);
  // Of `node` and what follows: the rest of its graph, of a nested graph also its beginning (a
  // fan-out calls it again), then the rest of its callers.
  std::vector<engine::Use> from(const agent::Graph& root, const agent::Graph& graph,
                                const std::string& node) const;

 private:
  void add_steps(const agent::Graph& graph, size_t first, std::vector<engine::Use>* out) const;
  // True when `graph` is below `at`: what follows it there was added.
  bool add_callers(const agent::Graph& at, const agent::Graph& graph,
                   std::vector<engine::Use>* out) const;
  std::map<std::pair<const agent::Graph*, std::string>, engine::Use> uses_;
};

}  // namespace consort::run

// ComponentProvider: where a run gets its components from. The program makes one from loaded models
// and tools; tests write their own.
#pragma once

#include <string>

#include "agent/component.h"
#include "agent/graph.h"
#include "tool/tool.h"

namespace consort::run {

// Outlives the runs that use it. Thread-safe.
class ComponentProvider {
 public:
  virtual ~ComponentProvider() = default;
  // The component of a node of `graph` (the root or a nested one; kinds other than agent). nullptr
  // when there is none: the run fails with 7002. Owned by the provider.
  virtual agent::Component* find(const agent::Graph& graph, const std::string& node) = 0;
  // An object with everything that answers depend on beside the graph: models, adapters, tool
  // versions, memory digests. Stored when a run starts and compared when it is resumed or replayed.
  virtual contract::Value pins() const = 0;
  // What repeating a call of this node would do.
  virtual tool::Effect effect(const agent::Graph& /*graph*/, const std::string& /*node*/) const {
    return tool::Effect::none;
  }
};

}  // namespace consort::run

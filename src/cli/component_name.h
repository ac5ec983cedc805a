// AGENT:COMPONENT as a name on the command line: "examples/ci:planner",
// "examples/ci:validator/judge".
#pragma once

#include <memory>
#include <string>

#include "agent/graph.h"
#include "base/result.h"

namespace consort::cli {

struct ComponentRef {
  std::shared_ptr<const agent::Graph> graph;  // The root agent.
  const agent::Graph* owner = nullptr;        // The root, or the nested agent that has the node.
  const agent::Node* node = nullptr;
  std::string agent;  // The part before the colon.
  std::string path;   // "validator/judge"
};

// Errors: 8001 without a colon, 8003 no such component (did you mean), and those of load_graph.
Result<ComponentRef> find_component(const std::string& name);

}  // namespace consort::cli

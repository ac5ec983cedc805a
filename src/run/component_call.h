// One call of one component, outside of any recorded run: what `call`, `eval` and `promote` do.
#pragma once

#include <stop_token>
#include <string>

#include "agent/component.h"
#include "agent/graph.h"
#include "base/clock.h"
#include "run/provider.h"

namespace consort::run {

// References outlive the calls.
struct Callee {
  ComponentProvider& provider;
  const agent::Graph& owner;  // That has the node.
  const agent::Node& node;
  std::string path;  // "validator/judge", for errors.
  const Clock& clock;
  std::stop_token stop;
  uint64_t seed = 0;
};

// A used agent is executed in memory. Errors: contract_violation 3001 (the input, or the answer),
// 7002 (the provider has no such component), and those of the component.
Result<agent::Outcome> call_component(const Callee& callee, const contract::Value& input);

}  // namespace consort::run

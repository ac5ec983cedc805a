// Pins: what a run's answers depend on, stored when it starts and compared before it goes on.
#pragma once

#include <string>
#include <vector>

#include "agent/graph.h"
#include "base/result.h"
#include "run/provider.h"

namespace consort::run {

// {"graph": "<digest of agent file, contracts, prompts, nested agents>"} and the provider's own
// members.
contract::Value collect_pins(const agent::Graph& graph, const ComponentProvider& provider);

struct PinDifference {
  std::string pointer;   // JSON Pointer into the pins: "/models/small".
  std::string recorded;  // JSON, or "none".
  std::string now;
  bool operator==(const PinDifference&) const = default;
};

// In the order of the recorded pins, then what is new. Objects are compared member by member.
std::vector<PinDifference> compare_pins(const contract::Value& recorded,
                                        const contract::Value& now);

// Error failed_precondition 7010 that names the first differences; `differences` is not empty.
Error pins_changed(const std::string& run, const std::vector<PinDifference>& differences);

}  // namespace consort::run

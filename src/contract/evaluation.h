// Which keys and items a schema that holds has evaluated, as unevaluatedProperties and
// unevaluatedItems ask: case by case of the branches that hold. Internal to contract and mask.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contract/program.h"

namespace consort::contract {

// One way in which a node that holds may come to its annotations.
struct Evaluation {
  static constexpr uint64_t kAllItems = UINT64_MAX;
  std::vector<std::pair<NodeId, bool>> literals;   // Nodes that hold, or do not.
  std::vector<std::pair<std::string, bool>> keys;  // There, or not.
  std::vector<const ObjectKeywords*> objects;      // Null: every key is evaluated.
  uint64_t n_items = 0;                            // So many items from the first.
  std::vector<NodeId> contains;                    // And those that match one of these.
};

// Nothing if there are more than 256 cases. `own`: the node's own unevaluated* does not count.
std::optional<std::vector<Evaluation>> evaluations(const Program& program, NodeId id,
                                                   bool own = true, int depth = 0);

}  // namespace consort::contract

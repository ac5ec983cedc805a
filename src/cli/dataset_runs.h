// Rows for training out of recorded runs: what a component was asked, and what it should have answered.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "contract/json.h"

namespace consort::cli {

struct RecordedRows {
  std::string component;    // As run files name it: "planner", "verdict/judge".
  std::string agent;        // "name" or "name@version"; empty: of every agent.
  std::string corrections;  // JSON Lines {"run", "step", "verdict", "output"?}; empty: none.
  bool unreviewed = false;  // Also what nobody judged, where the first try was right by its contract.
};

// Rows {"rendered", "completion", "verdict", "provenance": {"run", "step", "agent"}}, newest run first. A verdict is
// `accepted`, `edited` (with the output that should have been) or `rejected` (no row). Errors: 9040 (a correction is
// malformed, or names what was not recorded), those of store::Journal.
Result<std::vector<contract::Value>> recorded_rows(Context& context, const RecordedRows& options);

}  // namespace consort::cli

// promote through the gate: a version of an adapter against the one that an alias means.
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "cli/gate_suite.h"
#include "contract/json.h"
#include "store/registry.h"

namespace consort::cli {

struct PromotionRequest {
  store::Version candidate;
  std::string alias;
  std::string champion;  // What the alias means now; empty: nothing, so the base without adapter.
  std::string policy;    // File.
};

struct PromotionVerdict {
  eval::Verdict component;
  std::vector<SuiteVerdict> agents;
  std::string component_name, golden;
  Digest golden_digest;
  int64_t rows = 0;
  int64_t looks = 0;  // At the golden set, this time included.
  bool pass() const;
  contract::Value to_value(const PromotionRequest& request) const;
  std::vector<std::string> lines(const PromotionRequest& request) const;  // For people.
};

// Reads policy, golden set and suites and refuses what is too small before any model is loaded; then compares
// on the golden set, and on each agent's suite unless the golden set was already failed. Counts the looks.
// Moves nothing. Errors: 8201 to 8206, and those of loading and running.
Result<PromotionVerdict> judge_promotion(Context& context, store::Registry& registry,
                                         const PromotionRequest& request);

inline constexpr int kExitGate = 10;  // Refused by the gate.

struct PromotionOutcome {
  contract::Value document;        // The verdict, "moved" and "verdict_sha256".
  std::vector<std::string> lines;  // For people.
  int exit_code = 0;               // 0 or kExitGate.
};

// What the alias means now; empty if nothing yet.
Result<std::string> meaning_of(store::Registry& registry, const store::ItemName& item, const std::string& alias);
// Judges, keeps the verdict as a blob, and on a pass moves the alias, only if it still means the champion that was
// compared; the move's reason names the verdict. Errors: as above, and 1224.
Result<PromotionOutcome> promote_through_gate(Context& context, store::Registry& registry,
                                              const PromotionRequest& request);

}  // namespace consort::cli

// Gate: may this version take the place of the one in service?
//
// A pure function from the scores of both versions on the same items to a verdict. It passes only
// what was shown: "no significant difference" is never enough, the loss must be shown to be smaller
// than the margin that the policy declares, on the whole set, on every slice, and on the probe for
// forgetting. A set that is too small to show it is refused beforehand, with the size needed.
//
// Not for: running versions (cli), moving aliases (store). Statistics: eval/paired.h. Format and
// sources: docs/formats/gate.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "contract/json.h"
#include "eval/paired.h"

namespace consort::eval {

struct MetricPolicy {
  std::string name;
  double margin = 0.05;                // Loss that is tolerated, in (0, 1), on the whole set.
  std::optional<double> slice_margin;  // On each slice; none: 2 * margin.
  bool superior = false;               // The candidate claims to be better: that is tested too.
  bool graded = false;                 // In [0, 1]; else right or wrong.
  double slice() const { return slice_margin.value_or(2 * margin); }
};

struct Policy {
  std::vector<MetricPolicy> metrics;
  double alpha = 0.05;             // One-sided, of every check.
  double power = 0.975;            // With which equally good versions pass all checks together.
  double discordance = 0.10;       // Share of items on which two versions are expected to differ.
  double deviation = 0.20;         // Of a graded metric's differences, expected.
  double latency_ratio_max = 1.5;  // Candidate's median over champion's.
  uint64_t adapter_bytes_max = 64ull << 20;
  uint64_t seed = 1;
};

// One golden row, scored under both versions. Scores are in the order of the policy's metrics.
struct Item {
  std::string slice;    // Empty: of no slice.
  std::string cluster;  // Rows that share a table or dialogue; empty: its own.
  bool probe = false;   // Of the probe for forgetting, not of the golden set.
  std::vector<double> champion, candidate;
};

struct Cost {
  double champion_ms = 0, candidate_ms = 0;  // Median of one answer.
  uint64_t adapter_bytes = 0;
};

enum class Finding { shown, refuted, open };  // open: the items do not settle it.
std::string_view name(Finding finding);

struct Check {
  std::string metric;
  std::string where;  // "golden set", "slice easy", "probe"
  std::string kind;   // "no_worse", "better"
  int64_t n = 0;
  double champion = 0, candidate = 0;  // Mean scores.
  PairedCounts counts;                 // Of metrics that are right or wrong.
  Interval interval;                   // Of the difference, confidence 1 - 2 * alpha.
  double margin = 0;
  double p = 1;  // One-sided; of "better", adjusted over the metrics (Holm).
  Finding finding = Finding::open;
  int64_t n_needed = 0;  // To settle an open one, at the variation seen.
  double difference() const { return candidate - champion; }
};

struct Verdict {
  bool pass = false;
  std::vector<Check> checks;
  std::vector<std::string> reasons;      // Why not; empty on a pass.
  std::vector<std::string> not_checked;  // Said in so many words.
  Cost cost;
  contract::Value to_value() const;
  // For people: first line the verdict, then what got better, what did not, how sure.
  std::vector<std::string> lines() const;
};

// Rows that a set, its slices and its probe need under the policy. `sizes` counts the rows of each:
// "golden set", "slice NAME", "probe". Error: failed_precondition 8203 for the first that is too
// small, with the size needed; invalid_argument 8206 for a policy out of range.
Result<void> check_sizes(const Policy& policy, const std::map<std::string, int64_t>& sizes);
std::map<std::string, int64_t> sizes_of(const std::vector<Item>& items);

// Every item has a score for every metric. Errors: those of check_sizes.
Result<Verdict> judge(const Policy& policy, const std::vector<Item>& items, const Cost& cost);

}  // namespace consort::eval

// The data sets that `consort eval` reads and the measurements that they call for. Formats:
// examples/competitive-intelligence/evals/README.md.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"
#include "contract/json.h"

namespace consort::cli {

struct EvalOptions {
  std::string memory;                 // Of the agent; empty: its only one.
  std::string analyzer = "analyzer";  // The component that finds figures.
  std::string corpus;                 // Of briefs: only those for this corpus.
  int limit = 0;                      // First so many records; 0: all.
};

// JSON Lines, or a YAML or JSON document that is a list or has one list as a member ("briefs").
// Error 8008.
Result<std::vector<contract::Value>> read_records(const std::string& path);

// {"component", "version", "n", "metrics": {...}}. Errors: 8008 (a record or the agent lacks what
// is needed).

// Questions with gold passages and figures: hit@5 and hit@10 of the memory's search, figures found
// and computations right of the analyzer.
Result<contract::Value> eval_questions(Context& context, Session& session,
                                       const std::vector<contract::Value>& records,
                                       const EvalOptions& options);
// Reports with planted errors: caught by kind, false alarms, of the agent's check_claims tool.
Result<contract::Value> eval_planted(Context& context, Session& session,
                                     const std::vector<contract::Value>& records,
                                     const EvalOptions& options);
// A brief without the members that the agent's input contract does not have (id, corpus).
contract::Value brief_input(const agent::Graph& graph, const contract::Value& brief);
// What one run came to, by the names of eval::kRunFigures. A figure that the output does not have is absent.
std::map<std::string, double> run_figures(const agent::Graph& graph, const run::RunResult& result);
// Briefs: the agent is run on each. Reports valid, claims supported, latency and tokens by
// component.
Result<contract::Value> eval_briefs(Context& context, Session& session,
                                    const std::vector<contract::Value>& records,
                                    const EvalOptions& options);

}  // namespace consort::cli

// Versions of one component answer a golden set: the same rows, in turn, in one process.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/component.h"
#include "cli/component_name.h"
#include "cli/session.h"
#include "eval/gate.h"
#include "eval/golden_set.h"
#include "eval/measure.h"

namespace consort::cli {

struct GoldenTask {
  eval::GoldenSet set;
  std::vector<eval::Measure> measures;
  double tolerance = 0;
};

struct GoldenAnswer {
  std::vector<double> scores;  // In the order of the measures; 0 where the component failed.
  std::string error;           // Why it failed: "E3001 ..."; empty: it answered.
  double ms = 0;               // Wall clock.
  agent::Usage usage;
  std::vector<eval::Judgement> judged;  // Of `decide`.
};

// Reads the set, and checks every row against the measures and the component's contract (empty
// `component`: against the agent's). Nothing is loaded. Errors: 8201, 8202, 3001, with the line.
Result<GoldenTask> read_task(const std::string& path, std::vector<eval::Measure> measures,
                             const contract::Schema& input);

// The answers of each host, by row. Which host goes first alternates, so that neither always has the warm
// machine. A broken contract or a passed deadline is a wrong answer; any other failure ends the evaluation,
// with the row's line. Error: cancelled 7011.
Result<std::vector<std::vector<GoldenAnswer>>> answer_all(Context& context, const ComponentRef& component,
                                                          const std::vector<run::Host*>& hosts,
                                                          const GoldenTask& task);

// The median time of the answers to rows that are no probe.
double median_ms(const std::vector<GoldenAnswer>& answers);
// The pairs for the gate: [0] champion, [1] candidate.
std::vector<eval::Item> items_of(const GoldenTask& task,
                                 const std::vector<std::vector<GoldenAnswer>>& answers);
// Rows by place, as eval::check_sizes wants them.
std::map<std::string, int64_t> sizes_of(const eval::GoldenSet& set);

// True if a component of the agent, or of one that it uses, names the adapter.
bool uses_adapter(const agent::Graph& graph, const std::string& adapter);
bool uses_adapter(const agent::Node& node, const std::string& adapter);

}  // namespace consort::cli

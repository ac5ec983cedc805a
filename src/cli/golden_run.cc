#include "cli/golden_run.h"

#include <fmt/format.h>

#include "cli/sql_tables.h"
#include "eval/metrics.h"
#include "run/component_call.h"

namespace consort::cli {
namespace {

using contract::Value;

double ms_between(Nanoseconds begin, Nanoseconds end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

bool is_wrong_answer(ErrorCode code) {
  return code == ErrorCode::contract_violation || code == ErrorCode::deadline_exceeded;
}

Result<GoldenAnswer> answer_one(const run::Callee& callee, const GoldenTask& task, const eval::GoldenRow& row,
                                const eval::MeasureOptions& options) {
  GoldenAnswer out;
  const Nanoseconds begin = callee.clock.monotonic();
  auto outcome = run::call_component(callee, row.input);
  out.ms = ms_between(begin, callee.clock.monotonic());
  if (!outcome) {
    if (!is_wrong_answer(outcome.error().code))
      return fail(std::move(outcome).error().with_context(task.set.place(row)));
    out.error = outcome.error().to_string();
    out.scores.assign(task.measures.size(), 0.0);
    return out;
  }
  out.usage = outcome->usage;
  for (const eval::Measure m : task.measures) {
    CONSORT_ASSIGN(const double score, eval::score(m, task.set, row, outcome->value, options));
    out.scores.push_back(score);
  }
  if (callee.node.spec.kind == agent::ComponentKind::decide)
    out.judged = eval::judgements(row.expected, outcome->value);
  return out;
}

}  // namespace

Result<GoldenTask> read_task(const std::string& path, std::vector<eval::Measure> measures,
                             const contract::Schema& input) {
  CONSORT_ASSIGN(const std::string text, read_text(path));
  GoldenTask task;
  CONSORT_ASSIGN(task.set, eval::read_golden_set(text, path));
  task.measures = std::move(measures);
  CONSORT_TRY(eval::check_inputs(task.set, input));
  for (const eval::GoldenRow& row : task.set.rows)
    for (const eval::Measure m : task.measures) CONSORT_TRY(eval::check_row(m, task.set, row));
  return task;
}

Result<std::vector<std::vector<GoldenAnswer>>> answer_all(Context& context, const ComponentRef& component,
                                                          const std::vector<run::Host*>& hosts,
                                                          const GoldenTask& task) {
  CONSORT_ASSIGN(const auto tables, SqlTables::create(context.clock, context.stop.get_token()));
  const eval::MeasureOptions options{
      task.tolerance,
      [&](const Value& table, const std::string& query) { return tables->rows(table, query); }};
  std::vector<std::vector<GoldenAnswer>> out(hosts.size());
  for (size_t i = 0; i < task.set.rows.size(); ++i) {
    context.progress().update("golden set", static_cast<double>(i) / static_cast<double>(task.set.rows.size()));
    for (auto& answers : out) answers.resize(i + 1);
    for (size_t k = 0; k < hosts.size(); ++k) {
      if (context.stop.stop_requested())
        return fail(make_error(ErrorCode::cancelled, 7011, "the evaluation was interrupted"));
      const size_t at = (i + k) % hosts.size();
      const run::Callee callee{*hosts[at],    *component.owner,         *component.node, component.path,
                               context.clock, context.stop.get_token(), 0};
      CONSORT_ASSIGN(out[at][i], answer_one(callee, task, task.set.rows[i], options));
    }
  }
  context.progress().finish();
  return out;
}

double median_ms(const std::vector<GoldenAnswer>& answers) {
  eval::Spread spread;
  for (const GoldenAnswer& a : answers) spread.add(a.ms);
  return spread.percentile(0.5);
}

std::vector<eval::Item> items_of(const GoldenTask& task,
                                 const std::vector<std::vector<GoldenAnswer>>& answers) {
  std::vector<eval::Item> out;
  for (size_t i = 0; i < task.set.rows.size(); ++i) {
    const eval::GoldenRow& row = task.set.rows[i];
    out.push_back({row.slice, row.cluster, row.probe, answers[0][i].scores, answers[1][i].scores});
  }
  return out;
}

std::map<std::string, int64_t> sizes_of(const eval::GoldenSet& set) {
  std::vector<eval::Item> items;
  for (const eval::GoldenRow& row : set.rows) items.push_back({row.slice, row.cluster, row.probe, {}, {}});
  return eval::sizes_of(items);
}

bool uses_adapter(const agent::Node& node, const std::string& adapter) {
  if (node.nested) return uses_adapter(*node.nested, adapter);
  return node.spec.adapter.substr(0, node.spec.adapter.find('@')) == adapter;
}

bool uses_adapter(const agent::Graph& graph, const std::string& adapter) {
  for (const auto& [name, node] : graph.nodes())
    if (uses_adapter(node, adapter)) return true;
  return false;
}

}  // namespace consort::cli

#include <fmt/format.h>

#include "cli/eval_sets.h"
#include "eval/metrics.h"

namespace consort::cli {
namespace {

using contract::Value;

// The agent's tool that is built in under this name, in it or in an agent that it uses.
struct FoundTool {
  const agent::Graph* graph = nullptr;
  std::string name;
};
FoundTool find_tool(const agent::Graph& graph, const std::string& builtin) {
  for (const auto& [name, spec] : graph.definition().tools) {
    if (spec.builtin == builtin) return {&graph, name};
  }
  for (const auto& [name, node] : graph.nodes()) {
    if (!node.nested) continue;
    FoundTool found = find_tool(*node.nested, builtin);
    if (found.graph != nullptr) return found;
  }
  return {};
}

// The members that the tool's contract takes; a data set's records hold more.
Value claim_of(const Value& claim) {
  contract::Array cites;
  if (const Value* list = claim.find("cites"); list != nullptr && list->is_array()) {
    for (const Value& c : list->as_array()) {
      const Value* page = c.find("page");
      cites.push_back(Value::object({{"doc", c.string_or("doc", "")},
                                     {"page", page != nullptr ? *page : Value()},
                                     {"quote", c.string_or("quote", "")}}));
    }
  }
  return Value::object({{"id", claim.string_or("id", "")},
                        {"text", claim.string_or("text", "")},
                        {"cites", std::move(cites)}});
}

struct Counts {
  std::map<std::string, eval::Rate> caught;  // By kind of the planted error.
  eval::Rate all, false_alarms;
  std::map<std::string, int64_t> alarms;  // By kind of the issue.
  eval::Spread ms;
  contract::Array missed, alarmed;  // Ids: for those who mend the rules.
};

Result<void> check_report(Context& context, run::Host& host, const FoundTool& tool,
                          const Value& record, Counts& counts) {
  const Value* report = record.find("report");
  const Value* claims = report != nullptr ? report->find("claims") : nullptr;
  const Value* errors = record.find("errors");
  if (claims == nullptr || !claims->is_array() || errors == nullptr || !errors->is_array()) {
    return fail(
        make_error(ErrorCode::invalid_argument, 8008, "a record needs report.claims and errors")
            .got(contract::to_json(record)));
  }
  contract::Array list;
  for (const Value& claim : claims->as_array()) list.push_back(claim_of(claim));
  Value input = Value::object({{"claims", std::move(list)}});
  if (const Value* companies = record.find("companies"))
    input.get_object()->set("companies", *companies);
  tool::CallContext call;
  call.clock = &context.clock;
  call.stop = context.stop.get_token();
  Nanoseconds begin = context.clock.monotonic();
  CONSORT_ASSIGN(
      Value answer,
      host.tools(*tool.graph).call(tool::Grant{"eval", {tool.name}}, tool.name, input, call));
  counts.ms.add(
      std::chrono::duration<double, std::milli>(context.clock.monotonic() - begin).count());
  std::map<std::string, std::string> found;  // Claim -> kind of its first issue.
  if (const Value* issues = answer.find("issues"); issues != nullptr && issues->is_array()) {
    for (const Value& issue : issues->as_array())
      found.emplace(issue.string_or("claim", ""), issue.string_or("kind", ""));
  }
  std::map<std::string, std::string> planted;
  for (const Value& e : errors->as_array())
    planted[e.string_or("claim_id", "")] = e.string_or("kind", "other");
  for (const Value& claim : claims->as_array()) {
    std::string id = claim.string_or("id", "");
    auto issue = found.find(id);
    auto error = planted.find(id);
    std::string where = record.string_or("id", "") + "/" + id;
    if (error != planted.end()) {
      counts.caught[error->second].count(issue != found.end());
      counts.all.count(issue != found.end());
      if (issue == found.end()) counts.missed.push_back(where + " " + error->second);
      continue;
    }
    counts.false_alarms.count(issue != found.end());
    if (issue != found.end()) {
      ++counts.alarms[issue->second];
      counts.alarmed.push_back(where + " " + issue->second);
    }
  }
  return {};
}

}  // namespace

Result<Value> eval_planted(Context& context, Session& session, const std::vector<Value>& records,
                           const EvalOptions& /*options*/) {
  const agent::Definition& d = session.graph().definition();
  FoundTool tool = find_tool(session.graph(), "check_claims");
  if (tool.graph == nullptr) {
    return fail(make_error(ErrorCode::not_found, 8008,
                           "planted errors are for an agent with the tool check_claims")
                    .at(d.path.string()));
  }
  CONSORT_ASSIGN(run::Host * host, session.host());
  Counts counts;
  for (size_t i = 0; i < records.size(); ++i) {
    context.progress().update("planted errors",
                              static_cast<double>(i) / static_cast<double>(records.size()));
    CONSORT_TRY(check_report(context, *host, tool, records[i], counts));
  }
  contract::Object caught, alarms;
  for (const auto& [kind, rate] : counts.caught) caught.set(kind, rate.to_value());
  for (const auto& [kind, n] : counts.alarms) alarms.set(kind, n);
  Value metrics = Value::object({{"caught", counts.all.to_value()},
                                 {"caught_by_kind", std::move(caught)},
                                 {"false_alarms", counts.false_alarms.to_value()},
                                 {"false_alarms_by_issue", std::move(alarms)},
                                 {"check_ms", counts.ms.to_value()},
                                 {"missed", std::move(counts.missed)},
                                 {"alarmed", std::move(counts.alarmed)}});
  return Value::object({{"component", tool.graph->definition().name + ":" + tool.name},
                        {"version", tool.graph->definition().version},
                        {"n", records.size()},
                        {"metrics", std::move(metrics)}});
}

}  // namespace consort::cli

#include <fmt/format.h>

#include "cli/eval_sets.h"
#include "contract/schema.h"
#include "eval/metrics.h"

namespace consort::cli {
namespace {

using contract::Value;

struct PerComponent {
  eval::Spread ms;
  int64_t prompt_tokens = 0, output_tokens = 0, violations = 0;
};

struct Totals {
  eval::Rate completed, valid, verdict_ok, supported;
  eval::Spread seconds, tokens, claims, dropped;
  std::map<std::string, PerComponent> components;
  std::map<std::string, int64_t> errors;  // "E7003" -> runs.
};

size_t length(const Value& v, std::string_view key) {
  const Value* list = v.find(key);
  return list != nullptr && list->is_array() ? list->as_array().size() : 0;
}

// A claim that stands in the report without an issue of the verdict is supported; dropped ones are
// not.
void count_claims(const Value& report, Totals& totals) {
  std::set<std::string> disputed;
  const Value* verdict = report.find("verdict");
  const Value* issues = verdict != nullptr ? verdict->find("issues") : nullptr;
  if (issues != nullptr && issues->is_array()) {
    for (const Value& issue : issues->as_array()) disputed.insert(issue.string_or("claim", ""));
  }
  const Value* claims = report.find("claims");
  if (claims != nullptr && claims->is_array()) {
    for (const Value& claim : claims->as_array())
      totals.supported.count(!disputed.contains(claim.string_or("id", "")));
  }
  if (verdict != nullptr && verdict->is_object()) {
    const Value* ok = verdict->find("ok");
    totals.verdict_ok.count(ok != nullptr && ok->get_bool() != nullptr && ok->as_bool());
  }
  totals.claims.add(static_cast<double>(length(report, "claims")));
  totals.dropped.add(static_cast<double>(length(report, "dropped")));
}

void count_run(const agent::Graph& graph, const run::RunResult& result, Totals& totals) {
  bool completed = result.state == store::RunState::completed;
  totals.completed.count(completed);
  totals.valid.count(completed && contract::validate(*graph.output(), result.output).empty());
  if (completed) count_claims(result.output, totals);
  if (result.error) ++totals.errors["E" + std::to_string(result.error->number)];
  double end_ms = 0;
  for (const run::StepResult& step : result.steps) {
    end_ms = std::max(end_ms, step.start_ms + step.ms);
    // "findings[3]/choice" belongs to "choose" of its agent: name the path of components, not of
    // steps.
    PerComponent& c = totals.components[step.component];
    c.ms.add(step.ms);
    c.prompt_tokens += step.usage.prompt_tokens;
    c.output_tokens += step.usage.output_tokens;
    c.violations += step.usage.violations;
  }
  totals.seconds.add(end_ms / 1000);
  totals.tokens.add(static_cast<double>(result.usage.prompt_tokens + result.usage.output_tokens));
}

Value metrics_of(const Totals& t) {
  contract::Object components, errors;
  for (const auto& [name, c] : t.components) {
    components.set(name, Value::object({{"ms", c.ms.to_value()},
                                        {"prompt_tokens", c.prompt_tokens},
                                        {"output_tokens", c.output_tokens},
                                        {"violations", c.violations}}));
  }
  for (const auto& [code, n] : t.errors) errors.set(code, n);
  return Value::object({{"completed", t.completed.to_value()},
                        {"valid", t.valid.to_value()},
                        {"verdict_ok", t.verdict_ok.to_value()},
                        {"claims_supported", t.supported.to_value()},
                        {"claims", t.claims.to_value()},
                        {"dropped", t.dropped.to_value()},
                        {"seconds", t.seconds.to_value()},
                        {"tokens", t.tokens.to_value()},
                        {"errors", std::move(errors)},
                        {"components", std::move(components)}});
}

bool is_for(const Value& brief, const std::string& corpus) {
  const Value* list = brief.find("corpus");
  if (corpus.empty() || list == nullptr || !list->is_array()) return true;
  for (const Value& name : list->as_array()) {
    if (name.is_string() && name.as_string() == corpus) return true;
  }
  return false;
}

}  // namespace

Value brief_input(const agent::Graph& graph, const Value& brief) {
  Value input = contract::Object();
  for (const auto& [key, value] : brief.as_object()) {
    input.get_object()->set(key, value);
    bool refused = false;
    for (const contract::Violation& v : contract::validate(*graph.input(), input)) {
      refused = refused || (v.instance == contract::pointer_child("", key) &&
                            v.keyword == "additionalProperties");
    }
    if (refused) input.get_object()->erase(key);
  }
  return input;
}

std::map<std::string, double> run_figures(const agent::Graph& graph, const run::RunResult& result) {
  Totals one;
  count_run(graph, result, one);
  std::map<std::string, double> out;
  for (const auto& [name, rate] : {std::pair{"completed", &one.completed}, std::pair{"valid", &one.valid},
                                   std::pair{"verdict_ok", &one.verdict_ok},
                                   std::pair{"claims_supported", &one.supported}}) {
    if (const auto value = rate->value()) out[name] = *value;
  }
  return out;
}

Result<Value> eval_briefs(Context& context, Session& session, const std::vector<Value>& records,
                          const EvalOptions& options) {
  const agent::Definition& d = session.graph().definition();
  std::vector<Value> inputs;
  for (const Value& brief : records) {
    if (!brief.is_object()) {
      return fail(make_error(ErrorCode::invalid_argument, 8008, "a brief is an object")
                      .got(contract::to_json(brief)));
    }
    if (!is_for(brief, options.corpus)) continue;
    Value input = brief_input(session.graph(), brief);
    CONSORT_TRY_CONTEXT(contract::check(*session.graph().input(), input),
                        "brief '" + brief.string_or("id", "") + "'");
    inputs.push_back(std::move(input));
  }
  CONSORT_ASSIGN(store::Journal * journal, session.journal());
  CONSORT_ASSIGN(run::Host * host, session.host());
  run::Executor executor(journal, context.clock);
  Totals totals;
  contract::Array runs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    context.progress().update("briefs",
                              static_cast<double>(i) / static_cast<double>(inputs.size()));
    run::RunOptions run_options;
    run_options.meta = Value::object({{"environment", session.environment()}, {"eval", true}});
    run_options.watch.stop = context.stop.get_token();
    CONSORT_ASSIGN(run::RunResult result,
                   executor.start(session.graph(), *host, inputs[i], run_options));
    if (result.interrupted)
      return fail(make_error(ErrorCode::cancelled, 7011, "the evaluation was interrupted"));
    count_run(session.graph(), result, totals);
    runs.push_back(result.run.text);
  }
  Value metrics = metrics_of(totals);
  metrics.get_object()->set("runs", std::move(runs));
  return Value::object({{"component", d.name},
                        {"version", d.version},
                        {"n", inputs.size()},
                        {"metrics", std::move(metrics)}});
}

}  // namespace consort::cli

// eval: measures an agent on a data set. The kind of set follows from its records.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/eval_component.h"
#include "cli/eval_sets.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string agent, data, against;
  EvalOptions eval;
  ComponentEvalOptions component;
};

enum class SetKind { questions, planted, briefs };

std::optional<SetKind> kind_of(const Value& record) {
  if (record.find("report") != nullptr && record.find("errors") != nullptr) return SetKind::planted;
  if (record.find("question") != nullptr && record.find("gold") != nullptr)
    return SetKind::questions;
  if (record.find("topic") != nullptr) return SetKind::briefs;
  return std::nullopt;
}

void print_rate(const std::string& name, const Value& v, int depth) {
  std::string indent(static_cast<size_t>(depth) * 2, ' ');
  if (!v.is_object()) {
    std::string text = v.is_array() ? std::to_string(v.as_array().size()) : contract::to_json(v);
    print_line(fmt::format("{}{:<28} {}", indent, name, text));
    return;
  }
  if (const Value* hits = v.find("hits")) {
    const Value* value = v.find("value");
    std::string share =
        value->is_null() ? "-" : fmt::format("{:.1f} %", value->as_number().as_double() * 100);
    print_line(fmt::format("{}{:<28} {:>8}  {}/{}  (95 %: {:.1f} to {:.1f})", indent, name, share,
                           contract::to_json(*hits), contract::to_json(*v.find("total")),
                           v.find("low")->as_number().as_double() * 100,
                           v.find("high")->as_number().as_double() * 100));
    return;
  }
  if (v.find("p50") != nullptr) {
    print_line(fmt::format("{}{:<28} median {}  p95 {}  mean {}  (n {})", indent, name,
                           contract::to_json(*v.find("p50")), contract::to_json(*v.find("p95")),
                           contract::to_json(*v.find("mean")), contract::to_json(*v.find("n"))));
    return;
  }
  print_line(indent + name);
  for (const auto& [key, member] : v.as_object()) print_rate(key, member, depth + 1);
}

Result<int> eval(Context& context, const Options& o) {
  std::error_code ignored;
  if (o.agent.find(':') != std::string::npos && !std::filesystem::exists(o.agent, ignored)) {
    ComponentEvalOptions options = o.component;
    options.component = o.agent;
    options.data = o.data;
    options.against = o.against;
    CONSORT_ASSIGN(const Value answer, eval_component(context, options));
    if (context.json)
      print_document(context, answer);
    else
      print_component_eval(answer);
    return kExitOk;
  }
  if (!o.component.adapter.empty() || !o.component.metrics.empty() || !o.component.policy.empty() || !o.against.empty())
    return fail(usage("--adapter, --against, --metric and --policy go with a component")
                    .got(o.agent)
                    .to_fix("write AGENT:COMPONENT"));
  CONSORT_ASSIGN(auto session, Session::open(context, o.agent));
  std::string data = o.data;
  if (data.empty()) {
    const agent::Definition& d = session->graph().definition();
    if (d.eval_suite.empty())
      return fail(usage("the agent file names no evals: give --data").at(d.path.string()));
    data = (d.path.parent_path() / d.eval_suite).string();
  }
  CONSORT_ASSIGN(std::vector<Value> records, read_records(data));
  if (o.eval.limit > 0 && records.size() > static_cast<size_t>(o.eval.limit))
    records.resize(static_cast<size_t>(o.eval.limit));
  std::optional<SetKind> kind = records.empty() ? std::nullopt : kind_of(records[0]);
  for (size_t i = 0; i < records.size(); ++i) {
    if (!kind || kind_of(records[i]) != kind) {
      return fail(make_error(ErrorCode::invalid_argument, 8008,
                             "a record is no question, report with errors, or brief, or of another "
                             "kind than the first")
                      .at(fmt::format("{}: record {}", data, i + 1))
                      .got(contract::to_json(records[i])));
    }
  }
  if (!kind)
    return fail(
        make_error(ErrorCode::invalid_argument, 8008, "the data set has no records").at(data));
  Result<Value> answer =
      *kind == SetKind::questions ? eval_questions(context, *session, records, o.eval)
      : *kind == SetKind::planted ? eval_planted(context, *session, records, o.eval)
                                  : eval_briefs(context, *session, records, o.eval);
  if (!answer) return fail(std::move(answer).error());
  context.progress().finish();
  if (context.json) {
    print_document(context, *answer);
    return kExitOk;
  }
  print_line(fmt::format("{} {}: {} records of {}", answer->string_or("component", ""),
                         answer->string_or("version", ""), contract::to_json(*answer->find("n")),
                         data));
  for (const auto& [key, value] : answer->find("metrics")->as_object()) print_rate(key, value, 1);
  return kExitOk;
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("eval", "measure an agent, or one component, on a data set");
  command->add_option("AGENT", o->agent, "agent file, its folder, or AGENT:COMPONENT")->required();
  command->add_option("--data", o->data,
                      "questions, planted errors, or briefs (default: the agent file's evals); of a component: a "
                      "golden set");
  command->add_option("--memory", o->eval.memory, "memory that questions are asked of");
  command->add_option("--analyzer", o->eval.analyzer, "component that finds figures");
  command->add_option("--corpus", o->eval.corpus, "only briefs for this corpus: real or bundled");
  command->add_option("--limit", o->eval.limit, "only the first records")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--adapter", o->component.adapter,
                      "of a component: NAME@VERSION, VERSION, file:PATH, or none");
  command->add_option("--metric", o->component.metrics, "of a component; may be repeated");
  command->add_option("--policy", o->component.policy, "of a component: a gate's policy, for its metrics and golden set");
  command->add_option("--against", o->against, "of a component: another VERSION to compare with, as for --adapter");
  command->callback(
      [&context, o] { context.action = [&context, o] { return eval(context, *o); }; });
}

}  // namespace consort::cli

// call: one component, outside of any run. A used agent is executed in memory.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/component_name.h"
#include "cli/session.h"
#include "contract/schema.h"
#include "run/component_call.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string component, input = "-";
  bool batch = false, trace = false, no_ingest = false;
  uint64_t seed = 0;
};

Value traced(const agent::Outcome& outcome) {
  contract::Array calls;
  for (const agent::Call& call : outcome.calls) calls.push_back(call.to_value());
  return Value::object({{"output", outcome.value},
                        {"usage", outcome.usage.to_value()},
                        {"calls", std::move(calls)}});
}

// One line out for each line in; a line that fails is {"error": {...}}, and the others go on.
Result<int> call_batch(const run::Callee& callee, const Options& o) {
  int code = kExitOk;
  auto answer_line = [&](int number, const std::string& line) -> Result<Value> {
    auto input = contract::parse_json(line);
    if (!input) {
      std::string place = (o.input == "-" ? "stdin" : o.input) + ":" + std::to_string(number);
      return fail(std::move(input).error().at(std::move(place)));
    }
    CONSORT_ASSIGN(agent::Outcome outcome, run::call_component(callee, *input));
    return o.trace ? traced(outcome) : std::move(outcome.value);
  };
  CONSORT_TRY(each_line(o.input, [&](int number, const std::string& line) -> Result<void> {
    auto answer = answer_line(number, line);
    if (!answer && answer.error().code == ErrorCode::cancelled)
      return fail(std::move(answer).error());
    if (!answer && code == kExitOk) code = traits(answer.error().code).exit_code;
    print_json(answer ? *answer : error_value(answer.error()));
    return {};
  }));
  return code;
}

Result<int> call(Context& context, const Options& o) {
  CONSORT_ASSIGN(ComponentRef found, find_component(o.component));
  Value input;
  if (!o.batch) {
    CONSORT_ASSIGN(input, read_document(o.input));
    CONSORT_TRY_CONTEXT(contract::check(*found.node->input, input),
                        "the input of '" + found.path + "'");
  }
  auto session = Session::of(context, found.graph);
  CONSORT_ASSIGN(run::Host * host, session->host(!o.no_ingest));
  const run::Callee callee{*host, *found.owner, *found.node, found.path, context.clock,
                           context.stop.get_token(), o.seed};
  if (o.batch) return call_batch(callee, o);
  CONSORT_ASSIGN(agent::Outcome outcome, run::call_component(callee, input));
  context.progress().finish();
  Value answer = o.trace ? traced(outcome) : std::move(outcome.value);
  print_line(context.json ? contract::to_json(answer) : contract::to_json_pretty(answer));
  return kExitOk;
}

}  // namespace

void add_call(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("call", "call one component");
  command
      ->add_option("COMPONENT", o->component,
                   "AGENT:COMPONENT, as in examples/competitive-intelligence:planner")
      ->required();
  command->add_option("--input", o->input, "JSON file, or - for stdin");
  command->add_flag("--batch", o->batch, "JSON Lines in, one line out per line, in order");
  command->add_flag("--trace", o->trace,
                    "{\"output\", \"usage\", \"calls\"} with prompts and texts");
  command->add_option("--seed", o->seed, "draws other samples");
  command->add_flag("--no-ingest", o->no_ingest, "use memories as they are");
  command->callback(
      [&context, o] { context.action = [&context, o] { return call(context, *o); }; });
}

}  // namespace consort::cli

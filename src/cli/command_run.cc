// run, resume, and cancel.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/memory_size.h"
#include "cli/session.h"
#include "contract/schema.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string agent, input, out, run;
  std::vector<std::string> sets;
  std::vector<std::string> retries, values;  // Of steps whose effect nobody knows.
  uint64_t seed = 0;
  int64_t tokens = 0;
  int64_t deadline_ms = 0;
  int n_threads = 8;
  bool no_ingest = false;
  int64_t fault_kill_after = 0;
};

// "a.b=value": the value is JSON if it reads as such, else text.
Result<void> set_member(Value& input, const std::string& assignment) {
  size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    return fail(
        usage("--set takes key=value").got(assignment).to_fix("write --set topic='retail sales'"));
  }
  std::string text = assignment.substr(equals + 1);
  auto parsed = contract::parse_json(text);
  Value* at = &input;
  std::string path = assignment.substr(0, equals);
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('.', begin), path.size());
    std::string key = path.substr(begin, end - begin);
    if (at->is_null()) *at = contract::Object();
    if (!at->is_object() || key.empty()) {
      return fail(usage("--set cannot reach this member")
                      .got(assignment)
                      .to_fix("keys are object members, a.b.c"));
    }
    if (at->get_object()->find(key) == nullptr) at->get_object()->set(key, Value());
    at = at->get_object()->find(key);
    begin = end + 1;
  }
  *at = parsed ? std::move(*parsed) : Value(text);
  return {};
}

Result<Value> read_input(const Options& o) {
  Value input = contract::Object();
  if (!o.input.empty()) {
    CONSORT_ASSIGN(input, read_document(o.input));
  }
  for (const std::string& assignment : o.sets) CONSORT_TRY(set_member(input, assignment));
  return input;
}

Result<int> run(Context& context, const Options& o) {
  CONSORT_ASSIGN(auto session, Session::open(context, o.agent));
  CONSORT_ASSIGN(Value input, read_input(o));
  // Before anything is loaded: a wrong input should cost nothing.
  CONSORT_TRY_CONTEXT(contract::check(*session->graph().input(), input),
                      "the input of agent '" + session->graph().definition().name + "'");
  CONSORT_ASSIGN(store::Journal * journal, session->journal());
  CONSORT_ASSIGN(run::Host * host, session->host(!o.no_ingest));
  run::Executor executor(journal, context.clock, {o.n_threads, o.fault_kill_after});
  run::RunOptions options;
  options.seed = o.seed;
  if (o.tokens > 0) options.tokens = o.tokens;
  if (o.deadline_ms > 0) options.deadline_ms = o.deadline_ms;
  options.meta = Value::object({{"environment", session->environment()}});
  options.watch = session->watch();
  CONSORT_ASSIGN(run::RunResult result,
                 executor.start(session->graph(), *host, std::move(input), options));
  if (!o.out.empty()) CONSORT_TRY(write_outputs(context, *session, result, o.out));
  return report_run(context, result, !o.out.empty());
}

// What a person says about steps with an effect: --retry STEP, --value STEP=JSON.
Result<std::map<std::string, run::Resolution>> read_resolutions(const Options& o, const run::RunView& view) {
  std::map<std::string, run::Resolution> out;
  for (const std::string& step : o.retries) out[step].retry = true;
  for (const std::string& text : o.values) {
    size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(usage("--value takes STEP=JSON").got(text).to_fix("write --value send='{\"ok\":true}'"));
    CONSORT_ASSIGN(Value value, read_value(text.substr(equals + 1)));
    out[text.substr(0, equals)].value = std::move(value);
  }
  for (const auto& [step, resolution] : out) {
    if (resolution.retry && resolution.value)
      return fail(usage("a step is either tried again or given a value").got(step).to_fix("give one of them"));
    if (view.find(step) == nullptr) {
      return fail(make_error(ErrorCode::not_found, 7020, "the run has no step of this name")
                      .at(view.run.text)
                      .got(step)
                      .to_fix("'consort show " + view.run.text + "' says for which step it waits"));
    }
  }
  return out;
}

Result<int> resume(Context& context, const Options& o) {
  run::RunView view;
  store::RunId id;
  {
    CONSORT_ASSIGN(auto journal, store::Journal::open_read_only(context.home()));
    CONSORT_ASSIGN(id, find_run(*journal, o.run));
    CONSORT_ASSIGN(view, run::load_run(*journal, id));
  }
  if (store::is_ended(view.state) && o.out.empty())
    return report_run(context, run::result_of(view), false);
  CONSORT_ASSIGN(auto resolutions, read_resolutions(o, view));
  CONSORT_ASSIGN(auto session, Session::open(context, definition_of(view, o.agent)));
  CONSORT_ASSIGN(store::Journal * journal, session->journal());
  CONSORT_ASSIGN(run::Host * host, session->host(!o.no_ingest));
  run::Executor executor(journal, context.clock, {o.n_threads, o.fault_kill_after});
  run::ResumeOptions options;
  options.resolutions = std::move(resolutions);
  options.watch = session->watch();
  CONSORT_ASSIGN(run::RunResult result, executor.resume(id, session->graph(), *host, options));
  if (!o.out.empty()) CONSORT_TRY(write_outputs(context, *session, result, o.out));
  return report_run(context, result, !o.out.empty());
}

Result<int> cancel(Context& context, const std::string& name) {
  CONSORT_ASSIGN(auto journal, store::Journal::open(context.home(), context.clock));
  CONSORT_ASSIGN(store::RunId id, find_run(*journal, name));
  run::Executor executor(journal.get(), context.clock);
  CONSORT_TRY(executor.cancel(id, "asked for"));
  if (context.json)
    print_document(context, Value::object({{"run", id.text}, {"state", "cancelled"}}));
  else
    print_line(id.text + " cancelled");
  return kExitOk;
}

void add_common(CLI::App* command, Context& context, const std::shared_ptr<Options>& o) {
  add_memory_option(command, context);
  command->add_option("--out", o->out,
                      "write the agent's output files and run.json into this folder");
  command->add_option("--threads", o->n_threads, "component calls at a time")
      ->check(CLI::Range(1, 256));
  command->add_flag("--no-ingest", o->no_ingest, "use memories as they are");
  command->add_option("--fault-kill-after", o->fault_kill_after)->group("");
}

}  // namespace

void add_run(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "run an agent");
  command->add_option("AGENT", o->agent, "agent file, or its folder")->required();
  command->add_option("--input", o->input, "JSON or YAML file, or - for stdin");
  command->add_option("--set", o->sets, "key=value, over the input; keys may be a.b")
      ->allow_extra_args(false);
  command->add_option("--seed", o->seed, "draws other samples");
  command->add_option("--tokens", o->tokens, "token budget, in place of the agent file's");
  command->add_option("--deadline-ms", o->deadline_ms, "deadline, in place of the agent file's");
  add_common(command, context, o);
  command->callback([&context, o] { context.action = [&context, o] { return run(context, *o); }; });
}

void add_resume(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("resume", "go on with a run that was interrupted or killed");
  command->add_option("RUN", o->run, "run id, the beginning of one, or 'last'")->required();
  command->add_option("--agent", o->agent, "the agent file, if it was moved");
  command->add_option("--retry", o->retries, "a step with an effect that did not happen: call it again")
      ->allow_extra_args(false);
  command->add_option("--value", o->values, "STEP=JSON: the effect happened, with this result")
      ->allow_extra_args(false);
  add_common(command, context, o);
  command->callback(
      [&context, o] { context.action = [&context, o] { return resume(context, *o); }; });
}

void add_cancel(CLI::App& app, Context& context) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("cancel", "give up a run that was interrupted or killed");
  command->add_option("RUN", *run, "run id, the beginning of one, or 'last'")->required();
  command->callback([&context, run] { context.action = [&context, run] { return cancel(context, *run); }; });
}

}  // namespace consort::cli

#include "cli/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "cli/graph_text.h"
#include "cli/memory_size.h"

namespace consort::cli {

namespace fs = std::filesystem;
using contract::Value;

Result<std::unique_ptr<Session>> Session::open(Context& context, const std::string& agent) {
  CONSORT_ASSIGN(auto graph, load_graph(agent));
  return of(context, std::move(graph));
}

std::unique_ptr<Session> Session::of(Context& context, std::shared_ptr<const agent::Graph> graph) {
  std::unique_ptr<Session> session(new Session(context));
  session->graph_ = std::move(graph);
  return session;
}

Session::~Session() = default;

Result<store::Journal*> Session::journal() {
  if (!journal_) {
    CONSORT_ASSIGN(journal_, store::Journal::open(context_.home(), context_.clock));
  }
  return journal_.get();
}

Result<run::Host*> Session::host(bool ingest) {
  if (!host_) {
    CONSORT_ASSIGN(host_, new_host(ingest, {}));
  }
  return host_.get();
}

Result<std::unique_ptr<run::Host>> Session::new_host(
    bool ingest, const std::map<std::string, std::string>& adapters,
    const std::map<std::string, std::string>& swaps) {
  run::HostOptions options;
  options.adapters = adapters;
  options.swaps = swaps;
  std::error_code ignored;
  options.engine = engine_options(context_);
  options.home = fs::absolute(context_.home(), ignored);
  options.ingest = ingest;
  options.stop = context_.stop.get_token();
  options.progress = [this](const std::string& what, double fraction) {
    size_t colon = fraction < 0 ? std::string::npos : what.find(": ");  // "reading corpus: FILE"
    std::string detail = colon == std::string::npos ? "" : what.substr(colon + 2);
    context_.progress().update(what.substr(0, colon), fraction, detail);
  };
  CONSORT_ASSIGN(auto host, run::Host::create(graph_, options, context_.clock));
  context_.progress().finish();
  for (const auto& [name, report] : host->ingested()) {
    for (const memory::IngestIssue& issue : report.issues) {
      say(context_, "warning: " + issue.path + ": " + issue.error.to_string());
    }
    if (report.added + report.updated + report.removed > 0) {
      say(context_,
          fmt::format(
              "memory {}: {} added, {} updated, {} removed, {} unchanged; {} passages, {} figures",
              name, report.added, report.updated, report.removed, report.unchanged,
              report.n_passages, report.n_figures));
    }
  }
  return host;
}

run::Watch Session::watch() {
  run::Watch watch;
  watch.stop = context_.stop.get_token();
  watch.on_event = [this](const store::Event& event) {
    switch (event.kind) {
      case store::EventKind::step_started: {
        // Without a terminal only the agent's own steps are told, and of a fan-out the first
        // element.
        size_t index = event.step.find('[');
        bool detail = event.step.find('/') != std::string::npos ||
                      (index != std::string::npos && event.step.compare(index, 3, "[0]") != 0);
        if (detail && isatty(STDERR_FILENO) != 1) break;
        const Value* attempt = event.body.find("attempt");
        bool again = attempt != nullptr && attempt->get_number() != nullptr &&
                     attempt->get_number()->as_double() > 1;
        context_.progress().update(
            (again ? "step " + event.step + " (again)" : "step " + event.step), -1);
        break;
      }
      case store::EventKind::step_failed: {
        const Value* error = event.body.find("error");
        context_.progress().line("step " + event.step + " failed" +
                                 (error != nullptr ? ": " + error->string_or("message", "") : ""));
        break;
      }
      default:
        break;
    }
  };
  return watch;
}

Value Session::environment() const {
  contract::Object out;
  for (const auto& [name, spec] : graph_->definition().memories) {
    for (const std::string& entry : spec.ingest) {
      for (size_t at = entry.find("${env:"); at != std::string::npos;
           at = entry.find("${env:", at + 1)) {
        size_t end = entry.find_first_of(":}", at + 6);
        if (end == std::string::npos) break;
        std::string variable = entry.substr(at + 6, end - at - 6);
        if (const char* value = std::getenv(variable.c_str())) out.set(variable, value);
      }
    }
  }
  return out;
}

Result<store::RunId> find_run(const store::Journal& journal, const std::string& text) {
  if (text == "last") {
    CONSORT_ASSIGN(auto runs, journal.runs(1));
    if (runs.empty())
      return fail(make_error(ErrorCode::not_found, 1205, "there is no run in this home"));
    return runs[0].run;
  }
  CONSORT_ASSIGN(store::RunSummary summary, journal.summary(store::RunId{text}));
  return summary.run;
}

std::string definition_of(const run::RunView& view, const std::string& named) {
  const Value* meta = view.started.find("meta");
  const Value* environment = meta != nullptr ? meta->find("environment") : nullptr;
  if (environment != nullptr && environment->is_object()) {
    for (const auto& [name, value] : environment->as_object()) {
      if (value.is_string()) setenv(name.c_str(), value.as_string().c_str(), 0);
    }
  }
  return named.empty() ? view.started.string_or("definition", "") : named;
}

Result<void> write_outputs(Context& context, Session& session, const run::RunResult& result,
                           const fs::path& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot make the folder: " + ec.message())
                    .at(folder.string()));
  auto write = [&](const std::string& name, std::string_view text) -> Result<void> {
    CONSORT_TRY(write_file_atomic(folder / name, text));
    if (!context.json) print_line((folder / name).string());
    return {};
  };
  CONSORT_TRY(write("run.json", contract::to_json_pretty(result.to_value()) + "\n"));
  if (result.state != store::RunState::completed) return {};
  contract::Array steps;
  for (const run::StepResult& step : result.steps) {
    steps.push_back(
        Value::object({{"name", step.name},
                       {"start_ms", step.start_ms},
                       {"end_ms", step.start_ms + step.ms},
                       {"tokens", step.usage.prompt_tokens + step.usage.output_tokens}}));
  }
  Value summary = Value::object({{"id", result.run.text}, {"steps", std::move(steps)}});
  CONSORT_ASSIGN(run::Host * host, session.host());
  for (const agent::OutputFile& out : session.graph().definition().outputs) {
    if (out.tool.empty()) {
      CONSORT_TRY(write(out.file, contract::to_json_pretty(result.output) + "\n"));
      continue;
    }
    Value input = Value::object({{"report", result.output}, {"run", summary}});
    if (out.with.is_object()) {
      for (const auto& [key, value] : out.with.as_object()) input.get_object()->set(key, value);
    }
    tool::CallContext call;
    call.clock = &context.clock;
    call.stop = context.stop.get_token();
    auto made = host->tools(session.graph())
                    .call(tool::Grant{"outputs", {out.tool}}, out.tool, input, call);
    if (!made) {
      Error error = std::move(made).error().with_context("output '" + out.file + "'");
      if (error.place.empty()) error.place = out.where.to_string();
      return fail(std::move(error));
    }
    const Value* text = made->find("text");
    CONSORT_TRY(write(out.file, text != nullptr && text->is_string()
                                    ? text->as_string()
                                    : contract::to_json_pretty(*made) + "\n"));
  }
  return {};
}

Result<int> report_run(Context& context, const run::RunResult& result, bool wrote_files) {
  context.progress().finish();
  if (context.json) {
    print_document(context, result.to_value());
  } else if (result.state == store::RunState::completed && !wrote_files) {
    print_line(contract::to_json_pretty(result.output));
  }
  double end_ms = 0;
  for (const run::StepResult& step : result.steps)
    end_ms = std::max(end_ms, step.start_ms + step.ms);
  say(context, fmt::format("run {} {}: {} steps, {:.1f} s, {} prompt and {} output tokens",
                           result.run.text, store::name(result.state), result.steps.size(),
                           end_ms / 1000, result.usage.prompt_tokens, result.usage.output_tokens));
  if (result.interrupted) say(context, "resume with: consort resume " + result.run.text);
  if (result.error && !result.interrupted && !context.json) print_error(context, *result.error);
  return result.exit_code();
}

}  // namespace consort::cli

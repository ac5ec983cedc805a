// The `consort` program: parses, runs one command, answers with an exit code.
//
// 0 ok, 1 run failed, 2 usage or invalid definition, 3 contract violation, 4 model, tool, or
// backend unavailable, 10 gate failed, 130 interrupted.

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <thread>

#include "agent/suggest.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace consort::cli {
namespace {

int g_interrupt_pipe[2] = {-1, -1};  // Written by the handler, read by one thread.

extern "C" void on_interrupt(int) {
  if (interrupts().fetch_add(1) > 0) _exit(kExitInterrupted);  // The second one does not wait.
  char byte = 1;
  [[maybe_unused]] ssize_t n = ::write(g_interrupt_pipe[1], &byte, 1);
}

// A stop request may run callbacks, which a signal handler must not.
class InterruptThread {
 public:
  explicit InterruptThread(std::stop_source stop) {
    if (pipe(g_interrupt_pipe) != 0) return;
    thread_ = std::thread([stop]() mutable {
      char byte = 0;
      while (::read(g_interrupt_pipe[0], &byte, 1) < 0 && errno == EINTR) {
      }
      if (byte == 1) stop.request_stop();
    });
    interrupts();  // Its guard is taken here, not in the handler.
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  }
  ~InterruptThread() {
    if (!thread_.joinable()) return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    char byte = 0;
    [[maybe_unused]] ssize_t n = ::write(g_interrupt_pipe[1], &byte, 1);
    thread_.join();
  }

 private:
  std::thread thread_;
};

// The first word that is no option, and not an option's value.
std::string command_word(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--home") {
      ++i;
    } else if (!arguments[i].starts_with("-")) {
      return arguments[i];
    }
  }
  return "";
}

void add_commands(CLI::App& app, Context& context) {
  add_contract(app, context);
  add_schema(app, context);
  add_validate(app, context);
  add_graph(app, context);
  add_explain(app, context);
  add_doctor(app, context);
  add_ingest(app, context);
  add_search(app, context);
  add_run(app, context);
  add_resume(app, context);
  add_cancel(app, context);
  add_replay(app, context);
  add_call(app, context);
  add_generate(app, context);
  add_perplexity(app, context);
  add_embed(app, context);
  add_bench(app, context);
  add_import(app, context);
  add_pull(app, context);
  add_eval(app, context);
  add_ls(app, context);
  add_show(app, context);
  add_trace(app, context);
  add_train(app, context);
  add_dataset(app, context);
  add_promote(app, context);
  add_rollback(app, context);
  add_unbuilt(app, context);
}

Result<int> dispatch(Context& context, const std::vector<std::string>& arguments) {
  CLI::App app{"Composes agents out of small, specialised models that talk through contracts."};
  app.name("consort");
  app.option_defaults()->always_capture_default();
  app.fallthrough();
  app.add_option("--home", context.home_option,
                 "state folder (default: $CONSORT_HOME, ./.consort)");
  app.add_flag("--json", context.json, "machine-readable output");
  app.add_flag("-q,--quiet", context.quiet, "no progress");
  app.require_subcommand(0, 1);
  add_commands(app, context);

  std::string word = command_word(arguments);
  std::vector<std::string> known;
  bool exists = word.empty();
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) known.push_back(command->get_name());
    exists = exists || command->check_name(word);
  }
  if (!exists) {
    return fail(make_error(ErrorCode::invalid_argument, 8002, "no such command")
                    .got(word)
                    .to_fix(agent::did_you_mean(word, known)));
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    print(chosen.empty() ? top_help() : chosen[0]->help("consort", CLI::AppFormatMode::Normal));
    return kExitOk;
  } catch (const CLI::ParseError& e) {
    std::string about = word.empty() ? "consort --help" : "consort " + word + " --help";
    return fail(usage(e.what()).to_fix("see '" + about + "'"));
  }
  if (!context.action) {
    print(top_help());
    return kExitOk;
  }
  InterruptThread signals(context.stop);
  return context.action();
}

int main_of(const std::vector<std::string>& arguments) {
  signal(SIGPIPE, SIG_IGN);
  Context context;
  // Errors of the parser itself should be JSON, too, when that was asked for.
  for (const std::string& a : arguments) context.json = context.json || a == "--json";
  Result<int> code = kExitOk;
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    print(top_help());
  } else if (arguments[0] == "version" || arguments[0] == "--version") {
    print(version_text(context.json));
  } else {
    code = dispatch(context, arguments);
  }
  if (context.bar) context.bar->finish();
  if (code) return *code;
  print_error(context, code.error());
  return traits(code.error().code).exit_code;
}

}  // namespace
}  // namespace consort::cli

int main(int argc, char** argv) {
  return consort::cli::main_of(std::vector<std::string>(argv + 1, argv + argc));
}

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/session.h"

namespace consort::cli {
namespace {

struct Options {
  std::string run, agent;
  std::vector<std::string> swaps;
  bool no_ingest = false;
};

constexpr std::string_view kCurrent = "current";

// "planner=3": component -> version. "planner" alone is "planner=current".
Result<std::map<std::string, std::string>> parse_swaps(const std::vector<std::string>& swaps) {
  std::map<std::string, std::string> out;
  for (const std::string& swap : swaps) {
    size_t equals = swap.find('=');
    std::string version(equals == std::string::npos ? kCurrent : swap.substr(equals + 1));
    if (!out.emplace(swap.substr(0, equals), std::move(version)).second) {
      return fail(usage("--swap names a component twice").got(swap).to_fix("give one version of it"));
    }
  }
  return out;
}

void print_report(const run::ReplayReport& report) {
  if (report.bit_equal()) {
    print_line(fmt::format("bit-equal: {} steps and the output", report.n_compared));
  } else {
    print_line(fmt::format("{} of {} steps differ:", report.differences.size(), report.n_compared));
  }
  for (const run::ReplayDifference& d : report.differences) {
    print_line(fmt::format("  {} {}: recorded {}, now {}", d.step.empty() ? "output" : d.step,
                           d.input_equal ? "(begins here)" : "(its input differed)",
                           d.recorded.substr(0, 16), d.recomputed.substr(0, 16)));
  }
  for (const run::PinDifference& p : report.pins) {
    print_line(fmt::format("  swapped {}: recorded {}, now {}", p.pointer, p.recorded, p.now));
  }
  for (const std::string& step : report.not_repeated)
    print_line("  not repeated, has an effect: " + step);
}

// Exit 1 when something differs and nothing was swapped: then the promise of equal bits does not
// hold.
Result<int> replay(Context& context, const Options& o) {
  CONSORT_ASSIGN(auto swaps, parse_swaps(o.swaps));
  run::RunView view;
  store::RunId id;
  {
    CONSORT_ASSIGN(auto readable, store::Journal::open_read_only(context.home()));
    CONSORT_ASSIGN(id, find_run(*readable, o.run));
    CONSORT_ASSIGN(view, run::load_run(*readable, id));
  }
  CONSORT_ASSIGN(auto session, Session::open(context, definition_of(view, o.agent)));
  run::ReplayOptions options;
  for (const auto& [name, version] : swaps) {
    options.swaps.insert(name);
    if (session->graph().nodes().contains(name.substr(0, name.find('/')))) continue;
    return fail(make_error(ErrorCode::not_found, 8003, "the agent has no such component").got(name));
  }
  std::erase_if(swaps, [](const auto& swap) { return swap.second == kCurrent; });
  CONSORT_ASSIGN(auto host, session->new_host(!o.no_ingest, {}, swaps));
  CONSORT_ASSIGN(auto journal, store::Journal::open_read_only(context.home()));
  run::Executor executor(journal.get(), context.clock);
  options.watch = session->watch();
  CONSORT_ASSIGN(run::ReplayReport report, executor.replay(id, session->graph(), *host, options));
  context.progress().finish();
  if (context.json)
    print_document(context, report.to_value());
  else
    print_report(report);
  return report.bit_equal() || !options.swaps.empty() ? kExitOk : kExitRunFailed;
}

}  // namespace

void add_replay(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("replay", "recompute a finished run and compare, bit for bit");
  command->add_option("RUN", o->run, "run id, the beginning of one, or 'last'")->required();
  command->add_option("--swap", o->swaps, "component=VERSION of its adapter (or ADAPTER@VERSION, file:PATH, none); component=current: "
                      "as the agent file has it now")
      ->allow_extra_args(false);
  command->add_option("--agent", o->agent, "the agent file, if it was moved");
  command->add_flag("--no-ingest", o->no_ingest, "use memories as they are");
  command->callback(
      [&context, o] { context.action = [&context, o] { return replay(context, *o); }; });
}

}  // namespace consort::cli

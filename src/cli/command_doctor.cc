// doctor: what this machine has, and what is missing. Every check says what to do; exit 4 if one
// that the program cannot do without fails.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/child_process.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/memory_size.h"
#include "cli/models.h"
#include "cli/session.h"
#include "model/gguf.h"
#include "store/home.h"
#include "store/journal.h"
#include "tensor/cpu.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;
using contract::Value;

enum class State { ok, warning, failed };

struct Check {
  std::string name;
  State state = State::ok;
  std::string found;
  std::string fix;
};

std::string_view text(State state) {
  return state == State::ok ? "ok" : state == State::warning ? "warning" : "failed";
}

Check program(const std::string& name, const std::string& package, bool needed,
              const std::string& why) {
  auto path = find_program(name);
  if (path) return {name, State::ok, path->string(), ""};
  return {name, needed ? State::failed : State::warning, "not found: " + why,
          "apt-get install " + package};
}

Check pdf_reader() {
  Check check = program("pdftotext", "poppler-utils", true, "PDFs cannot be read");
  if (check.state != State::ok) return check;
  ChildOptions options;
  options.argv = {"pdftotext", "-v"};
  options.wall_max = std::chrono::milliseconds(10000);
  auto ran = run_child(options);
  if (!ran || ran->exit_code != 0) {
    return {"pdftotext", State::failed,
            ran ? "exits with " + std::to_string(ran->exit_code) : ran.error().message,
            "apt-get install --reinstall poppler-utils"};
  }
  check.found = ran->error.substr(0, ran->error.find('\n'));
  return check;
}

Check sandbox() {
  Sandbox best = best_sandbox();
  Check check{"sandbox", State::ok, std::string(name(best)), ""};
  if (best == Sandbox::bubblewrap) return check;
  check.state = State::warning;
  check.fix = find_program("bwrap") ? "allow user namespaces: bwrap is here and cannot make one"
                                    : "apt-get install bubblewrap";
  return check;
}

Check cpu() {
  auto isa = tensor::choose_isa();
  if (!isa) return {"cpu", State::failed, isa.error().to_string(), "unset CONSORT_ISA"};
  Check check{
      "cpu", State::ok,
      fmt::format("{} cores, kernels {}", std::thread::hardware_concurrency(), tensor::name(*isa)),
      ""};
  if (*isa == tensor::Isa::scalar) {
    check.state = State::warning;
    check.fix = "a CPU with AVX2 is many times faster";
  }
  return check;
}

Check memory() {
  struct sysinfo info {};
  sysinfo(&info);
  double total = static_cast<double>(info.totalram) * info.mem_unit / (1 << 20);
  double available = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key, unit; meminfo >> key;) {
    double kib = 0;
    meminfo >> kib;
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") available = kib / 1024;
  }
  Check check{"memory", State::ok, fmt::format("{:.0f} of {:.0f} MiB available", available, total),
              ""};
  if (available < 1500) {
    check.state = State::warning;
    check.fix = "a run takes up to 1,500 MiB";
  }
  return check;
}

Check disk(const fs::path& home) {
  std::error_code ec;
  fs::path at = fs::absolute(home, ec);
  while (!at.empty() && !fs::exists(at, ec) && at != at.root_path()) at = at.parent_path();
  struct statvfs stat {};
  if (statvfs(at.c_str(), &stat) != 0)
    return {"disk", State::failed, std::strerror(errno), "check " + at.string()};
  double free = static_cast<double>(stat.f_bavail) * static_cast<double>(stat.f_frsize) / (1 << 20);
  Check check{"disk", State::ok, fmt::format("{:.0f} MiB free at {}", free, at.string()), ""};
  if (free < 500) {
    check.state = free < 50 ? State::failed : State::warning;
    check.fix = "free some space, or put the home elsewhere with --home";
  }
  return check;
}

Check home_state(const Context& context) {
  fs::path root = context.home();
  std::error_code ec;
  if (!fs::exists(root, ec)) return {"home", State::ok, root.string() + ": not made yet", ""};
  auto layout = store::open_home(root);
  if (!layout) return {"home", State::failed, layout.error().message, "name another with --home"};
  auto lock = store::HomeLock::acquire(*layout, context.clock);
  if (!lock) {
    bool held = lock.error().number == 1201;
    return {"home", held ? State::warning : State::failed, lock.error().to_string(),
            held ? "wait for that process" : "name another with --home"};
  }
  auto journal = store::Journal::open_read_only(root);
  if (!journal && journal.error().number != 1205) {
    return {"journal", State::failed, journal.error().to_string(),
            "restore journal.db from a backup"};
  }
  return {"home", State::ok, fs::absolute(root).string() + ", can be written", ""};
}

// Reads the header: a file of the right size that cannot be opened is found here.
Check present_model(const KnownModel& m) {
  Check check{"model " + m.ref, State::ok, "", ""};
  check.found = fmt::format("{:.0f} MiB", static_cast<double>(m.bytes) / (1 << 20));
  if (m.path.extension() != ".gguf") return check;
  auto file = model::GgufFile::open(m.path);
  if (!file) return {check.name, State::failed, file.error().to_string(), "get the file again"};
  auto architecture = (*file)->get_string_or("general.architecture", "");
  if (!architecture) return check;
  auto context = (*file)->get_u32(std::string(*architecture) + ".context_length");
  if (context) check.found += fmt::format(", context {} tokens", *context);
  return check;
}

void models(const Context& context, std::vector<Check>& checks) {
  auto known = known_models(context.home());
  if (!known) {
    checks.push_back({"models", State::failed, known.error().message, known.error().fix});
    return;
  }
  for (const KnownModel& m : *known) {
    if (m.present) {
      checks.push_back(present_model(m));
    } else if (m.by_default) {
      checks.push_back({"model " + m.ref, State::failed, m.problem, "make models"});
    }
  }
}

// What the agent's models and adapters hold once they are loaded.
Result<engine::MemoryMap> map_of(Context& context, const std::string& agent) {
  CONSORT_ASSIGN(auto session, Session::open(context, agent));
  CONSORT_ASSIGN(const run::Host* host, session->host(false));
  return host->engine().memory();
}

Result<int> doctor(Context& context, const std::string& agent) {
  std::optional<engine::MemoryMap> map;
  if (!agent.empty()) {
    CONSORT_ASSIGN(map, map_of(context, agent));
  }
  std::vector<Check> checks;
  checks.push_back(pdf_reader());
  checks.push_back(sandbox());
  checks.push_back(cpu());
  checks.push_back(memory());
  checks.push_back(disk(context.home()));
  checks.push_back(home_state(context));
  models(context, checks);
  bool failed = false;
  contract::Array list;
  std::vector<std::vector<std::string>> rows;
  for (const Check& c : checks) {
    failed = failed || c.state == State::failed;
    list.push_back(Value::object(
        {{"check", c.name}, {"state", text(c.state)}, {"found", c.found}, {"fix", c.fix}}));
    rows.push_back({std::string(text(c.state)), c.name, c.found});
    if (!c.fix.empty()) rows.push_back({"", "", "fix: " + c.fix});
  }
  if (context.json) {
    Value document = Value::object({{"ok", !failed}, {"checks", std::move(list)}});
    if (map) document.get_object()->set("memory", memory_value(*map));
    print_document(context, document);
  } else {
    print(table(rows));
    if (map) print("\n" + memory_text(*map));
  }
  return failed ? 4 : kExitOk;
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("doctor", "what is missing on this machine");
  auto agent = std::make_shared<std::string>();
  command->add_option("AGENT", *agent, "also what this agent's models and adapters hold in memory");
  add_memory_option(command, context);
  command->callback([&context, agent] {
    context.action = [&context, agent] { return doctor(context, *agent); };
  });
}

}  // namespace consort::cli

// ls: runs, models, adapters, components, and agents.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "agent/suggest.h"
#include "cli/commands.h"
#include "cli/graph_text.h"
#include "cli/models.h"
#include "store/blob_store.h"
#include "store/journal.h"
#include "store/registry.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;
using contract::Value;

constexpr int kFolderDepth = 4;
constexpr size_t kAgentsMax = 1000;

struct Options {
  std::string what = "runs";
  int limit = 100;
  std::string path = ".";
};

// Rows as JSON Lines, or as a table below `head`.
void print_rows(const Context& context, std::vector<std::vector<std::string>> head,
                const std::vector<Value>& rows) {
  if (context.json) {
    for (const Value& row : rows) print_json(row);
    return;
  }
  for (const Value& row : rows) {
    std::vector<std::string> cells;
    for (const auto& [key, value] : row.as_object()) {
      cells.push_back(value.is_string() ? value.as_string()
                      : value.is_null() ? ""
                                        : contract::to_json(value));
    }
    head.push_back(std::move(cells));
  }
  print(table(head));
}

Result<int> list_runs(Context& context, int limit) {
  auto journal = store::Journal::open_read_only(context.home());
  if (!journal && journal.error().number == 1205) {  // No home yet: there are no runs.
    print_rows(context, {{"run", "agent", "state", "started", "updated", "events"}}, {});
    return kExitOk;
  }
  if (!journal) return fail(std::move(journal).error());
  CONSORT_ASSIGN(auto runs, (*journal)->runs(limit));
  std::vector<Value> rows;
  for (const store::RunSummary& r : runs) {
    rows.push_back(Value::object({{"run", r.run.text},
                                  {"agent", r.agent},
                                  {"state", store::name(r.state)},
                                  {"started", format_rfc3339(r.started_ms)},
                                  {"updated", format_rfc3339(r.updated_ms)},
                                  {"events", r.n_events}}));
  }
  print_rows(context, {{"run", "agent", "state", "started", "updated", "events"}}, rows);
  return kExitOk;
}

Result<int> list_models(Context& context) {
  CONSORT_ASSIGN(auto models, known_models(context.home()));
  std::vector<Value> rows;
  for (const KnownModel& m : models) {
    rows.push_back(Value::object({{"model", m.ref},
                                  {"state", m.present    ? "ready"
                                            : m.imported ? "damaged"
                                                         : "not fetched"},
                                  {"bytes", m.bytes},
                                  {"sha256", context.json ? m.sha256 : m.sha256.substr(0, 16)},
                                  {"summary", m.summary}}));
  }
  print_rows(context, {{"model", "state", "bytes", "sha256", "summary"}}, rows);
  return kExitOk;
}

// Versions of the registry with the aliases that mean them; and files in <home>/adapters (GGUF adapters are
// files NAME.gguf, PEFT adapters folders), which only paths name.
Result<std::vector<Value>> registered_adapters(Context& context) {
  std::vector<Value> rows;
  std::error_code ec;
  if (!fs::exists(context.home() / "registry.db", ec)) return rows;
  CONSORT_ASSIGN(auto registry, store::Registry::open(context.home(), context.clock));
  CONSORT_ASSIGN(std::vector<store::ItemName> items, registry->items(store::ItemKind::adapter));
  const store::BlobStore blobs(context.home() / "blobs");
  for (const store::ItemName& item : items) {
    CONSORT_ASSIGN(std::vector<store::Version> versions, registry->versions(item));
    CONSORT_ASSIGN(auto aliases, registry->aliases(item));
    for (const store::Version& v : versions) {
      contract::Array mine;
      for (const auto& [alias, version] : aliases)
        if (version == v.version) mine.push_back(Value(alias));
      rows.push_back(Value::object({{"adapter", item.name},
                                    {"version", v.version},
                                    {"aliases", Value(std::move(mine))},
                                    {"format", "gguf"},
                                    {"sha256", context.json ? v.digest.hex() : v.digest.hex().substr(0, 16)},
                                    {"path", blobs.path_of(v.digest).string()}}));
    }
  }
  return rows;
}

Result<int> list_adapters(Context& context) {
  CONSORT_ASSIGN(std::vector<Value> rows, registered_adapters(context));
  const auto first_file = static_cast<std::ptrdiff_t>(rows.size());
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(context.home() / "adapters", ec)) {
    bool folder = entry.is_directory(ec);
    if (!folder && entry.path().extension() != ".gguf") continue;
    rows.push_back(Value::object({{"adapter", entry.path().stem().string()},
                                  {"version", Value()},
                                  {"aliases", Value(contract::Array())},
                                  {"format", folder ? "peft" : "gguf"},
                                  {"sha256", Value()},
                                  {"path", entry.path().string()}}));
  }
  std::sort(rows.begin() + first_file, rows.end(), [](const Value& a, const Value& b) {
    return a.string_or("adapter", "") < b.string_or("adapter", "");
  });
  print_rows(context, {{"adapter", "version", "aliases", "format", "sha256", "path"}}, rows);
  return kExitOk;
}

// An agent file says `consort: 1` in its first lines.
bool looks_like_agent(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  for (int i = 0; i < 40 && std::getline(in, line); ++i) {
    if (line.rfind("consort:", 0) == 0) return true;
  }
  return false;
}

std::vector<fs::path> find_agents(const fs::path& root) {
  std::vector<fs::path> out;
  std::error_code ec;
  if (fs::is_regular_file(root, ec)) return {root};
  auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it(root, options, ec), end; it != end && !ec;
       it.increment(ec)) {
    std::string name = it->path().filename().string();
    if (it->is_directory(ec)) {
      bool skip = name.empty() || name[0] == '.' || name == "build" || name == "node_modules";
      if (skip || it.depth() >= kFolderDepth) it.disable_recursion_pending();
    } else if (it->path().extension() == ".yaml" && looks_like_agent(it->path()) &&
               out.size() < kAgentsMax) {
      out.push_back(it->path().lexically_normal());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<int> list_agents(Context& context, const std::string& root, bool components) {
  std::vector<Value> rows;
  for (const fs::path& path : find_agents(root)) {
    auto graph = load_graph(path.string());
    if (!graph) {
      say(context, "warning: " + graph.error().to_string());
      if (!components) {
        rows.push_back(Value::object({{"agent", path.parent_path().filename().string()},
                                      {"version", ""},
                                      {"state", "invalid"},
                                      {"path", path.string()}}));
      }
      continue;
    }
    const agent::Definition& d = (*graph)->definition();
    if (!components) {
      rows.push_back(Value::object({{"agent", d.name},
                                    {"version", d.version},
                                    {"state", "valid"},
                                    {"path", path.string()}}));
      continue;
    }
    for (const auto& [name, node] : (*graph)->nodes()) {
      rows.push_back(
          Value::object({{"component", d.name + ":" + name},
                         {"kind", agent::name(node.spec.kind)},
                         {"uses", node.spec.use.empty() ? node.spec.model : node.spec.use},
                         {"digest", node.digest.hex().substr(0, 16)},
                         {"path", path.string()}}));
    }
  }
  if (components)
    print_rows(context, {{"component", "kind", "uses", "digest", "path"}}, rows);
  else
    print_rows(context, {{"agent", "version", "state", "path"}}, rows);
  return kExitOk;
}

Result<int> list(Context& context, const Options& o) {
  if (o.what == "runs") return list_runs(context, o.limit);
  if (o.what == "models") return list_models(context);
  if (o.what == "adapters") return list_adapters(context);
  if (o.what == "components") return list_agents(context, o.path, true);
  if (o.what == "agents") return list_agents(context, o.path, false);
  return fail(usage("ls lists runs, models, adapters, components, or agents")
                  .got(o.what)
                  .to_fix(agent::did_you_mean(
                      o.what, {"runs", "models", "adapters", "components", "agents"})));
}

}  // namespace

void add_ls(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ls", "list runs, models, adapters, components, agents");
  command->add_option("WHAT", o->what, "runs, models, adapters, components, or agents");
  command->add_option("-n,--limit", o->limit, "newest runs")->check(CLI::Range(1, 1000000));
  command->add_option("--path", o->path, "folder in which agent files are looked for");
  command->callback(
      [&context, o] { context.action = [&context, o] { return list(context, *o); }; });
}

}  // namespace consort::cli

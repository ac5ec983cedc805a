// ingest and search.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "agent/suggest.h"
#include "cli/commands.h"
#include "cli/graph_text.h"
#include "cli/models.h"
#include "memory/memory.h"
#include "run/host.h"
#include "store/home.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;
using contract::Value;

constexpr std::string_view kDefaultEmbedder = "minilm-l6:f32";

struct Options {
  std::string memory, query, mode = "fused", model = std::string(kDefaultEmbedder);
  std::vector<std::string> paths, companies, docs;
  int k = 10;
  bool batch = false, remove_missing = false;
};

bool is_memory_folder(const fs::path& folder) {
  std::error_code ec;
  return fs::is_regular_file(folder / "text.db", ec);
}

std::vector<std::string> memory_names(const fs::path& home) {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(home / "memory", ec)) {
    if (is_memory_folder(entry.path())) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The folder that a name on the command line means: AGENT:NAME, a path with a slash, or a name in
// the home.
Result<fs::path> memory_of(const Context& context, const std::string& name) {
  std::error_code ec;
  fs::path home = fs::absolute(context.home(), ec);
  size_t colon = name.rfind(':');
  if (colon != std::string::npos) {
    CONSORT_ASSIGN(auto graph, load_graph(name.substr(0, colon)));
    const agent::Definition& d = graph->definition();
    auto found = d.memories.find(name.substr(colon + 1));
    if (found == d.memories.end()) {
      std::vector<std::string> names;
      for (const auto& [known, spec] : d.memories) names.push_back(known);
      return fail(make_error(ErrorCode::not_found, 8003, "the agent has no such memory")
                      .at(d.path.string())
                      .got(name.substr(colon + 1))
                      .to_fix(agent::did_you_mean(name.substr(colon + 1), names)));
    }
    CONSORT_ASSIGN(std::vector<fs::path> sources, run::ingest_sources(d, found->second));
    std::vector<std::string> texts;
    for (const fs::path& s : sources) texts.push_back(s.string());
    return run::memory_folder(home, *graph, found->first, texts);
  }
  if (name.find('/') != std::string::npos) return fs::path(name);
  if (name.empty() || name == "." || name == "..")
    return fail(usage("this cannot name a memory").got(name));
  return home / "memory" / name;
}

struct Opened {
  std::unique_ptr<engine::Engine> engine;  // Outlives the memory.
  std::unique_ptr<memory::Memory> memory;
};

Result<Opened> open_memory(Context& context, const fs::path& folder, const Options& o,
                           bool needs_model) {
  Opened out;
  memory::Embedder embedder;
  if (needs_model) {
    CONSORT_ASSIGN(out.engine, engine::Engine::create({}, context.clock));
    std::string ref = model_ref(context.home(), o.model);
    CONSORT_TRY(run::load_by_ref(*out.engine, ref, {}, context.home()));
    CONSORT_ASSIGN(embedder, run::make_embedder(*out.engine, ref));
  }
  CONSORT_ASSIGN(out.memory, memory::Memory::open(folder, std::move(embedder)));
  return out;
}

Value report_value(const fs::path& folder, const memory::IngestReport& r) {
  contract::Array issues, notes;
  for (const memory::IngestIssue& issue : r.issues) {
    Value line = error_value(issue.error);
    line.get_object()->set("path", issue.path);
    issues.push_back(std::move(line));
  }
  for (const std::string& note : r.notes) notes.push_back(note);
  return Value::object({{"memory", folder.string()},
                        {"files", r.files_seen},
                        {"added", r.added},
                        {"updated", r.updated},
                        {"unchanged", r.unchanged},
                        {"removed", r.removed},
                        {"passages", r.n_passages},
                        {"tables", r.n_tables},
                        {"figures", r.n_figures},
                        {"issues", std::move(issues)},
                        {"notes", std::move(notes)}});
}

// Files that could not be read do not stop the others; if none could, the command fails.
Result<int> ingest(Context& context, const Options& o) {
  CONSORT_TRY(store::open_home(context.home()));
  CONSORT_ASSIGN(fs::path folder, memory_of(context, o.memory));
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot make the folder: " + ec.message())
                    .at(folder.string()));
  std::vector<fs::path> paths;
  for (const std::string& p : o.paths) {
    if (!fs::exists(p, ec)) {
      return fail(make_error(ErrorCode::not_found, 1101, "no such file or folder")
                      .at(p)
                      .to_fix("check the path"));
    }
    paths.push_back(fs::absolute(p, ec));
  }
  CONSORT_ASSIGN(Opened opened, open_memory(context, folder, o, true));
  memory::IngestOptions options;
  options.remove_missing = o.remove_missing;
  options.stop = context.stop.get_token();
  options.progress = [&](double fraction, const std::string& what) {
    context.progress().update("reading", fraction, what);
  };
  CONSORT_ASSIGN(memory::IngestReport report, opened.memory->ingest(paths, options));
  context.progress().finish();
  for (const memory::IngestIssue& issue : report.issues)
    say(context, "warning: " + issue.path + ": " + issue.error.to_string());
  for (const std::string& note : report.notes) say(context, "note: " + note);
  if (context.json) {
    print_document(context, report_value(folder, report));
  } else {
    print_line(fmt::format(
        "{}: {} files: {} added, {} updated, {} unchanged, {} removed; {} passages, {} tables, {} "
        "figures",
        folder.string(), report.files_seen, report.added, report.updated, report.unchanged,
        report.removed, report.n_passages, report.n_tables, report.n_figures));
  }
  bool nothing = report.added + report.updated + report.unchanged == 0;
  if (!report.issues.empty() && nothing) return traits(report.issues[0].error.code).exit_code;
  return kExitOk;
}

Result<memory::SearchMode> parse_mode(const std::string& mode) {
  if (mode == "fused") return memory::SearchMode::fused;
  if (mode == "words") return memory::SearchMode::words;
  if (mode == "vectors") return memory::SearchMode::vectors;
  return fail(usage("--mode is fused, words, or vectors")
                  .got(mode)
                  .to_fix(agent::did_you_mean(mode, {"fused", "words", "vectors"})));
}

Value hit_value(const memory::Passage& p) {
  return Value::object({{"doc", p.doc},
                        {"page", p.page ? Value(*p.page) : Value()},
                        {"score", p.score},
                        {"text", p.text},
                        {"heading", p.heading},
                        {"id", p.id}});
}

void print_hits(const std::vector<memory::Passage>& hits) {
  for (const memory::Passage& p : hits) {
    std::string place = p.page ? fmt::format("{} p. {}", p.doc, *p.page) : p.doc;
    std::string text = p.text;
    std::replace(text.begin(), text.end(), '\n', ' ');
    print_line(fmt::format("{:.3f}  {}{}\n       {}", p.score, place,
                           p.heading.empty() ? "" : "  " + p.heading, cut_utf8(text, 300)));
  }
}

// A line is {"query", "k"?, "companies"?, "docs"?} or a JSON string; a line out is the list of its
// hits.
Result<int> search_batch(const memory::Memory& memory, const Options& o,
                         memory::SearchOptions options) {
  int code = kExitOk;
  auto hits_of = [&](int number, const std::string& line) -> Result<Value> {
    CONSORT_ASSIGN(Value value, contract::parse_json(line));
    memory::SearchOptions mine = options;
    std::string query = value.is_string() ? value.as_string() : value.string_or("query", "");
    if (query.empty()) {
      return fail(make_error(ErrorCode::invalid_argument, 8004,
                             "a line is a JSON string or {\"query\": \"...\"}")
                      .at("stdin:" + std::to_string(number))
                      .got(line));
    }
    if (const Value* k = value.find("k"); k != nullptr && k->get_number() != nullptr) {
      mine.k = static_cast<int>(k->get_number()->as_int64().value_or(mine.k));
    }
    CONSORT_ASSIGN(auto hits, memory.search(query, mine));
    contract::Array list;
    for (const memory::Passage& p : hits) list.push_back(hit_value(p));
    return Value::object({{"query", query}, {"hits", std::move(list)}});
  };
  CONSORT_TRY(each_line(o.query.empty() ? "-" : o.query,
                        [&](int number, const std::string& line) -> Result<void> {
                          auto answer = hits_of(number, line);
                          if (!answer && code == kExitOk)
                            code = traits(answer.error().code).exit_code;
                          print_json(answer ? *answer : error_value(answer.error()));
                          return {};
                        }));
  return code;
}

Result<int> search(Context& context, const Options& o) {
  memory::SearchOptions options;
  options.k = o.k;
  options.companies = o.companies;
  options.docs = o.docs;
  CONSORT_ASSIGN(options.mode, parse_mode(o.mode));
  if (o.query.empty() && !o.batch)
    return fail(usage("search needs a query").to_fix("write consort search MEMORY 'words'"));
  CONSORT_ASSIGN(fs::path folder, memory_of(context, o.memory));
  if (!is_memory_folder(folder)) {
    std::vector<std::string> names = memory_names(context.home());
    return fail(make_error(ErrorCode::not_found, 8007, "no such memory")
                    .at(folder.string())
                    .got(o.memory)
                    .to_fix(names.empty() ? "make it: consort ingest " + o.memory + " PATH..."
                                          : agent::did_you_mean(o.memory, names)));
  }
  CONSORT_ASSIGN(Opened opened,
                 open_memory(context, folder, o, options.mode != memory::SearchMode::words));
  if (o.batch) return search_batch(*opened.memory, o, options);
  CONSORT_ASSIGN(auto hits, opened.memory->search(o.query, options));
  if (!context.json) {
    print_hits(hits);
    return kExitOk;
  }
  for (const memory::Passage& p : hits) print_json(hit_value(p));
  return kExitOk;
}

}  // namespace

void add_ingest(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ingest", "read documents into a memory");
  command->add_option("MEMORY", o->memory, "name, path, or AGENT:NAME")->required();
  command
      ->add_option("PATH", o->paths,
                   "files and folders: PDF, HTML, Markdown, text, CSV, JSON Lines")
      ->required();
  command->add_option("--model", o->model, "embedding model");
  command->add_flag("--remove-missing", o->remove_missing, "drop documents whose file is gone");
  command->callback(
      [&context, o] { context.action = [&context, o] { return ingest(context, *o); }; });
}

void add_search(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("search", "search a memory by words and meaning");
  command->add_option("MEMORY", o->memory, "name, path, or AGENT:NAME")->required();
  command->add_option("QUERY", o->query,
                      "what to look for; with --batch a file of JSON Lines (default stdin)");
  command->add_option("-k", o->k, "passages")->check(CLI::Range(1, 1000));
  command->add_option("--mode", o->mode, "fused, words, or vectors");
  command->add_option("--company", o->companies, "only documents of this company")
      ->allow_extra_args(false);
  command->add_option("--doc", o->docs, "only this document")->allow_extra_args(false);
  command->add_option("--model", o->model, "embedding model");
  command->add_flag("--batch", o->batch, "JSON Lines in, one line of hits out per line, in order");
  command->callback(
      [&context, o] { context.action = [&context, o] { return search(context, *o); }; });
}

}  // namespace consort::cli

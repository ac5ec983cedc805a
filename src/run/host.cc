#include "run/host.h"

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "model/lock.h"
#include "run/adapters.h"
#include "run/coming_uses.h"
#include "tool/builtin.h"

namespace consort::run {

namespace fs = std::filesystem;
using contract::Value;

namespace {

// One agent's share: its tools and components. Nested agents have their own.
struct Unit {
  const agent::Graph* graph = nullptr;
  std::string path;  // "validator/"; empty for the root.
  std::map<std::string, memory::Memory*> memories;
  tool::Registry tools;
  agent::ComponentHost host;
  std::map<std::string, agent::Node> swapped;  // Nodes with another adapter; components refer to them.
  std::map<std::string, std::unique_ptr<agent::Component>> components;
  std::string adapter;  // Of the component made last, as the engine names it.
};

constexpr uint64_t kListBytesMax = 1 << 20;

}  // namespace

struct Host::State {
  std::shared_ptr<const agent::Graph> graph;
  HostOptions options;
  const Clock* clock = nullptr;
  std::unique_ptr<engine::Engine> engine;
  std::map<std::string, std::unique_ptr<memory::Memory>> memories;  // Of the root agent.
  std::map<std::string, memory::IngestReport> reports;
  std::map<const agent::Graph*, std::unique_ptr<Unit>> units;
  ComingUses coming;

  void say(const std::string& what, double fraction) const {
    if (options.progress) options.progress(what, fraction);
  }
  Result<void> load_models(const agent::Graph& g);
  Result<void> open_memories();
  Result<void> build_unit(const agent::Graph& g, const std::string& path,
                          const std::map<std::string, memory::Memory*>& callers);
  Result<void> add_tools(Unit& unit) const;
  // The node as this host has it: of the graph, or with the adapter that `swaps` names.
  Result<const agent::Node*> node_of(Unit& unit, const agent::Node& node) const;
  // What a call of the node asks the engine for, `adapter` as the engine names it.
  void note_use(const agent::Graph& g, const agent::Node& node, const std::string& adapter);
  // Loads what `text` means for `model`; the engine's name of it.
  Result<std::string> load_adapter(const agent::Graph& g, const std::string& text, const std::string& model);
};

Result<std::string> Host::State::load_adapter(const agent::Graph& g, const std::string& text,
                                              const std::string& model) {
  std::string wanted = text;
  if (auto instead = options.adapters.find(text.substr(0, text.find('@'))); instead != options.adapters.end()) {
    if (instead->second.empty()) return std::string();
    wanted = instead->second.starts_with("file:") ? instead->second : instead->first + "@" + instead->second;
  }
  CONSORT_ASSIGN(FoundAdapter file,
                 find_adapter(options.home, *clock, wanted, g.definition().path.parent_path()));
  for (const engine::AdapterInfo& a : engine->adapters()) {
    if (a.name == file.name && a.model == model) return file.name;
  }
  say("loading adapter " + file.name, -1);
  CONSORT_ASSIGN(engine::AdapterInfo info, engine->load_adapter(file.name, model, file.path));
  return info.name;
}

void Host::State::note_use(const agent::Graph& g, const agent::Node& node, const std::string& adapter) {
  const agent::Definition& d = g.definition();
  std::string model = node.spec.model;
  if (node.spec.kind == agent::ComponentKind::retrieve) {
    const auto& memories = graph->definition().memories;  // A nested agent borrows its caller's.
    if (!memories.empty()) model = memories.begin()->second.embed;
  }
  auto spec = d.models.find(model);
  if (spec != d.models.end()) coming.set(g, node.spec.name, {spec->second.ref, adapter});
}

Result<void> Host::State::load_models(const agent::Graph& g) {
  for (const auto& [name, spec] : g.definition().models) {
    bool remote = spec.ref.find(':') != std::string::npos &&
                  (spec.ref.rfind("openai:", 0) == 0 || spec.ref.rfind("anthropic:", 0) == 0 ||
                   spec.ref.rfind("ollama:", 0) == 0);
    if (remote) continue;  // make_component answers for it.
    say("loading " + spec.ref, -1);
    auto loaded = load_by_ref(*engine, spec.ref, options.model_lock, options.home);
    if (!loaded) {
      Error error = std::move(loaded).error().with_context("model '" + name + "'");
      if (error.place.empty()) error.place = spec.where.to_string();
      return fail(std::move(error));
    }
  }
  for (const auto& [name, node] : g.nodes()) {
    if (node.nested) CONSORT_TRY(load_models(*node.nested));
  }
  return {};
}

Result<void> Host::State::open_memories() {
  const agent::Definition& d = graph->definition();
  for (const auto& [name, spec] : d.memories) {
    if (spec.from_caller) {
      return fail(make_error(ErrorCode::failed_precondition, 6401,
                             "memory '" + name + "' comes from a caller, and this agent has none")
                      .at(spec.where.to_string())
                      .to_fix("run the agent that uses this one"));
    }
    auto model = d.models.find(spec.embed);
    if (model == d.models.end()) {
      return fail(make_error(ErrorCode::not_found, 6201, "no model is named '" + spec.embed + "'")
                      .at(spec.where.to_string()));
    }
    CONSORT_ASSIGN(memory::Embedder embedder, make_embedder(*engine, model->second.ref));
    CONSORT_ASSIGN(std::vector<fs::path> sources, ingest_sources(d, spec));
    std::vector<std::string> names;
    for (const fs::path& s : sources) names.push_back(s.string());
    fs::path folder = memory_folder(options.home, *graph, name, names);
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    CONSORT_ASSIGN(memories[name], memory::Memory::open(folder, std::move(embedder)));
    if (!options.ingest || sources.empty()) continue;
    memory::IngestOptions ingest;
    ingest.remove_missing = true;
    ingest.stop = options.stop;
    ingest.progress = [this, name = name](double fraction, const std::string& what) {
      say("reading " + name + ": " + what, fraction);
    };
    auto report = memories[name]->ingest(sources, ingest);
    if (!report) return fail(std::move(report).error().with_context("memory '" + name + "'"));
    reports[name] = std::move(*report);
  }
  return {};
}

namespace {

Result<void> check_swaps(const agent::Graph& graph, const std::map<std::string, std::string>& swaps) {
  for (const auto& [path, version] : swaps) {
    const agent::Graph* at = &graph;
    const agent::Node* node = nullptr;
    for (size_t begin = 0; at != nullptr && begin <= path.size();) {
      size_t end = std::min(path.find('/', begin), path.size());
      auto found = at->nodes().find(path.substr(begin, end - begin));
      node = found == at->nodes().end() ? nullptr : &found->second;
      at = node == nullptr ? nullptr : node->nested.get();
      begin = end + 1;
    }
    auto refused = [&](const std::string& why, const std::string& fix) {
      return fail(make_error(ErrorCode::invalid_argument, 7013, why).at(path).got(version).to_fix(fix));
    };
    if (node == nullptr) return refused("the agent has no such component", "name one as 'consort trace' does");
    using Kind = agent::ComponentKind;
    if (node->spec.kind != Kind::generate && node->spec.kind != Kind::decide)
      return refused("only a component with a model has versions to swap", "swap a generate or decide component");
    if (version.empty()) return refused("a swap names a version", "write " + path + "=VERSION, or =none");
  }
  return {};
}

}  // namespace

Result<const agent::Node*> Host::State::node_of(Unit& unit, const agent::Node& node) const {
  auto swap = options.swaps.find(unit.path + node.spec.name);
  if (swap == options.swaps.end()) return &node;
  const std::string& version = swap->second;
  agent::Node other = node;
  if (version == "none") {
    other.spec.adapter.clear();
  } else if (version.starts_with("file:") || version.find('@') != std::string::npos) {
    other.spec.adapter = version;
  } else if (node.spec.adapter.empty() || node.spec.adapter.starts_with("file:")) {
    return fail(make_error(ErrorCode::invalid_argument, 7013, "the component names no registered adapter")
                    .at(swap->first)
                    .got(version)
                    .to_fix("name the adapter, too: " + swap->first + "=ADAPTER@" + version));
  } else {
    other.spec.adapter = node.spec.adapter.substr(0, node.spec.adapter.find('@')) + "@" + version;
  }
  return &unit.swapped.insert_or_assign(node.spec.name, std::move(other)).first->second;
}

Result<void> Host::State::add_tools(Unit& unit) const {
  for (const auto& [name, spec] : unit.graph->definition().tools) {
    tool::BuiltinContext context;
    context.name = name;
    context.options = spec.options;
    if (!spec.memory.empty()) {
      auto found = unit.memories.find(spec.memory);
      if (found == unit.memories.end()) {
        return fail(make_error(ErrorCode::not_found, 6201, "no memory is named '" + spec.memory + "'")
                        .at(spec.where.to_string())
                        .to_fix("name one under 'memory'"));
      }
      context.memory = found->second;
    }
    auto own = options.tools.find(spec.builtin);
    auto made = own != options.tools.end() ? own->second(context) : tool::make_builtin(spec.builtin, context);
    if (!made) {
      Error error = std::move(made).error().with_context("tool '" + name + "'");
      if (error.place.empty()) error.place = spec.where.to_string();
      return fail(std::move(error));
    }
    CONSORT_TRY(unit.tools.add(std::move(*made)));
  }
  return {};
}

Result<void> Host::State::build_unit(const agent::Graph& g, const std::string& path,
                                     const std::map<std::string, memory::Memory*>& callers) {
  auto unit = std::make_unique<Unit>();
  unit->graph = &g;
  unit->path = path;
  for (const auto& [name, spec] : g.definition().memories) {
    if (spec.from_caller) {
      auto found = callers.find(name);
      if (found == callers.end()) {
        return fail(make_error(ErrorCode::failed_precondition, 6401,
                               "the calling agent has no memory named '" + name + "'")
                        .at(spec.where.to_string()));
      }
      unit->memories[name] = found->second;
    } else if (path.empty()) {
      unit->memories[name] = memories.at(name).get();
    } else {
      return fail(make_error(ErrorCode::unsupported, 6402,
                             "a used agent cannot ingest a memory of its own yet")
                      .at(spec.where.to_string())
                      .to_fix("write 'memory: {" + name + ": {from: caller}}'"));
    }
  }
  CONSORT_TRY(add_tools(*unit));
  unit->host.engine = engine.get();
  unit->host.tools = &unit->tools;
  unit->host.clock = clock;
  unit->host.resolve_adapter = [this, &g, made = unit.get()](
                                   const std::string& text, const std::string& model) -> Result<std::string> {
    CONSORT_ASSIGN(made->adapter, load_adapter(g, text, model));
    return made->adapter;
  };
  std::map<std::string, memory::Memory*> mine = unit->memories;
  Unit* built = unit.get();
  units[&g] = std::move(unit);
  for (const auto& [name, node] : g.nodes()) {
    if (node.nested) {
      CONSORT_TRY(build_unit(*node.nested, path + name + "/", mine));
      continue;
    }
    built->adapter.clear();
    auto mine_or_swapped = node_of(*built, node);
    if (!mine_or_swapped) return fail(std::move(mine_or_swapped).error());
    auto component = agent::make_component(**mine_or_swapped, g, built->host);
    if (!component) return fail(std::move(component).error().with_context("component '" + path + name + "'"));
    built->components[name] = std::move(*component);
    note_use(g, node, built->adapter);
  }
  return {};
}

Host::Host(std::unique_ptr<State> state) : state_(std::move(state)) {}
Host::~Host() = default;

Result<std::unique_ptr<Host>> Host::create(std::shared_ptr<const agent::Graph> graph,
                                           const HostOptions& options, const Clock& clock) {
  auto state = std::make_unique<State>();
  state->graph = std::move(graph);
  state->options = options;
  state->clock = &clock;
  CONSORT_TRY(check_swaps(*state->graph, options.swaps));
  CONSORT_ASSIGN(state->engine, engine::Engine::create(options.engine, clock));
  CONSORT_TRY(state->load_models(*state->graph));
  CONSORT_TRY(state->open_memories());
  CONSORT_TRY(state->build_unit(*state->graph, "", {}));
  return std::unique_ptr<Host>(new Host(std::move(state)));
}

agent::Component* Host::find(const agent::Graph& graph, const std::string& node) {
  auto unit = state_->units.find(&graph);
  if (unit == state_->units.end()) return nullptr;
  auto found = unit->second->components.find(node);
  // A step is about to begin: what the graph asks for from here on decides what stays in memory.
  state_->engine->expect("run", state_->coming.from(*state_->graph, graph, node));
  return found == unit->second->components.end() ? nullptr : found->second.get();
}

tool::Effect Host::effect(const agent::Graph& graph, const std::string& node) const {
  const Unit& unit = *state_->units.at(&graph);
  tool::Effect strongest = tool::Effect::none;
  for (const std::string& name : graph.nodes().at(node).spec.tools) {
    if (const tool::Tool* t = unit.tools.find(name)) strongest = std::max(strongest, t->effect());
  }
  return strongest;
}

const tool::Registry& Host::tools(const agent::Graph& graph) const { return state_->units.at(&graph)->tools; }

memory::Memory* Host::memory(const std::string& name) const {
  auto found = state_->memories.find(name);
  return found == state_->memories.end() ? nullptr : found->second.get();
}

engine::Engine& Host::engine() const { return *state_->engine; }

const std::map<std::string, memory::IngestReport>& Host::ingested() const { return state_->reports; }

Value Host::pins() const {
  std::map<std::string, Value> by_path;  // Sorted, so that pins are the same for the same host.
  for (const auto& [graph, unit] : state_->units) {
    for (const auto& [name, component] : unit->components) by_path[unit->path + name] = component->pins();
  }
  contract::Object out;
  for (auto& [path, pins] : by_path) out.set(path, std::move(pins));
  return Value(std::move(out));
}

Result<fs::path> find_model_lock(const fs::path& start) {
  std::error_code ignored;
  if (const char* named = std::getenv("CONSORT_MODELS")) return fs::path(named) / "models.lock";
  fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (fs::path at : {fs::weakly_canonical(start.empty() ? "." : start, ignored), program}) {
    for (int up = 0; up < 8 && !at.empty(); ++up, at = at.parent_path()) {
      fs::path candidate = at / "models" / "models.lock";
      if (fs::is_regular_file(candidate, ignored)) return candidate;
      if (at == at.root_path()) break;
    }
  }
  return fail(make_error(ErrorCode::not_found, 3606, "models/models.lock was not found")
                  .at(start.string())
                  .to_fix("run inside the project, or set CONSORT_MODELS to the folder of models.lock"));
}

Result<engine::ModelInfo> load_by_ref(engine::Engine& engine, const std::string& ref, const fs::path& model_lock,
                                      const fs::path& home) {
  for (const engine::ModelInfo& m : engine.models()) {
    if (m.name == ref) return m;
  }
  if (ref.rfind("file:", 0) == 0) return engine.load_model(ref, fs::path(ref.substr(5)));
  fs::path lock_file = model_lock;
  if (lock_file.empty()) {
    CONSORT_ASSIGN(lock_file, find_model_lock(fs::current_path()));
  }
  CONSORT_ASSIGN(model::ModelLock lock, model::ModelLock::open(lock_file));
  CONSORT_ASSIGN(model::ResolvedModel model,
                 lock.resolve(ref, model::Verify::cached, home.empty() ? fs::path() : home / "verified-models.json"));
  return engine.load_model(ref, model.is_folder_model ? model.folder : model.main_file);
}

Result<std::string> expand_environment(const std::string& text, const agent::Location& where) {
  std::string out;
  size_t at = 0;
  while (true) {
    size_t open = text.find("${env:", at);
    if (open == std::string::npos) return out + text.substr(at);
    size_t close = text.find('}', open);
    if (close == std::string::npos) return out + text.substr(at);
    out += text.substr(at, open - at);
    std::string name = text.substr(open + 6, close - open - 6);
    std::optional<std::string> fallback;
    if (size_t mark = name.find(":-"); mark != std::string::npos) {
      fallback = name.substr(mark + 2);
      name.resize(mark);
    }
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') {
      out += value;
    } else if (fallback) {
      out += *fallback;
    } else {
      return fail(make_error(ErrorCode::not_found, 6006, "the environment variable " + name + " is not set")
                      .at(where.to_string())
                      .to_fix("export " + name + "=..., or write ${env:" + name + ":-default}"));
    }
    at = close + 1;
  }
}

fs::path memory_folder(const fs::path& home, const agent::Graph& graph, const std::string& name,
                       const std::vector<std::string>& sources) {
  std::string identity = graph.definition().name + "\n" + name;
  for (const std::string& s : sources) identity += "\n" + s;
  return home / "memory" / (graph.definition().name + "-" + name + "-" + sha256(identity).hex().substr(0, 8));
}

Result<std::vector<fs::path>> ingest_sources(const agent::Definition& definition, const agent::MemorySpec& spec) {
  std::vector<fs::path> out;
  std::error_code ignored;
  auto add = [&](const fs::path& folder, const std::string& text) -> Result<void> {
    CONSORT_ASSIGN(std::string expanded, expand_environment(text, spec.where));
    fs::path path = fs::weakly_canonical(folder / expanded, ignored);
    if (!fs::exists(path, ignored)) {
      return fail(make_error(ErrorCode::not_found, 6007, "a source of the memory does not exist")
                      .at(spec.where.to_string())
                      .got(path.string())
                      .to_fix("check the path under 'ingest'"));
    }
    out.push_back(path);
    return {};
  };
  fs::path base = definition.path.parent_path();
  for (const std::string& entry : spec.ingest) {
    CONSORT_ASSIGN(std::string text, expand_environment(entry, spec.where));
    if (text.empty() || text[0] != '@') {
      CONSORT_TRY(add(base, text));
      continue;
    }
    fs::path list = base / text.substr(1);
    auto lines = read_file(list, kListBytesMax);
    if (!lines) return fail(std::move(lines).error().with_context("list of sources"));
    for (size_t at = 0; at < lines->size();) {
      size_t end = std::min(lines->find('\n', at), lines->size());
      std::string line = lines->substr(at, end - at);
      at = end + 1;
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
      if (!line.empty() && line[0] != '#') CONSORT_TRY(add(list.parent_path(), line));
    }
  }
  return out;
}

Result<memory::Embedder> make_embedder(engine::Engine& engine, const std::string& model) {
  for (const engine::ModelInfo& m : engine.models()) {
    if (m.name != model) continue;
    if (!m.is_encoder) {
      return fail(make_error(ErrorCode::invalid_argument, 6403, "'" + model + "' is not an encoder")
                      .to_fix("name an embedding model, such as minilm-l6:f32"));
    }
    return memory::Embedder{.model = model + "@" + m.digest.hex().substr(0, 16),
                            .dims = m.n_embd,
                            .embed = [&engine, model](std::span<const std::string> texts) {
                              return engine.embed(model, texts);
                            }};
  }
  return fail(make_error(ErrorCode::not_found, 6404, "model '" + model + "' is not loaded"));
}

}  // namespace consort::run

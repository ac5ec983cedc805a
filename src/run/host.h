// Host: everything that a graph needs to run, built once from its definition: models and adapters in the
// engine, memories opened (and ingested), a tool registry per agent, and the components.
//
// It is the only place that knows where models lie, how a memory is named on disk, and that a nested agent
// may borrow its caller's memory. Fails before anything runs, with the place in the agent file.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/component.h"
#include "agent/graph.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "memory/memory.h"
#include "run/provider.h"
#include "tool/builtin.h"
#include "tool/tool.h"

namespace consort::run {

// Makes a tool that is not built in, bound as the agent file says.
using ToolMaker = std::function<Result<std::unique_ptr<tool::Tool>>(const tool::BuiltinContext&)>;

struct HostOptions {
  std::filesystem::path home;         // State folder; memories live in <home>/memory/<name>-<hash>.
  std::filesystem::path model_lock;   // models/models.lock; empty = find_model_lock().
  engine::EngineOptions engine;
  // Adapter name -> what it means here, whatever the agent files say of it: a version, an alias,
  // "file:PATH", or "" for the base alone. Two hosts can so serve two versions of one component.
  std::map<std::string, std::string> adapters;
  // Component path ("planner", "validator/judge") -> its adapter in this host alone: a version or alias of
  // the adapter that the agent file names, a whole reference ("name@version", "file:PATH"), or "none".
  std::map<std::string, std::string> swaps;
  // What `builtin: NAME` may also mean, by name: tools of the program that embeds this one.
  std::map<std::string, ToolMaker> tools;
  bool ingest = true;                 // Bring memories up to date with their files first.
  // What is happening, and how far ([0, 1], or negative when unknown). Any thread.
  std::function<void(const std::string& what, double fraction)> progress;
  std::stop_token stop;
};

// Resource; look-ups are thread-safe.
class Host final : public ComponentProvider {
 public:
  // Errors: not_found 36xx (models not fetched), 6xxx (references), 5xxx (memory), 4xxx (engine),
  // 7013 (a swap of a component that has no adapter to swap, or that is not there).
  static Result<std::unique_ptr<Host>> create(std::shared_ptr<const agent::Graph> graph,
                                              const HostOptions& options, const Clock& clock);
  ~Host() override;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The component of a node of `graph` (the root or any nested one); nullptr for kind agent.
  agent::Component* find(const agent::Graph& graph, const std::string& node) override;
  // The strongest effect of the tools that the node may call.
  tool::Effect effect(const agent::Graph& graph, const std::string& node) const override;
  const tool::Registry& tools(const agent::Graph& graph) const;
  memory::Memory* memory(const std::string& name) const;  // Of the root agent; nullptr if there is none.
  engine::Engine& engine() const;
  // What each memory's ingest did, by memory name.
  const std::map<std::string, memory::IngestReport>& ingested() const;
  // Everything an answer depends on, by component path ("validator/judge"): for `run.started`.
  contract::Value pins() const override;

 private:
  struct State;
  explicit Host(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// models/models.lock in `start` or a folder above it, else beside the program, else $CONSORT_MODELS.
// Error 3606 with the command that fetches models.
Result<std::filesystem::path> find_model_lock(const std::filesystem::path& start);

// Loads a model by reference ("smollm2-135m:q4_1" by the lock, "file:PATH" as it is) under the reference's
// name, unless it is loaded already.
Result<engine::ModelInfo> load_by_ref(engine::Engine& engine, const std::string& ref,
                                      const std::filesystem::path& model_lock,
                                      const std::filesystem::path& home);

// "${env:NAME}" and "${env:NAME:-default}" replaced. Error 6006: the variable is not set.
Result<std::string> expand_environment(const std::string& text, const agent::Location& where);

// An agent's memory folder under a home: the same memory for the same agent and sources.
std::filesystem::path memory_folder(const std::filesystem::path& home, const agent::Graph& graph,
                                    const std::string& name, const std::vector<std::string>& sources);
// The files and folders of a memory's `ingest` list, absolute; "@FILE" entries read and expanded.
Result<std::vector<std::filesystem::path>> ingest_sources(const agent::Definition& definition,
                                                          const agent::MemorySpec& memory);

// An engine's `embed`, bound to an encoder that is loaded in it.
Result<memory::Embedder> make_embedder(engine::Engine& engine, const std::string& model);

}  // namespace consort::run

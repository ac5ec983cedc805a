// Session: what the commands that execute an agent share: its graph, the models and tools that it
// needs, and the journal of the home.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/graph.h"
#include "base/result.h"
#include "cli/context.h"
#include "run/executor.h"
#include "run/host.h"
#include "store/journal.h"

namespace consort::cli {

// Resource. Members are made in the order in which they can fail cheaply: definition, journal,
// host.
class Session final {
 public:
  // Reads and type-checks the agent file; nothing heavy yet.
  static Result<std::unique_ptr<Session>> open(Context& context, const std::string& agent);
  // Of a graph that was built already.
  static std::unique_ptr<Session> of(Context& context, std::shared_ptr<const agent::Graph> graph);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const agent::Graph& graph() const { return *graph_; }
  // Takes the home for writing. Error 1201 while another process has it.
  Result<store::Journal*> journal();
  // Loads models, ingests memories, builds components. `ingest` false: memories as they are.
  Result<run::Host*> host(bool ingest = true);
  // Another host of the same graph, in which adapters and components are what HostOptions::adapters and
  // ::swaps say.
  Result<std::unique_ptr<run::Host>> new_host(bool ingest,
                                              const std::map<std::string, std::string>& adapters,
                                              const std::map<std::string, std::string>& swaps = {});

  // Progress of a run on stderr, and Ctrl-C.
  run::Watch watch();
  // Variables that the agent file's memories read, for a later resume: {"NAME": "value"}.
  contract::Value environment() const;

 private:
  explicit Session(Context& context) : context_(context) {}
  Context& context_;
  std::shared_ptr<const agent::Graph> graph_;
  std::unique_ptr<store::Journal> journal_;
  std::unique_ptr<run::Host> host_;
};

// The id that `text`, a unique prefix of it, or "last" names in the home. Errors: 1205, 1215.
Result<store::RunId> find_run(const store::Journal& journal, const std::string& text);

// Where a recorded run's agent file is: `named` if given, else the file of its run_started. Sets
// the variables that it was started with, if they are not set now.
std::string definition_of(const run::RunView& view, const std::string& named);

// Writes the agent's `outputs` and run.json into `folder`; prints each path on stdout unless
// --json.
Result<void> write_outputs(Context& context, Session& session, const run::RunResult& result,
                           const std::filesystem::path& folder);

// stdout and stderr of a run that has ended or stopped, and the exit code.
Result<int> report_run(Context& context, const run::RunResult& result, bool wrote_files);

}  // namespace consort::cli

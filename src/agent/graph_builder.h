// GraphBuilder: the one pass that turns a Definition into a Graph. Private to this folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/graph.h"

namespace consort::agent {

class GraphBuilder {
 public:
  // `stack`: files being built, outermost first; finds agents that contain themselves.
  static Result<std::shared_ptr<const Graph>> build(Definition definition,
                                                    std::vector<std::filesystem::path> stack);

 private:
  explicit GraphBuilder(std::vector<std::filesystem::path> stack) : stack_(std::move(stack)) {}

  Result<void> read_contracts();
  // "Name[]?" -> a schema document that refers to the named contracts.
  Result<contract::Value> type_document(const TypeRef& type) const;
  Result<std::shared_ptr<const contract::Schema>> compile(const contract::Value& document,
                                                          const std::string& id,
                                                          const Location& where) const;
  Result<contract::Value> input_document(const ComponentSpec& spec) const;
  Result<void> resolve_node(const ComponentSpec& spec);
  Result<void> resolve_nested(Node& node);
  Result<void> check_names(const ComponentSpec& spec) const;
  Result<void> resolve_flow();
  Result<void> resolve_step(const FlowStep& line);
  Result<void> bind_arguments(Step& step) const;
  Result<void> bind_redo(RedoLoop& loop);
  // Proves that `value` fits `consumer`, or explains.
  Result<void> check_edge(const Expression& value, const std::string& to, bool element,
                          const contract::Value& consumer, bool unchecked, const Location& where);
  Result<void> check_known(const Expression& value, const Location& where) const;
  void finish_digest();

  std::vector<std::filesystem::path> stack_;
  std::shared_ptr<Graph> graph_;
  // Names that the flow has defined so far, with the schema of their values as the producer emits them.
  std::map<std::string, contract::Value> defined_;
};

// The file that `use: shared/report-validator@1` names, seen from `folder`: tried beside the agent file,
// then in its parent folders (at most 4 up). Error 6201.
Result<std::filesystem::path> find_used_agent(const std::filesystem::path& folder,
                                              const std::string& use, const Location& where);

}  // namespace consort::agent

// Graph: a definition that was resolved and type-checked; what a run executes and pins.
//
// Building it loads nothing heavy: contracts, prompts and shared definitions are read, every edge is
// proved (or refused with a witness), tools and models are only named. Immutable.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/definition.h"
#include "contract/schema.h"

namespace consort::agent {

class Graph;

// One component, resolved.
struct Node {
  ComponentSpec spec;
  // `in: Name`: the value itself. `in: {a: A, b: B}`: an object, argument name -> value.
  std::shared_ptr<const contract::Schema> input;
  std::shared_ptr<const contract::Schema> output;
  std::string prompt_text;                          // Read from spec.prompt.
  std::shared_ptr<const Graph> nested;              // kind agent.
  Digest digest;                                    // Contract, prompt, options; not the weights.
};

// A flow line, resolved: edges are its arguments' expressions.
struct Step {
  FlowStep line;                // Arguments are bound: each names a member of the input, or, for a
                                // component with `in: Name`, the only one has an empty name.
  const Node* node = nullptr;
  bool fan_out = false;         // One argument has [*]: one call per element, output is a list.
  std::string fan_argument;     // Its name.
  std::vector<size_t> depends;  // Indices of earlier steps that its arguments read.
  contract::Value output_schema;
};

struct EdgeReport {             // For `validate` and `graph`.
  std::string from, to;         // "plan.steps[*]" -> "analyzer.step"
  contract::Containment result;
};

// The inputs of a step's calls: one, or with fan-out one per element, in order. `overrides` are extra
// arguments of a redo round; they win. Optional members that evaluate to null are left out.
std::vector<contract::Value> bind_inputs(const Step& step, const Lookup& lookup,
                                         const std::vector<Argument>& overrides = {});

inline constexpr size_t kFanOutMax = 1024;  // Elements of one fan-out; more is an error of the run.

class Graph final {
 public:
  // Prompts are parsed too: a syntax error in one is an error here (34xx).
  // Errors: 6201 missing reference, 6202 cycle (a step reads a later one), 6203 edge refuted (with the
  // witness as value), 6204 edge unknown, 6205 contract file, 6206 prompt file, 6207 nesting too deep or
  // an agent that contains itself, and schema errors 21xx with file:line.
  static Result<std::shared_ptr<const Graph>> build(Definition definition);

  const Definition& definition() const { return definition_; }
  const std::map<std::string, Node>& nodes() const { return nodes_; }
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<RedoLoop>& loops() const { return loops_; }
  // Index into steps() after which loop i is tested.
  const std::vector<size_t>& loop_after() const { return loop_after_; }
  const std::shared_ptr<const contract::Schema>& input() const { return input_; }
  const std::shared_ptr<const contract::Schema>& output() const { return output_; }
  const contract::Value& contracts() const { return contracts_; }  // Named schemas, as an object.
  const std::vector<EdgeReport>& edges() const { return edges_; }
  // Agent file, contracts, prompts, nested agents: what `run.started` pins.
  const Digest& digest() const { return digest_; }

 private:
  friend class GraphBuilder;
  Definition definition_;
  std::map<std::string, Node> nodes_;
  std::vector<Step> steps_;
  std::vector<RedoLoop> loops_;
  std::vector<size_t> loop_after_;
  std::shared_ptr<const contract::Schema> input_, output_;
  contract::Value contracts_;
  std::vector<EdgeReport> edges_;
  Digest digest_;
};

}  // namespace consort::agent

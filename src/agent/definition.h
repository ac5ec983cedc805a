// Definition: an agent file as written, parsed and located; nothing resolved yet.
//
// Unknown keys are errors with file:line:col and "did you mean". docs/formats/agent.md describes every key;
// `consort schema agent` prints the JSON Schema.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/expression.h"
#include "contract/json.h"

namespace consort::agent {

// Where something stands in its file; lines and columns from 1.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
  std::string to_string() const;  // file:line:col
};

struct ModelSpec {
  std::string ref;          // "smollm2-135m:q4_1", "file:PATH", or "openai:MODEL@URL".
  std::string keep = "lru"; // lru | always
  Location where;
};

struct MemorySpec {
  bool from_caller = false;         // The calling agent's memory of the same name (used agents).
  std::vector<std::string> ingest;  // Relative to the agent file; ${env:NAME} allowed.
  std::string embed;                // Name under `models`.
  Location where;
};

struct ToolSpec {
  std::string builtin;
  std::string memory;        // Name under `memory`; empty if the tool needs none.
  contract::Value options;   // Whatever else stands in the entry.
  Location where;
};

enum class ComponentKind { generate, decide, retrieve, tool, agent };
std::string_view name(ComponentKind kind);

// A type: a contract's name, `Name[]`, with `?` for optional; or an inline JSON Schema.
struct TypeRef {
  std::string text;
  std::optional<contract::Value> schema;
  Location where;
};

// What to do when the output does not satisfy its contract (or the step fails): in order.
struct Recovery {
  enum class Kind { repair, retry, escalate } kind = Kind::retry;
  int times = 1;             // retry
  std::string component;     // escalate
};

struct ComponentSpec {
  std::string name;
  ComponentKind kind = ComponentKind::generate;
  std::string use;             // Path to a shared agent file, "shared/report-validator@1".
  std::string model, adapter;
  std::string prompt;          // Path of a template file, relative to the agent file.
  std::vector<std::string> tools;
  std::optional<TypeRef> in_type;                 // in: Name
  std::vector<std::pair<std::string, TypeRef>> in_members;  // in: {a: A, b: B}
  TypeRef out;
  std::vector<Recovery> on_violation;
  contract::Value with;        // tool: fixed arguments, merged over the input.
  std::string arguments;       // tool: template that renders to the tool's input as JSON; else the input.
  contract::Value questions;   // decide: as `POST /v1/systemone`, instructions may be templates.
  // generate: JSON Pointer into the output schema -> expression over the component's input that gives the
  // list of allowed values there. Narrowing only ever removes values.
  std::map<std::string, std::string> narrow;
  // generate: "input" = numerals in strings are limited to those printed in the input.
  std::string numerals;
  int max_tokens = 256;
  double temperature = 0;
  int top_k = 40;
  int k = 8;                   // retrieve: passages per query.
  std::string query;           // retrieve: template of the query, or of queries one per line.
  std::optional<int64_t> timeout_ms;
  Location where;
};

struct Argument {
  std::string name;            // Empty for the first positional one until it is bound.
  Expression value;
};

struct FlowStep {
  std::string name;            // The value it defines.
  std::string component;
  std::vector<Argument> arguments;
  std::optional<Expression> when;
  bool unchecked = false;      // An edge that cannot be proved is checked at run time instead.
  Location where;
};

// `revise: {when: not verdict.ok, redo: report, with: {critique: verdict.issues}, max: 2}`: while the
// condition holds, at most `max` times, run again every step from `redo` to here with extra arguments.
struct RedoLoop {
  std::string name;
  Expression when;
  std::string redo;
  std::vector<Argument> with;
  int max = 1;
  Location where;
};

// A file written to the --out folder after a run: the output itself, or what a tool makes of
// {"report": output, "run": the run's summary} and `with`.
struct OutputFile {
  std::string file;            // A plain name, no folders.
  std::string tool;            // Empty: the output as JSON.
  contract::Value with;
  Location where;
};

struct Budget {
  std::optional<int64_t> deadline_ms;
  std::optional<int64_t> tokens;
};

struct Definition {
  std::filesystem::path path;   // Of the file; relative paths start at its folder.
  Digest digest;                // Of the file's bytes.
  std::string name, version;
  TypeRef in, out;
  std::vector<std::string> contract_files;
  std::map<std::string, ModelSpec> models;
  std::map<std::string, MemorySpec> memories;
  std::map<std::string, ToolSpec> tools;
  std::map<std::string, ComponentSpec> components;
  std::vector<std::variant<FlowStep, RedoLoop>> flow;
  Expression result;            // `return`
  std::vector<OutputFile> outputs;
  Budget budget;
  std::string eval_suite;
};

// Errors: 6001 cannot read, 6002 YAML syntax, 6003 unknown key, 6004 wrong type or missing key, 6005 limit.
Result<Definition> load_definition(const std::filesystem::path& path);
Result<Definition> parse_definition(std::string_view yaml, const std::filesystem::path& path);
// YAML -> Value (contracts.yaml, briefs): JSON's types only, anchors allowed, bounded. Error 6002.
Result<contract::Value> parse_yaml(std::string_view yaml, const std::string& file);

inline constexpr size_t kAgentFileBytesMax = 1 << 20;
inline constexpr int kFlowStepsMax = 256;
inline constexpr int kNestingMax = 8;

}  // namespace consort::agent

// The built-in tools: what `builtin:` in an agent file may name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/json.h"
#include "memory/memory.h"
#include "tool/tool.h"

namespace consort::tool {

// What a built-in tool is bound to. The memory must outlive the tool.
struct BuiltinContext {
  std::string name;                  // The tool's name in the agent file; empty = the builtin's name.
  const memory::Memory* memory = nullptr;
  contract::Value options;           // The other keys of the tool's line in the agent file.
};

struct BuiltinInfo {
  std::string name;         // "sql"
  std::string description;
  contract::Value input, output;  // JSON Schema documents.
  bool needs_memory = false;
  std::vector<std::string> options;  // Keys that `options` may have.
};

// All of them, by name.
const std::vector<BuiltinInfo>& builtins();

// Errors: not_found 5204 (did you mean), failed_precondition 5205 memory missing, invalid_argument 5206 unknown
// or malformed option; 2101-2104 never reach a user (our own schemas).
Result<std::unique_ptr<Tool>> make_builtin(const std::string& builtin, const BuiltinContext& context);

}  // namespace consort::tool

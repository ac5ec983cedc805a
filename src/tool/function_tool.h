// FunctionTool: a Tool made of a function and two schema documents; what the built-in tools are.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tool/tool.h"

namespace consort::tool {

using ToolFunction = std::function<Result<contract::Value>(const contract::Value&, const CallContext&)>;

struct FunctionToolSpec {
  std::string name;          // As registered: the agent file's name.
  std::string description;   // One or two sentences, for people and for a planner's prompt.
  contract::Value input, output;  // JSON Schema documents.
  std::string version;       // Changes with the code's answers; hashed with name and schemas.
  std::function<std::string()> content;  // Optional: what else the answers depend on (memory digest).
  double cost_ms = 1.0;
  Effect effect = Effect::none;
  ToolFunction function;     // Must be thread-safe.
};

// Errors of Schema::compile, with the tool's name.
Result<std::unique_ptr<Tool>> make_function_tool(FunctionToolSpec spec);

}  // namespace consort::tool

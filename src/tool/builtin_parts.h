// The functions behind the built-in tools; `make_builtin` binds them to names and schemas.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "memory/memory.h"
#include "tool/function_tool.h"

namespace consort::tool {

// The memory must outlive the function. `options` are those of the tool's line in the agent file.
ToolFunction hybrid_search_function(const memory::Memory& memory, const contract::Value& options);  // k
ToolFunction sql_function(const memory::Memory& memory, const contract::Value& options);            // rows, time_ms
ToolFunction figures_function(const memory::Memory& memory, const contract::Value& options);        // k
ToolFunction calculate_function();
ToolFunction chart_function();

// Items of an array of strings; empty when absent.
std::vector<std::string> string_list(const contract::Value& input, std::string_view key);
int int_or(const contract::Value& input, std::string_view key, int fallback);
contract::Value page_value(const std::optional<int>& page);

}  // namespace consort::tool

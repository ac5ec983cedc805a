// The report tools as built-ins: check_claims, assemble_report, render_report.
#pragma once

#include <string>
#include <vector>

#include "tool/builtin.h"
#include "tool/function_tool.h"
#include "tool/report/page_source.h"

namespace consort::tool {

std::vector<BuiltinInfo> report_builtins();

// {"claims": Claim[], "companies"?: [..]} -> {"issues", "checked", "overlap"}.
Result<contract::Value> check_claims(const PageSource& source, const contract::Value& input, const CallContext& context);

// `name` is one of report_builtins(); check_claims needs `memory`, which must outlive the function.
ToolFunction report_function(const std::string& name, const memory::Memory* memory);

}  // namespace consort::tool

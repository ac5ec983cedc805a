#include <fmt/format.h>

#include "tool/nearest.h"
#include "tool/tool.h"

namespace consort::tool {
namespace {

std::string join(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

Result<void> within_deadline(const CallContext& context, const std::string& tool, std::string_view when) {
  if (context.stop.stop_requested())
    return fail(make_error(ErrorCode::cancelled, 5208, fmt::format("tool '{}': stopped {} the call", tool, when))
                    .to_fix("resume the run"));
  if (context.clock != nullptr && context.deadline.count() > 0 &&
      context.clock->monotonic() >= context.deadline)
    return fail(make_error(ErrorCode::deadline_exceeded, 5207,
                           fmt::format("tool '{}': the deadline passed {} the call", tool, when))
                    .to_fix("raise budget.deadline, or ask for less"));
  return {};
}

}  // namespace

Result<void> Registry::add(std::unique_ptr<Tool> tool) {
  CONSORT_CHECK(tool != nullptr);
  const std::string name = tool->name();
  if (tools_.count(name) > 0)
    return fail(make_error(ErrorCode::already_exists, 5201, "a tool of this name is already registered")
                    .got(name)
                    .to_fix("give each tool of the agent its own name"));
  tools_.emplace(name, std::move(tool));
  return {};
}

const Tool* Registry::find(std::string_view name) const {
  const auto found = tools_.find(name);
  return found == tools_.end() ? nullptr : found->second.get();
}

std::vector<const Tool*> Registry::tools() const {
  std::vector<const Tool*> out;
  for (const auto& [name, tool] : tools_) out.push_back(tool.get());
  return out;
}

Result<contract::Value> Registry::call(const Grant& grant, const std::string& tool, const contract::Value& input,
                                       const CallContext& context) const {
  const auto found = tools_.find(tool);
  // The grant is asked first, so that a component learns nothing about tools that it may not call.
  if (grant.tools.count(tool) == 0) {
    const std::vector<std::string> allowed(grant.tools.begin(), grant.tools.end());
    return fail(make_error(ErrorCode::failed_precondition, 5202,
                           fmt::format("component '{}' may not call this tool (allowed: {})", grant.component,
                                       join(grant.tools)))
                    .got(tool)
                    .to_fix("name the tool in the component's 'tools' in the agent file"));
  }
  if (found == tools_.end()) {
    std::vector<std::string> known;
    for (const auto& [name, entry] : tools_) known.push_back(name);
    return fail(make_error(ErrorCode::not_found, 5203, "no such tool").got(tool).to_fix(did_you_mean(tool, known)));
  }
  Tool& callee = *found->second;
  CONSORT_TRY_CONTEXT(contract::check(*callee.input(), input), fmt::format("input of tool '{}'", tool));
  CONSORT_TRY(within_deadline(context, tool, "before"));
  CONSORT_ASSIGN(contract::Value output, callee.call(input, context));
  // A result that came too late is refused: the budget is the caller's promise to somebody else.
  CONSORT_TRY(within_deadline(context, tool, "during"));
  if (auto checked = contract::check(*callee.output(), output); !checked)
    return fail(std::move(checked).error().with_context(fmt::format("output of tool '{}'", tool)));
  return output;
}

}  // namespace consort::tool

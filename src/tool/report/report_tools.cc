#include "tool/report/report_tools.h"

#include <set>

#include "tool/builtin_parts.h"
#include "tool/report/check_claims.h"
#include "tool/report/render.h"
#include "tool/report/schemas.h"

namespace consort::tool {
namespace {

using contract::Array;
using contract::Object;
using contract::Value;

Citation citation_of(const Value& v) {
  Citation c;
  c.doc = v.string_or("doc", "");
  c.quote = v.string_or("quote", "");
  if (const Value* page = v.find("page"); page != nullptr && page->is_number())
    c.page = static_cast<int>(page->as_number().as_int64().value_or(0));
  return c;
}

CheckedClaim claim_of(const Value& v) {
  CheckedClaim claim{v.string_or("id", ""), v.string_or("text", ""), v.string_or("company", ""), {}};
  if (const Value* cites = v.find("cites"); cites != nullptr && cites->is_array())
    for (const Value& cite : cites->as_array()) claim.cites.push_back(citation_of(cite));
  return claim;
}

Value issue_value(const ClaimIssue& issue) {
  return Value::object({{"claim", issue.claim}, {"kind", issue.kind}, {"message", issue.message}, {"fix", issue.fix}});
}

}  // namespace

Result<Value> check_claims(const PageSource& source, const Value& input, const CallContext& context) {
  EvidenceReader reader(source);
  const std::vector<std::string> companies = string_list(input, "companies");
  Array issues;
  Object overlap;
  int n_claims = 0, numbers = 0, dates = 0, names = 0, quotes = 0;
  const Value* claims = input.find("claims");
  for (const Value& v : claims != nullptr && claims->is_array() ? claims->as_array() : Array{}) {
    if (context.stop.stop_requested())
      return fail(make_error(ErrorCode::cancelled, 5208, "stopped while checking claims").to_fix("resume the run"));
    const CheckedClaim claim = claim_of(v);
    CONSORT_ASSIGN(ClaimCheck check, check_claim(claim, companies, &reader));
    for (const ClaimIssue& issue : check.issues) issues.push_back(issue_value(issue));
    ++n_claims, numbers += check.n_numbers, dates += check.n_dates, names += check.n_names, quotes += check.n_quotes;
    overlap.set(claim.id, check.overlap);
  }
  return Value::object({{"issues", std::move(issues)},
                        {"checked", Value::object({{"claims", n_claims}, {"numbers", numbers}, {"dates", dates}, {"names", names}, {"quotes", quotes}})},
                        {"overlap", std::move(overlap)}});
}

std::vector<BuiltinInfo> report_builtins() {
  std::vector<BuiltinInfo> out;
  ToolSchemas check = check_claims_schemas();
  out.push_back({"check_claims", "Checks every number, unit, date, name and direction of claims against the pages that they cite.",
                 std::move(check.input), std::move(check.output), true, {}});
  ToolSchemas render = render_report_schemas();
  out.push_back({"render_report", "A report as Markdown or as one self-contained HTML page.", std::move(render.input), std::move(render.output), false, {}});
  return out;
}

ToolFunction report_function(const std::string& name, const memory::Memory* memory) {
  if (name == "render_report") {
    return [](const Value& input, const CallContext&) -> Result<Value> {
      const ReportView view = view_of(*input.find("report"), input.find("run"));
      return Value::object({{"text", input.string_or("format", "") == "html" ? render_html(view) : render_markdown(view)}});
    };
  }
  CONSORT_CHECK(name == "check_claims" && memory != nullptr);
  return [memory](const Value& input, const CallContext& context) -> Result<Value> {
    return check_claims(MemoryPageSource(*memory), input, context);
  };
}

}  // namespace consort::tool

// Contracts of reports: the one place where Cite, Figure, Claim, Finding, Issue, Verdict and Report are
// defined as JSON Schemas. docs/formats/report.md explains the fields.
#pragma once

#include "tool/builtin_schemas.h"

namespace consort::tool {

// An object name -> schema: Brief, Cite, Figure, Computed, Finding, Claim, Issue, Verdict, Report and their parts.
const contract::Value& report_definitions();
// One of them as a document that stands alone ($defs included). CONSORT_CHECKs that it exists.
contract::Value report_schema(std::string_view name);

ToolSchemas check_claims_schemas();
ToolSchemas render_report_schemas();

}  // namespace consort::tool

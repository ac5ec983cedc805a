#include "tool/report/schemas.h"

namespace consort::tool {

using contract::Value;

const Value& report_definitions() {
  // Immutable after its first use.
  static const Value kDefinitions = schema_literal(R"json({
"Brief": {"type": "object", "additionalProperties": false, "required": ["topic", "companies"], "properties": {
  "topic": {"type": "string", "minLength": 1, "maxLength": 200},
  "companies": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 60}, "minItems": 1, "maxItems": 6},
  "audience": {"type": "string", "maxLength": 200},
  "questions": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}, "maxItems": 8}}},
"Page": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
"Cite": {"type": "object", "additionalProperties": false, "required": ["doc", "page", "quote"], "properties": {
  "doc": {"type": "string"}, "page": {"$ref": "#/$defs/Page"}, "quote": {"type": "string", "maxLength": 400}}},
"Figure": {"type": "object", "additionalProperties": false,
  "required": ["company", "metric", "label", "period_end", "period", "value", "amount", "scale", "unit", "as_printed", "doc", "page"],
  "properties": {
    "company": {"type": "string"}, "metric": {"type": "string"}, "label": {"type": "string"}, "period_end": {"type": "string"},
    "period": {"type": "string"}, "value": {"type": "string"}, "amount": {"type": "string"}, "scale": {"type": "integer"},
    "unit": {"type": "string"}, "as_printed": {"type": "string"}, "doc": {"type": "string"}, "page": {"$ref": "#/$defs/Page"}}},
"Computed": {"type": "object", "additionalProperties": false, "required": ["op", "args", "value", "unit"], "properties": {
  "op": {"enum": ["pct_change", "difference", "ratio", "share", "sum"]},
  "args": {"type": "array", "items": {"type": "integer", "minimum": 0}}, "value": {"type": "string"}, "unit": {"type": "string"}}},
"Finding": {"type": "object", "additionalProperties": false,
  "required": ["id", "kind", "company", "subject", "section", "figures", "computed", "cites", "note"], "properties": {
    "id": {"type": "string"}, "kind": {"enum": ["figure", "text", "missing"]}, "company": {"type": "string"},
    "subject": {"type": "string"}, "section": {"type": "string"},
    "figures": {"type": "array", "items": {"$ref": "#/$defs/Figure"}},
    "computed": {"type": "array", "items": {"$ref": "#/$defs/Computed"}},
    "cites": {"type": "array", "items": {"$ref": "#/$defs/Cite"}}, "note": {"type": "string"}}},
"Claim": {"type": "object", "required": ["id", "text", "cites"], "properties": {
  "id": {"type": "string"}, "section": {"type": "string"}, "company": {"type": "string"}, "text": {"type": "string"},
  "cites": {"type": "array", "items": {"$ref": "#/$defs/Cite"}},
  "figures": {"type": "array", "items": {"$ref": "#/$defs/Figure"}},
  "computed": {"type": "array", "items": {"$ref": "#/$defs/Computed"}}}},
"Issue": {"type": "object", "required": ["claim", "kind", "message", "fix"], "properties": {
  "claim": {"type": "string"}, "kind": {"enum": ["number", "unit", "date", "name", "sign", "support", "completeness", "format"]},
  "message": {"type": "string"}, "fix": {"type": "string"}}},
"Counts": {"type": "object", "additionalProperties": {"type": "integer"}},
"Checked": {"type": "object", "required": ["issues", "checked"], "properties": {
  "issues": {"type": "array", "items": {"$ref": "#/$defs/Issue"}}, "checked": {"$ref": "#/$defs/Counts"},
  "overlap": {"type": "object", "additionalProperties": {"type": "number"}}}},
"Verdict": {"type": "object", "required": ["ok", "issues", "checked", "support"], "properties": {
  "ok": {"type": "boolean"}, "issues": {"type": "array", "items": {"$ref": "#/$defs/Issue"}}, "checked": {"$ref": "#/$defs/Counts"},
  "support": {"type": "object", "additionalProperties": {"type": "number"}}}},
"WritingTask": {"type": "object", "additionalProperties": false, "required": ["id", "finding", "frame", "issues", "last"], "properties": {
  "id": {"type": "string"}, "finding": {"$ref": "#/$defs/Finding"}, "frame": {"type": "string"},
  "issues": {"type": "array", "items": {"type": "string"}}, "last": {"type": "string"}}},
"WritingTasks": {"type": "object", "additionalProperties": false, "required": ["items"], "properties": {
  "items": {"type": "array", "items": {"$ref": "#/$defs/WritingTask"}}}},
"Sentence": {"type": "object", "additionalProperties": false, "required": ["text"], "properties": {
  "text": {"type": "string", "minLength": 10, "maxLength": 420}}},
"ReportTable": {"type": "object", "additionalProperties": false, "required": ["title", "columns", "rows"], "properties": {
  "title": {"type": "string"}, "columns": {"type": "array", "items": {"type": "string"}},
  "rows": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}}},
"ReportChart": {"type": "object", "additionalProperties": false, "required": ["title", "svg", "source"], "properties": {
  "title": {"type": "string"}, "svg": {"type": "string"}, "source": {"type": "string"}}},
"ReportSource": {"type": "object", "additionalProperties": false, "required": ["n", "doc", "page", "quote"], "properties": {
  "n": {"type": "integer", "minimum": 1}, "doc": {"type": "string"}, "title": {"type": "string"}, "page": {"$ref": "#/$defs/Page"},
  "quote": {"type": "string"}}},
"DroppedClaim": {"type": "object", "additionalProperties": false, "required": ["id", "text", "reasons"], "properties": {
  "id": {"type": "string"}, "text": {"type": "string"}, "reasons": {"type": "array", "items": {"type": "string"}}}},
"MissingFinding": {"type": "object", "additionalProperties": false, "required": ["id", "company", "subject", "note"], "properties": {
  "id": {"type": "string"}, "company": {"type": "string"}, "subject": {"type": "string"}, "note": {"type": "string"}}},
"Report": {"type": "object", "additionalProperties": false,
  "required": ["title", "subtitle", "claims", "table", "charts", "sources", "dropped", "missing"], "properties": {
    "title": {"type": "string", "minLength": 1}, "subtitle": {"type": "string"},
    "claims": {"type": "array", "items": {"$ref": "#/$defs/Claim"}},
    "table": {"$ref": "#/$defs/ReportTable"},
    "charts": {"type": "array", "items": {"$ref": "#/$defs/ReportChart"}},
    "sources": {"type": "array", "items": {"$ref": "#/$defs/ReportSource"}},
    "dropped": {"type": "array", "items": {"$ref": "#/$defs/DroppedClaim"}},
    "missing": {"type": "array", "items": {"$ref": "#/$defs/MissingFinding"}},
    "verdict": {"anyOf": [{"$ref": "#/$defs/Verdict"}, {"type": "null"}]}}},
"RunStep": {"type": "object", "required": ["name", "start_ms", "end_ms"], "properties": {
  "name": {"type": "string"}, "start_ms": {"type": "number", "minimum": 0}, "end_ms": {"type": "number", "minimum": 0},
  "tokens": {"type": "integer", "minimum": 0}}},
"RunSummary": {"type": "object", "required": ["steps"], "properties": {
  "id": {"type": "string"}, "steps": {"type": "array", "items": {"$ref": "#/$defs/RunStep"}}}}
})json");
  return kDefinitions;
}

namespace {
Value with_definitions(Value schema) {
  schema.get_object()->set("$defs", report_definitions());
  return schema;
}
}  // namespace

Value report_schema(std::string_view name) {
  const Value* found = report_definitions().find(name);
  CONSORT_CHECK(found != nullptr);
  return with_definitions(*found);
}

ToolSchemas check_claims_schemas() {
  return {with_definitions(schema_literal(R"json({"type": "object", "additionalProperties": false, "required": ["claims"], "properties": {
            "claims": {"type": "array", "items": {"$ref": "#/$defs/Claim"}},
            "companies": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}}})json")),
          report_schema("Checked")};
}

ToolSchemas render_report_schemas() {
  return {with_definitions(schema_literal(R"json({"type": "object", "additionalProperties": false, "required": ["report", "format"], "properties": {
            "report": {"$ref": "#/$defs/Report"},
            "format": {"enum": ["md", "html"]},
            "run": {"anyOf": [{"$ref": "#/$defs/RunSummary"}, {"type": "null"}]}}})json")),
          schema_literal(R"json({"type": "object", "additionalProperties": false, "required": ["text"], "properties": {"text": {"type": "string"}}})json")};
}

}  // namespace consort::tool

#include "tool/builtin_schemas.h"

namespace consort::tool {

contract::Value schema_literal(const char* text) {
  auto parsed = contract::parse_json(text);
  CONSORT_CHECK(parsed.has_value());
  return std::move(*parsed);
}

ToolSchemas hybrid_search_schemas() {
  return {schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["query"],
  "properties": {
    "query": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "Words or a question"},
    "k": {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many passages; 10 if absent"},
    "mode": {"enum": ["fused", "words", "vectors"]},
    "companies": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 50},
    "docs": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 200}}})"),
          schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["passages"],
  "properties": {"passages": {"type": "array", "items": {
    "type": "object", "additionalProperties": false,
    "required": ["id", "doc", "title", "company", "page", "heading", "text", "score"],
    "properties": {
      "id": {"type": "integer"},
      "doc": {"type": "string"}, "title": {"type": "string"}, "company": {"type": "string"},
      "page": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
      "heading": {"type": "string"}, "text": {"type": "string"},
      "score": {"type": "number"}}}}}})")};
}

ToolSchemas sql_schemas() {
  return {schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["query"],
  "properties": {
    "query": {"type": "string", "minLength": 1, "maxLength": 16384, "description": "One SELECT statement"},
    "params": {"anyOf": [
      {"type": "array", "maxItems": 100, "items": {"type": ["null", "boolean", "number", "string"]}},
      {"type": "object", "additionalProperties": {"type": ["null", "boolean", "number", "string"]}},
      {"type": "null"}], "description": "Values of ?1, ?2... or of :name"},
    "max_rows": {"type": "integer", "minimum": 1, "maximum": 1000,
                 "description": "Take the first rows instead of failing when there are more"}}})"),
          schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["columns", "rows", "truncated", "more"],
  "properties": {
    "columns": {"type": "array", "items": {"type": "string"}},
    "rows": {"type": "array", "items": {"type": "array", "items": {"type": ["null", "number", "string"]}}},
    "truncated": {"const": false},
    "more": {"type": "boolean", "description": "True when max_rows left rows out"}}})")};
}

ToolSchemas figures_schemas() {
  return {schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["query"],
  "properties": {
    "query": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "What the figure is called: total revenues"},
    "companies": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 50},
    "docs": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 200},
    "period_from": {"type": "string", "format": "date", "description": "Earliest end of period"},
    "period_to": {"type": "string", "format": "date", "description": "Latest end of period"},
    "period_kinds": {"type": "array", "maxItems": 5, "items": {"enum": ["year", "quarter", "half", "nine_months", "instant"]}},
    "k": {"type": "integer", "minimum": 1, "maximum": 200, "description": "How many figures; 10 if absent"}}})"),
          schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["figures"],
  "properties": {"figures": {"type": "array", "items": {
    "type": "object", "additionalProperties": false,
    "required": ["figure_id", "doc", "company", "page", "section", "label", "column_label", "period_end", "period_kind",
                 "value", "amount", "scale", "unit", "as_printed", "score"],
    "properties": {
      "figure_id": {"type": "integer"},
      "doc": {"type": "string"}, "company": {"type": "string"},
      "page": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
      "section": {"type": "string"}, "label": {"type": "string"}, "column_label": {"type": "string"},
      "period_end": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
      "period_kind": {"type": "string"},
      "value": {"type": "string", "description": "Exact decimal in base units", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
      "amount": {"type": "string", "description": "Exact decimal as printed, before the scale"},
      "scale": {"type": "integer", "minimum": 1},
      "unit": {"type": "string"}, "as_printed": {"type": "string"},
      "score": {"type": "number"}}}}}})")};
}

ToolSchemas calculate_schemas() {
  return {schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["expression"],
  "properties": {
    "expression": {"type": "string", "minLength": 1, "maxLength": 4096,
      "description": "Numbers with units, names, + - * / ^, pct_change(from, to), cagr(from, to, periods), ratio(a, b), share(part, whole), difference(from, to), sum, avg, min, max, abs and round(x, places)."},
    "variables": {"type": "object", 
      "description": "A number, text such as '611289 million USD', or {value, unit}",
      "additionalProperties": {"anyOf": [
        {"type": "number"}, {"type": "string", "maxLength": 200},
        {"type": "object", "additionalProperties": false, "required": ["value"],
         "properties": {"value": {"type": ["string", "number"]}, "unit": {"type": "string", "maxLength": 40}}}]}}}})"),
          schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["value", "unit", "exact", "steps"],
  "properties": {
    "value": {"type": "string", "description": "Decimal; rounded to 12 places when it does not end"},
    "unit": {"type": "string"},
    "exact": {"type": "boolean"},
    "steps": {"type": "array", "items": {
      "type": "object", "additionalProperties": false, "required": ["expression", "value", "unit"],
      "properties": {"expression": {"type": "string"}, "value": {"type": "string"}, "unit": {"type": "string"}}}}}})")};
}

ToolSchemas chart_schemas() {
  return {schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["kind", "title", "y_label", "unit", "series", "source"],
  "properties": {
    "kind": {"enum": ["bar", "line"]},
    "title": {"type": "string", "minLength": 1, "maxLength": 200},
    "subtitle": {"type": "string", "maxLength": 300},
    "x_label": {"type": "string", "maxLength": 100},
    "y_label": {"type": "string", "maxLength": 100},
    "unit": {"type": "string", "maxLength": 40, "description": "Of y in base units: USD, %, USD/share, stores"},
    "source": {"type": "string", "minLength": 1, "maxLength": 600},
    "series": {"type": "array", "minItems": 1, "maxItems": 8, "items": {
      "type": "object", "additionalProperties": false, "required": ["name", "points"],
      "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "points": {"type": "array", "maxItems": 500, "items": {
          "type": "object", "additionalProperties": false, "required": ["x", "y"],
          "properties": {"x": {"type": ["string", "number"]}, "y": {"type": "number"}}}}}}}}})"),
          schema_literal(R"({
  "type": "object", "additionalProperties": false, "required": ["svg"],
  "properties": {"svg": {"type": "string"}}})")};
}

}  // namespace consort::tool

// JSON Schemas of the memory, calculation and chart tools. Documents only: what each field means is in
// the descriptions, which `consort schema` prints.
#pragma once

#include "contract/json.h"

namespace consort::tool {

struct ToolSchemas {
  contract::Value input, output;
};

ToolSchemas hybrid_search_schemas();
ToolSchemas sql_schemas();
ToolSchemas figures_schemas();
ToolSchemas calculate_schemas();
ToolSchemas chart_schemas();

// Parses a schema literal of ours; CONSORT_CHECKs that it is JSON.
contract::Value schema_literal(const char* text);

}  // namespace consort::tool

// JSON Schemas of the program's own files and outputs (docs/formats/*.schema.json), embedded at
// build.
#pragma once

#include <span>
#include <string_view>

namespace consort::cli {

struct EmbeddedSchema {
  std::string_view name;  // "agent"
  std::string_view text;  // JSON
};
std::span<const EmbeddedSchema> embedded_schemas();

}  // namespace consort::cli

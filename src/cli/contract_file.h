// Schemas as files: one JSON Schema, or a contract file that maps names to schemas.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/schema.h"

namespace consort::cli {

struct NamedSchema {
  std::string name;  // "contracts.yaml#Report", or the file's name.
  std::shared_ptr<const contract::Schema> schema;
};

// All schemas of all files; schemas of contract files may name one another. Errors: those of
// read_document and of Schema::compile, with the file in the place.
Result<std::vector<NamedSchema>> load_schemas(const std::vector<std::string>& files);
// "FILE", "FILE#NAME", or "-". `others`: contract files whose schemas it may name. Errors: 8003
// when a contract file is given without a name, 6205 when a name is defined twice.
Result<std::shared_ptr<const contract::Schema>> load_schema(
    const std::string& file, const std::vector<std::string>& others = {});

}  // namespace consort::cli

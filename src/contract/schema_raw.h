// Raw: a schema as written, keyword by keyword, with references resolved. The validator walks it;
// schema_ir.h is built from it. Internal to this folder.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "contract/decimal.h"
#include "contract/dfa.h"
#include "contract/program.h"
#include "contract/schema.h"

namespace consort::contract {

struct Limit {
  Decimal value;
  bool exclusive = false;
  bool operator==(const Limit&) const = default;
};

struct Raw {
  size_t id = 0;
  std::string pointer;  // "#/properties/a", with the document's name before '#' if not the first.
  bool is_false = false;
  uint8_t types = kAllTypes;
  std::string types_text;                    // "integer or null", for messages.
  std::optional<std::vector<Value>> values;  // enum, or const as a list of one.
  bool is_const = false;
  std::optional<Limit> minimum, maximum;  // The tighter of the inclusive and exclusive ones ...
  std::optional<Decimal> inclusive_min, exclusive_min, inclusive_max,
      exclusive_max;  // ... as written.
  std::optional<Decimal> multiple_of;
  uint64_t min_length = 0;
  std::optional<uint64_t> max_length;
  std::vector<std::shared_ptr<const Pattern>> patterns;
  uint64_t min_items = 0;
  std::optional<uint64_t> max_items;
  std::vector<const Raw*> prefix;
  const Raw* items = nullptr;
  uint64_t min_properties = 0;
  std::optional<uint64_t> max_properties;
  std::vector<std::pair<std::string, const Raw*>> properties;
  std::map<std::string, size_t, std::less<>> property_index;
  std::vector<std::string> required;
  const Raw* additional = nullptr;
  std::vector<const Raw*> any_of, one_of, all_of;
  const Raw* ref = nullptr;

  const Raw* property(std::string_view key) const {
    auto found = property_index.find(key);
    return found == property_index.end() ? nullptr : properties[found->second].second;
  }
};

// Every Raw of one compilation; addresses are stable.
struct RawProgram {
  std::deque<Raw> raws;
  const Raw* root = nullptr;
  std::set<std::string> used_definitions;  // Names in `definitions` that were reached.
};

// Reads `document`, refusing every keyword outside the subset. Errors as Schema::compile.
Result<std::unique_ptr<RawProgram>> read_raw(const Value& document, const Value& definitions);

}  // namespace consort::contract

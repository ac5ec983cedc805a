// The IR of a schema: a union of simple conjunctions, without references, allOf or siblings.
//
// Node = any of its alternatives; no alternative = nothing is accepted. Each Simple constrains the
// types independently, so a keyword of another type never matters. Recursion is a cycle of Nodes.
// Built from the schema as written by intersecting sets of subschemas (in-place applicators are
// distributed), which makes allOf, $ref with siblings and anyOf beside other keywords exact.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/decimal.h"
#include "contract/dfa.h"
#include "contract/schema.h"
#include "contract/schema_raw.h"

namespace consort::contract {

struct Node;

struct NumberRule {
  std::optional<Limit> min, max;
  std::optional<Decimal> step;  // Values are its integer multiples; 1 for integers.
  bool operator==(const NumberRule&) const = default;
};

struct StringRule {
  uint64_t min_length = 0;  // Code points.
  std::optional<uint64_t> max_length;
  std::vector<std::shared_ptr<const Pattern>> patterns;  // All of them.
};

struct ArrayRule {
  uint64_t min_items = 0;
  std::optional<uint64_t> max_items;
  std::vector<const Node*> prefix;
  const Node* items = nullptr;  // Never null in a finished Simple.
  const Node& item(uint64_t index) const { return index < prefix.size() ? *prefix[index] : *items; }
};

struct Property {
  std::string key;
  const Node* node = nullptr;
  bool required = false;
};

struct ObjectRule {
  uint64_t min_properties = 0;
  std::optional<uint64_t> max_properties;
  std::vector<Property> properties;  // Author's order; required ones without a schema come last.
  const Node* additional = nullptr;  // Never null in a finished Simple.
  const Property* find(std::string_view key) const {
    for (const Property& property : properties) {
      if (property.key == key) return &property;
    }
    return nullptr;
  }
};

struct Simple {
  size_t id = 0;  // Unique within the Schema.
  std::string pointer;
  uint8_t types = kAllTypes;
  // Set: exactly these values, already checked against all other constraints, distinct; the rules
  // below then follow from them and are not needed.
  std::optional<std::vector<Value>> values;
  NumberRule number;
  StringRule string;
  ArrayRule array;
  ObjectRule object;
};

struct Node {
  size_t id = 0;  // Unique within the Schema.
  std::string pointer;
  std::vector<const Simple*> alternatives;
  bool is_empty = false;  // No finite value is accepted; exact up to unknown_empty.
  bool is_any = false;    // Every value is accepted.
};

// Parts of the language of a Simple, one type at a time.
bool admits(const Simple& simple, uint8_t type_bits);
// Is some string accepted? Builds automata; error 2104 if they grow too large.
Result<Dfa> string_language(const StringRule& rule);
// Smallest and largest value that the rule accepts, where there is one; nullopt = unbounded or not
// attained. `is_empty` is exact.
bool is_empty(const NumberRule& rule);
bool accepts(const NumberRule& rule, const Decimal& value);
bool accepts(const StringRule& rule, std::string_view text);
// Validity by the IR; equals validate(...).empty().
bool accepts(const Node& node, const Value& value);
bool accepts(const Simple& simple, const Value& value);

// Least multiple of `step` that is >= value (> value if `exclusive`); nullopt past kDigitsMax
// digits.
std::optional<Decimal> next_multiple(const Decimal& value, const Decimal& step, bool exclusive);
// Least common multiple of two positive decimals; nullopt past 18 digits.
std::optional<Decimal> least_common_multiple(const Decimal& a, const Decimal& b);

struct Ir {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::unique_ptr<Simple>> simples;
  const Node* root = nullptr;
};

// Errors 2104 limits; 2101 for a oneOf whose branches are not provably disjoint.
Result<Ir> build_ir(RawProgram& program);

// Sets is_empty of every node; after a change of the rules. Error 2104 as string_language.
Result<void> mark_empty(Ir& ir);

}  // namespace consort::contract

// Program: the one intermediate form of a schema. The validator, containment, examples and masks read
// it.
//
// A flat table of nodes, one for each schema object, whatever the dialect it was written in: names
// of keywords are those of 2020-12 (draft-04's boolean exclusiveMinimum becomes a bound, `items` of
// an array becomes `prefix`, `dependencies` becomes its two halves, ...). References are node ids.
// A node is one (schema object, dynamic scope): an object that is reached under two dynamic scopes
// has two nodes, so $dynamicRef and $recursiveRef are plain ids too. Recursion is a cycle of ids.
//
// Nothing is normalised or weakened here: a node says what its author wrote.
// Immutable after compile_program; share freely among threads.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contract/decimal.h"
#include "contract/dfa.h"
#include "contract/format.h"
#include "contract/json.h"

namespace consort::contract {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

enum class Dialect : uint8_t { draft4, draft6, draft7, draft2019_09, draft2020_12 };
std::string_view name(Dialect dialect);  // "draft-07", "2020-12"

// Bits of `type`. "number" is integer | fraction.
enum TypeBits : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kNumber = kInteger | kFraction,
  kAllTypes = 127,
};
uint8_t type_bits(Type type);  // Of a number: integers and fractions.
uint8_t type_bit(const Value& value);
// The bits of a name that `type` may have; 0 for any other name.
uint8_t type_named(std::string_view name);

// A `pattern`, or the automaton of a format.
struct Pattern {
  std::string text;     // As written, or the format's name.
  std::string keyword;  // "pattern", "format" or "patternProperties"
  Dfa dfa;              // The strings in which the pattern is found.
};

struct NumberKeywords {
  std::optional<Decimal> minimum, exclusive_minimum, maximum, exclusive_maximum, multiple_of;
};

struct StringKeywords {
  uint64_t min_length = 0;  // Code points.
  std::optional<uint64_t> max_length;
  std::shared_ptr<const Pattern> pattern;  // Null if none.
  const Format* format = nullptr;          // Set if it is asserted; see format.h.
};

struct ArrayKeywords {
  uint64_t min_items = 0;
  std::optional<uint64_t> max_items;
  bool unique = false;
  std::vector<NodeId> prefix;
  NodeId items = kNoNode;  // Every item after `prefix`.
  NodeId contains = kNoNode;
  uint64_t min_contains = 1;  // Meaningful with `contains`.
  std::optional<uint64_t> max_contains;
  NodeId unevaluated = kNoNode;
};

struct ObjectKeywords {
  uint64_t min_properties = 0;
  std::optional<uint64_t> max_properties;
  std::vector<std::pair<std::string, NodeId>> properties;  // Author's order.
  std::unordered_map<std::string_view, uint32_t> index;    // Key -> place in `properties`.
  std::vector<std::pair<std::shared_ptr<const Pattern>, NodeId>> patterns;  // patternProperties
  NodeId additional = kNoNode;  // Keys in neither `properties` nor `patterns`.
  NodeId names = kNoNode;       // Every key, as a string.
  std::vector<std::string> required;
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_required;
  std::vector<std::pair<std::string, NodeId>> dependent_schemas;
  NodeId unevaluated = kNoNode;

  // kNoNode if `key` is not declared.
  NodeId property(std::string_view key) const {
    const auto found = index.find(key);
    return found == index.end() ? kNoNode : properties[found->second].second;
  }
};

// A schema object. All that is present must hold.
struct Subschema {
  std::string pointer;  // "#/properties/a", after the resource's URI if not the document itself.
  Dialect dialect = Dialect::draft2020_12;
  bool is_false = false;  // `false`. `true` is a Subschema without keywords.
  uint8_t types = kAllTypes;
  bool has_enum = false;      // Exactly one of `values`, already restricted to `types` ...
  bool is_const = false;      // ... written as `const` (and perhaps `enum` too).
  std::vector<Value> values;  // Distinct. May be empty: then nothing is accepted.
  std::unique_ptr<NumberKeywords> number;  // Null if no keyword of the kind is present.
  std::unique_ptr<StringKeywords> string;
  std::unique_ptr<ArrayKeywords> array;
  std::unique_ptr<ObjectKeywords> object;
  NodeId ref = kNoNode;          // $ref
  NodeId dynamic_ref = kNoNode;  // $dynamicRef, $recursiveRef
  std::vector<NodeId> all_of, any_of, one_of;
  NodeId negated = kNoNode;  // not
  NodeId condition = kNoNode, then_branch = kNoNode, else_branch = kNoNode;  // `if` is present.
  // Does the node or a schema it applies in place collect annotations, as unevaluated* asks?
  bool has_unevaluated() const {
    return (array && array->unevaluated != kNoNode) || (object && object->unevaluated != kNoNode);
  }
  bool has_in_place() const {
    return ref != kNoNode || dynamic_ref != kNoNode || !all_of.empty() || !any_of.empty() ||
           !one_of.empty() || negated != kNoNode || condition != kNoNode ||
           (object && !object->dependent_schemas.empty());
  }
};

// Every value matches it, and it evaluates nothing.
inline bool says_nothing(const Subschema& node) {
  return !node.is_false && node.types == kAllTypes && !node.has_enum && !node.number &&
         !node.string && !node.array && !node.object && !node.has_in_place();
}

struct Program {
  std::deque<Subschema> nodes;
  NodeId root = kNoNode;
  // A node that leads back to itself in place ({"$ref":"#"}) is refused, so walks in place end.
  std::vector<std::string> used_definitions;  // Names in `definitions` that were reached, sorted.
  std::vector<std::string> unknown_keywords;  // Pointers, where they are ignored; at most 100.
  const Subschema& at(NodeId id) const { return nodes[id]; }
};

// Schemas which `$ref` may reach by absolute URI. Nothing is ever fetched.
class Registry {
 public:
  // Errors 2102 (not an absolute URI).
  Result<void> add(std::string uri, Value document);
  const Value* find(std::string_view uri) const;
  auto begin() const { return documents_.begin(); }
  auto end() const { return documents_.end(); }

 private:
  std::deque<std::pair<std::string, Value>> documents_;
};

struct CompileOptions {
  Dialect dialect = Dialect::draft2020_12;  // Of documents without $schema.
  // `format` of the names in format.h is enforced; else it is a note, as the standard's default is.
  bool assert_formats = true;
  // Refuse keywords that no dialect knows, and formats that are not enforced (2101); else they are
  // notes, as the standard says. For contracts that people write: a typing error must not weaken.
  bool strict = false;
  const Registry* registry = nullptr;  // Must outlive the call only.
};

// Limits, all counted: 20,000 nodes, 400 levels of nesting, 10,000 enum values, 2,000,000 states of
// all patterns, 60,000 of one. `definitions`: as Schema::compile.
// Errors as Schema::compile.
Result<std::unique_ptr<Program>> compile_program(const Value& document, const Value& definitions,
                                                 const CompileOptions& options);

// The program whose objects have only keys that some schema in force speaks of: declared ones, those
// of patterns, and any where `additionalProperties` says something of them; here and below.
std::unique_ptr<Program> closed(const Program& open);

}  // namespace consort::contract

// Expressions of agent files: total, tiny, never code.
//
//   or      := and ("or" and)*            path    := name ("." name | "[" int "]" | "[*]")*
//   and     := not ("and" not)*           literal := "text" | number | true | false | null
//   not     := "not" not | compare        compare := value (("=="|"!="|"<"|"<="|">"|">=") value)?
//   value   := path | literal | "(" or ")"
//
// Names are steps of the flow or `input`. `[*]` maps the rest of the path over a list.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "contract/json.h"
#include "contract/schema.h"

namespace consort::agent {

struct PathStep {
  enum class Kind { member, index, each } kind = Kind::member;
  std::string member;
  int64_t index = 0;
};

struct Expression {
  enum class Op { path, literal, both, either, negate, eq, ne, lt, le, gt, ge };
  Op op = Op::literal;
  std::string root;              // Of a path: a step's name or "input".
  std::vector<PathStep> steps;   // Of a path.
  contract::Value literal;
  std::vector<Expression> operands;
  std::string text;              // As written.

  std::set<std::string> roots() const;  // All names that it reads.
  // A path that contains `[*]`.
  bool fans_out() const;
};

inline constexpr int kExpressionDepthMax = 32;

// Errors: 6101 syntax, with the column within the text as place.
Result<Expression> parse_expression(std::string_view text);

// Looks names up; nullptr for a value that was skipped (reads as null).
using Lookup = std::function<const contract::Value*(const std::string& name)>;
// Missing members read as null; comparisons of different types are false; numbers compare exactly.
contract::Value evaluate(const Expression& expression, const Lookup& lookup);
// null, false, 0, "", [] and {} are false.
bool truthy(const contract::Value& value);

// The schema of a path's value, given the schema documents of its roots. Errors: 6102 (no such member,
// "did you mean"), 6103 (not a list).
using SchemaLookup = std::function<const contract::Value*(const std::string& name)>;
Result<contract::Value> schema_of(const Expression& expression, const SchemaLookup& roots,
                                  const contract::Value& definitions);

}  // namespace consort::agent

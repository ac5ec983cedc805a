// Narrowing: a component's output schema, restricted by its input before decoding.
//
// A planner may only name the companies of the brief; an analyzer only the rows that were found; a writer
// only the numerals that it was given. Each is a change of the schema, so the mask enforces it; and each is
// refused when it would add values (the narrowed schema must be contained in the contract; where that cannot be
// decided the value itself is checked), so no edge check is weakened by it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/graph.h"
#include "contract/schema.h"

namespace consort::agent {

// `input`: the component's input value. Errors: 6301 the expression gives no usable list (the schema would
// be empty), 6302 the result is not contained in the contract, 6303 the pointer leads nowhere.
Result<std::shared_ptr<const contract::Schema>> narrow(const Node& node, const contract::Value& contracts,
                                                       const contract::Value& input);

// Sets `keyword value` at an RFC 6901 pointer into a schema, following $ref by copying the definition in.
Result<contract::Value> set_at(const contract::Value& schema, const std::string& pointer,
                               const contract::Value& value, const contract::Value& definitions);

// The distinct numerals printed anywhere in a value: "611.3", "2023", "1,234". In order of appearance,
// at most `max`.
std::vector<std::string> numerals_in(const contract::Value& value, size_t max = 200);

// ECMA-262 pattern of all strings whose numerals are all among `numerals`, whole and unjoined.
std::string numeral_pattern(const std::vector<std::string>& numerals);

}  // namespace consort::agent

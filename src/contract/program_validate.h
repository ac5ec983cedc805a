// Validation of a value by a Program, in any dialect.
//
// Depth (value and references together) is counted, at most kEvaluationDepthMax; past it the value
// is refused by a violation of keyword "depth". Work is linear in (nodes x values): once much work
// has been done, answers are remembered.
#pragma once

#include "contract/program.h"
#include "contract/schema.h"

namespace consort::contract {

inline constexpr int kEvaluationDepthMax = 2'000;

bool is_valid(const Program& program, const Value& value);
bool is_valid(const Program& program, NodeId node, const Value& value);
// At most `max` violations; empty when valid.
std::vector<Violation> validate(const Program& program, const Value& value, size_t max = 16);

}  // namespace consort::contract

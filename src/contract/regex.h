// Patterns: the regular part of ECMA-262 regular expressions (in its Unicode mode), as automata.
//
// `pattern` of JSON Schema searches: "b" matches "abc". What is not regular (look-around, back
// references) or depends on context (\b) is refused by name; nothing is approximated.
#pragma once

#include <string_view>

#include "contract/dfa.h"

namespace consort::contract {

// The strings in which `pattern` is found. Errors: 2102 malformed, 2101 a construct outside the
// subset, 2104 too large.
Result<Dfa> compile_pattern(std::string_view pattern);

// The same within a budget that several patterns share: steps (automaton states visited) are taken from
// `work_left`, and 2104 is returned once they are used up.
inline constexpr uint64_t kPatternWorkMax = 100'000'000;
Result<Dfa> compile_pattern(std::string_view pattern, uint64_t& work_left);

}  // namespace consort::contract

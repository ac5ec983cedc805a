// "Did you mean": the nearest known name by edit distance.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace consort::agent {

// "did you mean 'models'?", or "known here: a, b, c" when nothing is near; "" when nothing is known.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

// Levenshtein distance in bytes.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace consort::agent

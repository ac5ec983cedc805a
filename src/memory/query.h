// A user's words -> an FTS5 query that is always valid, and the fusion of two rankings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace consort::memory {

// Runs of letters and digits, lower case (ASCII), stop words dropped; all of them when only stop words
// are there. At most kQueryTermsMax.
std::vector<std::string> query_terms(std::string_view text);
inline constexpr size_t kQueryTermsMax = 64;

// "a" OR "b" OR ...; empty when there are no terms. Quoted, so no operator of FTS5 can be reached.
std::string match_expression(std::span<const std::string> terms);

struct RankedHit {
  int64_t id = 0;
  double score = 0;  // Higher is better.
};

// Weighted sum of scores, each list scaled to [0, 1] by its own best and worst; an id missing from a list
// counts as that list's worst. Best first, ties by smaller id.
std::vector<RankedHit> fuse(std::span<const RankedHit> words, std::span<const RankedHit> vectors,
                            double word_weight = 0.5);

}  // namespace consort::memory

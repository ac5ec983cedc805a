// Shared by the tests of this folder: a synthetic vocabulary, random schemas of the subset, and
// generation by random choice among the allowed tokens. Test code only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "contract/schema.h"
#include "mask/mask.h"

namespace consort::mask::testing {

// All 256 bytes, pieces cut at random from JSON-like text, one end token (the last id).
std::shared_ptr<const Vocabulary> synthetic_vocabulary(uint64_t seed, int n_pieces);
contract::Value random_schema(Rng& rng, int depth);

struct Generation {
  std::string text;
  bool ended = false;
  int n_tokens = 0;
  std::string error;
};
// Draws uniformly among the allowed tokens, the worst case of a model: every step may be the
// oddest.
Generation generate(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                    int tokens_max, Rng& rng);

}  // namespace consort::mask::testing

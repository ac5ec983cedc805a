// Does a mask let a model write this text? The text is fed token by token, each looked up in the
// mask and then committed, and the end token after the last.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mask/mask.h"

namespace consort::mask {

struct Acceptance {
  bool accepted = false;  // The end token included.
  // Of the first token that is not allowed; the length of the text if only the end is not.
  int64_t rejected_at_byte = -1;
  size_t n_tokens = 0;         // Committed, the end token not counted.
  size_t n_forced = 0;         // Of those: wholly inside forced bytes. 0 unless asked for.
  std::vector<float> mask_us;  // Per token, the end included: finding the mask and committing.
};

struct AcceptOptions {
  bool count_forced = false;  // Costs about as much as the rest.
  bool cpu_time = false;      // Of the thread, instead of the wall's: where other work disturbs.
};

// Every id of `tokens` must be inside the vocabulary. Tokens left are taken as unbounded.
Acceptance accepts(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                   std::span<const int32_t> tokens, const AcceptOptions& options = {});

}  // namespace consort::mask

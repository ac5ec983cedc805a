// TextPair: two texts as a BERT pair model reads them, [CLS] first [SEP] second [SEP].
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/tokenizer.h"

namespace consort::model {

struct TextPair {
  std::vector<int32_t> ids;  // With [CLS] and both [SEP].
  int n_first = 0;           // Ids of type 0; the rest, from the second text on, are of type 1.
  int n_cut = 0;             // Ids of the two texts that did not fit.
};

// At most `tokens_max` (at least 5) ids: the longer text loses first, as Hugging Face's
// "longest_first" cuts. `tokenizer` is a WordPiece. Errors: those of encode.
Result<TextPair> encode_pair(const Tokenizer& tokenizer, std::string_view first,
                             std::string_view second, int tokens_max);

}  // namespace consort::model

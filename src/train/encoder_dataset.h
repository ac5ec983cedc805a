// Data sets for an encoder: JSON Lines rows to tokens, as they are served (docs/formats/training.md).
//
//   {"query": TEXT or [TEXT...], "positive": TEXT, "negatives": [TEXT...]?}   vectors (embedding)
//   {"text": TEXT, "label": TEXT or null}                                      classes; null: none of them
//   {"query": TEXT, "texts": [TEXT...], "relevance": [NUMBER...]}              scores of pairs
//
// All rows of a set have one form. A text that stands in several rows is tokenised once, and in one
// batch read once. Texts past the model's length are cut as the engine does; `n_cut` counts them.
//
// Errors: invalid_argument 9010 (a row is malformed, line named), 9014 (no rows), already_exists 9012
// (a text has two labels, or a row stands twice), those of the tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "model/encoder.h"
#include "model/text_pair.h"
#include "model/tokenizer.h"

namespace consort::train {

enum class Objective { vectors, classes, pairs };
std::string_view name(Objective objective);

struct EncoderExample {
  std::vector<int> queries;      // Indices of texts. classes: the one text.
  std::vector<int> documents;    // vectors: the positive, then negatives. pairs: each query + text.
  std::vector<float> relevance;  // pairs: of each, not negative.
  int label = -1;                // classes: -1 = none of them.
};

struct EncoderDataset {
  Objective objective = Objective::vectors;
  std::vector<model::TextPair> texts;  // A single text has all ids in the first.
  std::vector<EncoderExample> examples;
  std::vector<std::string> labels;  // classes: sorted.
  int n_cut = 0;
  Digest digest;  // Of the file's bytes.
};

// `labels`: of a set that goes with another (dev to train): its labels, in their order; a label
// beyond them is malformed. Empty: those that stand in the rows.
Result<EncoderDataset> read_encoder_dataset(std::string_view text, const std::string& name,
                                            const model::Tokenizer& tokenizer,
                                            const model::EncoderConfig& model,
                                            const std::vector<std::string>& labels = {});

}  // namespace consort::train

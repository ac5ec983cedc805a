// How near one answer is to the expected one: scores in [0, 1] of texts and of JSON values.
#pragma once

#include <string>
#include <string_view>

#include "contract/json.h"

namespace consort::eval {

// Equal as canonical JSON (RFC 8785): key order and 1 == 1.0 do not matter.
bool exact_match(const contract::Value& expected, const contract::Value& answer);
// Every member that `expected` has stands equal in `answer`, which may have others. Numbers may
// differ by `tolerance` times the expected one's size. Lists have equal length and order.
bool covers(const contract::Value& expected, const contract::Value& answer, double tolerance);
// Share of the leaves of `expected` that `answer` has equal at the same place. Without leaves: 1 if
// equal.
double field_share(const contract::Value& expected, const contract::Value& answer,
                   double tolerance);
// All strings of a value, in order, joined by a line end: what text scores read.
std::string text_of(const contract::Value& value);

// F1 of the bags of lower-case words; words are runs of ASCII letters and digits and of bytes of
// other scripts (SQuAD's measure without its removal of articles). 1 if both are empty.
double token_f1(std::string_view expected, std::string_view answer);
// Longest common subsequence F1 of the tokens [a-z0-9]+ of the lower-cased text, without stemming
// (Lin 2004, as rouge-score computes rougeL). 0 if either is empty.
double rouge_l(std::string_view expected, std::string_view answer);
// Character F2 of orders 1 to 6, white space removed (Popovic 2015), as sacrebleu computes a
// sentence's chrF2, over 100.
double chrf(std::string_view expected, std::string_view answer);

// Rows equal as multisets: numbers within 1e-9 relative, texts and nulls exactly. Both are arrays
// of arrays.
bool same_rows(const contract::Value& expected, const contract::Value& answer);

}  // namespace consort::eval

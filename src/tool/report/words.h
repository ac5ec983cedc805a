// Words that carry meaning in a claim: direction, forecast and cause, and content words to compare.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace consort::tool {

// +1 for rose, grew, higher, exceeded...; -1 for fell, declined, lower...; 0 otherwise. Lower case.
int direction_of(std::string_view word);

struct Directed {
  size_t begin = 0, end = 0;
  int direction = 0;
};
// All direction words of a text, in order.
std::vector<Directed> find_directions(std::string_view text);

// Lower-case stems of words of three letters and more, without stop words and numbers.
std::set<std::string> content_words(std::string_view text);

// Stems of words that turn a statement into a forecast or an explanation (will, expects, because...).
std::set<std::string> modal_words(std::string_view text);

// Share of `wanted` that is in `given`; 1 for an empty set.
double overlap(const std::set<std::string>& wanted, const std::set<std::string>& given);

// Capitalised words inside sentences: names of products, segments and places. Without the first word
// of each sentence, months, and words before an apostrophe-s that start it.
std::vector<std::string> capitalised_words(std::string_view text);

// Does `text` name `name` as whole words, ignoring case and a trailing "'s"?
bool mentions_name(std::string_view text, std::string_view name);
size_t find_name(std::string_view text, std::string_view name, size_t from = 0);  // npos if it does not.

}  // namespace consort::tool

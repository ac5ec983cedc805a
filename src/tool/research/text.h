// Words, sentences and members: small pure functions of the research tools.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "contract/json.h"

namespace consort::tool::research {

// Lower-case words of letters and digits; stop words dropped when asked.
std::vector<std::string> words(std::string_view text, bool drop_stop_words);
bool is_stop_word(std::string_view word);
const std::vector<std::string>& function_words();  // What a writer may always use.
// Share of `query`'s distinct content words that occur in `text`, by common stem (first six
// letters; profit counts as income, as filings use both).
double overlap(std::string_view query, std::string_view text);
// Sentences of running text: white space made single, split after . ! ? before a capital.
std::vector<std::string> sentences(std::string_view text);
std::string squeeze(std::string_view text);  // White space made single, ends trimmed.
const contract::Array& list(const contract::Value& value, std::string_view key);  // Empty if absent.
std::string text(const contract::Value& value, std::string_view key);

}  // namespace consort::tool::research

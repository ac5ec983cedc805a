// Unicode questions that tokenizers ask, answered by utf8proc (Unicode 15.0).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace consort::model {

// What the pre-tokenisers' regular expressions tell apart.
enum class CharClass : uint8_t { letter, number, whitespace, other };
CharClass char_class(uint32_t code_point);  // \p{L}, \p{N}, \s (White_Space), the rest.

// General categories that BERT asks for.
bool is_nonspacing_mark(uint32_t code_point);  // Mn
bool is_punctuation(uint32_t code_point);      // P*
bool is_other(uint32_t code_point);            // Cc, Cf, Co, Cs; not unassigned.
uint32_t to_lower(uint32_t code_point);        // Simple mappings.
uint32_t to_upper(uint32_t code_point);
// Appends the full canonical decomposition (NFD without reordering).
void append_decomposed(uint32_t code_point, std::vector<uint32_t>& out);
uint8_t combining_class(uint32_t code_point);

void append_utf8(uint32_t code_point, std::string& out);

// Length in bytes of the well-formed UTF-8 sequence at the start of `text` (RFC 3629), or 0.
size_t utf8_length(std::string_view text);
// Decodes a well-formed sequence of `length` bytes.
uint32_t utf8_decode(const char* text, size_t length);

// One character as llama.cpp reads it: a sequence that is structurally complete is decoded even if
// overlong or a surrogate; any other byte, and what lies beyond U+10FFFF, is U+FFFD of length 1.
struct LenientChar {
  uint32_t code_point;
  uint32_t bytes;
};
LenientChar decode_lenient(std::string_view text);

}  // namespace consort::model

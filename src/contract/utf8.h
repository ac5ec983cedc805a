// UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace consort::contract {

// Length of the well-formed sequence at text[at], and its code point; 0 if ill-formed or cut.
int decode_utf8(std::string_view text, size_t at, uint32_t* code_point);
void append_utf8(std::string& out, uint32_t code_point);
// Position of the first ill-formed byte; npos when all is well.
size_t find_ill_formed(std::string_view text);
// Code points of well-formed text.
size_t count_code_points(std::string_view text);

}  // namespace consort::contract

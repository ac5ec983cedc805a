#include "model/unicode.h"

#include <utf8proc.h>

namespace consort::model {
namespace {

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// White_Space of the Unicode Character Database.
bool is_white_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

}  // namespace

CharClass char_class(uint32_t c) {
  if (c < 0x80) {
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return CharClass::letter;
    if (c >= '0' && c <= '9') return CharClass::number;
    return is_white_space(c) ? CharClass::whitespace : CharClass::other;
  }
  if (is_white_space(c)) return CharClass::whitespace;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::number;
    default:
      return CharClass::other;
  }
}

bool is_nonspacing_mark(uint32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_punctuation(uint32_t c) {
  const auto value = category(c);
  return value >= UTF8PROC_CATEGORY_PC && value <= UTF8PROC_CATEGORY_PO;
}

bool is_other(uint32_t c) {
  const auto value = category(c);
  return value == UTF8PROC_CATEGORY_CC || value == UTF8PROC_CATEGORY_CF ||
         value == UTF8PROC_CATEGORY_CO || value == UTF8PROC_CATEGORY_CS;
}

uint32_t to_lower(uint32_t c) {
  return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

uint32_t to_upper(uint32_t c) {
  return static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}

void append_decomposed(uint32_t c, std::vector<uint32_t>& out) {
  if (c < 0xc0) {
    out.push_back(c);
    return;
  }
  utf8proc_int32_t buffer[32];  // The longest canonical decomposition has 4 code points.
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer,
                                         std::size(buffer), UTF8PROC_DECOMPOSE, nullptr);
  if (n <= 0 || n > static_cast<utf8proc_ssize_t>(std::size(buffer))) {
    out.push_back(c);
    return;
  }
  out.insert(out.end(), buffer, buffer + n);
}

uint8_t combining_class(uint32_t c) {
  return static_cast<uint8_t>(
      utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
}

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  const size_t n = lead >= 0xc2 && lead < 0xe0   ? 2
                   : lead >= 0xe0 && lead < 0xf0 ? 3
                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                 : 0;
  if (n == 0 || text.size() < n) return 0;
  const uint8_t second = text[1];
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (size_t i = 2; i < n; ++i)
    if (!is_continuation(text[i])) return 0;
  return n;
}

uint32_t utf8_decode(const char* text, size_t length) {
  const auto at = [text](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  switch (length) {
    case 1:
      return at(0);
    case 2:
      return (at(0) & 0x1f) << 6 | (at(1) & 0x3f);
    case 3:
      return (at(0) & 0x0f) << 12 | (at(1) & 0x3f) << 6 | (at(2) & 0x3f);
    default:
      return (at(0) & 0x07) << 18 | (at(1) & 0x3f) << 12 | (at(2) & 0x3f) << 6 | (at(3) & 0x3f);
  }
}

LenientChar decode_lenient(std::string_view text) {
  const uint8_t lead = text[0];
  if (lead < 0x80) return {lead, 1};
  const uint32_t n = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
  if (n == 0 || text.size() < n) return {0xfffd, 1};
  for (uint32_t i = 1; i < n; ++i)
    if (!is_continuation(text[i])) return {0xfffd, 1};
  const uint32_t code_point = utf8_decode(text.data(), n);
  if (code_point > 0x10ffff) return {0xfffd, 1};
  return {code_point, n};
}

}  // namespace consort::model

#include "memory/text.h"

#include <algorithm>
#include <cctype>

#include "contract/utf8.h"

namespace consort::memory {
namespace {

using contract::append_utf8;

// Windows-1252's 0x80..0x9F; 0 where undefined (taken as the C1 control of Latin-1).
constexpr uint16_t kWindows1252[32] = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                       0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                       0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                       0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

Result<std::string> from_utf16(std::string_view bytes, bool big_endian) {
  auto unit = [&](size_t i) {
    auto a = static_cast<uint8_t>(bytes[i]), b = static_cast<uint8_t>(bytes[i + 1]);
    return static_cast<uint32_t>(big_endian ? a << 8 | b : b << 8 | a);
  };
  std::string out;
  out.reserve(bytes.size());
  int line = 1;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    uint32_t c = unit(i);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      i += 2;
    } else if (c >= 0xD800 && c < 0xE000) {
      return fail(make_error(ErrorCode::invalid_argument, 5113, "UTF-16 text has a lone surrogate")
                      .at("line " + std::to_string(line))
                      .to_fix("save the file as UTF-8"));
    }
    if (c == '\n') ++line;
    append_utf8(out, c);
  }
  return out;
}

std::string from_windows_1252(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (char ch : bytes) {
    auto b = static_cast<uint8_t>(ch);
    uint32_t c = b >= 0x80 && b < 0xA0 && kWindows1252[b - 0x80] != 0 ? kWindows1252[b - 0x80] : b;
    append_utf8(out, c);
  }
  return out;
}

// Multi-byte UTF-8 sequences that are well formed: a sign of UTF-8 rather than of an 8-bit encoding.
bool has_multibyte_utf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    uint32_t c = 0;
    int n = contract::decode_utf8(bytes, i, &c);
    if (n > 1) return true;
    i += std::max(n, 1);
  }
  return false;
}

std::string normalise_lines(std::string text) {
  if (text.find_first_of(std::string_view("\r\0", 2)) == std::string::npos) return text;
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') continue;
    if (text[i] == '\r') {
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      out += '\n';
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<DecodedText> decode_text(std::string bytes) {
  std::string_view view = bytes;
  if (view.starts_with("\xEF\xBB\xBF")) view.remove_prefix(3);
  bool little = view.starts_with("\xFF\xFE"), big = view.starts_with("\xFE\xFF");
  if (!little && !big && view.size() >= 4) {
    size_t look = std::min<size_t>(view.size(), 4096), even = 0, odd = 0;
    for (size_t i = 0; i < look; ++i) (i % 2 == 0 ? even : odd) += view[i] == '\0';
    if (odd * 2 > look / 2 && even * 8 < odd) little = true;
    if (even * 2 > look / 2 && odd * 8 < even) big = true;
  } else if (little || big) {
    view.remove_prefix(2);
  }
  if (little || big) {
    CONSORT_ASSIGN(std::string text, from_utf16(view, big));
    return DecodedText{normalise_lines(std::move(text)), big ? "UTF-16BE" : "UTF-16LE"};
  }
  if (view.substr(0, 65536).find('\0') != std::string_view::npos)
    return fail(make_error(ErrorCode::invalid_argument, 5114, "not text: it has NUL bytes")
                    .to_fix("give a PDF, HTML, Markdown, CSV or text file with its usual extension"));
  size_t bad = contract::find_ill_formed(view);
  if (bad == std::string_view::npos) return DecodedText{normalise_lines(std::string(view)), "UTF-8"};
  if (has_multibyte_utf8(view)) {
    auto line = 1 + std::count(view.begin(), view.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
    char hex[8];
    snprintf(hex, sizeof hex, "0x%02X", static_cast<uint8_t>(view[bad]));
    return fail(make_error(ErrorCode::invalid_argument, 5113, "the text mixes UTF-8 with another encoding")
                    .at("line " + std::to_string(line))
                    .got(hex)
                    .to_fix("save the whole file as UTF-8"));
  }
  return DecodedText{normalise_lines(from_windows_1252(view)), "Windows-1252"};
}

std::string repair_utf8(std::string text) {
  if (contract::find_ill_formed(text) == std::string::npos && text.find('\0') == std::string::npos)
    return text;
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    uint32_t c = 0;
    int n = contract::decode_utf8(text, i, &c);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      if (c != 0) out.append(text, i, n);
      i += n;
    }
  }
  return out;
}

std::string_view trim(std::string_view text) {
  size_t a = text.find_first_not_of(" \t\r\n\f\v");
  if (a == std::string_view::npos) return {};
  return text.substr(a, text.find_last_not_of(" \t\r\n\f\v") - a + 1);
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string collapse_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : trim(text)) {
    bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    if (!space) {
      out += c;
    } else if (out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

int count_words(std::string_view text) {
  int n = 0;
  bool inside = false;
  for (char c : text) {
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
    n += !space && !inside;
    inside = !space;
  }
  return n;
}

bool contains_ignoring_case(std::string_view text, std::string_view needle) {
  auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::search(text.begin(), text.end(), needle.begin(), needle.end(),
                     [&](char a, char b) { return low(a) == low(b); }) != text.end();
}

}  // namespace consort::memory

// Bytes of unknown encoding -> UTF-8, and small questions about text that many readers here ask.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::memory {

struct DecodedText {
  std::string text;      // Well-formed UTF-8, no byte-order mark, no NUL, "\n" line ends.
  std::string encoding;  // "UTF-8", "UTF-16LE", "UTF-16BE", "Windows-1252"
};

// A byte-order mark decides; else well-formed UTF-8 is UTF-8; else NULs in every other byte mean UTF-16;
// else Windows-1252 when no multi-byte UTF-8 sequence occurs. Text that mixes UTF-8 with other bytes is
// refused, never guessed: invalid_argument 5113 naming the line. Other binary data: 5114.
Result<DecodedText> decode_text(std::string bytes);

// Replaces ill-formed bytes by U+FFFD and drops NUL: for the output of converters that promise UTF-8.
std::string repair_utf8(std::string text);

std::string_view trim(std::string_view text);
std::string lower_ascii(std::string_view text);
// Runs of white space become one space; ends trimmed.
std::string collapse_space(std::string_view text);
int count_words(std::string_view text);
bool contains_ignoring_case(std::string_view text, std::string_view ascii_needle);

}  // namespace consort::memory

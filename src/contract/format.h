// Formats that are enforced: date, date-time, time, duration, email, hostname, ipv4, ipv6, uri,
// uri-reference, uuid, json-pointer, relative-json-pointer, regex.
//
// Sources: RFC 3339 (dates), RFC 5321 (email), RFC 1123 and 5890 (hostname), RFC 2673 and 4291
// (addresses), RFC 3986 (URI), RFC 4122 (UUID), RFC 6901 (JSON Pointer), ECMA-262 (regex).
#pragma once

#include <memory>
#include <string_view>

#include "contract/dfa.h"

namespace consort::contract {

struct Format {
  std::string_view name;
  // The format as a pattern of ECMA-262; empty if it is not regular (regex, and hostname with its
  // limits of length).
  std::string_view pattern;
  bool (*check)(std::string_view text);  // Set where `pattern` is empty.
  // A regular part of a format that has no `pattern`: what a mask lets a model write. May be empty.
  std::string_view emitted = {};

  // Exactly the format. Linear in the text.
  bool accepts(std::string_view text) const;
  // The same language as `accepts`; null if `pattern` is empty. Built once in a process.
  const Dfa* language() const;
  // `language()`, or that of `emitted`; null if there is neither.
  const Dfa* emitted_language() const;
};

// Null if the name is not enforced. draft-04 and 06 take host names by RFC 1123 alone, later ones with
// the A-labels of RFC 5890.
const Format* find_format(std::string_view name, bool before_draft7 = false);

}  // namespace consort::contract

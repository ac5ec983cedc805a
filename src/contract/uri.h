// URI references as RFC 3986 has them: split, resolve against a base. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace consort::contract {

// `reference` against `base` (section 5.2). A base without a scheme, the empty one included, works:
// what it lacks stays absent. The result keeps its fragment.
std::string resolve_uri(std::string_view base, std::string_view reference);
// Up to '#', and what follows it (empty if there is none).
std::pair<std::string_view, std::string_view> split_fragment(std::string_view uri);
// %41 -> A; nullopt where a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);
bool has_scheme(std::string_view uri);

}  // namespace consort::contract

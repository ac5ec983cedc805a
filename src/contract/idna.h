// A-labels of internationalised host names (RFC 5890 to 5892). Internal to this folder.
#pragma once

#include <string_view>

namespace consort::contract {

// Is "xn--" + `encoded` the A-label of a valid U-label: Punycode (RFC 3492) of code points that RFC
// 5892 permits where they stand? Unicode's properties are those of utf8proc; scripts are named by
// their blocks.
bool is_a_label(std::string_view encoded);

}  // namespace consort::contract

// Numbers as filings and tables print them: "$ (2,722)", "13.25 %", "—", "1,541,000".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace consort::memory {

struct PrintedNumber {
  std::string amount;   // Exact decimal, signed, no separators: "-2722", "13.25". "0" for a dash.
  bool is_dash = false;
  bool percent = false;
  std::string currency;  // "USD", "EUR", "GBP", "JPY" when a sign is printed; else empty.
  double as_double() const;
};

// The whole text must be one number (white space and footnote marks such as "(1)" after it aside).
// Parentheses or a leading minus make it negative. Thousands separators must stand at threes.
std::optional<PrintedNumber> parse_number(std::string_view text);

// True for 1900..2099 printed bare.
bool is_year(std::string_view text);

}  // namespace consort::memory

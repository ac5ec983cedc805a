// Column types of typed tables, decided over all values, and units read from headers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace consort::memory {

enum class ColumnType { empty, integer, decimal, date, text };
std::string_view sql_type(ColumnType type);  // INTEGER, REAL, DATE (ISO text), TEXT

// Folds values one by one. Missing values ("", "N/A", "NA", "-", "—") say nothing.
class ColumnTyper {
 public:
  void add(std::string_view value);
  ColumnType type() const;
  bool all_percent() const { return n_numbers_ > 0 && n_percent_ == n_numbers_; }
  const std::string& currency() const { return currency_; }

 private:
  int64_t n_ = 0, n_numbers_ = 0, n_integers_ = 0, n_dates_ = 0, n_percent_ = 0, n_leading_zero_ = 0;
  std::string currency_;
};

bool is_missing(std::string_view value);
// "2023-01-31" from ISO, "January 31, 2023", "31 January 2023", "Jan. 31, 2023"; empty otherwise.
// Purely numeric forms other than ISO are ambiguous and stay text.
std::string iso_date(std::string_view value);

struct UnitNote {
  std::string unit;   // USD, EUR, %, USD/share, or a counted thing; empty if none is named.
  int64_t scale = 1;  // 1, 1000, 1000000, 1000000000
};
// "Revenue (USD millions)", "amount_usd", "in millions, except per share data", "Profit (Thou. PLN)".
UnitNote parse_unit(std::string_view header);

// A safe SQL name: lower case, digits and underscores, not a keyword, at most 60 bytes.
std::string sql_name(std::string_view text, std::string_view fallback);

}  // namespace consort::memory

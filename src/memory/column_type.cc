#include "memory/column_type.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <vector>

#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

bool is_digits(std::string_view t) {
  return !t.empty() && std::all_of(t.begin(), t.end(), [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
}

int month_of(std::string_view word) {
  std::string low = lower_ascii(word);
  if (low.ends_with('.')) low.pop_back();
  if (low.size() < 3) return 0;
  static constexpr std::array<std::string_view, 12> kFull = {"january", "february", "march", "april", "may", "june", "july",
                                                             "august", "september", "october", "november", "december"};
  for (int m = 0; m < 12; ++m) {
    if (low == kMonths[m] || low == kFull[m] || (m == 8 && low == "sept")) return m + 1;
  }
  return 0;
}

std::string format_date(int year, int month, int day) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < 1000 || year > 2999 || month < 1 || month > 12 || day < 1) return {};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day > kDays[month - 1] + (month == 2 && leap)) return {};
  char out[40];
  std::snprintf(out, sizeof out, "%04d-%02d-%02d", year, month, day);
  return out;
}

// Letters and digits as words; everything else separates.
std::string words_of(std::string_view text) {
  std::string out = " ";
  for (char c : lower_ascii(text)) {
    bool keep = std::isalnum(static_cast<unsigned char>(c)) || c == '$' || c == '%' || (static_cast<unsigned char>(c) >= 0x80);
    if (keep && c == '$') out += " $ ";
    else if (keep && c == '%') out += " % ";
    else if (keep) out += c;
    else if (out.back() != ' ') out += ' ';
  }
  return out + " ";
}

}  // namespace

std::string_view sql_type(ColumnType type) {
  switch (type) {
    case ColumnType::integer: return "INTEGER";
    case ColumnType::decimal: return "REAL";
    case ColumnType::date: return "DATE";
    default: return "TEXT";
  }
}

bool is_missing(std::string_view value) {
  value = trim(value);
  return value.empty() || value == "N/A" || value == "NA" || value == "n/a" || value == "-" || value == "—" || value == "–";
}

std::string iso_date(std::string_view value) {
  value = trim(value);
  if (value.size() == 10 && value[4] == '-' && value[7] == '-' && is_digits(value.substr(0, 4)) &&
      is_digits(value.substr(5, 2)) && is_digits(value.substr(8, 2)))
    return format_date(std::stoi(std::string(value.substr(0, 4))), std::stoi(std::string(value.substr(5, 2))),
                       std::stoi(std::string(value.substr(8, 2))));
  std::string clean(value.substr(0, 40));
  std::replace(clean.begin(), clean.end(), ',', ' ');
  std::vector<std::string> parts;
  for (size_t at = 0; at < clean.size();) {
    size_t a = clean.find_first_not_of(' ', at);
    if (a == std::string::npos) break;
    size_t b = std::min(clean.find(' ', a), clean.size());
    parts.push_back(clean.substr(a, b - a));
    at = b;
  }
  if (parts.size() != 3 || !is_digits(parts[2]) || parts[2].size() != 4) return {};
  int year = std::stoi(parts[2]);
  if (int m = month_of(parts[0]); m > 0 && is_digits(parts[1]) && parts[1].size() <= 2) return format_date(year, m, std::stoi(parts[1]));
  if (int m = month_of(parts[1]); m > 0 && is_digits(parts[0]) && parts[0].size() <= 2) return format_date(year, m, std::stoi(parts[0]));
  return {};
}

void ColumnTyper::add(std::string_view value) {
  if (is_missing(value)) return;
  ++n_;
  value = trim(value);
  if (auto number = parse_number(value)) {
    ++n_numbers_;
    n_percent_ += number->percent;
    n_integers_ += number->amount.find('.') == std::string::npos && !number->percent;
    n_leading_zero_ += value.size() > 1 && value[0] == '0' && is_digits(value);
    if (!number->currency.empty()) currency_ = number->currency;
  } else if (!iso_date(value).empty()) {
    ++n_dates_;
  }
}

ColumnType ColumnTyper::type() const {
  if (n_ == 0) return ColumnType::empty;
  if (n_dates_ == n_) return ColumnType::date;
  if (n_numbers_ != n_ || n_leading_zero_ > 0) return ColumnType::text;
  return n_integers_ == n_ ? ColumnType::integer : ColumnType::decimal;
}

UnitNote parse_unit(std::string_view header) {
  UnitNote note;
  std::string w = words_of(header);
  auto has = [&](std::string_view word) { return w.find(" " + std::string(word) + " ") != std::string::npos; };
  if (has("billions") || has("billion") || has("bn")) note.scale = 1000000000;
  if (has("millions") || has("million") || has("mn") || has("mm") || w.find(" $ m ") != std::string::npos || has("usdm") ||
      w.find(" 000 000 ") != std::string::npos)
    note.scale = 1000000;
  else if (has("thousands") || has("thousand") || has("thou") || has("000s") || w.find("$ 000 ") != std::string::npos || header == "(000)")
    note.scale = 1000;
  for (std::string_view code : {"usd", "eur", "gbp", "jpy", "pln", "tl", "cad", "inr", "cny", "chf"}) {
    if (has(code)) {
      note.unit = code;
      std::transform(note.unit.begin(), note.unit.end(), note.unit.begin(), [](char c) { return static_cast<char>(c - 32); });
    }
  }
  if (note.unit == "TL") note.unit = "TRY";
  if (note.unit.empty() && (has("$") || has("dollars") || has("dollar"))) note.unit = "USD";
  if (note.unit.empty() && has("€")) note.unit = "EUR";
  if ((has("%") || has("percent") || has("pct") || has("percentage"))) {
    note.unit = "%";
    note.scale = 1;
  }
  bool per_share = w.find(" per share ") != std::string::npos && w.find("except") == std::string::npos;
  if (per_share) {
    note.unit = (note.unit.empty() ? "USD" : note.unit) + "/share";
    note.scale = 1;
  }
  return note;
}

std::string sql_name(std::string_view text, std::string_view fallback) {
  std::string out;
  for (char c : lower_ascii(text)) {
    if (std::isalnum(static_cast<unsigned char>(c))) out += c;
    else if (!out.empty() && out.back() != '_') out += '_';
    if (out.size() >= 60) break;
  }
  while (out.ends_with('_')) out.pop_back();
  if (out.empty()) out = fallback;
  if (std::isdigit(static_cast<unsigned char>(out[0]))) out = (text.size() == 4 && is_year(text) ? "y" : "t_") + out;
  static constexpr std::array<std::string_view, 30> kKeywords = {
      "select", "from", "where", "group", "order", "by", "table", "index", "values", "in", "is", "not", "null", "and", "or",
      "limit", "to", "set", "add", "all", "as", "case", "check", "column", "default", "desc", "asc", "primary", "references", "join"};
  if (std::find(kKeywords.begin(), kKeywords.end(), out) != kKeywords.end()) out += '_';
  if (out.starts_with("sqlite_")) out = "t_" + out;
  return out;
}

}  // namespace consort::memory

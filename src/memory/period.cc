#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "memory/figures.h"
#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr std::array<std::string_view, 12> kMonthNames = {"january", "february", "march", "april", "may", "june",
                                                          "july", "august", "september", "october", "november", "december"};

// The month that `low` names at `at` (full or three letters), and how long the word is.
int month_at(std::string_view low, size_t at, size_t* length) {
  if (at > 0 && std::isalpha(static_cast<unsigned char>(low[at - 1]))) return 0;
  size_t end = at;
  while (end < low.size() && std::isalpha(static_cast<unsigned char>(low[end]))) ++end;
  std::string_view word = low.substr(at, end - at);
  if (word.size() < 3) return 0;
  for (int m = 0; m < 12; ++m) {
    if (word == kMonthNames[m] || word == kMonthNames[m].substr(0, 3) || (m == 8 && word == "sept")) {
      *length = word.size();
      return m + 1;
    }
  }
  return 0;
}

int read_int(std::string_view text, size_t& at, size_t digits_max) {
  size_t start = at;
  int value = 0;
  while (at < text.size() && at - start < digits_max && std::isdigit(static_cast<unsigned char>(text[at]))) value = value * 10 + (text[at++] - '0');
  return at == start ? -1 : value;
}

void skip(std::string_view text, size_t& at, std::string_view chars) {
  while (at < text.size() && chars.find(text[at]) != std::string_view::npos) ++at;
}

struct FoundDate {
  int year = 0, month = 0, day = 0;  // 0 where not named.
};

std::string iso(int year, int month, int day) {
  char out[40];
  std::snprintf(out, sizeof out, "%04d-%02d-%02d", year, month, day);
  return iso_date(out);
}

// Dates with a month name in `low`, in order. A year one word later counts ("December 31, 2022").
std::vector<FoundDate> dates_in(std::string_view low) {
  std::vector<FoundDate> out;
  for (size_t i = 0; i < low.size(); ++i) {
    size_t length = 0;
    int month = std::isalpha(static_cast<unsigned char>(low[i])) ? month_at(low, i, &length) : 0;
    if (month == 0) continue;
    size_t at = i + length;
    skip(low, at, ". \n");
    size_t day_at = at;
    int day = read_int(low, at, 2);
    if (day < 1 || day > 31 || (at < low.size() && std::isdigit(static_cast<unsigned char>(low[at])))) {
      // "May 2023" names no day; "may also" is no date.
      at = day_at;
      int year = read_int(low, at, 4);
      if (year >= 1990 && year < 2100) out.push_back({year, month, 0});
      continue;
    }
    skip(low, at, ", \n");
    size_t year_at = at;
    int year = read_int(low, at, 4);
    bool valid = year >= 1990 && year < 2100 && (at >= low.size() || !std::isdigit(static_cast<unsigned char>(low[at])));
    if (!valid) at = year_at;
    out.push_back({valid ? year : 0, month, day});
    i = at > 0 ? at - 1 : at;
  }
  return out;
}

// Bare years, and "fy23".
std::vector<int> years_in(std::string_view low) {
  std::vector<int> out;
  for (size_t i = 0; i < low.size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>(low[i])) || (i > 0 && (std::isdigit(static_cast<unsigned char>(low[i - 1])) || low[i - 1] == ',' || low[i - 1] == '.'))) continue;
    size_t at = i;
    int value = read_int(low, at, 5);
    bool edge = at >= low.size() || (!std::isalnum(static_cast<unsigned char>(low[at])) && low[at] != ',') ||
                (low[at] == ',' && (at + 1 >= low.size() || !std::isdigit(static_cast<unsigned char>(low[at + 1]))));
    if (edge && at - i == 4 && value >= 1990 && value < 2100) out.push_back(value);
    bool fy = i >= 2 && low.substr(i - 2, 2) == "fy";
    if (fy && edge && at - i == 2) out.push_back(2000 + value);
    i = at;
  }
  return out;
}

int day_of_year(std::string_view month_day) {
  static constexpr std::array<int, 12> kBefore = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  int m = std::atoi(std::string(month_day.substr(0, 2)).c_str()), d = std::atoi(std::string(month_day.substr(3, 2)).c_str());
  return m >= 1 && m <= 12 ? kBefore[static_cast<size_t>(m - 1)] + d : 0;
}

std::string kind_of(std::string_view low) {
  auto has = [&](std::string_view word) { return low.find(word) != std::string_view::npos; };
  if (has("three months") || has("12 weeks") || has("13 weeks") || has("twelve weeks") || has("thirteen weeks") || has("quarter")) return "quarter";
  if (has("16 weeks") || has("17 weeks") || has("sixteen weeks") || has("seventeen weeks")) return "quarter";  // Costco's fourth.
  if (has("six months") || has("24 weeks") || has("26 weeks")) return "half";
  if (has("nine months") || has("36 weeks") || has("39 weeks")) return "nine_months";
  auto edge = [&](size_t i) { return i == 0 || !std::isalnum(static_cast<unsigned char>(low[i - 1])); };
  for (size_t i = 0; i + 1 < low.size(); ++i) {  // Before the year: "Q1 fiscal 2024".
    if (edge(i) && low[i] == 'q' && low[i + 1] >= '1' && low[i + 1] <= '4') return "quarter";
  }
  if (has("twelve months") || has("52 weeks") || has("53 weeks") || has("year") || has("fiscal")) return "year";
  for (size_t i = 0; i + 1 < low.size(); ++i) {
    if (edge(i) && low[i] == 'f' && low[i + 1] == 'y') return "year";
  }
  return {};
}

}  // namespace

FiscalCalendar FiscalCalendar::from_document(const std::string& period_end, const std::string& kind, std::string_view text) {
  FiscalCalendar calendar;
  calendar.period_end_ = period_end;
  std::string low = lower_ascii(text.substr(0, 4 << 20));
  std::map<std::string, int> counts;
  for (const auto& d : dates_in(low)) {
    if (d.year > 0 && d.day > 0) ++counts[iso(d.year, d.month, d.day)];
  }
  counts.erase("");
  bool partial = contains_ignoring_case(kind, "10q") || contains_ignoring_case(kind, "10-q") || contains_ignoring_case(kind, "earnings");
  if (!partial && period_end.size() == 10) {
    calendar.anchor_ = period_end.substr(5);
  } else {
    // "fiscal year ended January 31, 2023" in the text.
    std::map<std::string, int> anchors;
    for (std::string_view words : {"fiscal year ended ", "fiscal year ending ", "year ended ", "year ending "}) {
      for (size_t at = low.find(words); at != std::string::npos; at = low.find(words, at + 1)) {
        auto dates = dates_in(std::string_view(low).substr(at + words.size(), 24));
        if (!dates.empty() && dates[0].day > 0) ++anchors[iso(2001, dates[0].month, dates[0].day).substr(5)];
      }
      if (!anchors.empty()) break;
    }
    int best = 0;
    for (const auto& [anchor, n] : anchors) {
      if (n > best) best = n, calendar.anchor_ = anchor;
    }
  }
  if (calendar.anchor_.empty()) return calendar;
  std::map<int, int> best;
  for (const auto& [date, n] : counts) {
    if (std::abs(day_of_year(std::string_view(date).substr(5)) - day_of_year(calendar.anchor_)) > 8) continue;
    int year = std::stoi(date.substr(0, 4));
    if (n > best[year]) best[year] = n, calendar.ends_[year] = date;
  }
  if (!partial && period_end.size() == 10) calendar.ends_[std::stoi(period_end.substr(0, 4))] = period_end;
  return calendar;
}

std::string FiscalCalendar::year_end(int year) const {
  if (anchor_.empty()) return {};
  if (auto it = ends_.find(year); it != ends_.end()) return it->second;
  std::string date = iso_date(std::to_string(year) + "-" + anchor_);
  return date.empty() ? iso_date(std::to_string(year) + "-02-28") : date;
}

Period parse_period(std::string_view header, const FiscalCalendar& calendar) {
  Period period;
  std::string low = lower_ascii(header);
  auto has = [&](std::string_view word) { return low.find(word) != std::string::npos; };
  if (has("change") || has("variance") || has(" vs") || has("% of") || has("growth") || has("increase") || has("percent")) return period;
  auto dates = dates_in(low);
  auto years = years_in(low);
  period.kind = kind_of(low);
  FoundDate date;
  for (const auto& d : dates) {
    if (d.day > 0) date = d;
  }
  int year = years.empty() ? 0 : years.back();
  if (years.size() > 1 && years.front() != years.back()) year = date.year;  // Two years: only a whole date can decide.
  if (date.year == 0) date.year = year;
  bool ended = has("ended") || has("ending");
  if (date.day > 0 && date.year > 0) {
    period.end = iso(date.year, date.month, date.day);
    if (!ended && period.kind != "quarter" && period.kind != "half" && period.kind != "nine_months") period.kind = "instant";
    if (ended && period.kind.empty()) period.kind = "year";
    return period;
  }
  if (year == 0) {
    period.kind.clear();
    return period;
  }
  if (period.kind.empty() || period.kind == "year") {
    period.kind = "year";
    period.end = calendar.year_end(year);
  } else if (calendar.period_end().starts_with(std::to_string(year))) {
    period.end = calendar.period_end();  // A quarter's bare year: the document's own period.
    if (period.end == calendar.year_end(year)) period.end.clear();
  }
  return period;
}

}  // namespace consort::memory

// Sums by group and calendar year of a CSV of dated rows (sales by day or month): one small table a category.
#include <algorithm>
#include <map>
#include <set>

#include "memory/column_type.h"
#include "memory/numeric.h"
#include "memory/reader.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr size_t kGroupsMax = 40;       // A column with more different values is no category.
constexpr size_t kMonthsOfYear = 12;    // Only whole years are summed: part of one compares with nothing.
constexpr size_t kSummaryRowsMax = 1000000;
constexpr int kDigitsMax = 17;          // Of one value; a sum of 10^6 of them fits 128 bits.

// Exact decimal: units * 10^-places.
struct Sum {
  __int128 units = 0;
  int places = 0;
  bool add(const std::string& amount) {
    size_t point = amount.find('.');
    int more = point == std::string::npos ? 0 : static_cast<int>(amount.size() - point - 1);
    std::string digits = amount;
    if (point != std::string::npos) digits.erase(point, 1);
    if (digits.size() > kDigitsMax) return false;
    for (; places < more; ++places) units *= 10;
    __int128 value = std::stoll(digits);
    for (; more < places; ++more) value *= 10;
    units += value;
    return true;
  }
  std::string text() const {
    __int128 rest = units < 0 ? -units : units;
    std::string out;
    for (int i = 0; rest > 0 || i <= places; ++i) {
      if (i == places && i > 0) out += '.';
      out += static_cast<char>('0' + static_cast<int>(rest % 10));
      rest /= 10;
    }
    if (units < 0) out += '-';
    std::reverse(out.begin(), out.end());
    return out;
  }
};

// "2021-01" or "2021-01-31" -> "2021-01".
std::string month_in(std::string_view field) {
  field = trim(field);
  if (field.size() == 7 && !iso_date(std::string(field) + "-01").empty()) return std::string(field);
  std::string date = iso_date(field);
  return date.empty() ? date : date.substr(0, 7);
}

struct Columns {
  int date = -1;
  std::vector<size_t> groups, measures;
};

// A price, a rate or a share does not add up.
bool adds_up(std::string_view header) {
  std::string low = lower_ascii(header);
  for (std::string_view word : {"%", "percent", "pct", "rate", "share", "price", "average", "mean", "per ", "year", "month", "rank", "page", "code", "zip"})
    if (low.find(word) != std::string::npos) return false;
  return low != "id" && !low.ends_with("_id") && !low.ends_with(" id");
}

Columns columns_of(const std::vector<CsvRecord>& records) {
  Columns out;
  const auto& header = records[0].fields;
  for (size_t c = 0; c < header.size(); ++c) {
    ColumnTyper typer;
    std::set<std::string> distinct;
    bool dated = true;
    for (size_t r = 1; r < records.size(); ++r) {
      if (c >= records[r].fields.size()) return {};
      const std::string& field = records[r].fields[c];
      typer.add(field);
      dated = dated && !month_in(field).empty();
      if (distinct.size() <= kGroupsMax) distinct.insert(collapse_space(field));
    }
    const std::string low = lower_ascii(collapse_space(header[c]));
    if (low == "company" || low == "company name") return {};  // Figures of companies are read row by row.
    const ColumnType type = typer.type();
    const bool number = type == ColumnType::integer || type == ColumnType::decimal;
    if (dated && out.date < 0) out.date = static_cast<int>(c);
    else if (number && adds_up(header[c])) out.measures.push_back(c);
    else if (type == ColumnType::text && distinct.size() > 1 && distinct.size() <= kGroupsMax) out.groups.push_back(c);
  }
  return out;
}

std::string csv_field(const std::string& field) {
  if (field.find_first_of(",\"\n") == std::string::npos) return field;
  std::string out = "\"";
  for (char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

struct Cells {
  std::set<std::string> months;
  std::vector<Sum> sums;
};
using Groups = std::map<std::string, std::map<std::string, Cells>>;  // Group -> year -> sums.

bool add_up(const std::vector<CsvRecord>& records, const Columns& columns, size_t group, Groups* out) {
  for (size_t r = 1; r < records.size(); ++r) {
    const auto& fields = records[r].fields;
    const std::string month = month_in(fields[static_cast<size_t>(columns.date)]);
    for (const std::string& name : {collapse_space(fields[group]), std::string("Total")}) {
      Cells& cells = (*out)[name][month.substr(0, 4)];
      cells.sums.resize(columns.measures.size());
      cells.months.insert(month);
      for (size_t m = 0; m < columns.measures.size(); ++m) {
        auto number = parse_number(fields[columns.measures[m]]);
        if (number && !cells.sums[m].add(number->amount)) return false;
      }
    }
  }
  return true;
}

}  // namespace

std::vector<CsvSummary> summarise_csv(const DocumentInfo& info, const std::vector<CsvRecord>& records) {
  std::vector<CsvSummary> out;
  if (records.size() < 3 || records.size() > kSummaryRowsMax) return out;
  const Columns columns = columns_of(records);
  if (columns.date < 0 || columns.measures.empty()) return out;
  for (size_t group : columns.groups) {
    Groups groups;
    if (!add_up(records, columns, group, &groups)) return {};
    const std::string name = collapse_space(records[0].fields[group]);
    CsvSummary summary;
    summary.info = info;
    summary.info.name = info.name + "_by_" + sql_name(name, "group");
    summary.info.title = (info.title.empty() ? info.name : info.title) + " by " + name + ", sums of calendar years";
    auto add_record = [&](std::vector<std::string> fields) {
      CsvRecord record;
      record.begin = summary.text.size();
      for (size_t c = 0; c < fields.size(); ++c) summary.text += (c == 0 ? "" : ",") + csv_field(fields[c]);
      record.end = summary.text.size();
      summary.text += "\n";
      record.line = static_cast<int64_t>(summary.records.size()) + 1;
      record.fields = std::move(fields);
      summary.records.push_back(std::move(record));
    };
    std::vector<std::string> header{name, "Year", "Period end"};
    for (size_t m : columns.measures) header.push_back(collapse_space(records[0].fields[m]));
    add_record(header);
    for (const auto& [value, years] : groups) {
      for (const auto& [year, cells] : years) {
        if (cells.months.size() != kMonthsOfYear) continue;
        std::vector<std::string> fields{value, year, year + "-12-31"};
        for (const Sum& sum : cells.sums) fields.push_back(sum.text());
        add_record(std::move(fields));
      }
    }
    if (summary.records.size() > 1) out.push_back(std::move(summary));
  }
  return out;
}

}  // namespace consort::memory

#include <algorithm>
#include <cctype>

#include "memory/column_type.h"
#include "memory/figures.h"
#include "memory/numeric.h"
#include "memory/reader.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr size_t kCsvFigureRowsMax = 5000;  // Longer tables are for SQL.

struct Role {
  int company = -1, period_end = -1, year = -1, period = -1, unit = -1;
  std::vector<int> labels, values;
};

bool has(const std::string& low, std::string_view word) { return low.find(word) != std::string::npos; }

Role roles_of(const std::vector<CsvRecord>& records) {
  Role role;
  const auto& header = records[0].fields;
  for (size_t c = 0; c < header.size(); ++c) {
    ColumnTyper typer;
    for (size_t r = 1; r < records.size(); ++r) {
      if (c < records[r].fields.size()) typer.add(records[r].fields[c]);
    }
    std::string low = lower_ascii(collapse_space(header[c]));
    auto at = static_cast<int>(c);
    ColumnType type = typer.type();
    bool numeric = type == ColumnType::integer || type == ColumnType::decimal;
    if (low == "company" || low == "company name") role.company = at;
    else if (type == ColumnType::date && (has(low, "end") || role.period_end < 0)) role.period_end = at;
    else if (type == ColumnType::integer && (low == "year" || low == "fiscal year" || low == "fy")) role.year = at;
    else if (low == "period" || low == "quarter") role.period = at;
    else if (low == "unit" || low == "units") role.unit = at;
    else if (has(low, "source") || has(low, "page") || has(low, "rank") || low == "id" || low.ends_with("_id") || has(low, "note")) continue;
    else if (numeric) role.values.push_back(at);
    else if (type == ColumnType::text) role.labels.push_back(at);
  }
  return role;
}

// "Revenue (USD millions)" -> "Revenue"; "amount_usd" -> "amount".
std::string measure_of(std::string_view header) {
  std::string out = collapse_space(header.substr(0, header.find('(')));
  std::replace(out.begin(), out.end(), '_', ' ');
  for (std::string_view tail : {" usd", " eur", " millions", " thousands", " pct"}) {
    if (lower_ascii(out).ends_with(tail)) out.resize(out.size() - tail.size());
  }
  return out;
}

}  // namespace

std::vector<Figure> figures_of_csv(const DocumentInfo& info, const std::vector<CsvRecord>& records, int group_column) {
  std::vector<Figure> out;
  if (records.size() < 2 || records.size() > kCsvFigureRowsMax) return out;
  Role role = roles_of(records);
  if (group_column >= 0) {
    role.company = group_column;
    std::erase(role.labels, group_column);
  }
  bool dated_events = role.period_end >= 0 && role.year < 0 && role.period < 0 && !has(lower_ascii(records[0].fields[static_cast<size_t>(role.period_end)]), "end");
  if ((role.period_end < 0 && role.year < 0) || role.values.empty() || dated_events) return out;
  FiscalCalendar calendar = FiscalCalendar::from_document(info.period_end, info.kind, "");
  for (size_t r = 1; r < records.size(); ++r) {
    const auto& fields = records[r].fields;
    if (fields.size() != records[0].fields.size()) return {};
    auto field = [&](int c) { return c < 0 ? std::string() : collapse_space(fields[static_cast<size_t>(c)]); };
    Period period;
    period.end = iso_date(field(role.period_end));
    if (role.year >= 0) period.kind = "year";
    if (role.period >= 0) {
      // "the first quarter of fiscal 2024": the words name the kind, whatever year stands beside them.
      std::string words = field(role.period);
      for (size_t i = 0; i < words.size(); ++i) {
        bool of_year = std::isdigit(static_cast<unsigned char>(words[i])) && (i == 0 || (words[i - 1] != 'Q' && words[i - 1] != 'q'));
        if (of_year) words[i] = ' ';
      }
      period.kind = parse_period(words + " 2000", calendar).kind;
    }
    if (period.end.empty() && is_year(field(role.year))) period.end = calendar.year_end(std::stoi(field(role.year)));
    std::string label;
    for (int c : role.labels) label += (label.empty() ? "" : ", ") + field(c);
    for (int c : role.values) {
      auto number = parse_number(fields[static_cast<size_t>(c)]);
      if (!number) continue;
      Figure f;
      f.company = field(role.company);
      f.doc = info.name;
      f.row_no = static_cast<int>(r);
      f.section = info.title;
      std::string measure = measure_of(records[0].fields[static_cast<size_t>(c)]);
      bool plain = role.values.size() == 1 && !label.empty() && (measure == "Value" || measure == "value" || measure == "Amount" || measure == "amount");
      f.label = plain ? label : role.values.size() == 1 && !label.empty() ? label + ": " + measure : label.empty() || role.company >= 0 ? measure + (label.empty() ? "" : " (" + label + ")") : label + ": " + measure;
      f.column_label = role.year >= 0 ? "Fiscal " + field(role.year) : field(role.period);
      f.period_end = period.end;
      f.period_kind = period.kind;
      UnitNote unit = parse_unit(role.unit >= 0 ? field(role.unit) : records[0].fields[static_cast<size_t>(c)]);
      if (number->percent) unit = {"%", 1};
      if (unit.unit.empty() && role.unit >= 0) unit.unit = lower_ascii(field(role.unit));
      if (unit.unit.empty() && has(lower_ascii(records[0].fields[static_cast<size_t>(c)]), "(count)")) unit.unit = "count";
      f.unit = unit.unit;
      f.scale = unit.scale;
      f.amount = number->amount;
      f.value = number->as_double() * static_cast<double>(unit.scale);
      f.as_printed = std::string(trim(fields[static_cast<size_t>(c)]));
      f.line_begin = records[r].begin;
      f.line_end = records[r].end;
      out.push_back(std::move(f));
    }
  }
  return out;
}

}  // namespace consort::memory

#include "memory/figures.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "memory/layout_table.h"
#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr size_t kSectionBytesMax = 240;

bool has_word(std::string_view low, std::string_view word) {
  for (size_t at = low.find(word); at != std::string_view::npos; at = low.find(word, at + 1)) {
    bool before = at == 0 || !std::isalnum(static_cast<unsigned char>(low[at - 1]));
    bool after = at + word.size() >= low.size() || !std::isalnum(static_cast<unsigned char>(low[at + word.size()]));
    if (before && after) return true;
  }
  return false;
}

// The thing that a row without money counts; empty when none is named.
std::string counted_thing(std::string_view low) {
  static constexpr std::pair<std::string_view, std::string_view> kThings[] = {
      {"warehouses", "warehouses"}, {"stores", "stores"}, {"clubs", "clubs"}, {"restaurants", "restaurants"},
      {"square feet", "square feet"}, {"employees", "employees"}, {"associates", "employees"}, {"headcount", "employees"},
      {"members", "members"}, {"cardholders", "members"}, {"buyers", "buyers"}, {"customers", "customers"},
      {"locations", "locations"}, {"units", "units"}, {"facilities", "facilities"}, {"number of", "count"},
      {"unit counts", "units"}, {"unit count", "units"}, {"screens", "screens"}, {"sites", "sites"}};
  for (auto [word, unit] : kThings) {
    if (has_word(low, word)) return std::string(unit);
  }
  return {};
}

// Counted in the table's millions; places and machines are counted one by one.
bool is_crowd(std::string_view thing) { return thing == "buyers" || thing == "members" || thing == "customers"; }

struct TableUnits {
  UnitNote note;
  bool own_note = false;       // The table names its scale itself.
  bool has_currency = false;   // A sign is printed somewhere.
  std::string currency = "USD";
  bool shares_scaled = true;   // False: "except share data".
};

TableUnits units_of_table(const Grid& grid, const UnitNote& fallback) {
  TableUnits units;
  std::string note = grid.note + " " + grid.label_header;
  units.note = parse_unit(note);
  std::string low = lower_ascii(note);
  if (units.note.unit == "%" && (low.find("million") != std::string::npos || low.find("thousand") != std::string::npos)) {
    // "(dollars in millions, except percentages)": the exception names no unit of the table.
    std::string cut = note.substr(0, low.find("except"));
    units.note = parse_unit(cut);
  }
  units.own_note = units.note.scale > 1 || !units.note.unit.empty();
  if (units.note.unit.ends_with("/share")) units.note.unit = "USD";
  size_t except = low.find("except");
  if (except != std::string::npos) {
    std::string_view rest = std::string_view(low).substr(except);
    std::string without(rest);
    for (size_t at; (at = without.find("per share")) != std::string::npos || (at = without.find("per-share")) != std::string::npos;) without.erase(at, 9);
    units.shares_scaled = without.find("share") == std::string::npos;
  }
  for (const auto& row : grid.rows) {
    for (const auto& cell : row.cells) {
      auto number = parse_number(cell);
      bool sign = cell.find('$') != std::string::npos || cell.find("€") != std::string::npos || cell.find("£") != std::string::npos;
      units.has_currency |= sign;
      if (number && !number->currency.empty()) units.currency = number->currency;
    }
  }
  if (!units.note.unit.empty() && units.note.unit != "%") units.currency = units.note.unit;
  if (!units.own_note && units.has_currency && fallback.scale > 1) units.note = fallback;
  return units;
}

// "Growth Rate", "% Change" over cells some of which print a percent sign and none a currency.
bool is_percent_column(const Grid& grid, size_t c) {
  UnitNote unit = parse_unit(grid.columns[c]);
  std::string low = lower_ascii(grid.columns[c]);
  bool ratio = unit.unit == "%" || low.find("growth") != std::string::npos || has_word(low, "rate") || low.find("change") != std::string::npos;
  if (!ratio) return false;
  bool percent = false;
  for (const auto& row : grid.rows) {
    auto number = parse_number(row.cells[c]);
    if (number && !number->currency.empty()) return false;
    percent |= number && number->percent;
  }
  return percent || unit.unit == "%";
}

UnitNote unit_of_cell(const TableUnits& table, const Grid& grid, const GridRow& row, const std::string& column,
                      bool percent_column, const PrintedNumber& number) {
  std::string own = lower_ascii(row.label);
  std::string path = own;
  for (const auto& parent : row.parents) path += " | " + lower_ascii(parent);
  UnitNote column_unit = parse_unit(column);
  bool money_sign = !number.currency.empty();
  if (number.percent) return {"%", 1};
  if (percent_column) return {"%", 1};
  auto in_path = [&](std::string_view word) { return path.find(word) != std::string::npos; };
  bool own_per_share = own.find("per share") != std::string::npos || own.find("per common share") != std::string::npos ||
                       own.find("per diluted share") != std::string::npos || own.find("per basic share") != std::string::npos || own.find("per diluted common share") != std::string::npos;
  bool shares = own.find("shares") != std::string::npos &&
                (in_path("weighted") || in_path("average") || in_path("outstanding") || in_path("shares used") || in_path("number of"));
  // "Basic" under "Weighted-average shares used ..." or "Shares used in calculation (000s)".
  bool short_basic = own.starts_with("basic") || own.starts_with("diluted") || own.starts_with("assuming");
  if (!shares && short_basic && !row.parents.empty()) {
    std::string parent = lower_ascii(row.parents.back());
    shares = parent.find("shares") != std::string::npos &&
             (parent.find("weighted") != std::string::npos || parent.find("shares used") != std::string::npos || parent.find("outstanding") != std::string::npos);
  }
  if (shares && !money_sign) {
    UnitNote label_unit = parse_unit(row.parents.empty() ? row.label : row.parents.back() + " " + row.label);
    std::string note = lower_ascii(grid.note);
    size_t at = note.find("shares in ");
    int64_t scale = label_unit.scale > 1 ? label_unit.scale
                    : at != std::string::npos ? parse_unit(note.substr(at, 22)).scale
                    : table.shares_scaled ? table.note.scale : 1;
    return {"shares", scale};
  }
  bool decimal = number.amount.find('.') != std::string::npos;
  bool small = std::abs(number.as_double()) < 1000;
  if (own_per_share || (small && decimal && (in_path("per share") || in_path("per common share") || in_path("earnings/(loss) per")) && !own.starts_with("net sales")))
    return {table.currency + "/share", 1};
  if (!money_sign && small && (own.find("percentage") != std::string::npos || own.find("percent") != std::string::npos || own.find("as a %") != std::string::npos || own.find("% of") != std::string::npos || has_word(own, "rate")))
    return {"%", 1};
  if (column_unit.scale > 1 || (!column_unit.unit.empty() && column_unit.unit != "%")) {
    // "Dollars" over a column names the unit; the scale is still the table's.
    int64_t scale = column_unit.unit.ends_with("/share") ? 1 : column_unit.scale > 1 ? column_unit.scale : table.note.scale;
    return {column_unit.unit.empty() ? table.currency : column_unit.unit, scale};
  }
  UnitNote label_unit = parse_unit(row.label);
  std::string thing = money_sign ? "" : counted_thing(own);
  if (thing.empty() && !money_sign && !table.has_currency) thing = counted_thing(path + " | " + lower_ascii(grid.title) + " " + lower_ascii(column));
  if (!thing.empty() && own.find("sales") == std::string::npos && own.find("cost") == std::string::npos && own.find("revenue") == std::string::npos)
    return {thing, label_unit.scale > 1 ? label_unit.scale : is_crowd(thing) && table.own_note ? table.note.scale
                       : table.has_currency || table.note.unit == "USD" ? 1 : table.note.scale};
  if (label_unit.scale > 1) return {label_unit.unit.empty() ? table.currency : label_unit.unit, label_unit.scale};
  if (!label_unit.unit.empty() && label_unit.unit != "%") return {label_unit.unit, std::max<int64_t>(label_unit.scale, table.note.scale)};
  if (table.note.unit == "%" && !table.has_currency) return {"%", 1};
  if (money_sign || table.has_currency || table.note.scale > 1) return {money_sign ? number.currency : table.currency, table.note.scale};
  return {table.note.unit, table.note.scale};
}

// Labels end with marks of footnotes: "Online stores (1)", "Sales and marketing(1)".
std::string clean_label(std::string label) {
  for (;;) {
    label = std::string(trim(label));
    size_t n = label.size();
    if (n > 4 && label[n - 1] == ')' && label[n - 3] == '(' && std::isalnum(static_cast<unsigned char>(label[n - 2]))) {
      label.resize(n - 3);
    } else if (n > 2 && (label[n - 1] == '*' || label[n - 1] == ':')) {
      label.pop_back();
    } else {
      return label;
    }
  }
}

const PageSpan* page_of(const std::vector<PageSpan>& pages, uint64_t at) {
  for (const auto& page : pages) {
    if (at >= page.begin && at <= page.end) return &page;
  }
  return nullptr;
}

}  // namespace

std::vector<Figure> figures_of(const Grid& grid, const FigureContext& context) {
  std::vector<Figure> out;
  TableUnits table = units_of_table(grid, context.default_unit);
  std::vector<Period> periods;
  std::vector<bool> percent_columns;
  bool any_period = false, balance = contains_ignoring_case(grid.title, "balance sheet") || contains_ignoring_case(grid.title, "financial position");
  bool flows = contains_ignoring_case(grid.title, "of income") || contains_ignoring_case(grid.title, "of operations") ||
               contains_ignoring_case(grid.title, "of earnings") || contains_ignoring_case(grid.title, "cash flow") ||
               contains_ignoring_case(grid.title, "comprehensive");
  for (const auto& column : grid.columns) {
    Period period = parse_period(column, *context.calendar);
    if (balance && period.kind == "year") period.kind = "instant";
    // Statements of flows whose header names the dates alone.
    bool year_end = !period.end.empty() && period.end == context.calendar->year_end(std::atoi(period.end.c_str()));
    if (flows && period.kind == "instant" && year_end) period.kind = "year";
    any_period |= !period.end.empty() || !period.kind.empty();
    periods.push_back(period);
    percent_columns.push_back(is_percent_column(grid, periods.size() - 1));
  }
  const PageSpan* page = grid.rows.empty() ? nullptr : page_of(*context.pages, grid.rows.front().begin);
  int row_no = 0;
  for (const auto& row : grid.rows) {
    ++row_no;
    Period row_period;
    if (!any_period && mentions_period(row.label)) row_period = parse_period(row.label, *context.calendar);
    std::string section = collapse_space(grid.title);
    for (const auto& parent : row.parents) section += (section.empty() ? "" : " > ") + clean_label(parent);
    std::string label = clean_label(row.label);
    if (label.empty() && row.parents.empty()) continue;
    if (label.empty()) label = "Total";
    for (size_t c = 0; c < row.cells.size(); ++c) {
      auto number = parse_number(row.cells[c]);
      if (!number) continue;
      Figure f;
      f.doc = context.info->name;
      f.company = context.info->company;
      f.page = grid.page;
      f.row_no = row_no;
      f.section = cut_utf8(section, kSectionBytesMax);
      f.label = label;
      f.column_label = grid.columns[c];
      const Period& period = any_period ? periods[c] : row_period;
      f.period_end = period.end;
      f.period_kind = period.kind;
      UnitNote unit = unit_of_cell(table, grid, row, grid.columns[c], percent_columns[c], *number);
      // A bare year in a cell is a date, not a quantity.
      if (is_year(row.cells[c]) && unit.unit.empty() && unit.scale == 1) continue;
      f.unit = unit.unit;
      f.scale = unit.scale;
      f.amount = number->amount;
      f.value = number->as_double() * static_cast<double>(unit.scale);
      f.as_printed = row.cells[c];
      f.line_begin = row.begin;
      f.line_end = row.end;
      f.page_begin = page != nullptr ? page->begin : 0;
      out.push_back(std::move(f));
    }
  }
  return out;
}

std::vector<std::vector<Figure>> figures_of_document(const DocumentInfo& info, const Extracted& document) {
  std::vector<std::vector<Figure>> out;
  FiscalCalendar calendar = FiscalCalendar::from_document(info.period_end, info.kind, document.text);
  FigureContext context{&info, &calendar, &document.pages, {}};
  size_t next_block = 0;
  for (const auto& grid : document.grids) {
    // Notes on a line of their own above this table hold for the tables after them.
    uint64_t at = grid.rows.empty() ? 0 : grid.rows.front().begin;
    for (; next_block < document.blocks.size() && document.blocks[next_block].begin < at; ++next_block) {
      const Block& block = document.blocks[next_block];
      std::string text = collapse_space(std::string_view(document.text).substr(block.begin, std::min<uint64_t>(block.end - block.begin, 200)));
      bool note = is_unit_note(text) && (text.starts_with('(') || lower_ascii(text).starts_with("amounts in") || lower_ascii(text).find(" are in millions") != std::string::npos);
      if (!note) continue;
      std::string low = lower_ascii(text);
      UnitNote unit = parse_unit(text.substr(0, std::min(low.find("except"), text.size())));
      if (unit.scale > 1) context.default_unit = {"USD", unit.scale};
    }
    out.push_back(figures_of(grid, context));
  }
  return out;
}

}  // namespace consort::memory

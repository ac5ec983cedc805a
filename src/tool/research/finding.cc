// From a choice to a finding: the row in its periods, and the arithmetic.
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "tool/rational.h"
#include "tool/research/question.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Object;
using contract::Value;
using namespace research;

namespace {

constexpr size_t kPeriodsMax = 4;  // Of one figure: the latest and the years before it.

const Value* chosen(const Value& input) {
  const Value* choice = input.find("choice");
  const Array& items = list(*input.find("options"), "items");
  if (items.empty()) return nullptr;
  if (choice != nullptr && choice->is_object()) {
    for (const Value& item : items) {
      if (text(item, "n") == text(*choice, "n")) return &item;
    }
  }
  return &items[0];
}

std::string heading(std::string subject) {
  if (!subject.empty()) subject[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(subject[0])));
  return subject;
}

Value missing(const Value& task, const std::string& note) {
  return Value::object({{"id", *task.find("id")},
                        {"kind", "missing"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", heading(text(task, "subject"))},
                        {"figures", Array{}},
                        {"computed", Array{}},
                        {"cites", Array{}},
                        {"note", note}});
}

// The line of the page that prints the row, white space made single. `named_by`: words that tell it from others
// with the same numeral.
std::string row_quote(const std::string& page, const std::string& named_by, const std::string& as_printed) {
  std::vector<std::string> label_words = words(named_by, false);
  // Pages print "$ 605,881" as often as "$605,881".
  const std::string numeral = as_printed.substr(std::min(as_printed.find_first_of("0123456789("), as_printed.size()));
  std::string best;
  size_t best_hits = 0;
  for (size_t at = 0; at < page.size();) {
    size_t end = std::min(page.find('\n', at), page.size());
    std::string line = squeeze(std::string_view(page).substr(at, end - at));
    at = end + 1;
    if (numeral.empty() || line.find(numeral) == std::string::npos) continue;
    std::vector<std::string> line_words = words(line, false);
    size_t hits = 1;
    for (const std::string& w : label_words) {
      hits += std::find(line_words.begin(), line_words.end(), w) != line_words.end();
    }
    if (hits > best_hits) {
      best_hits = hits;
      best = line;
    }
  }
  return best;
}

// One result row of the series query, as an object by column name.
std::vector<Value> series_rows(const Value& series) {
  std::vector<Value> out;
  const Array& columns = list(series, "columns");
  for (const Value& row : list(series, "rows")) {
    Object o;
    for (size_t i = 0; i < columns.size() && i < row.as_array().size(); ++i) {
      o.set(columns[i].as_string(), row.as_array()[i]);
    }
    out.push_back(Value(std::move(o)));
  }
  return out;
}

int64_t day_number(const std::string& iso) {  // Days, civil calendar (Howard Hinnant, 2013).
  int y = 0, m = 0, d = 0;
  if (std::sscanf(iso.c_str(), "%d-%d-%d", &y, &m, &d) != 3) return 0;
  y -= m <= 2;
  int era = (y >= 0 ? y : y - 399) / 400;
  int yoe = y - era * 400;
  int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return int64_t{era} * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy;
}

Result<Value> figure_of(const Value& row, const Value& task) {
  const Value* scale_value = row.find("scale");
  std::string amount = text(row, "amount");
  CONSORT_ASSIGN(Rational printed, Rational::parse(amount));
  int64_t scale = scale_value != nullptr && scale_value->is_number()
                      ? scale_value->as_number().as_int64().value_or(1)
                      : 1;
  CONSORT_ASSIGN(Rational value, printed.times(Rational(scale)));
  const Value* page = row.find("page");
  return Value::object({{"company", *task.find("company")},
                        {"metric", *task.find("subject")},
                        {"label", text(row, "label")},
                        {"period_end", text(row, "period_end")},
                        {"period", format_period(text(row, "period_end"), text(row, "period_kind"),
                                                 text(row, "column_label"))},
                        {"value", value.to_decimal(6)},
                        {"amount", amount},
                        {"scale", scale},
                        {"unit", text(row, "unit")},
                        {"as_printed", text(row, "as_printed")},
                        {"doc", text(row, "doc")},
                        {"page", page == nullptr ? Value() : *page}});
}

// The chosen row and the periods before it, newest first.
std::vector<Value> periods_of(const Wanted& wanted, const Value& item, const Value& series) {
  std::vector<Value> rows = series_rows(series);
  std::erase_if(rows, [](const Value& r) { return text(r, "period_end").empty() || text(r, "amount").empty(); });
  const Value* id = item.find("key")->find("figure_id");
  auto pick = std::find_if(rows.begin(), rows.end(), [&](const Value& r) {
    return id != nullptr && r.find("figure_id") != nullptr && *r.find("figure_id") == *id;
  });
  if (pick == rows.end()) return {};
  auto alike = [&](const Value& r) {
    return text(r, "period_kind") == text(*pick, "period_kind") && text(r, "unit") == text(*pick, "unit");
  };
  const Value* latest = &*pick;
  bool any_period = wanted.years.empty() && wanted.date.empty();
  for (const Value& r : rows) {
    if (any_period && alike(r) && text(r, "period_end") > text(*latest, "period_end")) latest = &r;
  }
  // Then the same period of earlier years, as far as they go back without a gap.
  std::vector<Value> out{*latest};
  while (out.size() < kPeriodsMax) {
    auto next = std::find_if(rows.begin(), rows.end(), [&](const Value& r) {
      int64_t days = day_number(text(out.back(), "period_end")) - day_number(text(r, "period_end"));
      return alike(r) && days > 330 && days < 400;
    });
    if (next == rows.end()) break;
    out.push_back(*next);
  }
  return out;
}

Result<Value> cite_of(const Value& row, const Value& task, const PageText& page_text) {
  std::optional<int> page;
  if (const Value* p = row.find("page"); p != nullptr && p->is_number()) {
    page = static_cast<int>(p->as_number().as_int64().value_or(0));
  }
  CONSORT_ASSIGN(std::string full, page_text(text(row, "doc"), page));
  std::string named_by = text(row, "label");
  if (!page) named_by += " " + text(task, "company") + " " + text(row, "period_end") + " " + text(row, "column_label");
  std::string quote = row_quote(full, named_by, text(row, "as_printed"));
  if (quote.empty()) return Value();
  return Value::object({{"doc", text(row, "doc")}, {"page", page ? Value(int64_t{*page}) : Value()}, {"quote", cut_utf8(quote, 280)}});
}

Value computed_of(const char* op, int64_t a, int64_t b, std::string value, const std::string& unit) {
  return Value::object({{"op", op}, {"args", Array{Value(a), Value(b)}}, {"value", std::move(value)}, {"unit", unit}});
}

// Change on the year before: in percent, and as a difference; of percentages the difference alone.
Result<Array> change_of(const Value& now, const Value& before) {
  CONSORT_ASSIGN(Rational a, Rational::parse(text(now, "value")));
  CONSORT_ASSIGN(Rational b, Rational::parse(text(before, "value")));
  CONSORT_ASSIGN(Rational difference, a.minus(b));
  Array out;
  bool percent = text(now, "unit") == "%";
  if (!percent && a.sign() > 0 && b.sign() > 0) {
    CONSORT_ASSIGN(Rational ratio, difference.over(b));
    CONSORT_ASSIGN(Rational share, ratio.times(Rational(100)));
    out.push_back(computed_of("pct_change", 0, 1, share.rounded(1).to_fixed(1), "%"));
  }
  out.push_back(computed_of("difference", 0, 1, difference.to_decimal(6), percent ? "percentage points" : text(now, "unit")));
  return out;
}

// figures[0] as a part of figures[at], in percent.
Result<Value> share_of(const Array& figures, size_t at) {
  CONSORT_ASSIGN(Rational part, Rational::parse(text(figures[0], "value")));
  CONSORT_ASSIGN(Rational whole, Rational::parse(text(figures[at], "value")));
  if (whole.sign() <= 0) return Value();
  CONSORT_ASSIGN(Rational ratio, part.over(whole));
  CONSORT_ASSIGN(Rational percent, ratio.times(Rational(100)));
  return computed_of("share", 0, static_cast<int64_t>(at), percent.rounded(1).to_fixed(1), "%");
}

const Value* object_in(const Value& input, std::string_view key) {
  const Value* v = input.find(key);
  return v != nullptr && v->is_object() ? v : nullptr;
}

// The other line that the question names, in the period of the first.
Result<std::optional<Value>> second_row(const Value& input, const Wanted& wanted, const Value& first) {
  const Value* options = object_in(input, "second_options");
  const Value* series = object_in(input, "second_series");
  if (options == nullptr || series == nullptr || list(*options, "items").empty()) return std::nullopt;
  std::vector<Value> rows = series_rows(*series);
  std::vector<Value> chain = periods_of(wanted, list(*options, "items")[0], *series);
  for (const Value& r : rows) {
    if (text(r, "period_end") == text(first, "period_end") && text(r, "period_kind") == text(first, "period_kind") && !text(r, "amount").empty()) return r;
  }
  if (chain.empty()) return std::nullopt;
  return chain.front();
}

Result<Value> figure_finding(const Value& input, const Value& item, const Value& series, const PageText& page_text) {
  const Value& task = *input.find("task");
  const Value* given = object_in(input, "wanted");
  Wanted wanted = given != nullptr ? wanted_from(*given) : read_question(text(task, "subject"), text(task, "company"));
  std::vector<Value> rows = periods_of(wanted, item, series);
  if (rows.empty()) return missing(task, "the chosen row is not in the tables");
  Array figures, computed, cites;
  for (const Value& row : rows) {
    CONSORT_ASSIGN(Value figure, figure_of(row, task));
    figures.push_back(std::move(figure));
  }
  CONSORT_ASSIGN(Value cite, cite_of(rows[0], task, page_text));
  if (!cite.is_object()) return missing(task, "the row could not be found again on its page");
  cites.push_back(std::move(cite));
  CONSORT_ASSIGN(std::optional<Value> second, second_row(input, wanted, rows[0]));
  if (second) {
    CONSORT_ASSIGN(Value figure, figure_of(*second, task));
    figures.push_back(std::move(figure));
    CONSORT_ASSIGN(Value other, cite_of(*second, task, page_text));
    if (other.is_object() && !(other == cites[0])) cites.push_back(std::move(other));
    bool same_unit = text(figures[0], "unit") == text(figures.back(), "unit");
    bool same_end = text(figures[0], "period_end") == text(figures.back(), "period_end");
    if (wanted.op == "share" && same_unit && same_end) {
      CONSORT_ASSIGN(Value share, share_of(figures, figures.size() - 1));
      if (share.is_object()) computed.push_back(std::move(share));
    }
  }
  if (rows.size() > 1) {
    CONSORT_ASSIGN(Array change, change_of(figures[0], figures[1]));
    computed.insert(computed.end(), change.begin(), change.end());
    // Without pages each period is a record of its own: the change rests on both.
    CONSORT_ASSIGN(Value before, cite_of(rows[1], task, page_text));
    if (before.is_object() && before.find("page")->is_null() && !(before == cites[0])) cites.push_back(std::move(before));
  }
  return Value::object({{"id", *task.find("id")},
                        {"kind", "figure"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", heading(text(task, "subject"))},
                        {"figures", std::move(figures)},
                        {"computed", std::move(computed)},
                        {"cites", std::move(cites)},
                        {"note", ""}});
}

}  // namespace

Result<Value> make_finding(const Value& input, const PageText& page_text) {
  const Value& task = *input.find("task");
  const Value* item = chosen(input);
  if (item == nullptr) return missing(task, "not found in the documents");
  if (item->find("key")->find("figure_id") != nullptr) {
    const Value* series = object_in(input, "series");
    if (series == nullptr) return missing(task, "no figures were read");
    return figure_finding(input, *item, *series, page_text);
  }
  const Value& key = *item->find("key");
  return Value::object({{"id", *task.find("id")},
                        {"kind", "text"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", heading(text(task, "subject"))},
                        {"figures", Array{}},
                        {"computed", Array{}},
                        {"cites", Array{key}},
                        {"note", ""}});
}

}  // namespace consort::tool

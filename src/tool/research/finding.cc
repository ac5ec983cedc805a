// From candidates to a finding: options for the analyzer, its choice, and the arithmetic.
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "tool/rational.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Object;
using contract::Value;
using namespace research;

namespace {

constexpr size_t kOptionsMax = 6;
constexpr double kScoreGapMax = 0.7;         // A row this much worse than the best is no candidate.
constexpr double kSentenceOverlapMin = 0.6;  // Of the question's content words.
constexpr size_t kPeriodsMax = 4;  // Of one figure: the latest and the years before it.

std::string letter(size_t i) { return std::string(1, static_cast<char>('A' + i)); }

std::string place(const Value& row) {
  const Value* page = row.find("page");
  std::string out = text(row, "doc");
  if (page != nullptr && page->is_number()) out += " p. " + page->as_number().text;
  return out;
}

bool usable_row(const Value& row) {
  size_t letters = 0;
  for (char c : text(row, "label")) letters += std::isalpha(static_cast<unsigned char>(c)) != 0;
  return letters >= 4 && !text(row, "amount").empty() && !text(row, "unit").empty() &&
         !text(row, "period_end").empty();
}

// A sentence that can be quoted: prose of the filing, not a table row or a heading.
bool usable_sentence(const std::string& s) {
  size_t digits = 0, letters = 0, joined_commas = 0;
  for (size_t i = 0; i + 1 < s.size(); ++i) joined_commas += s[i] == ',' && s[i + 1] != ' ';
  if (joined_commas > 3) return false;  // A row of a CSV.
  for (char c : s) {
    digits += std::isdigit(static_cast<unsigned char>(c)) != 0;
    letters += std::isalpha(static_cast<unsigned char>(c)) != 0;
  }
  return s.size() >= 50 && s.size() <= 280 && std::isupper(static_cast<unsigned char>(s[0])) &&
         letters > 4 * digits && letters * 10 > s.size() * 7;
}

Array figure_options(const Value& task, const Value& rows) {
  struct Row {
    double score;
    const Value* row;
  };
  std::vector<Row> ranked;
  double rank = 0;
  for (const Value& row : list(rows, "figures")) {
    rank += 1;
    if (!usable_row(row)) continue;
    std::string label = text(row, "label");
    double named = overlap(text(task, "subject"), label);
    double both = named + overlap(label, text(task, "subject"));
    // A whole year (or a balance) compares best; of two equal labels the better ranked one.
    std::string kind = text(row, "period_kind");
    double whole = kind == "year" || kind == "instant" ? 0.4 : 0;
    auto lower = [](std::string t) {
      for (char& c : t) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return t;
    };
    double phrase = lower(label).find(lower(text(task, "subject"))) != std::string::npos ? 0.6 : 0;
    if (both > 1.0) ranked.push_back({both + whole + phrase - 0.02 * rank, &row});
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Row& a, const Row& b) { return a.score > b.score; });
  Array items;
  std::vector<std::string> seen;
  for (const Row& r : ranked) {
    const Value& row = *r.row;
    std::string key = text(row, "doc") + "/" + text(row, "label") + "/" + text(row, "period_kind");
    if (items.size() == kOptionsMax || r.score < ranked[0].score - kScoreGapMax) break;
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(key);
    std::string shown = text(row, "label") + " | " +
                        format_period(text(row, "period_end"), text(row, "period_kind"), text(row, "column_label")) +
                        ": " + text(row, "as_printed") + " | " + place(row);
    items.push_back(Value::object({{"n", letter(items.size())},
                                   {"text", cut_utf8(shown, 180)},
                                   {"key", Value::object({{"figure_id", *row.find("figure_id")}})}}));
  }
  return items;
}

// "How large", "How many", "What part", "What are the rates": a sentence without a numeral is no answer.
bool asks_for_number(const std::string& question) {
  static const char* kAsks[] = {"how large", "how many", "how much", "how fast", "what part", "what share", "rate"};
  std::string low;
  for (char c : question) low.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return std::any_of(std::begin(kAsks), std::end(kAsks), [&](const char* k) { return low.find(k) != std::string::npos; });
}

Array passage_options(const Value& task, const Value& found) {
  const bool number = asks_for_number(text(task, "subject"));
  struct Sentence {
    double score;
    std::string text;
    const Value* passage;
  };
  std::vector<Sentence> ranked;
  double rank = 0;
  for (const Value& p : list(found, "passages")) {
    for (const std::string& s : sentences(text(p, "text"))) {
      if (number && s.find_first_of("0123456789") == std::string::npos) continue;
      if (!usable_sentence(s) || overlap(text(task, "subject"), s) < kSentenceOverlapMin) continue;
      ranked.push_back({overlap(text(task, "subject"), s) - 0.06 * rank, s, &p});
    }
    rank += 1;
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Sentence& a, const Sentence& b) { return a.score > b.score; });
  Array items;
  for (const Sentence& s : ranked) {
    if (items.size() == kOptionsMax) break;
    bool repeated = std::any_of(items.begin(), items.end(), [&](const Value& have) {
      return have.find("key")->find("quote")->as_string() == s.text;
    });
    if (repeated) continue;
    const Value* page = s.passage->find("page");
    items.push_back(Value::object({{"n", letter(items.size())},
                                   {"text", s.text},
                                   {"key", Value::object({{"doc", text(*s.passage, "doc")},
                                                          {"page", page == nullptr ? Value() : *page},
                                                          {"quote", s.text}})}}));
  }
  return items;
}

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

Value missing(const Value& task, const std::string& note) {
  return Value::object({{"id", *task.find("id")},
                        {"kind", "missing"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", *task.find("subject")},
                        {"figures", Array{}},
                        {"computed", Array{}},
                        {"cites", Array{}},
                        {"note", note}});
}

// The line of the page that prints the row, white space made single.
std::string row_quote(const std::string& page, const std::string& label, const std::string& as_printed) {
  std::vector<std::string> label_words = words(label, false);
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

Result<Value> figure_finding(const Value& task, const Value& item, const Value& series, const PageText& page_text) {
  std::vector<Value> rows = series_rows(series);
  std::erase_if(rows, [](const Value& r) { return text(r, "period_end").empty() || text(r, "amount").empty(); });
  const Value* id = item.find("key")->find("figure_id");
  auto pick = std::find_if(rows.begin(), rows.end(), [&](const Value& r) {
    return id != nullptr && r.find("figure_id") != nullptr && *r.find("figure_id") == *id;
  });
  if (pick == rows.end()) return missing(task, "the chosen row is not in the tables");
  std::string kind = text(*pick, "period_kind");
  // The newest period of the row, of the same length as the one chosen.
  const Value* latest = &*pick;
  for (const Value& r : rows) {
    if (text(r, "period_kind") == kind && text(r, "unit") == text(*pick, "unit") &&
        text(r, "period_end") > text(*latest, "period_end")) {
      latest = &r;
    }
  }
  // Then the same period of earlier years, as far as they go back without a gap.
  std::vector<const Value*> earlier;
  const Value* last = latest;
  while (earlier.size() + 1 < kPeriodsMax) {
    auto next = std::find_if(rows.begin(), rows.end(), [&](const Value& r) {
      int64_t days = day_number(text(*last, "period_end")) - day_number(text(r, "period_end"));
      return text(r, "period_kind") == kind && text(r, "unit") == text(*latest, "unit") && days > 330 && days < 400;
    });
    if (next == rows.end()) break;
    earlier.push_back(&*next);
    last = &*next;
  }
  CONSORT_ASSIGN(Value now, figure_of(*latest, task));
  Array figures{now}, computed;
  for (const Value* row : earlier) {
    CONSORT_ASSIGN(Value then, figure_of(*row, task));
    figures.push_back(std::move(then));
  }
  // Without pages a period is a record of its own; a sentence cites one record, so it states no change.
  if (!earlier.empty() && now.find("page")->is_number()) {
    CONSORT_ASSIGN(Rational a, Rational::parse(text(now, "value")));
    CONSORT_ASSIGN(Rational b, Rational::parse(text(figures[1], "value")));
    if (b.sign() > 0 && a.sign() > 0 && text(now, "unit") != "%") {
      CONSORT_ASSIGN(Rational difference, a.minus(b));
      CONSORT_ASSIGN(Rational ratio, difference.over(b));
      CONSORT_ASSIGN(Rational percent, ratio.times(Rational(100)));
      computed.push_back(Value::object({{"op", "pct_change"},
                                        {"args", Array{Value(0), Value(1)}},
                                        {"value", percent.rounded(1).to_fixed(1)},
                                        {"unit", "%"}}));
    }
  }
  std::optional<int> page;
  if (const Value* p = latest->find("page"); p != nullptr && p->is_number()) {
    page = static_cast<int>(p->as_number().as_int64().value_or(0));
  }
  CONSORT_ASSIGN(std::string full, page_text(text(*latest, "doc"), page));
  std::string quote = row_quote(full, text(*latest, "label"), text(*latest, "as_printed"));
  if (quote.empty()) return missing(task, "the row could not be found again on its page");
  return Value::object({{"id", *task.find("id")},
                        {"kind", "figure"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", *task.find("subject")},
                        {"figures", std::move(figures)},
                        {"computed", std::move(computed)},
                        {"cites", Array{Value::object({{"doc", text(*latest, "doc")},
                                                       {"page", *now.find("page")},
                                                       {"quote", cut_utf8(quote, 280)}})}},
                        {"note", ""}});
}

}  // namespace

Result<Value> finding_options(const Value& input) {
  const Value& task = *input.find("task");
  const Value* rows = input.find("rows");
  const Value* passages = input.find("passages");
  Array items;
  if (rows != nullptr && rows->is_object()) items = figure_options(task, *rows);
  if (passages != nullptr && passages->is_object()) items = passage_options(task, *passages);
  return Value::object({{"items", std::move(items)}});
}

Result<Value> make_finding(const Value& input, const PageText& page_text) {
  const Value& task = *input.find("task");
  const Value* item = chosen(input);
  if (item == nullptr) return missing(task, "nothing in the documents answers this");
  if (text(task, "tool") == "figures") {
    const Value* series = input.find("series");
    if (series == nullptr || !series->is_object()) return missing(task, "no figures were read");
    return figure_finding(task, *item, *series, page_text);
  }
  const Value& key = *item->find("key");
  return Value::object({{"id", *task.find("id")},
                        {"kind", "text"},
                        {"company", *task.find("company")},
                        {"subject", *task.find("subject")},
                        {"section", *task.find("subject")},
                        {"figures", Array{}},
                        {"computed", Array{}},
                        {"cites", Array{key}},
                        {"note", ""}});
}

}  // namespace consort::tool

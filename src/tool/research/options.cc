// Candidates for the analyzer: rows and sentences that may answer a task, best first.
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "memory/row_names.h"
#include "tool/research/question.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Value;
using namespace research;

namespace {

constexpr size_t kOptionsMax = 6;
constexpr double kFitMin = 0.5;        // A row whose label and section share less with the words asked for is none.
constexpr double kFitCertain = 0.85;   // Good enough to answer a question that may also be answered by a text.
constexpr double kUnpagedCost = 0.15;  // A page of a filing is the better source than a note or a wiki page.
constexpr double kForecastCost = 0.4;  // What is expected is not what was.
constexpr double kScoreGapMax = 0.12;  // The model chooses among rows that the rules cannot tell apart.
constexpr double kSentenceOverlapMin = 0.6;  // Of the question's content words.
constexpr size_t kManyWords = 4;             // Of so many telling words one may be missing.

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
  return letters >= 3 && !text(row, "amount").empty() && !text(row, "unit").empty() && !text(row, "period_end").empty();
}

bool mentions(const std::string& words_of, std::initializer_list<const char*> any) {
  return std::any_of(any.begin(), any.end(), [&](const char* w) { return words_of.find(w) != std::string::npos; });
}

std::string lower(std::string t) {
  for (char& c : t) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return t;
}

std::vector<std::string> telling_words(const std::string& question);

// Words that name something narrower than a statement's line and stand neither in the label nor above it.
double missing_cost(const std::string& metric, const std::string& label, const std::string& section) {
  double cost = 0;
  for (const std::string& w : telling_words(metric)) {
    if (overlap(w, label + " " + section) == 0) cost += 0.3;
  }
  return std::min(cost, 0.6);
}

// How well the row's label (and, for less, its section) says what is asked for: 0 to 1.2.
double label_fit(const std::string& metric, const std::string& printed, const std::string& section) {
  std::string label = lower(printed).starts_with("total ") && words(printed, false).size() > 2 ? printed.substr(6) : printed;
  if (words(metric, false) == words(label, false)) return 1.2;
  if (const memory::RowName* line = memory::row_name_of(metric); line != nullptr) {
    int rank = memory::synonym_rank(*line, label);
    if (rank >= 0) return 1.15 - 0.02 * rank;
  }
  double covered = std::max(overlap(metric, label), 0.85 * overlap(metric, label + " " + section));
  double used = std::max(overlap(label, metric), 0.9 * overlap(label, metric + " " + section));
  if (overlap(metric, label) == 0) return 0;  // The section alone names no row.
  return 0.5 * covered + 0.5 * used - missing_cost(metric, label, section);
}

// A row in another unit than the words ask for is another row.
double unit_fit(const Wanted& wanted, const std::string& metric, const std::string& label, const std::string& unit) {
  bool money = mentions(metric, {"sales", "revenue", "income", "expense", "profit", "cost", "earnings", "assets", "cash", "borrowings", "fees"});
  bool per_share = mentions(metric, {"per share"});
  if (unit.find('/') != std::string::npos) return per_share ? 0.1 : -0.4;
  if (wanted.percent) return unit == "%" ? 0.25 : -0.1;
  if (wanted.count) return unit.starts_with("USD") || unit == "%" ? -0.4 : 0.15;
  if (unit == "%") return money ? -0.4 : -0.2;
  if (mentions(lower(label), {"per share", "% of", "percent"})) return -0.3;
  return 0;
}

double period_fit(const Wanted& wanted, const Value& row, const std::string& oldest, const std::string& newest) {
  std::string end = text(row, "period_end"), kind = text(row, "period_kind");
  double out = 0;
  bool quarter = kind == "quarter";
  bool whole = kind == "year" || kind == "instant";
  if (wanted.quarter) out += quarter ? 0.3 : whole ? -0.1 : -0.2;
  else if (!wanted.newest) out += whole ? 0.2 : 0;
  // "in fiscal 2023" asks for a year; a quarter that ended in it is of another year as often as not.
  if (!wanted.quarter && !wanted.years.empty() && wanted.date.empty() && !whole) out -= 0.3;
  if (!wanted.date.empty()) {
    out += end == wanted.date ? 0.4 : 0;
  } else if (!wanted.years.empty()) {
    auto at = std::find_if(wanted.years.begin(), wanted.years.end(), [&](int y) { return end.starts_with(std::to_string(y)); });
    out += at == wanted.years.end() ? 0 : 0.4 - 0.02 * static_cast<double>(at - wanted.years.begin());
  } else if (oldest < newest) {
    double from = std::strtod(oldest.c_str(), nullptr) + std::strtod(oldest.substr(5, 2).c_str(), nullptr) / 12;
    double to = std::strtod(newest.c_str(), nullptr) + std::strtod(newest.substr(5, 2).c_str(), nullptr) / 12;
    double here = std::strtod(end.c_str(), nullptr) + std::strtod(end.size() > 7 ? end.substr(5, 2).c_str() : "0", nullptr) / 12;
    out += (wanted.newest ? 0.5 : 0.15) * (here - from) / std::max(0.1, to - from);
  }
  return out;
}

// What has ended was; what is "ending" is hoped for.
bool is_forecast(const Value& row) {
  return mentions(lower(text(row, "section") + " " + text(row, "label") + " " + text(row, "column_label")),
                  {"guidance", "outlook", "forecast", "expected", "months ending", "quarter ending", "year ending"});
}

struct RankedRow {
  double score = 0, fit = 0;
  const Value* row = nullptr;
};

std::vector<RankedRow> rank_rows(const Wanted& wanted, const std::string& metric, const Value& rows) {
  std::string oldest = "9999-12", newest = "0000-01", last_row;
  std::vector<RankedRow> ranked;
  for (const Value& row : list(rows, "figures")) {
    if (!usable_row(row) || is_forecast(row) || label_fit(metric, text(row, "label"), text(row, "section")) < kFitMin) continue;
    oldest = std::min(oldest, text(row, "period_end"));
    newest = std::max(newest, text(row, "period_end"));
  }
  double rank = -1;
  for (const Value& row : list(rows, "figures")) {
    if (!usable_row(row)) continue;
    std::string label = text(row, "label");
    std::string key = place(row) + "/" + label;
    if (key != last_row) rank += 1;
    last_row = key;
    double fit = label_fit(metric, label, text(row, "section"));
    if (fit < kFitMin) continue;
    const Value* page = row.find("page");
    const bool forecast = is_forecast(row);
    double score = fit + unit_fit(wanted, metric, label, text(row, "unit")) - 0.01 * rank;
    score += forecast ? -kForecastCost : period_fit(wanted, row, oldest, newest);
    if (page == nullptr || !page->is_number()) score -= kUnpagedCost;
    ranked.push_back({score, fit, &row});
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const RankedRow& a, const RankedRow& b) { return a.score > b.score; });
  return ranked;
}

// Each word that is asked for stands in the label, and one of them is telling: "eCommerce net sales" and
// "Harbour U.S. eCommerce net sales".
bool says_all(const std::string& metric, const std::string& label) { return !telling_words(metric).empty() && overlap(metric, label) >= 1; }

Array figure_options(const Wanted& wanted, const std::string& metric, const Value& rows, double fit_min) {
  std::vector<RankedRow> ranked = rank_rows(wanted, metric, rows);
  Array items;
  std::vector<std::string> seen;
  for (const RankedRow& r : ranked) {
    const Value& row = *r.row;
    // The better ranked of two equal labels: which statement comes first is no question for the model.
    std::string key = lower(text(row, "label"));
    if (items.size() == kOptionsMax || r.score < ranked[0].score - kScoreGapMax) break;
    if (wanted.count && (text(row, "unit").starts_with("USD") || text(row, "unit") == "%")) continue;  // Money is no number of things.
    if ((r.fit < fit_min && !says_all(metric, text(row, "label"))) || std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(key);
    std::string shown = text(row, "label") + " | " + format_period(text(row, "period_end"), text(row, "period_kind"), text(row, "column_label")) + ": " +
                        text(row, "as_printed") + " | " + place(row);
    items.push_back(Value::object({{"n", letter(items.size())}, {"text", cut_utf8(shown, 180)}, {"key", Value::object({{"figure_id", *row.find("figure_id")}})}}));
  }
  return items;
}

// A sentence that can be quoted: prose, not a table row or a heading.
bool usable_sentence(const std::string& s) {
  size_t digits = 0, letters = 0, joined_commas = 0;
  for (size_t i = 0; i + 1 < s.size(); ++i) joined_commas += s[i] == ',' && s[i + 1] != ' ';
  if (joined_commas > 3) return false;  // A row of a CSV.
  for (char c : s) {
    digits += std::isdigit(static_cast<unsigned char>(c)) != 0;
    letters += std::isalpha(static_cast<unsigned char>(c)) != 0;
  }
  return s.size() >= 40 && s.size() <= 280 && std::isupper(static_cast<unsigned char>(s[0])) && letters > 4 * digits && letters * 10 > s.size() * 7;
}

// "... in Canada [p. 5]." -> "... in Canada": a reference to another page is no part of what is said.
std::string without_reference(std::string sentence) {
  if (size_t at = sentence.find(" [p. "); at != std::string::npos) sentence.resize(at);
  return sentence;
}

// Words that every page of a filing has; a sentence with these alone does not answer.
std::vector<std::string> telling_words(const std::string& question) {
  static const char* kGeneral[] = {"net", "sales", "sale", "total", "revenue", "revenues", "growth", "grow", "grew", "income", "company", "companies", "name", "names", "named", "rate", "rates",
                                   "business", "year", "fiscal", "say", "says", "main", "most", "new", "large", "high", "change", "plan", "plans", "develop", "about", "any"};
  std::vector<std::string> out;
  for (const std::string& w : words(question, true)) {
    if (std::find(std::begin(kGeneral), std::end(kGeneral), w) == std::end(kGeneral)) out.push_back(w);
  }
  return out;
}

bool tells(const std::vector<std::string>& telling, const std::string& sentence) {
  size_t missing = 0;
  for (const std::string& w : telling) missing += overlap(w, sentence) == 0;
  return missing == 0 || (missing == 1 && telling.size() >= kManyWords);
}

Array passage_options(const Value& task, const Wanted& wanted, const Value& found) {
  struct Sentence {
    double score;
    std::string text;
    const Value* passage;
  };
  std::string question = text(task, "subject");
  std::vector<std::string> telling;
  for (const std::string& w : telling_words(question)) {
    if (overlap(w, text(task, "company")) == 0) telling.push_back(w);
  }
  std::vector<Sentence> ranked;
  double rank = 0;
  for (const Value& p : list(found, "passages")) {
    for (const std::string& whole : sentences(text(p, "text"))) {
      std::string s = without_reference(whole);
      if (wanted.number && s.find_first_of("0123456789") == std::string::npos) continue;
      double share = overlap(question, s);
      if (!usable_sentence(s) || share < kSentenceOverlapMin || !tells(telling, s)) continue;
      ranked.push_back({share - 0.06 * rank, s, &p});
    }
    rank += 1;
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Sentence& a, const Sentence& b) { return a.score > b.score; });
  Array items;
  for (const Sentence& s : ranked) {
    if (items.size() == kOptionsMax) break;
    bool repeated = std::any_of(items.begin(), items.end(), [&](const Value& have) { return have.find("key")->find("quote")->as_string() == s.text; });
    if (repeated) continue;
    const Value* page = s.passage->find("page");
    items.push_back(Value::object({{"n", letter(items.size())},
                                   {"text", s.text},
                                   {"key", Value::object({{"doc", text(*s.passage, "doc")}, {"page", page == nullptr ? Value() : *page}, {"quote", s.text}})}}));
  }
  return items;
}

}  // namespace

Result<Value> read_task(const Value& input) {
  const Value& task = *input.find("task");
  return to_value(read_question(text(task, "subject"), text(task, "company")));
}

Result<Value> finding_options(const Value& input) {
  const Value& task = *input.find("task");
  const Value* given = input.find("wanted");
  Wanted wanted = given != nullptr && given->is_object() ? wanted_from(*given) : read_question(text(task, "subject"), text(task, "company"));
  const Value* second_of = input.find("second");
  bool second = second_of != nullptr && second_of->is_bool() && second_of->as_bool();
  const Value* rows = input.find("rows");
  const Value* passages = input.find("passages");
  bool asks_text = text(task, "tool") == "search";
  Array items;
  std::string kind = "none";
  if (rows != nullptr && rows->is_object()) {
    items = figure_options(wanted, second ? wanted.second : wanted.metric, *rows, asks_text ? kFitCertain : kFitMin);
    if (!items.empty()) kind = "figure";
  }
  if (items.empty() && passages != nullptr && passages->is_object()) {
    items = passage_options(task, wanted, *passages);
    if (!items.empty()) kind = "text";
  }
  return Value::object({{"kind", kind}, {"items", std::move(items)}});
}

}  // namespace consort::tool

#include "tool/research/question.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>

#include "memory/column_type.h"
#include "memory/row_names.h"
#include "tool/research/text.h"

namespace consort::tool::research {

using contract::Value;

namespace {

std::string lower(std::string_view text) {
  std::string out;
  for (char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Words that ask, time or move a figure but never name one.
bool scaffold(const std::string& word) {
  static const std::set<std::string, std::less<>> kWords = {
      "what", "which", "how", "much", "many", "large", "fast", "far", "big", "was", "were", "is", "are", "be", "been", "do", "does", "did", "has", "have", "had",
      "the", "a", "an", "of", "in", "for", "on", "at", "to", "by", "from", "its", "their", "it", "they", "this", "that", "these", "with", "against", "between",
      "than", "versus", "vs", "as", "since", "according", "latest", "newest", "recent", "recently", "most", "current", "last", "same", "earlier", "figure", "figures", "filing",
      "filings", "document", "documents", "report", "reports", "reported", "company", "fiscal", "year", "years", "quarter", "quarterly", "second", "first", "third", "fourth",
      "months", "month", "weeks", "three", "six", "nine", "twelve", "ended", "ending", "end", "earn", "earned", "bring", "brought", "spend", "spent", "spending", "pay",
      "contribute", "contributed", "come", "came", "employ", "employed", "operate", "operates", "owe", "owed", "amount", "amounts", "amounted", "billion", "billions", "million", "millions",
      "dollars", "grow", "grew", "grown", "growth", "growing", "rise", "rose", "fall", "fell", "fallen", "increase", "increased", "decrease", "decreased", "decline", "declined",
      "change", "changed", "develop", "developed", "high", "higher", "highest", "low", "lower", "lowest", "difference", "compare", "compared", "comparison", "segment", "segments",
      "platform", "business", "class", "related", "us", "gaap", "s", "over", "during", "period", "periods", "there", "and", "or"};
  return kWords.contains(word) && word != "us";
}

// Letters, digits, inner points ("u.s."), hyphens and apostrophes ("sam's") make a word.
std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  auto finish = [&] {
    while (!word.empty() && (word.back() == '.' || word.back() == '\'' || word.back() == '-') && word != "u.s.") word.pop_back();
    if (word.ends_with("'s") && word.size() > 5) word.resize(word.size() - 2);
    if (!word.empty()) out.push_back(word);
    word.clear();
  };
  for (char c : text) {
    bool inner = (c == '.' || c == '\'' || c == '-' || c == '&') && !word.empty();
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80 || inner) word += c;
    else finish();
  }
  finish();
  return out;
}

bool has_digit(const std::string& word) { return word.find_first_of("0123456789") != std::string::npos; }

std::string metric_of(const std::string& clause) {
  std::string out;
  for (const std::string& word : tokens(clause)) {
    bool digits = has_digit(word) && std::isdigit(static_cast<unsigned char>(word[0])) != 0;
    bool conjunction = word == "and" && !out.empty();
    if (digits || (scaffold(word) && !conjunction)) continue;
    if (conjunction && out.ends_with(" and")) continue;
    out += (out.empty() ? "" : " ") + word;
  }
  while (out.ends_with(" and")) out.resize(out.size() - 4);
  return out;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) text.replace(at, what.size(), with);
}

// Dates ("May 31, 2023") go to `date`, years to `years`; both leave the text.
void read_periods(std::string& text, Wanted& out) {
  static const std::regex kDate(R"((january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2}, \d{4})");
  std::smatch m;
  while (std::regex_search(text, m, kDate)) {
    std::string iso = memory::iso_date(m.str(0));
    if (iso > out.date) out.date = iso;
    text = m.prefix().str() + " " + m.suffix().str();
  }
  static const std::regex kYear(R"(\b(19|20)\d{2}\b)");
  while (std::regex_search(text, m, kYear)) {
    out.years.push_back(std::stoi(m.str(0)));
    text = m.prefix().str() + " " + m.suffix().str();
  }
  std::sort(out.years.begin(), out.years.end(), std::greater<>());
}

// "net revenues and gross merchandise volume": two lines, if one of them is a statement line of its own.
bool split_at_and(const std::string& metric, std::string* first, std::string* second) {
  if (memory::row_name_of(metric) != nullptr) return false;
  size_t at = metric.find(" and ");
  if (at == std::string::npos) return false;
  *first = metric.substr(0, at);
  *second = metric.substr(at + 5);
  return memory::row_name_of(*first) != nullptr || memory::row_name_of(*second) != nullptr;
}

// The parts of "share of WHOLE was PART", "PART as a share of WHOLE", "X, and how did this compare with Y".
bool read_share(const std::string& text, Wanted& out) {
  static const std::regex kOf(R"((?:share|part|percentage|proportion|portion|much) of (.+?) (?:came from|comes from|come from|was|were|is|are) (.+))");
  static const std::regex kAs(R"((?:^|\()([^(]*?) as a (?:share|percentage|part|proportion) of ([^)]*))");
  static const std::regex kAgainst(R"(^(.+?), and how d(?:id|oes) (?:this|it|that) compare (?:with|to) (.+))");
  std::smatch m;
  if (std::regex_search(text, m, kAs) || std::regex_search(text, m, kAgainst)) {
    out.metric = metric_of(m.str(1));
    out.second = metric_of(m.str(2));
  } else if (std::regex_search(text, m, kOf)) {
    out.metric = metric_of(m.str(2));
    out.second = metric_of(m.str(1));
    // "of U.S. net sales was grocery": the part is of the whole's kind.
    out.metric += " " + out.second;
  } else {
    return false;
  }
  out.op = "share";
  return !out.metric.empty() && !out.second.empty();
}

bool read_margin(const std::string& text, Wanted& out) {
  if (out.newest || out.years.empty()) return false;
  static const std::regex kMargin(R"(\b(operating|net|profit) margins?\b)");
  std::smatch m;
  if (!std::regex_search(text, m, kMargin)) return false;
  out.metric = m.str(1) == "operating" ? "operating income" : "net income";
  out.second = "revenue";
  out.op = "share";
  return true;
}

}  // namespace

Wanted read_question(const std::string& question, const std::string& company) {
  Wanted out;
  std::string text = lower(squeeze(question));
  replace_all(text, "\xE2\x80\x99", "'");
  auto has = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  out.newest = has("newest") || has("latest") || has("most recent");
  out.quarter = has("quarter") || has("three months");
  out.count = has("how many");
  out.percent = has("rate") || has("percentage") || has("margin") || has("comparable sales") || has("percent");
  out.number = out.count || has("how large") || has("how much") || has("how fast") || has("what part") || has("what share") || has(" rate") || has("how high");
  read_periods(text, out);
  std::string name = lower(company);
  replace_all(text, name + "'s", " ");
  replace_all(text, name + "'", " ");
  replace_all(text, name, " ");
  while (!text.empty() && (text.back() == '?' || text.back() == '.' || text.back() == ' ')) text.pop_back();
  text = squeeze(text);
  if (memory::row_name_of(text) != nullptr) {
    out.metric = text;
    return out;
  }
  if (read_share(text, out) || read_margin(text, out)) return out;
  size_t tail = text.find(", and ");
  out.metric = metric_of(text.substr(0, tail));
  if (tail != std::string::npos) out.second = metric_of(text.substr(tail + 6));
  std::string first, second;
  if (out.second.empty() && split_at_and(out.metric, &first, &second)) {
    out.metric = first;
    out.second = second;
  }
  return out;
}

Value to_value(const Wanted& w) {
  contract::Array years;
  for (int y : w.years) years.emplace_back(static_cast<int64_t>(y));
  auto query = [&](const std::string& metric) {
    std::string q = metric;
    for (int year : w.years) q += " " + std::to_string(year);
    if (w.years.empty() && !w.date.empty()) q += " " + w.date.substr(0, 4);
    return q + (w.quarter ? " quarter" : "");
  };
  return Value::object({{"metric", w.metric}, {"second", w.second}, {"op", w.op}, {"years", std::move(years)}, {"date", w.date},
                        {"quarter", w.quarter}, {"newest", w.newest}, {"number", w.number}, {"count", w.count}, {"percent", w.percent},
                        {"query", query(w.metric)}, {"second_query", w.second.empty() ? "" : query(w.second)}});
}

Wanted wanted_from(const Value& v) {
  auto flag = [&](std::string_view key) {
    const Value* f = v.find(key);
    return f != nullptr && f->is_bool() && f->as_bool();
  };
  Wanted w{.metric = text(v, "metric"), .second = text(v, "second"), .op = text(v, "op"), .years = {}, .date = text(v, "date"), .quarter = flag("quarter"),
           .newest = flag("newest"), .number = flag("number"), .count = flag("count"), .percent = flag("percent")};
  for (const Value& y : list(v, "years")) w.years.push_back(static_cast<int>(y.as_number().as_int64().value_or(0)));
  return w;
}

}  // namespace consort::tool::research

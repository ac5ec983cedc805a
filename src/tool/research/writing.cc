// What is to be written, and the frame of each sentence.
//
// A frame is an ECMA-262 pattern. For a figure it fixes company, period and amounts and leaves the wording to
// the model; for a text it admits only the evidence's own words and numerals, joined by function words. So a
// small model cannot bring in a figure or a name from outside its source; whether the sentence says the
// same thing is still the validator's question.
#include <algorithm>
#include <cctype>
#include <set>

#include "tool/rational.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Object;
using contract::Value;
using namespace research;

namespace {

std::string possessive(const std::string& company) {
  return company.back() == 's' ? company + "'" : company + "'s";
}

// "Total revenues" -> "total revenues", but "R&D expense" and "GMV" stay.
std::string in_sentence(std::string label) {
  while (!label.empty() && (label.back() == ':' || std::isdigit(static_cast<unsigned char>(label.back())))) label.pop_back();
  if (label.size() > 1 && std::isupper(static_cast<unsigned char>(label[0])) &&
      std::islower(static_cast<unsigned char>(label[1]))) {
    label[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(label[0])));
  }
  return label;
}

std::string figure_frame(const Value& finding) {
  const Value& now = list(finding, "figures")[0];
  std::string period = escape_pattern(text(now, "period"));
  bool instant = text(now, "period").substr(0, 6) == "as of ";
  std::string subject = escape_pattern(possessive(text(finding, "company")) + " " + in_sentence(text(now, "label")));
  std::string amount = escape_pattern(format_amount(text(now, "value"), text(now, "unit")));
  std::string head = instant ? "A" + period.substr(1) : "(In|For) " + period;
  std::string body = subject + " (were|was|came to|reached|amounted to|stood at) " + amount;
  std::string tail;
  const Array& computed = list(finding, "computed");
  const Array& figures = list(finding, "figures");
  if (!computed.empty() && figures.size() > 1) {
    std::string percent = text(computed[0], "value");
    bool down = percent[0] == '-';
    std::string size = escape_pattern((down ? percent.substr(1) : percent) + "%");
    std::string from = escape_pattern(format_amount(text(figures[1], "value"), text(figures[1], "unit")));
    std::string change = down ? "(down|a decrease of|a decline of|a fall of) " : "(up|an increase of|a rise of|growth of) ";
    if (percent == "0.0") {
      tail = ", (about the same as|unchanged from) " + from + " (a year earlier|the year before)";
    } else {
      tail = ", " + change + size + " (from|against|compared with) " + from + " (a year earlier|the year before)";
    }
  }
  return "^" + head + ", " + body + tail + "\\.$";
}

std::string text_frame(const Value& finding) {
  const std::string& quote = list(finding, "cites")[0].find("quote")->as_string();
  std::set<std::string> allowed(function_words().begin(), function_words().end());
  for (size_t i = 0; i < quote.size();) {
    // A word, with the hyphens, apostrophes, dots and signs inside it: "$3.3", "e-commerce", "U.S.".
    while (i < quote.size() && (quote[i] == ' ' || std::string_view("(),;:\"").find(quote[i]) != std::string_view::npos)) ++i;
    size_t begin = i;
    while (i < quote.size() && quote[i] != ' ' && std::string_view("(),;:\"").find(quote[i]) == std::string_view::npos) ++i;
    // "3,321" is one word: a comma between digits does not end it.
    while (i + 1 < quote.size() && quote[i] == ',' && i > begin && std::isdigit(static_cast<unsigned char>(quote[i - 1])) &&
           std::isdigit(static_cast<unsigned char>(quote[i + 1]))) {
      ++i;
      while (i < quote.size() && quote[i] != ' ' && std::string_view("(),;:\"").find(quote[i]) == std::string_view::npos) ++i;
    }
    std::string word = quote.substr(begin, i - begin);
    while (!word.empty() && (word.back() == '.' || word.back() == '!' || word.back() == '?')) word.pop_back();
    if (!word.empty()) allowed.insert(word);
  }
  for (const char* first_person : {"we", "our", "us", "We", "Our", "Us", "I", "you", "your"}) allowed.erase(first_person);
  std::string any;
  for (const std::string& word : allowed) any += (any.empty() ? "" : "|") + escape_pattern(word);
  std::string company = escape_pattern(text(finding, "company"));
  return "^" + company + "('s|')?( (" + any + "),?){6,34}\\.$";
}

const Value* claim_of(const Value* report, const std::string& id) {
  if (report == nullptr || !report->is_object()) return nullptr;
  for (const Value& claim : list(*report, "claims")) {
    if (text(claim, "id") == id) return &claim;
  }
  return nullptr;
}

}  // namespace

std::string escape_pattern(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}/").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string format_amount(const std::string& decimal, const std::string& unit) {
  auto parsed = Rational::parse(decimal);
  if (!parsed) return decimal;
  bool negative = parsed->sign() < 0;
  Rational value = parsed->magnitude();
  bool money = unit.substr(0, 3) == "USD";
  std::string per = unit.size() > 4 && unit.substr(0, 4) == "USD/" ? " per " + unit.substr(4) : "";
  std::string number, scale;
  struct Step {
    const char* at;
    const char* word;
  };
  for (Step s : {Step{"1000000000", " billion"}, Step{"1000000", " million"}}) {
    if (value < Rational::of(s.at)) continue;
    Rational scaled = value.over(Rational::of(s.at)).value();
    number = group_thousands(scaled.rounded(1).to_fixed(1));
    scale = s.word;
    break;
  }
  if (number.empty()) number = group_thousands(unit == "%" || per.empty() ? value.to_decimal(2) : value.to_fixed(2));
  std::string out = (negative ? "-" : "") + std::string(money ? "$" : "") + number + scale;
  if (unit == "%") return out + "%";
  if (money) return out + per;
  return unit.empty() || unit == "count" ? out : out + " " + unit;
}

std::string format_period(const std::string& end, const std::string& kind, const std::string& column_label) {
  static const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                  "July",    "August",   "September", "October", "November", "December"};
  int y = 0, m = 0, d = 0;
  if (std::sscanf(end.c_str(), "%d-%d-%d", &y, &m, &d) != 3 || m < 1 || m > 12) return squeeze(column_label);
  std::string date = std::string(kMonths[m - 1]) + " " + std::to_string(d) + ", " + std::to_string(y);
  if (kind == "quarter") return "the three months ended " + date;
  if (kind == "half") return "the six months ended " + date;
  if (kind == "nine_months") return "the nine months ended " + date;
  if (kind == "instant") return "as of " + date;
  if (kind == "year") return "the fiscal year ended " + date;
  std::string column = squeeze(column_label);
  return column.substr(0, 4) == "the " ? column : "the period ended " + date;
}

Result<Value> writing_tasks(const Value& input) {
  const Value* previous = input.find("previous");
  const Value* critique = input.find("critique");
  bool again = previous != nullptr && previous->is_object();
  Array items;
  for (const Value& finding : list(input, "findings")) {
    std::string kind = text(finding, "kind");
    if (kind == "missing") continue;
    std::string id = text(finding, "id");
    Array issues;
    if (critique != nullptr && critique->is_array()) {
      for (const Value& issue : critique->as_array()) {
        if (text(issue, "claim") == id) issues.push_back(text(issue, "message"));
      }
    }
    if (again && issues.empty()) continue;  // It stands.
    const Value* last = again ? claim_of(previous, id) : nullptr;
    items.push_back(Value::object({{"id", id},
                                   {"finding", finding},
                                   {"frame", kind == "figure" ? figure_frame(finding) : text_frame(finding)},
                                   {"issues", std::move(issues)},
                                   {"last", last == nullptr ? "" : text(*last, "text")}}));
  }
  return Value::object({{"items", std::move(items)}});
}

}  // namespace consort::tool

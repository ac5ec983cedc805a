// What is to be written, and the frame of each sentence.
//
// A frame is an ECMA-262 pattern. For a figure it fixes company, line, period and amounts and leaves their order and the
// words between them to the model; for a text it admits a quotation and leaves its introduction to the model. So a small model cannot
// bring in a figure, a name or a statement from outside its source; whether a quotation answers the question is
// still the validator's.
#include <algorithm>
#include <cctype>
#include <set>

#include "memory/row_names.h"
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

// "Walmart's net sales", but "Walmart U.S. net sales" where the label has the company's name.
std::string owned(const std::string& company, const std::string& label) {
  return label.starts_with(company + " ") ? label : possessive(company) + " " + label;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const Value* computed_by(const Array& computed, std::string_view op) {
  for (const Value& c : computed) {
    if (text(c, "op") == op) return &c;
  }
  return nullptr;
}

// What a sentence about a figure says, each part as it is printed.
struct Facts {
  std::string company, label, period, amount;
  std::string change;  // "up 6.7%", "down 2.1%", or empty: nothing to compare with, or nothing changed.
  std::string share;   // "41.2% of total revenues of $605.9 billion", or empty.
};

Facts facts_of(const Value& finding) {
  const Array& computed = list(finding, "computed");
  const Array& figures = list(finding, "figures");
  const Value& now = figures[0];
  Facts out{.company = text(finding, "company"), .label = "", .period = text(now, "period"),
            .amount = format_amount(text(now, "value"), text(now, "unit")), .change = "", .share = ""};
  out.label = label_in_sentence(text(now, "label"), out.company);
  if (const Value* share = computed_by(computed, "share"); share != nullptr) {
    const Value& whole = figures[static_cast<size_t>(share->find("args")->as_array()[1].as_number().as_int64().value_or(0))];
    out.share = text(*share, "value") + "% of " + label_in_sentence(text(whole, "label"), out.company) + " of " +
                format_amount(text(whole, "value"), text(whole, "unit"));
  } else if (const Value* change = computed_by(computed, "pct_change"); change != nullptr && text(*change, "value") != "0.0") {
    const std::string percent = text(*change, "value");
    out.change = percent[0] == '-' ? "down " + percent.substr(1) + "%" : "up " + percent + "%";
  }
  return out;
}

// "Walmart | net sales | the fiscal year ended January 31, 2023 | $605.9 billion | up 6.7%": what the writer reads.
std::string facts_line(const Facts& f) {
  std::string out = f.company + " | " + f.label + " | " + f.period + " | " + f.amount;
  for (const std::string& more : {f.change, f.share}) {
    if (!more.empty()) out += " | " + more;
  }
  return out;
}

// "In the fiscal year ended January 31, 2023, Walmart's net sales rose by 6.7% to $605.9 billion." One period a
// sentence: the year before stands in the table, where nobody can mistake whose figure it is.
std::string strict_frame(const Facts& f) {
  std::string period = escape_pattern(f.period);
  std::string when = period.substr(0, 6) == "as of " ? "A" + period.substr(1) : "(In|For) " + period;
  std::string head = "^" + when + ", " + escape_pattern(owned(f.company, f.label));
  if (!f.share.empty()) return head + " (were|was|came to|amounted to) " + escape_pattern(f.amount + ", " + f.share) + "\\.$";
  std::string amount = escape_pattern(f.amount) + "\\.$";
  if (f.change.empty()) return head + " (were|was|came to|reached|amounted to|stood at) " + amount;
  bool down = f.change[0] == 'd';
  return head + (down ? " (fell|declined|decreased) by " : " (rose|grew|increased) by ") +
         escape_pattern(f.change.substr(f.change.find(' ') + 1)) + " to " + amount;
}

// Every part once and whole, in several orders; the words between them are the writer's own. So no figure, name or
// period can be wrong or left out, but the direction of a change can: the rules check it, and a sentence that they
// reject is written again in the strict frame.
std::string free_frame(const Facts& f) {
  if (!f.share.empty()) return strict_frame(f);
  const std::string words = " [a-z ,]{1,34} ";
  std::string label = escape_pattern(f.label), capital = label;
  capital[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(capital[0])));
  std::string company = escape_pattern(f.company), own = escape_pattern(owned(f.company, f.label));
  std::string period = escape_pattern(f.period), amount = escape_pattern(f.amount);
  std::string first = "A" + period.substr(1), last = period;
  if (f.period.substr(0, 6) != "as of ") {
    first = "(In|For) " + period;
    last = "(in|for) " + period;
  }
  // The period stands at one end: each order with it first, and with it last.
  const bool named = f.label.starts_with(f.company + " ");  // "Walmart U.S. net sales" name the company themselves.
  std::string head_first = first + ", (" + own + (named ? "" : "|" + label + " of " + company) + ")";
  std::string head_last = "(" + own + (named ? "" : "|" + capital + " of " + company) + ")";
  if (f.change.empty()) return "^(" + head_first + words + amount + "|" + head_last + words + amount + " " + last + ")\\.$";
  std::string percent = escape_pattern(f.change.substr(f.change.find(' ') + 1));
  auto ends = [&](const std::string& middle) { return head_first + middle + "|" + head_last + middle + " " + last; };
  return "^(" + ends(words + percent + words + amount) + "|" + ends(words + amount + "," + words + percent) + ")\\.$";
}

const std::string& quote_of(const Value& finding) { return list(finding, "cites")[0].find("quote")->as_string(); }

// The evidence's own sentence, in quotation marks; the model chooses how it is introduced. A base model that was
// not taught to paraphrase must not: its rewordings of filings were seen to say something else.
std::string text_frame(const Value& finding) {
  const std::string& quote = quote_of(finding);
  std::string company = escape_pattern(text(finding, "company"));
  return "^" + company + ": the source (says|states|notes|reports), \xE2\x80\x9C" + escape_pattern(quote) +
         "\xE2\x80\x9D$";
}

const Value* claim_of(const Value* report, const std::string& id) {
  if (report == nullptr || !report->is_object()) return nullptr;
  for (const Value& claim : list(*report, "claims")) {
    if (text(claim, "id") == id) return &claim;
  }
  return nullptr;
}

}  // namespace

std::string label_in_sentence(std::string label, const std::string& company) {
  while (!label.empty() && (label.back() == ':' || std::isdigit(static_cast<unsigned char>(label.back())))) label.pop_back();
  size_t blank = label.find(' ');
  bool title_case = blank != std::string::npos && blank + 1 < label.size() && std::isupper(static_cast<unsigned char>(label[blank + 1])) != 0 &&
                    memory::row_name_of(label) == nullptr;
  bool shouted = label.size() > 5 && label.find(' ') != std::string::npos &&
                 std::none_of(label.begin(), label.end(), [](unsigned char c) { return std::islower(c); });
  if (shouted) {
    label = lower(label);
    for (size_t at = 0; (at = label.find(lower(company), at)) != std::string::npos; at += company.size()) {
      label.replace(at, company.size(), company);
    }
  } else if (!title_case && label.substr(0, company.size()) != company && label.size() > 1 && std::isupper(static_cast<unsigned char>(label[0])) &&
             std::islower(static_cast<unsigned char>(label[1]))) {
    label[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(label[0])));
  }
  return label;
}

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
  const bool cents = unit != "%" && (!per.empty() || (money && value.to_decimal(2).find('.') != std::string::npos));
  if (number.empty()) number = group_thousands(cents ? value.to_fixed(2) : value.to_decimal(2));
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
    const bool figure = kind == "figure";
    const Facts facts = figure ? facts_of(finding) : Facts{};
    items.push_back(Value::object({{"id", id},
                                   {"finding", finding},
                                   {"facts", figure ? facts_line(facts) : quote_of(finding)},
                                   {"frame", !figure ? text_frame(finding) : again ? strict_frame(facts) : free_frame(facts)},
                                   {"issues", std::move(issues)},
                                   {"last", last == nullptr ? "" : text(*last, "text")}}));
  }
  return Value::object({{"items", std::move(items)}});
}

}  // namespace consort::tool

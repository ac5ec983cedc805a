// A report from findings and sentences; the verdict on it; and what is left when failing claims are dropped.
#include <algorithm>
#include <cctype>
#include <map>

#include "tool/chart.h"
#include "tool/rational.h"
#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Object;
using contract::Value;
using namespace research;

namespace {

// Below both, a claim without verified figures is not supported: neither the model nor the words say so.
constexpr double kSupportMin = 0.5;
constexpr double kOverlapMin = 0.5;

std::string join(const Array& items, const std::string& separator) {
  std::string out;
  for (const Value& v : items) out += (out.empty() ? "" : separator) + v.as_string();
  return out;
}

std::string doc_and_page(const Value& at) {
  const Value* page = at.find("page");
  bool paged = page != nullptr && page->is_number();
  return document_title(text(at, "doc"), text(at, "company")) + (paged ? ", p. " + page->as_number().text : "");
}

Value claim_of(const Value& finding, const std::string& sentence) {
  return Value::object({{"id", text(finding, "id")},
                        {"section", text(finding, "section")},
                        {"company", text(finding, "company")},
                        {"text", sentence},
                        {"cites", *finding.find("cites")},
                        {"figures", *finding.find("figures")},
                        {"computed", *finding.find("computed")}});
}

// Distinct citations, numbered in the order in which claims cite them.
Array number_sources(const Array& claims) {
  Array out;
  for (const Value& claim : claims) {
    for (const Value& cite : list(claim, "cites")) {
      bool there = std::any_of(out.begin(), out.end(), [&](const Value& s) {
        return *s.find("doc") == *cite.find("doc") && *s.find("page") == *cite.find("page") &&
               *s.find("quote") == *cite.find("quote");
      });
      if (there) continue;
      out.push_back(Value::object({{"n", static_cast<int64_t>(out.size() + 1)},
                                   {"doc", *cite.find("doc")},
                                   {"title", document_title(text(cite, "doc"), text(claim, "company"))},
                                   {"page", *cite.find("page")},
                                   {"quote", *cite.find("quote")}}));
    }
  }
  return out;
}

// Findings or claims that carry figures, by section, then by company, in their order.
using BySubject = std::vector<std::pair<std::string, std::map<std::string, const Value*>>>;

BySubject figures_by_subject(const Array& items) {
  BySubject out;
  for (const Value& f : items) {
    if (list(f, "figures").empty()) continue;
    auto same = std::find_if(out.begin(), out.end(), [&](const auto& s) { return s.first == text(f, "section"); });
    if (same == out.end()) same = out.insert(out.end(), {text(f, "section"), {}});
    same->second.emplace(text(f, "company"), &f);
  }
  return out;
}

std::string cell(const Value& finding) {
  const Value& now = list(finding, "figures")[0];
  std::string out = format_amount(text(now, "value"), text(now, "unit"));
  for (const Value& c : list(finding, "computed")) {
    bool points = text(c, "op") == "difference" && text(c, "unit") == "percentage points";
    if (text(c, "op") != "pct_change" && !points) continue;
    std::string change = text(c, "value");
    out += " (" + std::string(change[0] == '-' ? "\xE2\x88\x92" + change.substr(1) : "+" + change) + (points ? " points)" : "%)");
    break;
  }
  std::string period = text(now, "period");
  if (period.starts_with("the ")) period.erase(0, 4);
  std::string label = label_in_sentence(text(now, "label"), text(finding, "company"));
  bool same = words(label, false) == words(text(finding, "section"), false);
  return out + "\n" + (same ? "" : label + ", ") + period;
}

Value table_of(const Array& companies, const BySubject& subjects) {
  Array columns{Value("Figure")}, rows;
  for (const Value& c : companies) columns.push_back(c);
  for (const auto& [subject, by_company] : subjects) {
    // A question that one company's figures answer is told in its section; the other may be answered in words.
    if (subject.ends_with('?') && companies.size() > 1 && by_company.size() < 2) continue;
    Array row{Value(subject)};
    for (const Value& c : companies) {
      auto found = by_company.find(c.as_string());
      row.push_back(found == by_company.end() ? "not found" : cell(*found->second));
    }
    rows.push_back(std::move(row));
  }
  return Value::object({{"title", "Comparison"},
                        {"columns", std::move(columns)},
                        {"rows", std::move(rows)}});
}

double number(const Value& figure) {
  auto r = Rational::parse(text(figure, "value"));
  return r ? r->as_double() : 0;
}

// One chart for each subject that two companies report in the same unit: a line over the years where each has
// three or more, else bars for this period and the one before.
Result<Array> charts_of(const Array& companies, const BySubject& subjects) {
  Array out;
  for (const auto& [subject, by_company] : subjects) {
    std::vector<std::pair<std::string, const Array*>> rows;
    std::string unit, sources;
    size_t n_periods = SIZE_MAX;
    bool same_unit = true;
    for (const Value& c : companies) {
      auto found = by_company.find(c.as_string());
      if (found == by_company.end()) continue;
      const Array& figures = list(*found->second, "figures");
      if (unit.empty()) unit = text(figures[0], "unit");
      same_unit = same_unit && text(figures[0], "unit") == unit;
      n_periods = std::min(n_periods, figures.size());
      rows.emplace_back(c.as_string(), &figures);
      std::string from = doc_and_page(figures[0]);
      if (sources.find(from) == std::string::npos) sources += (sources.empty() ? "" : "; ") + from;
    }
    if (rows.size() < 2 || !same_unit || out.size() == 4) continue;
    Chart chart;
    chart.title = subject;
    chart.title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(chart.title[0])));
    chart.y_label = unit == "%" ? "percent" : unit == "USD" ? "US dollars" : unit;
    chart.unit = unit;
    chart.source = sources;
    if (n_periods >= 3) {
      chart.kind = ChartKind::line;
      chart.x_label = "period end";
      for (const auto& [company, figures] : rows) {
        ChartSeries series{.name = company, .points = {}};
        for (auto f = figures->rbegin(); f != figures->rend(); ++f) series.points.push_back({text(*f, "period_end"), number(*f)});
        chart.series.push_back(std::move(series));
      }
    } else {
      ChartSeries now{.name = "latest period", .points = {}}, before{.name = "a year earlier", .points = {}};
      for (const auto& [company, figures] : rows) {
        now.points.push_back({company, number((*figures)[0])});
        if (n_periods > 1) before.points.push_back({company, number((*figures)[1])});
      }
      if (n_periods > 1) chart.series.push_back(std::move(before));
      chart.series.push_back(std::move(now));
    }
    CONSORT_ASSIGN(std::string svg, draw_chart(chart));
    out.push_back(Value::object({{"title", chart.title}, {"svg", std::move(svg)}, {"source", sources}}));
  }
  return out;
}

std::string sentence_for(const std::string& id, const Array& items, const Array& texts) {
  for (size_t i = 0; i < items.size() && i < texts.size(); ++i) {
    if (text(items[i], "id") == id) return text(texts[i], "text");
  }
  return "";
}

std::string previous_text(const Value* previous, const std::string& id) {
  if (previous == nullptr || !previous->is_object()) return "";
  for (const Value& claim : list(*previous, "claims")) {
    if (text(claim, "id") == id) return text(claim, "text");
  }
  return "";
}

}  // namespace

std::string document_title(const std::string& doc, const std::string& company) {
  auto squashed = [](const std::string& t) {
    std::string out;
    for (char c : t) {
      if (std::isalnum(static_cast<unsigned char>(c))) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
  };
  std::string out;
  for (size_t at = 0; at <= doc.size();) {
    size_t end = std::min(doc.find('_', at), doc.size());
    std::string part = doc.substr(at, end - at);
    at = end + 1;
    bool shouted = part.size() > 3 && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isupper(c); });
    bool name = !company.empty() && squashed(part) == squashed(company);
    if (name) part = company;
    else if (shouted) std::transform(part.begin(), part.end(), part.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (part == "10K" || part == "10Q") part.insert(2, "-");
    if (out.empty() && !part.empty()) part[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(part[0])));
    if (!part.empty()) out += (out.empty() ? "" : " ") + part;
  }
  return out;
}

Result<Value> assemble_report(const Value& input) {
  const Value& brief = *input.find("brief");
  const Array& findings = list(input, "findings");
  Array claims, missing;
  for (const Value& f : findings) {
    if (text(f, "kind") == "missing") {
      missing.push_back(Value::object({{"id", text(f, "id")},
                                       {"company", text(f, "company")},
                                       {"subject", text(f, "subject")},
                                       {"note", text(f, "note")}}));
      continue;
    }
    std::string id = text(f, "id");
    std::string sentence = sentence_for(id, list(*input.find("tasks"), "items"), list(input, "texts"));
    if (sentence.empty()) sentence = previous_text(input.find("previous"), id);
    if (!sentence.empty()) claims.push_back(claim_of(f, sentence));
  }
  const Array& companies = list(brief, "companies");
  BySubject subjects = figures_by_subject(findings);
  CONSORT_ASSIGN(Array charts, charts_of(companies, subjects));
  std::string audience = text(brief, "audience");
  if (audience.size() > 1 && std::islower(static_cast<unsigned char>(audience[1]))) {
    audience[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(audience[0])));
  }
  std::string subtitle = join(companies, ", ") + (audience.empty() ? "" : " \xC2\xB7 for " + audience);
  return Value::object({{"title", text(brief, "topic")},
                        {"subtitle", subtitle},
                        {"claims", claims},
                        {"table", table_of(companies, subjects)},
                        {"charts", std::move(charts)},
                        {"sources", number_sources(claims)},
                        {"dropped", Array{}},
                        {"missing", std::move(missing)},
                        {"verdict", Value()}});
}

Result<Value> verdict(const Value& input) {
  const Array& claims = list(*input.find("report"), "claims");
  const Value& rules = *input.find("rules");
  Array issues = list(rules, "issues");
  const Array& support = list(input, "support");
  const Value* overlaps = rules.find("overlap");
  Object probabilities;
  for (size_t i = 0; i < claims.size() && i < support.size(); ++i) {
    const Value* answer = support[i].find("supported");
    const Value* p = answer == nullptr ? nullptr : answer->find("noul");
    if (p == nullptr || !p->is_number()) continue;
    std::string id = text(claims[i], "id");
    probabilities.set(id, *p);
    const Value* share = overlaps == nullptr ? nullptr : overlaps->find(id);
    bool by_words = share == nullptr || !share->is_number() || share->as_number().as_double() >= kOverlapMin;
    bool by_figures = !list(claims[i], "figures").empty();
    if (p->as_number().as_double() >= kSupportMin || by_words || by_figures) continue;
    issues.push_back(Value::object({{"claim", id},
                                    {"kind", "support"},
                                    {"message", "the source does not say this"},
                                    {"fix", "say only what the quoted passage says"}}));
  }
  Value checked = rules.find("checked") == nullptr ? Value(Object()) : *rules.find("checked");
  checked.get_object()->set("claims", static_cast<int64_t>(claims.size()));
  bool ok = issues.empty();
  return Value::object({{"ok", ok},
                        {"issues", std::move(issues)},
                        {"checked", std::move(checked)},
                        {"support", std::move(probabilities)}});
}

Result<Value> drop_claims(const Value& input) {
  Value report = *input.find("report");
  const Value& verdict = *input.find("verdict");
  Array kept, dropped = list(report, "dropped");
  for (const Value& claim : list(report, "claims")) {
    Array reasons;
    for (const Value& issue : list(verdict, "issues")) {
      if (text(issue, "claim") == text(claim, "id")) reasons.push_back(text(issue, "message"));
    }
    if (reasons.empty()) {
      kept.push_back(claim);
    } else {
      dropped.push_back(Value::object({{"id", text(claim, "id")}, {"text", text(claim, "text")}, {"reasons", std::move(reasons)}}));
    }
  }
  // Table and charts too show only what passed.
  const Value* before = report.find("table");
  Array companies = before == nullptr ? Array{} : list(*before, "columns");
  if (!companies.empty()) companies.erase(companies.begin());
  BySubject subjects = figures_by_subject(kept);
  CONSORT_ASSIGN(Array charts, charts_of(companies, subjects));
  Object* members = report.get_object();
  members->set("table", table_of(companies, subjects));
  members->set("charts", std::move(charts));
  members->set("sources", number_sources(kept));
  members->set("claims", std::move(kept));
  members->set("dropped", std::move(dropped));
  members->set("verdict", verdict);
  return report;
}

}  // namespace consort::tool

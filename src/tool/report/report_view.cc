#include <algorithm>
#include <set>

#include "tool/report/numerals.h"
#include "tool/report/render.h"

namespace consort::tool {
namespace {

using contract::Array;
using contract::Value;

const Array& list(const Value& v, std::string_view key) {
  static const Array kEmpty;
  const Value* found = v.find(key);
  return found != nullptr && found->is_array() ? found->as_array() : kEmpty;
}

std::optional<int> page_of(const Value& v) {
  const Value* page = v.find("page");
  if (page == nullptr || !page->is_number()) return std::nullopt;
  const auto n = page->as_number().as_int64();
  return n ? std::optional<int>(static_cast<int>(*n)) : std::nullopt;
}

std::vector<std::string> texts(const Array& items) {
  std::vector<std::string> out;
  for (const Value& item : items) out.push_back(item.is_string() ? item.as_string() : contract::to_json(item));
  return out;
}

}  // namespace

std::string page_text_of(const std::optional<int>& page) { return page ? "page " + std::to_string(*page) : ""; }

namespace {

constexpr size_t kKeyFindingsMax = 6;

// The first statements of the report that rest on figures, then the others; what is key is not said twice.
void take_key_findings(ReportView* view) {
  for (const bool with_figures : {true, false})
    for (ViewSection& s : view->sections)
      for (auto c = s.claims.begin(); c != s.claims.end();) {
        if (view->key_findings.size() < kKeyFindingsMax && c->with_figures == with_figures) {
          view->key_findings.push_back(std::move(*c));
          c = s.claims.erase(c);
        } else {
          ++c;
        }
      }
  std::erase_if(view->sections, [](const ViewSection& s) { return s.claims.empty(); });
}

// One line a subject: "Which risks does the company name? (Walmart, Costco)".
std::vector<ReportView::Note> missing_by_subject(const Array& missing) {
  std::vector<std::pair<std::string, std::string>> order;
  std::vector<ReportView::Note> out;
  for (const Value& m : missing) {
    const std::string key = m.string_or("subject", "") + "\n" + m.string_or("note", "");
    const std::string company = m.string_or("company", "");
    auto at = std::find_if(order.begin(), order.end(), [&](const auto& o) { return o.first == key; });
    if (at != order.end()) {
      if (!company.empty()) at->second += (at->second.empty() ? "" : ", ") + company;
      continue;
    }
    order.emplace_back(key, company);
  }
  for (const auto& [key, companies] : order) {
    const size_t cut = key.find('\n');
    out.push_back({(companies.empty() ? "" : companies + ": ") + key.substr(0, cut), {key.substr(cut + 1)}});
  }
  return out;
}

}  // namespace

ReportView view_of(const Value& report, const Value* run) {
  ReportView view;
  view.title = report.string_or("title", "Report");
  view.subtitle = report.string_or("subtitle", "");
  for (const Value& s : list(report, "sources")) {
    ViewSource source;
    const Value* n = s.find("n");
    source.n = n != nullptr && n->is_number() ? static_cast<int>(n->as_number().as_int64().value_or(0)) : 0;
    source.doc = s.string_or("doc", "");
    source.title = s.string_or("title", "");
    source.quote = s.string_or("quote", "");
    source.page = page_of(s);
    view.sources.push_back(std::move(source));
  }
  for (const Value& c : list(report, "claims")) {
    ViewClaim claim{c.string_or("id", ""), c.string_or("text", ""), c.string_or("company", ""), {}, !list(c, "figures").empty()};
    for (const Value& cite : list(c, "cites"))
      for (const ViewSource& s : view.sources)
        if (s.doc == cite.string_or("doc", "") && s.page == page_of(cite) && s.quote == cite.string_or("quote", "") &&
            std::find(claim.sources.begin(), claim.sources.end(), s.n) == claim.sources.end())
          claim.sources.push_back(s.n);
    std::string heading = c.string_or("section", "");
    if (heading.empty()) heading = "Findings";
    auto section = std::find_if(view.sections.begin(), view.sections.end(), [&](const ViewSection& s) { return s.heading == heading; });
    if (section == view.sections.end()) section = view.sections.insert(view.sections.end(), ViewSection{heading, {}});
    section->claims.push_back(std::move(claim));
  }
  take_key_findings(&view);
  if (const Value* table = report.find("table"); table != nullptr && table->is_object()) {
    view.table_title = table->string_or("title", "");
    view.columns = texts(list(*table, "columns"));
    for (const Value& row : list(*table, "rows"))
      if (row.is_array()) view.rows.push_back(texts(row.as_array()));
  }
  for (const Value& c : list(report, "charts")) view.charts.push_back({c.string_or("title", ""), c.string_or("svg", ""), c.string_or("source", "")});
  for (const Value& d : list(report, "dropped")) view.dropped.push_back({d.string_or("text", ""), texts(list(d, "reasons"))});
  view.missing = missing_by_subject(list(report, "missing"));
  if (const Value* verdict = report.find("verdict"); verdict != nullptr && verdict->is_object()) {
    view.has_verdict = true;
    const Value* ok = verdict->find("ok");
    view.ok = ok != nullptr && ok->is_bool() && ok->as_bool();
    if (const Value* checked = verdict->find("checked"); checked != nullptr && checked->is_object())
      for (const auto& [name, count] : checked->as_object())
        if (count.is_number()) view.checked.emplace_back(name, count.as_number().as_int64().value_or(0));
    for (const Value& issue : list(*verdict, "issues")) view.issues.emplace_back(issue.string_or("kind", ""), issue.string_or("message", ""));
  }
  if (run != nullptr && run->is_object()) {
    view.run_id = run->string_or("id", run->string_or("run", ""));
    for (const Value& s : list(*run, "steps")) {
      auto number = [&](std::string_view key) {
        const Value* v = s.find(key);
        return v != nullptr && v->is_number() ? v->as_number().as_double() : 0.0;
      };
      view.steps.push_back({s.string_or("name", ""), number("start_ms"), number("end_ms"), static_cast<int64_t>(number("tokens"))});
    }
  }
  return view;
}

bool safe_svg(std::string_view svg) {
  static const std::set<std::string, std::less<>> kElements = {"svg", "title", "desc", "rect", "line", "path", "circle", "polyline", "polygon", "text", "tspan", "g"};
  static const std::set<std::string, std::less<>> kAttributes = {
      "xmlns", "class", "role", "width", "height", "viewbox", "font-family", "font-size", "font-weight", "aria-label", "x", "y", "x1", "x2", "y1", "y2",
      "cx", "cy", "r", "rx", "ry", "d", "points", "fill", "stroke", "stroke-width", "stroke-linejoin", "stroke-linecap", "stroke-dasharray", "text-anchor",
      "transform", "opacity", "fill-opacity", "dominant-baseline", "dx", "dy"};
  if (!svg.starts_with("<svg ")) return false;
  int depth = 0;
  for (size_t i = 0; i < svg.size();) {
    if (svg[i] != '<') {
      if (depth == 0 && svg[i] != '\n' && svg[i] != ' ') return false;
      ++i;
      continue;
    }
    const bool closing = i + 1 < svg.size() && svg[i + 1] == '/';
    size_t at = i + (closing ? 2 : 1);
    const size_t name_from = at;
    while (at < svg.size() && ((svg[at] >= 'a' && svg[at] <= 'z') || (svg[at] >= 'A' && svg[at] <= 'Z'))) ++at;
    if (kElements.count(svg.substr(name_from, at - name_from)) == 0) return false;
    if (closing) {
      if (at >= svg.size() || svg[at] != '>' || --depth < 0) return false;
      i = at + 1;
      continue;
    }
    bool self_closed = false;
    while (true) {
      while (at < svg.size() && (svg[at] == ' ' || svg[at] == '\n')) ++at;
      if (at >= svg.size()) return false;
      if (svg[at] == '>') break;
      if (svg[at] == '/' && at + 1 < svg.size() && svg[at + 1] == '>') {
        self_closed = true;
        ++at;
        break;
      }
      const size_t from = at;
      while (at < svg.size() && svg[at] != '=' && svg[at] != '>' && svg[at] != ' ') ++at;
      const std::string name = lower_ascii(svg.substr(from, at - from));
      if (kAttributes.count(name) == 0 || at + 1 >= svg.size() || svg[at] != '=' || svg[at + 1] != '"') return false;
      const size_t end = svg.find('"', at + 2);
      if (end == std::string_view::npos) return false;
      const std::string value = lower_ascii(svg.substr(at + 2, end - at - 2));
      if (value.find('<') != std::string::npos || value.find("url(") != std::string::npos || value.find("javascript:") != std::string::npos) return false;
      at = end + 1;
    }
    if (!self_closed) ++depth;
    i = at + 1;
  }
  return depth == 0;
}

}  // namespace consort::tool

#include <fmt/format.h>

#include "tool/report/render.h"

namespace consort::tool {
namespace {

// Characters that Markdown would act on, and line breaks, are made harmless.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
      continue;
    }
    if (c == '<' || c == '>') {
      out += c == '<' ? "&lt;" : "&gt;";
      continue;
    }
    if (std::string_view("\\`*_[]#|~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string marks(const ViewClaim& claim) {
  std::string out;
  for (const int n : claim.sources) out += fmt::format("{}[\\[{}\\]](#source-{})", out.empty() ? " " : "", n, n);
  return out;
}

std::string seconds(double ms) { return ms >= 10000 ? fmt::format("{:.0f} s", ms / 1000) : ms >= 1000 ? fmt::format("{:.1f} s", ms / 1000) : fmt::format("{:.0f} ms", ms); }

}  // namespace

std::string render_markdown(const ReportView& v) {
  std::string out = "# " + plain(v.title) + "\n\n";
  if (!v.subtitle.empty()) out += "*" + plain(v.subtitle) + "*\n\n";
  if (!v.key_findings.empty()) {
    out += "## Key findings\n\n";
    for (const ViewClaim& c : v.key_findings) out += "- " + plain(c.text) + marks(c) + "\n";
    out += "\n";
  }
  if (!v.rows.empty()) {
    out += "## " + plain(v.table_title.empty() ? "Comparison" : v.table_title) + "\n\n|";
    for (const std::string& c : v.columns) out += " " + plain(c) + " |";
    out += "\n|";
    for (size_t i = 0; i < v.columns.size(); ++i) out += i == 0 ? " --- |" : " ---: |";
    out += "\n";
    for (const auto& row : v.rows) {
      out += "|";
      for (const std::string& cell : row) {
        const size_t cut = cell.find('\n');
        out += " " + plain(cell.substr(0, cut)) + (cut == std::string::npos ? "" : "<br>" + plain(cell.substr(cut + 1))) + " |";
      }
      out += "\n";
    }
    out += "\n";
  }
  for (const ViewSection& s : v.sections) {
    out += "## " + plain(s.heading) + "\n\n";
    for (const ViewClaim& c : s.claims) out += "- " + plain(c.text) + marks(c) + "\n";
    out += "\n";
  }
  if (!v.charts.empty()) {
    out += "## Charts\n\nDrawn in the HTML form of this report.\n\n";
    for (const ViewChart& c : v.charts) out += fmt::format("- {} (source: {})\n", plain(c.title), plain(c.source));
    out += "\n";
  }
  if (!v.missing.empty()) {
    out += "## Not found\n\n";
    for (const auto& m : v.missing) out += "- " + plain(m.text) + (m.reasons.empty() || m.reasons[0].empty() ? "" : " (" + plain(m.reasons[0]) + ")") + "\n";
    out += "\n";
  }
  if (v.has_verdict || !v.dropped.empty()) {
    out += "## Checks\n\n";
    if (v.has_verdict) {
      out += v.says_nothing()  ? "No statement could be made."
             : v.issues.empty() ? "Every statement above passed its checks." : "Every statement above passed its checks; those that did not were dropped.";
      std::string counts;
      for (const auto& [name, n] : v.checked) counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", n, plain(name));
      if (!counts.empty()) out += " Checked: " + counts + ".";
      out += "\n\n";
    }
    for (const auto& d : v.dropped) {
      out += "- Dropped: \u201c" + plain(d.text) + "\u201d";
      for (const std::string& reason : d.reasons) out += "\n  - " + plain(reason);
      out += "\n";
    }
    if (!v.dropped.empty()) out += "\n";
  }
  if (!v.sources.empty()) {
    out += "## Sources\n\n";
    for (const ViewSource& s : v.sources)
      out += fmt::format("{}. <a id=\"source-{}\"></a>**{}**{}: \u201c{}\u201d\n", s.n, s.n, plain(s.title.empty() ? s.doc : s.title),
                         s.page ? ", " + page_text_of(s.page) : "", plain(s.quote));
    out += "\n";
  }
  if (!v.steps.empty()) {
    out += "## Run" + (v.run_id.empty() ? "" : " " + plain(v.run_id)) + "\n\n| step | from | took | tokens |\n| --- | ---: | ---: | ---: |\n";
    for (const ViewStep& s : v.steps)
      if (s.name.find('/') == std::string::npos && s.name.find('[') == std::string::npos) out += fmt::format("| {} | {} | {} | {} |\n", plain(s.name), seconds(s.start_ms), seconds(s.end_ms - s.start_ms), s.tokens > 0 ? std::to_string(s.tokens) : "");
  }
  return out;
}

}  // namespace consort::tool

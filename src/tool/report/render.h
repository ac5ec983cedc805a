// Render: a Report as Markdown or as one self-contained HTML page.
//
// The page needs nothing from outside (no script, font, or image), follows the reader's light or dark
// setting, prints, and links every claim to the passage that it rests on. Text of the report is data:
// it is escaped, and a chart is embedded only if it is plain drawing (see safe_svg).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contract/json.h"

namespace consort::tool {

struct ViewClaim {
  std::string id, text, company;
  std::vector<int> sources;  // Numbers in ReportView::sources.
  bool with_figures = false;
};
struct ViewSection {
  std::string heading;
  std::vector<ViewClaim> claims;
};
struct ViewSource {
  int n = 0;
  std::string doc, title, quote;
  std::optional<int> page;
};
struct ViewChart {
  std::string title, svg, source;
};
struct ViewStep {
  std::string name;
  double start_ms = 0, end_ms = 0;
  int64_t tokens = 0;
};
// What both forms print. Values only.
struct ReportView {
  std::string title, subtitle;
  std::vector<ViewSection> sections;   // In order of first appearance, without what is key.
  std::vector<ViewClaim> key_findings; // At most 6, those with figures first.
  std::string table_title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // A line break parts a cell from its remark.
  std::vector<ViewChart> charts;
  std::vector<ViewSource> sources;
  struct Note {
    std::string text;
    std::vector<std::string> reasons;
  };
  std::vector<Note> dropped, missing;
  bool has_verdict = false, ok = false;
  std::vector<std::pair<std::string, int64_t>> checked;
  std::vector<std::pair<std::string, std::string>> issues;  // kind, message
  std::string run_id;
  std::vector<ViewStep> steps;
  bool says_nothing() const { return key_findings.empty() && sections.empty(); }
};

// `report` has been checked against its contract; `run` is a RunSummary or null.
ReportView view_of(const contract::Value& report, const contract::Value* run);

std::string render_html(const ReportView& view);
std::string render_markdown(const ReportView& view);

// An SVG of plain drawing elements and attributes: no script, event handler, link, style or outside
// reference. Anything else is not embedded.
bool safe_svg(std::string_view svg);

// "page 54", "pages unknown" -> "".
std::string page_text_of(const std::optional<int>& page);

}  // namespace consort::tool

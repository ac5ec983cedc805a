#include "tool/report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contract/schema.h"
#include "tool/chart.h"
#include "tool/report/schemas.h"

namespace consort::tool {
namespace {

using contract::Value;
using testing::HasSubstr;
using testing::Not;

Value report(const std::string& text) {
  Value v = *contract::parse_json(R"({"title": "A & B", "subtitle": "for <all>", "claims": [
    {"id": "1", "section": "Growth", "text": "x", "cites": [{"doc": "D", "page": 3, "quote": "row 1"}]}],
    "table": {"title": "Compared", "columns": ["Metric", "A"], "rows": [["Revenue", ""]]},
    "charts": [], "sources": [{"n": 1, "doc": "D", "page": 3, "quote": "row 1"}],
    "dropped": [{"id": "2", "text": "bad claim", "reasons": ["no such figure"]}],
    "missing": [{"id": "3", "company": "A", "subject": "margin", "note": "no row"}],
    "verdict": {"ok": true, "issues": [], "checked": {"numbers": 4}, "support": {}}})");
  Value& claim = (*v.get_object()->find("claims")->get_array())[0];
  claim.get_object()->set("text", text);
  return v;
}

TEST(Render, AcceptsWhatItsContractAccepts) {
  const auto schema = contract::Schema::compile(report_schema("Report"), "Report");
  ASSERT_TRUE(schema.has_value()) << schema.error().to_string();
  EXPECT_THAT(contract::validate(**schema, report("x")), testing::IsEmpty());
}

TEST(Render, LinksEachClaimToItsNumberedSource) {
  const std::string html = render_html(view_of(report("Sales rose."), nullptr));
  EXPECT_THAT(html, HasSubstr("Sales rose.<a class=\"cite\" href=\"#s1\" aria-label=\"Source 1: D, page 3\""));
  EXPECT_THAT(html, HasSubstr("<li id=\"s1\">"));
  EXPECT_THAT(html, HasSubstr("no such figure"));
  EXPECT_THAT(html, HasSubstr("not found"));
  const std::string md = render_markdown(view_of(report("Sales rose."), nullptr));
  EXPECT_THAT(md, HasSubstr("- Sales rose. [\\[1\\]](#source-1)"));
  EXPECT_THAT(md, HasSubstr("1. <a id=\"source-1\"></a>**D**, page 3"));
}

TEST(Render, EscapesTextsAndLoadsNothingFromOutside) {
  const std::string hostile = "</li><script src=//x.test/a.js></script><img src=x onerror=alert(1)> [a](javascript:b)";
  const std::string html = render_html(view_of(report(hostile), nullptr));
  for (const char* bad : {"<script", "<img", "<link", "@import", "url(", "http://", "https://"}) EXPECT_THAT(html, Not(HasSubstr(bad))) << bad;
  const std::string md = render_markdown(view_of(report(hostile), nullptr));
  EXPECT_THAT(md, Not(HasSubstr("<script")));
  EXPECT_THAT(md, Not(HasSubstr("[a](")));
}

TEST(Render, EmbedsOnlyPlainDrawings) {
  Chart chart;
  chart.title = "T";
  chart.unit = "USD";
  chart.source = "S";
  chart.series = {{"A", {{"2022", 1}, {"2023", 2}}}};
  for (const ChartKind kind : {ChartKind::bar, ChartKind::line}) {
    chart.kind = kind;
    EXPECT_TRUE(safe_svg(*draw_chart(chart)));
  }
  for (const char* bad :
       {"<svg ><script>1</script></svg>", "<svg onload=\"x\"></svg>", "<svg ><a href=\"x\"></a></svg>", "<svg ><rect fill=\"url(#x)\"/></svg>",
        "<svg ><foreignObject></foreignObject></svg>", "<svg >", "</svg>", "<svg ></svg><p>", "<svg ><!-- --></svg>", "<svg ><style>*{}</style></svg>",
        "<svg ><rect style=\"x\"/></svg>", "<svg ></svg>text", "<svg ><image href=\"x\"/></svg>", "<svg x=\"1\"\" onload=\"x\"></svg>"})
    EXPECT_FALSE(safe_svg(bad)) << bad;
}

TEST(Render, AReportWithoutStatementsClaimsNoChecks) {
  const Value empty = *contract::parse_json(R"({"title":"T","companies":[],"claims":[],"sources":[],"missing":[],"dropped":[],
      "verdict":{"ok":true,"issues":[],"checked":{"claims":0}}})");
  const ReportView view = view_of(empty, nullptr);
  ASSERT_TRUE(view.has_verdict);
  EXPECT_THAT(render_html(view), HasSubstr("The documents answer none of this"));
  EXPECT_THAT(render_html(view), testing::Not(HasSubstr("badge ok")));
  EXPECT_THAT(render_markdown(view), HasSubstr("No statement could be made."));
}

TEST(Render, DrawsTheRun) {
  const Value run = *contract::parse_json(R"({"id": "r1", "steps": [{"name": "plan", "start_ms": 0, "end_ms": 500, "tokens": 30}, {"name": "report", "start_ms": 500, "end_ms": 2000}]})");
  const std::string html = render_html(view_of(report("x"), &run));
  EXPECT_THAT(html, HasSubstr("2 steps in 2.0 s, 30 tokens, run r1"));
  EXPECT_THAT(html, HasSubstr("left:25.00%;width:75.00%"));
}

}  // namespace
}  // namespace consort::tool

#include <fmt/format.h>

#include <algorithm>

#include "tool/chart.h"
#include "tool/report/render.h"

namespace consort::tool {
namespace {

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--bg:#fbfbf9;--card:#fff;--ink:#1c2230;--soft:#5b6472;--line:#e2e4e8;--accent:#0b5cad;--mark:#eef4fb;--ok:#1d7a4f;--okbg:#e8f5ee;--warn:#9a5b00;--warnbg:#fdf3e1;--grid:#e3e6eb;--axis:#9aa3b0}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1b1f26;--ink:#e7e9ee;--soft:#9aa3b1;--line:#2d333d;--accent:#7db7f2;--mark:#1f2c3d;--ok:#6cc79a;--okbg:#17291f;--warn:#e2b265;--warnbg:#2d2515;--grid:#2b313b;--axis:#5a6472}
.chart .c-back{fill:var(--card)}.chart .c-text{fill:var(--ink)}.chart .c-muted{fill:var(--soft)}.chart .c-grid{stroke:var(--grid)}.chart .c-axis{stroke:var(--axis)}.chart .c-dot{stroke:var(--card)}
.chart .c-s0{fill:#4aa3e0}.chart .c-l0{stroke:#4aa3e0}.chart .c-s1{fill:#f08a4b}.chart .c-l1{stroke:#f08a4b}.chart .c-s2{fill:#35c199}.chart .c-l2{stroke:#35c199}.chart .c-s7{fill:#9a9a9a}.chart .c-l7{stroke:#9a9a9a}}
*{box-sizing:border-box}html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
main{max-width:860px;margin:0 auto;padding:56px 24px 72px}
header{border-bottom:1px solid var(--line);padding-bottom:24px;margin-bottom:32px}
h1{font-size:2.05rem;line-height:1.2;letter-spacing:-.015em;margin:0 0 8px;font-weight:650;text-wrap:balance}
.sub{color:var(--soft);margin:0;font-size:1.05rem}
h2{font-size:1.22rem;line-height:1.3;margin:44px 0 14px;font-weight:640;letter-spacing:-.005em}
.badge{display:inline-flex;align-items:center;gap:7px;margin-top:16px;padding:4px 12px;border-radius:99px;font-size:.86rem;font-weight:560;text-decoration:none}
.badge.ok{background:var(--okbg);color:var(--ok)}.badge.warn{background:var(--warnbg);color:var(--warn)}
ul.claims{list-style:none;padding:0;margin:0}
ul.claims>li{padding:9px 0 9px 18px;position:relative}ul.claims>li+li{border-top:1px solid var(--line)}
ul.claims>li::before{content:"";position:absolute;left:0;top:1.25em;width:6px;height:6px;border-radius:50%;background:var(--accent)}
.key{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--accent);border-radius:6px;padding:20px 24px 12px}
.key h2{margin-top:0}
.cite{position:relative;display:inline-block;color:var(--accent);background:var(--mark);border-radius:4px;font-size:.72rem;font-weight:620;line-height:1;padding:3px 5px;margin-left:3px;text-decoration:none;vertical-align:2px}
.cite:hover,.cite:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.cite .tip{display:none;position:absolute;left:50%;bottom:calc(100% + 8px);transform:translateX(-50%);width:min(320px,76vw);background:var(--ink);color:var(--bg);padding:10px 12px;border-radius:6px;font-size:.82rem;font-weight:400;line-height:1.45;z-index:5;text-align:left;overflow-wrap:anywhere}
.cite:hover .tip,.cite:focus-visible .tip{display:block}.tip b{display:block;font-weight:620;margin-bottom:3px}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.93rem}caption{text-align:left}
th,td{padding:10px 14px;text-align:right;vertical-align:top;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}thead th{font-size:.82rem;color:var(--soft);font-weight:600;border-bottom:1px solid var(--line)}
tbody tr+tr>*{border-top:1px solid var(--line)}tbody th{font-weight:560}
td small{display:block;color:var(--soft);font-size:.78rem;line-height:1.4;margin-top:2px}
.none{color:var(--soft);font-style:italic}
figure{margin:0 0 20px;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px;break-inside:avoid}
figure svg{display:block;width:100%;height:auto}
.counts{display:flex;flex-wrap:wrap;gap:10px;margin:0 0 14px;padding:0;list-style:none}
.counts li{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px 14px}
.counts b{display:block;font-size:1.25rem;line-height:1.25;font-variant-numeric:tabular-nums}.counts span{color:var(--soft);font-size:.84rem}
.drop{border-left:3px solid var(--warn);padding:2px 0 2px 14px;margin:12px 0}.drop p{margin:0}.drop ul{margin:4px 0 0;padding-left:18px;color:var(--soft);font-size:.9rem}
ol.sources{list-style:none;padding:0;margin:0}
ol.sources li{display:grid;grid-template-columns:2.3em 1fr;gap:4px;padding:10px 0;border-top:1px solid var(--line);font-size:.92rem;scroll-margin-top:12px}
ol.sources li:target{background:var(--mark)}
ol.sources .n{color:var(--accent);font-weight:640;font-variant-numeric:tabular-nums}
ol.sources .file{color:var(--soft);font-size:.84em;margin-left:6px}
ol.sources q{color:var(--soft);overflow-wrap:anywhere}
details>summary{cursor:pointer;font-weight:560;margin:4px 0 10px}
.fall{font-size:.84rem}.fall .row{display:grid;grid-template-columns:minmax(110px,190px) 1fr 118px;gap:12px;align-items:center;padding:3px 0}
.fall .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.fall .track{height:12px;background:var(--mark);border-radius:3px;position:relative}
.fall .bar{position:absolute;top:0;height:12px;border-radius:3px;background:var(--accent);min-width:2px}
.fall .took{color:var(--soft);text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
footer{margin-top:48px;padding-top:16px;border-top:1px solid var(--line);color:var(--soft);font-size:.84rem}
@media (max-width:560px){main{padding:32px 16px 48px}h1{font-size:1.6rem}.fall .row{grid-template-columns:92px 1fr 84px}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--mark:#f2f2f2}main{max-width:none;padding:0}.cite .tip{display:none!important}h2{break-after:avoid}li,tr,figure,.scroll,.fall .row{break-inside:avoid}details::details-content{content-visibility:visible}.fall .inner{display:none}summary{list-style:none}summary::-webkit-details-marker{display:none}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}body{font-size:11pt}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
)css";

std::string seconds(double ms) { return ms >= 10000 ? fmt::format("{:.0f} s", ms / 1000) : ms >= 1000 ? fmt::format("{:.1f} s", ms / 1000) : fmt::format("{:.0f} ms", ms); }

std::string place_of(const ViewSource& s) {
  const std::string page = page_text_of(s.page);
  return (s.title.empty() ? s.doc : s.title) + (page.empty() ? "" : ", " + page);
}

class Page {
 public:
  explicit Page(const ReportView& view) : v_(view) {}

  std::string run() {
    out_ = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    out_ += "<meta name=\"generator\" content=\"Consort\">\n<title>" + escape_markup(v_.title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n";
    head();
    if (!v_.key_findings.empty()) {
      out_ += "<section class=\"key\" aria-labelledby=\"key\">\n<h2 id=\"key\">Key findings</h2>\n";
      claims(v_.key_findings);
      out_ += "</section>\n";
    }
    table();
    for (const ViewSection& s : v_.sections) {
      out_ += "<section>\n<h2>" + escape_markup(s.heading) + "</h2>\n";
      claims(s.claims);
      out_ += "</section>\n";
    }
    charts();
    missing();
    verdict();
    sources();
    waterfall();
    out_ += "<footer>Every statement names the passage it rests on. Figures are read from the cited tables or computed from them.</footer>\n</main>\n</body>\n</html>\n";
    return std::move(out_);
  }

 private:
  void head() {
    out_ += "<header>\n<h1>" + escape_markup(v_.title) + "</h1>\n";
    if (!v_.subtitle.empty()) out_ += "<p class=\"sub\">" + escape_markup(v_.subtitle) + "</p>\n";
    if (v_.has_verdict) {
      const bool clean = v_.dropped.empty() && v_.issues.empty();
      const bool ok = clean && !v_.says_nothing();
      out_ += fmt::format("<a class=\"badge {}\" href=\"#checks\"><span aria-hidden=\"true\">{}</span>{}</a>\n", ok ? "ok" : "warn", ok ? "\u2713" : "!",
                          ok      ? "All statements checked against their sources"
                          : clean ? "The documents answer none of this"
                                  : fmt::format("Checked against sources; {} statement{} dropped", v_.dropped.size(), v_.dropped.size() == 1 ? "" : "s"));
    }
    out_ += "</header>\n";
  }

  void claims(const std::vector<ViewClaim>& list) {
    out_ += "<ul class=\"claims\">\n";
    for (const ViewClaim& c : list) {
      out_ += "<li>" + escape_markup(c.text);
      for (const int n : c.sources) cite(n);
      out_ += "</li>\n";
    }
    out_ += "</ul>\n";
  }

  void cite(int n) {
    const auto s = std::find_if(v_.sources.begin(), v_.sources.end(), [&](const ViewSource& source) { return source.n == n; });
    if (s == v_.sources.end()) return;
    const std::string place = escape_markup(place_of(*s));
    out_ += fmt::format("<a class=\"cite\" href=\"#s{0}\" aria-label=\"Source {0}: {1}\">{0}<span class=\"tip\" aria-hidden=\"true\"><b>{1}</b>\u201c{2}\u201d</span></a>", n, place,
                        escape_markup(s->quote));
  }

  void table() {
    if (v_.rows.empty()) return;
    out_ += "<section>\n<h2 id=\"table\">" + escape_markup(v_.table_title.empty() ? "Comparison" : v_.table_title) +
            "</h2>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"table\" tabindex=\"0\"><table>\n<thead><tr>";
    for (const std::string& c : v_.columns) out_ += "<th scope=\"col\">" + escape_markup(c) + "</th>";
    out_ += "</tr></thead>\n<tbody>\n";
    for (const auto& row : v_.rows) {
      out_ += "<tr>";
      for (size_t i = 0; i < row.size(); ++i) {
        const bool none = row[i] == "not found" || row[i].empty();
        out_ += i == 0 ? "<th scope=\"row\">" : none ? "<td class=\"none\">" : "<td>";
        const size_t cut = row[i].find('\n');
        out_ += escape_markup(none ? "not found" : row[i].substr(0, cut));
        if (cut != std::string::npos) out_ += "<small>" + escape_markup(row[i].substr(cut + 1)) + "</small>";
        out_ += i == 0 ? "</th>" : "</td>";
      }
      out_ += "</tr>\n";
    }
    out_ += "</tbody></table></div>\n</section>\n";
  }

  void charts() {
    if (v_.charts.empty()) return;
    out_ += "<section>\n<h2>Charts</h2>\n";
    for (const ViewChart& c : v_.charts) {
      out_ += "<figure>";
      if (safe_svg(c.svg)) out_ += c.svg;
      else out_ += "<p class=\"none\">" + escape_markup(c.title) + ": the drawing has parts that are not plain shapes and text, and is left out.</p>";
      out_ += "</figure>\n";
    }
    out_ += "</section>\n";
  }

  void missing() {
    if (v_.missing.empty()) return;
    out_ += "<section>\n<h2>Not found</h2>\n<ul>\n";
    for (const auto& m : v_.missing) {
      out_ += "<li>" + escape_markup(m.text);
      if (!m.reasons.empty() && !m.reasons[0].empty()) out_ += " <span class=\"none\">" + escape_markup(m.reasons[0]) + "</span>";
      out_ += "</li>\n";
    }
    out_ += "</ul>\n</section>\n";
  }

  void verdict() {
    if (!v_.has_verdict && v_.dropped.empty()) return;
    out_ += "<section>\n<h2 id=\"checks\">Checks</h2>\n";
    if (!v_.checked.empty()) {
      out_ += "<ul class=\"counts\">\n";
      for (const auto& [name, n] : v_.checked) out_ += fmt::format("<li><b>{}</b><span>{} checked</span></li>\n", n, escape_markup(name));
      if (!v_.dropped.empty()) out_ += fmt::format("<li><b>{}</b><span>dropped</span></li>\n", v_.dropped.size());
      out_ += "</ul>\n";
    }
    if (v_.has_verdict && v_.issues.empty() && v_.dropped.empty() && !v_.says_nothing()) out_ += "<p>Every statement passed its checks against the pages it cites.</p>\n";
    if (!v_.dropped.empty()) {
      out_ += "<p>These statements did not pass and are not part of the report:</p>\n";
      for (const auto& d : v_.dropped) {
        out_ += "<div class=\"drop\"><p>" + escape_markup(d.text) + "</p><ul>";
        for (const std::string& reason : d.reasons) out_ += "<li>" + escape_markup(reason) + "</li>";
        out_ += "</ul></div>\n";
      }
    } else if (!v_.issues.empty()) {
      out_ += "<ul>\n";
      for (const auto& [kind, message] : v_.issues) out_ += "<li>" + escape_markup(kind + ": " + message) + "</li>\n";
      out_ += "</ul>\n";
    }
    out_ += "</section>\n";
  }

  void sources() {
    if (v_.sources.empty()) return;
    out_ += "<section>\n<h2>Sources</h2>\n<ol class=\"sources\">\n";
    for (const ViewSource& s : v_.sources)
      out_ += fmt::format("<li id=\"s{0}\"><span class=\"n\">{0}</span><span><strong>{1}</strong>{3}<br><q>{2}</q></span></li>\n", s.n, escape_markup(place_of(s)),
                          escape_markup(s.quote), s.title.empty() || s.title == s.doc ? "" : " <span class=\"file\">" + escape_markup(s.doc) + "</span>");
    out_ += "</ol>\n</section>\n";
  }

  void waterfall() {
    if (v_.steps.empty()) return;
    double end = 1;
    int64_t tokens = 0;
    for (const ViewStep& s : v_.steps) end = std::max(end, s.end_ms), tokens += s.tokens;
    out_ += fmt::format("<section>\n<h2>How it was made</h2>\n<details{}><summary>{} steps in {}{}{}</summary>\n<div class=\"fall\">\n",
                        v_.steps.size() <= 16 ? " open" : "", v_.steps.size(), seconds(end), tokens > 0 ? fmt::format(", {} tokens", tokens) : "",
                        v_.run_id.empty() ? "" : ", run " + escape_markup(v_.run_id));
    for (const ViewStep& s : v_.steps)
      out_ += fmt::format(
          "<div class=\"row{5}\"><span class=\"name\" title=\"{0}\">{0}</span><span class=\"track\"><span class=\"bar\" style=\"left:{1:.2f}%;width:{2:.2f}%\"></span></span>"
          "<span class=\"took\">{3}{4}</span></div>\n",
          escape_markup(s.name), 100 * s.start_ms / end, std::max(0.0, 100 * (s.end_ms - s.start_ms) / end), seconds(s.end_ms - s.start_ms),
          s.tokens > 0 ? fmt::format(" \u00b7 {} tok", s.tokens) : "", s.name.find('/') == std::string::npos ? "" : " inner");
    out_ += "</div></details>\n</section>\n";
  }

  const ReportView& v_;
  std::string out_;
};

}  // namespace

std::string render_html(const ReportView& view) { return Page(view).run(); }

}  // namespace consort::tool

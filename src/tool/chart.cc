#include "tool/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "tool/chart_scale.h"

namespace consort::tool {
namespace {

// "2023-01-31" -> "Jan 2023"; anything else as it is.
std::string month_label(const std::string& category) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  double days = 0;
  if (category.size() != 10 || !parse_date_position(category, &days)) return category;
  const int month = std::atoi(category.substr(5, 2).c_str());
  return month < 1 || month > 12 ? category : std::string(kMonths[month - 1]) + " " + category.substr(0, 4);
}

constexpr double kWidth = 720, kPlotHeight = 290, kEdge = 20;
constexpr double kTitlePx = 18, kTextPx = 13, kSmallPx = 12;
constexpr const char* kColors[kChartSeriesMax] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                  "#E69F00", "#56B4E9", "#7A5AA6", "#6B6B6B"};
constexpr const char* kDashes[kChartSeriesMax] = {"", "7 4", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2"};
constexpr const char* kText = "#1f2430";
constexpr const char* kMuted = "#5b6472";
constexpr const char* kGrid = "#e3e6eb";
constexpr const char* kAxis = "#9aa3b0";

std::string px(double v) {
  std::string text = fmt::format("{:.1f}", v);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {}

  Result<std::string> draw() {
    CONSORT_TRY(collect());
    head();
    scale_y();
    place_x();
    grid();
    if (chart_.kind == ChartKind::bar) bars(); else lines();
    x_axis();
    foot();
    return assemble();
  }

 private:
  Result<void> collect();
  void sort_periods();
  void head();
  void scale_y();
  void place_x();
  void grid();
  void bars();
  void lines();
  void marker(size_t series, double x, double y, const std::string& hint);
  void value_label(double x, double y, const std::string& text, double font_px);
  void x_axis();
  void foot();
  std::string assemble() const;

  void text(double x, double y, std::string_view content, double font_px, const char* cls, const char* fill,
            std::string_view anchor = "start", std::string_view extra = "") {
    body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{}\"{}>{}</text>\n",
                         cls, px(x), px(y), px(font_px), fill, anchor, extra, escape_markup(content));
  }
  double y_of(double v) const {
    return top_ + kPlotHeight * (axis_.high - v) / (axis_.high - axis_.low);
  }
  std::string hint(size_t s, const ChartPoint& p) const {
    return fmt::format("{}{}: {}", chart_.series.size() > 1 ? chart_.series[s].name + ", " : "", p.x,
                       format_compact(p.y, chart_.unit));
  }

  const Chart& chart_;
  std::string body_;
  std::vector<std::string> categories_;  // Distinct x in drawing order.
  std::vector<double> positions_;        // Pixel centre of each category.
  double low_ = 0, high_ = 0;
  double y_ = kEdge;         // Cursor down the page.
  double top_ = 0, left_ = 0, right_ = kWidth - kEdge, band_ = 0;
  Axis axis_;
};

Result<void> Drawing::collect() {
  size_t n_points = 0;
  bool first = true;
  std::set<std::string> seen;
  for (const ChartSeries& s : chart_.series) {
    std::set<std::string> own;
    for (const ChartPoint& p : s.points) {
      ++n_points;
      if (!std::isfinite(p.y) || !own.insert(p.x).second)
        return fail(make_error(ErrorCode::invalid_argument, 5333,
                               std::isfinite(p.y) ? "two points of one series share an x" : "a value is not finite")
                        .got(s.name + " / " + p.x)
                        .to_fix("give each x one finite value per series"));
      if (seen.insert(p.x).second) categories_.push_back(p.x);
      low_ = first ? p.y : std::min(low_, p.y);
      high_ = first ? p.y : std::max(high_, p.y);
      first = false;
    }
  }
  sort_periods();
  if (n_points == 0)
    return fail(make_error(ErrorCode::invalid_argument, 5331, "there is nothing to draw")
                    .to_fix("give at least one series with one point"));
  const bool bar = chart_.kind == ChartKind::bar;
  if (n_points > kChartPointsMax || chart_.series.size() > kChartSeriesMax ||
      (bar && categories_.size() > kChartCategoriesMax))
    return fail(make_error(ErrorCode::resource_exhausted, 5332,
                           fmt::format("{} points in {} series and {} categories are too many to read", n_points,
                                       chart_.series.size(), categories_.size()))
                    .to_fix("draw at most 8 series, 500 points and, as bars, 40 categories"));
  if (bar) low_ = std::min(low_, 0.0), high_ = std::max(high_, 0.0);
  // A line chart starts at zero unless its values move within a quarter of their height.
  if (!bar && low_ > 0 && (high_ - low_) > 0.25 * high_) low_ = 0;
  if (!bar && high_ < 0 && (high_ - low_) > 0.25 * -low_) high_ = 0;
  return {};
}

// Series that begin in different years must not mix up time: categories that are all periods ("FY2021",
// "2022", "2023-01-31") are put in order.
void Drawing::sort_periods() {
  std::vector<std::pair<double, std::string>> dated;
  for (const std::string& c : categories_) {
    std::string_view text = c;
    for (const std::string_view prefix : {"FY ", "FY", "Fiscal ", "fiscal "})
      if (text.starts_with(prefix)) {
        text.remove_prefix(prefix.size());
        break;
      }
    double days = 0;
    if (!parse_date_position(text, &days)) return;
    dated.emplace_back(days, c);
  }
  std::stable_sort(dated.begin(), dated.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < dated.size(); ++i) categories_[i] = dated[i].second;
}

void Drawing::head() {
  y_ += 4;
  for (const std::string& line : wrap_text(chart_.title, (kWidth - 2 * kEdge) / 1.1, kTitlePx, 3)) {
    y_ += kTitlePx;
    text(kEdge, y_, line, kTitlePx, "c-text", kText, "start", " font-weight=\"600\"");
    y_ += 5;
  }
  for (const std::string& line : wrap_text(chart_.subtitle, kWidth - 2 * kEdge, kTextPx, 2)) {
    y_ += kTextPx + 2;
    text(kEdge, y_, line, kTextPx, "c-muted", kMuted);
    y_ += 3;
  }
  if (chart_.series.size() > 1) {
    y_ += 10;
    double x = kEdge;
    y_ += kTextPx;
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      const std::string name = wrap_text(chart_.series[i].name, 300, kTextPx, 1).empty()
                                   ? std::string()
                                   : wrap_text(chart_.series[i].name, 300, kTextPx, 1)[0];
      const double need = 26 + text_width(name, kTextPx) + 18;
      if (x > kEdge && x + need > kWidth - kEdge) x = kEdge, y_ += kTextPx + 8;
      if (chart_.kind == ChartKind::bar) {
        body_ += fmt::format("<rect class=\"c-s{}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\n", i, px(x),
                             px(y_ - 11), kColors[i]);
        text(x + 18, y_, name, kTextPx, "c-text", kText);
      } else {
        body_ += fmt::format("<line class=\"c-l{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"2.5\"{}/>\n", i,
                             px(x), px(y_ - 4.5), px(x + 22), px(y_ - 4.5), kColors[i],
                             *kDashes[i] ? fmt::format(" stroke-dasharray=\"{}\"", kDashes[i]) : "");
        marker(i, x + 11, y_ - 4.5, "");
        text(x + 28, y_, name, kTextPx, "c-text", kText);
        x += 10;
      }
      x += need;
    }
    y_ += 4;
  }
  if (!chart_.y_label.empty()) {
    y_ += 14 + kSmallPx;
    text(kEdge, y_, wrap_text(chart_.y_label, kWidth - 2 * kEdge, kSmallPx, 1)[0], kSmallPx, "c-muted", kMuted);
  }
  y_ += 14;
  top_ = y_;
}

void Drawing::scale_y() {
  axis_ = nice_axis(low_, high_, 5);
  const NumberStyle style = number_style(std::max(std::abs(axis_.low), std::abs(axis_.high)), axis_.step, chart_.unit);
  double widest = 0;
  for (const double t : axis_.ticks) widest = std::max(widest, text_width(style.text(t), kSmallPx));
  left_ = kEdge + widest + 10;
}

void Drawing::place_x() {
  const double room = right_ - left_;
  const auto n = static_cast<double>(categories_.size());
  std::vector<double> at;
  if (chart_.kind == ChartKind::line && categories_.size() > 2) {
    // Dates and numbers keep their distances.
    for (const std::string& c : categories_) {
      double v = 0;
      char* end = nullptr;
      if (!parse_date_position(c, &v)) v = std::strtod(c.c_str(), &end);
      if (end != nullptr && (end == c.c_str() || *end != '\0' || !std::isfinite(v))) break;
      at.push_back(v);
    }
    // Mixed "2023" (a date of year length) and plain numbers would not be comparable; all or nothing.
    bool all_dates = true, any_date = false;
    for (const std::string& c : categories_) {
      double v = 0;
      (parse_date_position(c, &v) ? any_date : all_dates) = parse_date_position(c, &v);
    }
    if (any_date && !all_dates) at.clear();
  }
  const bool measured = at.size() == categories_.size();
  const double low = measured ? *std::min_element(at.begin(), at.end()) : 0;
  const double high = measured ? *std::max_element(at.begin(), at.end()) : 0;
  band_ = room / n;
  for (size_t i = 0; i < categories_.size(); ++i)
    positions_.push_back(measured && high > low
                             ? left_ + 28 + (room - 56) * (at[i] - low) / (high - low)
                             : left_ + band_ * (static_cast<double>(i) + 0.5));
}

void Drawing::grid() {
  const NumberStyle style = number_style(std::max(std::abs(axis_.low), std::abs(axis_.high)), axis_.step, chart_.unit);
  for (const double t : axis_.ticks) {
    const bool zero = t == 0;
    const double y = std::round(y_of(t)) + 0.5;
    body_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"1\"/>\n",
                         zero ? "c-axis" : "c-grid", px(left_), px(y), px(right_), px(y), zero ? kAxis : kGrid);
    text(left_ - 8, y + 4, style.text(t), kSmallPx, "c-muted", kMuted, "end");
  }
}

void Drawing::value_label(double x, double y, const std::string& label, double font_px) {
  text(x, y, label, font_px, "c-text", kText, "middle");
}

void Drawing::bars() {
  const auto n = static_cast<double>(chart_.series.size());
  const double group = std::min(band_ * 0.76, n * 72);
  const double slot = group / n;
  const double gap = std::min(3.0, slot * 0.1);
  double largest = 0;
  for (const ChartSeries& s : chart_.series)
    for (const ChartPoint& p : s.points) largest = std::max(largest, std::abs(p.y));
  const NumberStyle style = number_style(largest, 0, chart_.unit);
  // All labels or none: a chart with some numbers missing misleads.
  double font = kSmallPx;
  auto widest = [&](double f) {
    double w = 0;
    for (const ChartSeries& s : chart_.series)
      for (const ChartPoint& p : s.points) w = std::max(w, text_width(style.text(p.y), f));
    return w;
  };
  const double label_room = chart_.series.size() == 1 ? band_ : slot + gap;
  if (widest(font) > label_room - 2) font = 10.5;
  const bool labelled = widest(font) <= label_room;
  for (size_t s = 0; s < chart_.series.size(); ++s) {
    for (const ChartPoint& p : chart_.series[s].points) {
      const size_t c = static_cast<size_t>(std::find(categories_.begin(), categories_.end(), p.x) - categories_.begin());
      const double x = positions_[c] - group / 2 + slot * static_cast<double>(s) + gap / 2;
      const double y0 = y_of(0), y1 = y_of(p.y);
      body_ += fmt::format(
          "<rect class=\"c-s{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"1.5\" fill=\"{}\"><title>{}</title></rect>\n", s,
          px(x), px(std::min(y0, y1)), px(slot - gap), px(std::max(std::abs(y1 - y0), 0.5)), kColors[s],
          escape_markup(hint(s, p)));
      if (labelled)
        value_label(x + (slot - gap) / 2, p.y < 0 ? y1 + font + 2 : y1 - 5, style.text(p.y), font);
    }
  }
}

void Drawing::marker(size_t s, double x, double y, const std::string& tip) {
  const std::string title = tip.empty() ? "" : fmt::format("<title>{}</title>", escape_markup(tip));
  const std::string paint = fmt::format("class=\"c-s{} c-dot\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"1.2\"", s, kColors[s]);
  switch (s % 4) {
    case 0:
      body_ += fmt::format("<circle {} cx=\"{}\" cy=\"{}\" r=\"4.5\">{}</circle>\n", paint, px(x), px(y), title);
      break;
    case 1:
      body_ += fmt::format("<rect {} x=\"{}\" y=\"{}\" width=\"8\" height=\"8\">{}</rect>\n", paint, px(x - 4), px(y - 4), title);
      break;
    case 2:
      body_ += fmt::format("<path {} d=\"M{} {}l5 9h-10z\">{}</path>\n", paint, px(x), px(y - 5.5), title);
      break;
    default:
      body_ += fmt::format("<path {} d=\"M{} {}l5 5l-5 5l-5 -5z\">{}</path>\n", paint, px(x), px(y - 5), title);
  }
}

void Drawing::lines() {
  double largest = 0;
  size_t n_points = 0;
  for (const ChartSeries& s : chart_.series)
    for (const ChartPoint& p : s.points) largest = std::max(largest, std::abs(p.y)), ++n_points;
  const NumberStyle style = number_style(largest, 0, chart_.unit);
  for (size_t s = 0; s < chart_.series.size(); ++s) {
    std::vector<std::pair<double, const ChartPoint*>> path;
    for (const ChartPoint& p : chart_.series[s].points) {
      const size_t c = static_cast<size_t>(std::find(categories_.begin(), categories_.end(), p.x) - categories_.begin());
      path.emplace_back(positions_[c], &p);
    }
    std::stable_sort(path.begin(), path.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string d;
    for (const auto& [x, p] : path) d += fmt::format("{}{} {}", d.empty() ? "M" : "L", px(x), px(y_of(p->y)));
    body_ += fmt::format(
        "<path class=\"c-l{}\" d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2.5\" stroke-linejoin=\"round\"{}/>\n", s, d,
        kColors[s], *kDashes[s] ? fmt::format(" stroke-dasharray=\"{}\"", kDashes[s]) : "");
    if (path.size() <= 40)
      for (const auto& [x, p] : path) marker(s, x, y_of(p->y), hint(s, *p));
  }
  if (chart_.series.size() == 1 && n_points <= 10) {
    for (const ChartPoint& p : chart_.series[0].points) {
      const size_t c = static_cast<size_t>(std::find(categories_.begin(), categories_.end(), p.x) - categories_.begin());
      value_label(positions_[c], y_of(p.y) - 11, style.text(p.y), kSmallPx);
    }
  }
}

void Drawing::x_axis() {
  const double base = top_ + kPlotHeight;
  body_ += fmt::format("<line class=\"c-axis\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"1\"/>\n", px(left_),
                       px(std::round(base) + 0.5), px(right_), px(std::round(base) + 0.5), kAxis);
  // Days are for the scale; people read "Jan 2023".
  std::vector<std::string> labels;
  for (const std::string& c : categories_) labels.push_back(month_label(c));
  // Three ways, the first that fits: wrapped in the band, slanted, slanted and thinned.
  double longest = 0;
  size_t lines_needed = 1;
  bool fits = true;
  for (const std::string& c : labels) {
    longest = std::max(longest, text_width(c, kSmallPx));
    const auto lines = wrap_text(c, band_ - 8, kSmallPx, 99);
    lines_needed = std::max(lines_needed, lines.size());
    size_t at = 0;
    while (at < c.size()) {  // No word may be broken.
      const size_t end = std::min(c.find(' ', at), c.size());
      if (text_width(std::string_view(c).substr(at, end - at), kSmallPx) > band_ - 8) fits = false;
      at = end + 1;
    }
  }
  // Dates stand where their day is: the ends of two companies' years may be days apart.
  auto width = [&](size_t i) { return std::min(text_width(labels[i], kSmallPx), band_ - 8); };
  for (size_t i = 1; i < labels.size(); ++i) {
    fits = fits && std::abs(positions_[i] - positions_[i - 1]) >= (width(i) + width(i - 1)) / 2 + 4;
  }
  if (fits && lines_needed <= 4) {
    double deepest = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      double y = base + 18;
      for (const std::string& line : wrap_text(labels[i], band_ - 8, kSmallPx, 4)) {
        text(positions_[i], y, line, kSmallPx, "c-text", kText, "middle");
        deepest = std::max(deepest, y - base);
        y += kSmallPx + 3;
      }
    }
    y_ = base + deepest + 8;
  } else if (chart_.kind == ChartKind::line && longest < 90 && labels.size() > 3) {
    // Thinned: enough room for the longest label between two.
    double last = -1e9;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (positions_[i] - last < longest + 14) continue;
      text(positions_[i], base + 18, labels[i], kSmallPx, "c-text", kText, "middle");
      last = positions_[i];
    }
    y_ = base + 26;
  } else {
    const double reach = std::min(longest, 170.0);
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto cut = wrap_text(labels[i], 170, kSmallPx, 1);
      text(positions_[i] + 4, base + 16, cut.empty() ? "" : cut[0], kSmallPx, "c-text", kText, "end",
           fmt::format(" transform=\"rotate(-35 {} {})\"", px(positions_[i] + 4), px(base + 16)));
    }
    y_ = base + 22 + reach * 0.574;
  }
  if (!chart_.x_label.empty()) {
    y_ += kSmallPx + 4;
    text((left_ + right_) / 2, y_, wrap_text(chart_.x_label, right_ - left_, kSmallPx, 1)[0], kSmallPx, "c-muted", kMuted, "middle");
    y_ += 4;
  }
}

void Drawing::foot() {
  y_ += 8;
  if (!chart_.source.empty()) {
    for (const std::string& line : wrap_text("Source: " + chart_.source, kWidth - 2 * kEdge, 11, 4)) {
      y_ += 15;
      text(kEdge, y_, line, 11, "c-muted", kMuted);
    }
  }
  y_ += kEdge - 4;
}

std::string Drawing::assemble() const {
  std::string desc = chart_.kind == ChartKind::bar ? "Bar chart. " : "Line chart. ";
  if (!chart_.y_label.empty()) desc += chart_.y_label + ". ";
  size_t listed = 0;
  for (size_t s = 0; s < chart_.series.size(); ++s) {
    for (const ChartPoint& p : chart_.series[s].points) {
      if (++listed > 60) break;
      desc += hint(s, p) + "; ";
    }
  }
  if (!chart_.source.empty()) desc += "Source: " + chart_.source + ".";
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\" "
      "aria-label=\"{2}\">\n<title>{2}</title>\n<desc>{3}</desc>\n"
      "<rect class=\"c-back\" width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n{4}</svg>\n",
      px(kWidth), px(std::ceil(y_)), escape_markup(chart_.title), escape_markup(desc), body_);
}

}  // namespace

std::string format_compact(double value, const std::string& unit) {
  return number_style(value, 0, unit).text(value);
}

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
        else out += ' ';
    }
  }
  return out;
}

Result<std::string> draw_chart(const Chart& chart) { return Drawing(chart).draw(); }

Result<Chart> chart_from_value(const contract::Value& input) {
  Chart chart;
  chart.kind = input.string_or("kind", "bar") == "line" ? ChartKind::line : ChartKind::bar;
  chart.title = input.string_or("title", "");
  chart.subtitle = input.string_or("subtitle", "");
  chart.x_label = input.string_or("x_label", "");
  chart.y_label = input.string_or("y_label", "");
  chart.unit = input.string_or("unit", "");
  chart.source = input.string_or("source", "");
  const contract::Value* series = input.find("series");
  if (series == nullptr || !series->is_array())
    return fail(make_error(ErrorCode::invalid_argument, 5331, "there is nothing to draw").at("/series").to_fix("give a list of series"));
  for (const contract::Value& s : series->as_array()) {
    ChartSeries out{s.string_or("name", ""), {}};
    const contract::Value* points = s.find("points");
    if (points != nullptr && points->is_array()) {
      for (const contract::Value& p : points->as_array()) {
        const contract::Value* x = p.find("x");
        const contract::Value* y = p.find("y");
        if (x == nullptr || y == nullptr || !y->is_number())
          return fail(make_error(ErrorCode::invalid_argument, 5333, "a point needs x and a number y").got(out.name).to_fix("give each point x and y"));
        out.points.push_back({x->is_number() ? x->as_number().text : x->is_string() ? x->as_string() : "", y->as_number().as_double()});
      }
    }
    chart.series.push_back(std::move(out));
  }
  return chart;
}

}  // namespace consort::tool

// Chart: a bar or line chart as one SVG text, the same bytes for the same data.
//
// Drawn to stand alone in a report: title, labelled axes with round ticks, units in every number,
// legend when there is more than one series, the source under it, role="img" with title and
// description (the data as text) for readers who do not see it. Colours are Okabe and Ito's, safe for
// the common colour blindnesses, and never the only mark: lines differ in marker and dash, bars keep
// the legend's order. Elements carry classes (c-text, c-muted, c-grid, c-axis, c-s0...) so that a page
// can restyle them for a dark background.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "contract/json.h"

namespace consort::tool {

struct ChartPoint {
  std::string x;  // Category, number, or ISO date (2023-01-31).
  double y = 0;   // In `unit`: base units, not millions; percent as printed (12 = 12 %).
};
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;  // In the order to be drawn; x unique within a series.
};
enum class ChartKind { bar, line };
struct Chart {
  ChartKind kind = ChartKind::bar;
  std::string title, subtitle, x_label, y_label, unit, source;
  std::vector<ChartSeries> series;
};

inline constexpr size_t kChartSeriesMax = 8;
inline constexpr size_t kChartPointsMax = 500;      // Of all series together.
inline constexpr size_t kChartCategoriesMax = 40;   // Of a bar chart.

// Errors: 5331 nothing to draw, 5332 too much to draw, 5333 repeated x, or a value that is not finite.
Result<std::string> draw_chart(const Chart& chart);

// The `chart` tool's input (chart_input_schema in builtin.cc) as a Chart.
Result<Chart> chart_from_value(const contract::Value& input);

// "$611.3B", "-$1.2M", "6.7%", "$4.27", "10,623": short text of a value for people; `unit` as in Chart.
std::string format_compact(double value, const std::string& unit);

// & < > " ' and control characters made safe for SVG and HTML text and attributes.
std::string escape_markup(std::string_view text);

}  // namespace consort::tool

#include "tool/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "tool/chart_scale.h"

namespace consort::tool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Chart two_by_two() {
  Chart c;
  c.title = "Revenues & <margins>";
  c.y_label = "US dollars";
  c.unit = "USD";
  c.source = "Annual reports";
  c.series = {{"Walmart", {{"FY2022", 572754e6}, {"FY2023", 611289e6}}}, {"Costco", {{"FY2022", 226954e6}, {"FY2023", -1e9}}}};
  return c;
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(ChartScale, ChoosesRoundTicks) {
  EXPECT_THAT(nice_axis(0, 611, 5).ticks, ElementsAre(0, 200, 400, 600, 800));
  EXPECT_THAT(nice_axis(0, 10, 5).ticks, ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(nice_axis(-2.7, 11.7, 5).ticks, ElementsAre(-5, 0, 5, 10, 15));
  EXPECT_GE(nice_axis(3, 3, 5).ticks.size(), 2u);
  EXPECT_GE(nice_axis(0, 0, 5).ticks.size(), 2u);
}

TEST(ChartScale, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(format_compact(611289e6, "USD"), "$611.3B");
  EXPECT_EQ(format_compact(-2722e6, "USD"), "\u2212$2.72B");
  EXPECT_EQ(format_compact(6.728, "%"), "6.7%");
  EXPECT_EQ(format_compact(4.27, "USD/share"), "$4.27");
  EXPECT_EQ(format_compact(10623, "stores"), "10,623");
  EXPECT_EQ(format_compact(2100000, "employees"), "2.10M");
  EXPECT_EQ(format_compact(0, "USD"), "$0");
}

TEST(ChartScale, WrapsAtSpacesAndMarksACut) {
  const auto lines = wrap_text("one two three four", 60, 12, 9);
  EXPECT_GT(lines.size(), 1u);
  for (const std::string& line : lines) EXPECT_LE(text_width(line, 12), 60);
  EXPECT_TRUE(wrap_text("one two three four five six", 60, 12, 1)[0].ends_with("\u2026"));
}

TEST(ChartScale, ReadsDates) {
  double d = 0;
  ASSERT_TRUE(parse_date_position("1970-01-02", &d));
  EXPECT_EQ(d, 1);
  ASSERT_TRUE(parse_date_position("2000", &d));
  EXPECT_EQ(d, 10957);  // 30 years with 7 leap days.
  EXPECT_FALSE(parse_date_position("2023-02-30", &d));
  EXPECT_FALSE(parse_date_position("FY2023", &d));
}

TEST(Chart, DrawsOneBarForEachPoint) {
  const std::string svg = *draw_chart(two_by_two());
  EXPECT_EQ(count(svg, "rx=\"1.5\""), 4u);
  EXPECT_THAT(svg, HasSubstr("$611.3B"));
  EXPECT_THAT(svg, HasSubstr("Source: Annual reports"));
}

TEST(Chart, SpeaksToReadersWhoDoNotSeeIt) {
  const std::string svg = *draw_chart(two_by_two());
  EXPECT_THAT(svg, HasSubstr("role=\"img\""));
  EXPECT_THAT(svg, HasSubstr("<title>Revenues &amp; &lt;margins&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc>Bar chart. US dollars. Walmart, FY2022: $572.8B"));
}

TEST(Chart, EscapesEveryText) {
  Chart c = two_by_two();
  c.title = c.subtitle = c.x_label = c.y_label = c.source = "</svg><script>alert('1')</script>";
  c.series[0].name = c.series[0].points[0].x = c.title;
  const std::string svg = *draw_chart(c);
  EXPECT_EQ(count(svg, "<script"), 0u);
  EXPECT_EQ(count(svg, "</svg>"), 1u);
}

TEST(Chart, GivesTheSameBytesForTheSameData) {
  EXPECT_EQ(*draw_chart(two_by_two()), *draw_chart(two_by_two()));
}

TEST(Chart, KeepsEveryMarkInsideThePicture) {
  for (const ChartKind kind : {ChartKind::bar, ChartKind::line}) {
    Chart c = two_by_two();
    c.kind = kind;
    const std::string svg = *draw_chart(c);
    static const std::regex kY(" y=\"(-?[0-9.]+)\"");
    std::smatch size;
    ASSERT_TRUE(std::regex_search(svg, size, std::regex("viewBox=\"0 0 720 ([0-9]+)\"")));
    const double height = std::stod(size[1]);
    for (auto it = std::sregex_iterator(svg.begin(), svg.end(), kY); it != std::sregex_iterator(); ++it) {
      EXPECT_GE(std::stod((*it)[1]), 0);
      EXPECT_LE(std::stod((*it)[1]), height);
    }
  }
}

TEST(Chart, PutsPeriodsInOrderOfTime) {
  Chart c = two_by_two();
  c.series[1].points.insert(c.series[1].points.begin(), {"FY2020", 1e9});
  const std::string svg = *draw_chart(c);
  EXPECT_LT(svg.find(">FY2020</text>"), svg.find(">FY2022</text>"));
  EXPECT_LT(svg.find(">FY2022</text>"), svg.find(">FY2023</text>"));
}

TEST(Chart, WritesTheMonthOfTwoNearDaysOnce) {
  Chart c = two_by_two();
  c.kind = ChartKind::line;
  c.series = {{"A", {{"2020-05-31", 1}, {"2021-05-30", 2}, {"2022-05-29", 3}}}, {"B", {{"2020-05-29", 4}, {"2021-05-31", 5}, {"2022-05-31", 6}}}};
  const std::string svg = *draw_chart(c);
  for (const char* month : {">May 2020<", ">May 2021<", ">May 2022<"}) EXPECT_EQ(count(svg, month), 1u) << month;
}

TEST(Chart, RefusesWhatCannotBeDrawn) {
  Chart empty;
  EXPECT_EQ(draw_chart(empty).error().number, 5331);
  Chart c = two_by_two();
  c.series[0].points.push_back({"FY2022", 1});
  EXPECT_EQ(draw_chart(c).error().number, 5333);
  c = two_by_two();
  c.series[0].points[0].y = std::nan("");
  EXPECT_EQ(draw_chart(c).error().number, 5333);
  c = two_by_two();
  for (int i = 0; i < 41; ++i) c.series[0].points.push_back({std::to_string(i), 1});
  EXPECT_EQ(draw_chart(c).error().number, 5332);
}

}  // namespace
}  // namespace consort::tool

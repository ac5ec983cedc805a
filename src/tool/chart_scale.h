// Axis arithmetic of charts: round ticks, number texts, and text widths.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace consort::tool {

struct Axis {
  double low = 0, high = 1, step = 1;
  std::vector<double> ticks;
};
// Ticks at 1, 2, 2.5 or 5 times a power of ten, about `wanted` intervals, covering [low, high].
Axis nice_axis(double low, double high, int wanted);

// How the numbers of one axis are printed: one scale for all of them.
struct NumberStyle {
  std::string prefix, suffix;  // "$" and "B"
  double divisor = 1;
  int digits = 0;
  std::string text(double value) const;
};
// For values up to `largest`; `step` > 0 asks for as many digits as tell ticks apart, else for 3 to 4
// significant ones.
NumberStyle number_style(double largest, double step, std::string_view unit);

// Estimated width in pixels of a sans-serif text. Errs to the wide side.
double text_width(std::string_view text, double font_px);
// Breaks at spaces (and inside words longer than a line); at most `lines_max`, the last cut with "...".
std::vector<std::string> wrap_text(std::string_view text, double width, double font_px, size_t lines_max);

// Days since 1970-01-01 of "YYYY", "YYYY-MM" or "YYYY-MM-DD"; false for anything else.
bool parse_date_position(std::string_view text, double* days);

}  // namespace consort::tool

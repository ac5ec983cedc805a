#include "tool/chart_scale.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "tool/rational.h"

namespace consort::tool {

Axis nice_axis(double low, double high, int wanted) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::abs(low));
  const double raw = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 2.5, 5.0})
    if (factor * power >= raw * 0.999999) {
      step = factor * power;
      break;
    }
  Axis axis;
  axis.step = step;
  const auto first = static_cast<int64_t>(std::floor(low / step + 1e-9));
  const auto last = static_cast<int64_t>(std::ceil(high / step - 1e-9));
  for (int64_t i = first; i <= last; ++i) axis.ticks.push_back(static_cast<double>(i) * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

std::string NumberStyle::text(double value) const {
  const double scaled = std::abs(value) / divisor;
  std::string digits_text = fmt::format("{:.{}f}", scaled, digits);
  const bool zero = digits_text.find_first_not_of("0.") == std::string::npos;
  if (zero) return prefix + "0" + (suffix == "%" ? suffix : "");
  return (value < 0 ? "\u2212" : "") + prefix + group_thousands(digits_text) + suffix;
}

NumberStyle number_style(double largest, double step, std::string_view unit) {
  NumberStyle style;
  if (unit.starts_with("USD")) style.prefix = "$";
  if (unit.starts_with("EUR")) style.prefix = "\u20ac";
  if (unit.starts_with("GBP")) style.prefix = "\u00a3";
  const double size = std::abs(largest);
  if (unit == "%" || unit == "pp") {
    style.suffix = "%";
  } else if (unit == "x" || unit == "ratio") {
    style.suffix = "\u00d7";
  } else if (size >= 1e12) {
    style.divisor = 1e12, style.suffix = "T";
  } else if (size >= 1e9) {
    style.divisor = 1e9, style.suffix = "B";
  } else if (size >= 1e6) {
    style.divisor = 1e6, style.suffix = "M";
  } else if (size >= 1e5) {
    style.divisor = 1e3, style.suffix = "K";
  }
  const double shown = size / style.divisor;
  if (step > 0) {
    double s = step / style.divisor;
    while (style.digits < 6 && std::abs(s - std::round(s)) > 1e-6 * std::max(1.0, std::abs(s))) s *= 10, ++style.digits;
  } else if (unit.find('/') != std::string_view::npos && style.divisor == 1) {
    style.digits = 2;
  } else if (style.divisor == 1 && style.suffix.empty() && shown == std::round(shown)) {
    style.digits = 0;
  } else {
    style.digits = shown >= 1000 ? 0 : shown >= 10 ? 1 : shown >= 0.095 ? 2 : 3;
    if (style.suffix == "%" && shown >= 0.95) style.digits = 1;
  }
  return style;
}

double text_width(std::string_view text, double font_px) {
  double em = 0;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x80 && u < 0xC0) continue;
    if (u >= 0xC0) em += u >= 0xE3 ? 1.0 : 0.62;
    else if (std::string_view("iljtf.,:;'|!()[] I-/").find(c) != std::string_view::npos) em += 0.33;
    else if (std::string_view("mwMW@%&").find(c) != std::string_view::npos) em += 0.88;
    else if (c >= 'A' && c <= 'Z') em += 0.69;
    else em += 0.58;
  }
  return em * font_px;
}

namespace {
// Longest prefix within `width`, at least one character.
size_t fitting(std::string_view word, double width, double font_px) {
  size_t end = 0;
  while (end < word.size()) {
    size_t next = end + 1;
    while (next < word.size() && (static_cast<unsigned char>(word[next]) & 0xC0) == 0x80) ++next;
    if (end > 0 && text_width(word.substr(0, next), font_px) > width) break;
    end = next;
  }
  return end;
}
}  // namespace

std::vector<std::string> wrap_text(std::string_view text, double width, double font_px, size_t lines_max) {
  std::vector<std::string> lines;
  std::string line;
  bool cut = false;
  auto flush = [&] {
    if (!line.empty()) lines.push_back(std::move(line));
    line.clear();
  };
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    std::string_view word = text.substr(at, end - at);
    at = end + 1;
    while (!word.empty()) {
      const std::string joined = line.empty() ? std::string(word) : line + " " + std::string(word);
      if (text_width(joined, font_px) <= width) {
        line = joined;
        break;
      }
      if (!line.empty()) {
        flush();
        continue;
      }
      const size_t n = fitting(word, width, font_px);
      line = std::string(word.substr(0, n));
      word.remove_prefix(n);
      if (!word.empty()) flush();
    }
  }
  flush();
  if (lines.size() > lines_max) cut = true, lines.resize(lines_max);
  if (cut && !lines.empty()) {
    std::string& last = lines.back();
    while (!last.empty() && text_width(last + "\u2026", font_px) > width) {
      do last.pop_back();
      while (!last.empty() && (static_cast<unsigned char>(last.back()) & 0xC0) == 0x80);
      if (!last.empty() && static_cast<unsigned char>(last.back()) >= 0xC0) last.pop_back();
    }
    last += "\u2026";
  }
  return lines;
}

bool parse_date_position(std::string_view text, double* days) {
  auto number = [&](size_t from, size_t n, int* out) {
    *out = 0;
    for (size_t i = from; i < from + n; ++i) {
      if (text[i] < '0' || text[i] > '9') return false;
      *out = *out * 10 + (text[i] - '0');
    }
    return true;
  };
  int y = 0, m = 1, d = 1;
  const bool shape = text.size() == 4 || (text.size() == 7 && text[4] == '-') ||
                     (text.size() == 10 && text[4] == '-' && text[7] == '-');
  if (!shape || !number(0, 4, &y)) return false;
  if (text.size() >= 7 && !number(5, 2, &m)) return false;
  if (text.size() == 10 && !number(8, 2, &d)) return false;
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(static_cast<unsigned>(m)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok()) return false;
  *days = static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count());
  return true;
}

}  // namespace consort::tool

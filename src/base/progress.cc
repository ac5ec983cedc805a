#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/result.h"

namespace consort {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(80);
constexpr int kBarCells = 24;

// Terminal columns are counted as code points: enough for file names and step names.
size_t columns(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

std::string one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return out;
}

std::string fit(std::string text, size_t most) {
  while (columns(text) > most && !text.empty()) {
    size_t end = text.size() - 1;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
  }
  return text;
}

}  // namespace

ProgressOptions progress_for_stderr(bool quiet) {
  ProgressOptions options;
  options.quiet = quiet;
  const char* term = std::getenv("TERM");
  bool dumb = term != nullptr && std::string_view(term) == "dumb";
  options.terminal = isatty(STDERR_FILENO) == 1 && !dumb;
  const char* no_color = std::getenv("NO_COLOR");
  options.color = options.terminal && (no_color == nullptr || no_color[0] == '\0');
  winsize size{};
  if (options.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) {
    options.width = size.ws_col;
  }
  return options;
}

Progress::Progress(const ProgressOptions& options, const Clock& clock)
    : options_(options), clock_(clock), out_(options.out != nullptr ? options.out : stderr) {}

Progress::~Progress() {
  std::lock_guard lock(mutex_);
  clear_locked();
}

void Progress::update(std::string_view what, double fraction, std::string_view detail) {
  if (options_.quiet) return;
  std::lock_guard lock(mutex_);
  if (fraction > 1) fraction = 1;
  bool fresh = what != what_;
  if (fresh) {
    what_ = what;
    tenths_ = -1;
    started_ = clock_.monotonic();
  }
  fraction_ = fraction;
  detail_ = detail;
  if (options_.terminal) {
    Nanoseconds now = clock_.monotonic();
    if (!fresh && fraction < 1 && now - drawn_at_ < kRedraw) return;
    drawn_at_ = now;
    draw_locked(fraction);
    return;
  }
  int tenths = fraction < 0 ? 0 : static_cast<int>(fraction * 10 + 1e-9);
  if (tenths == tenths_) return;
  tenths_ = tenths;
  if (fraction < 0) {
    std::fputs(fmt::format("{}\n", one_line(what_)).c_str(), out_);
  } else {
    std::fputs(fmt::format("{}: {} %\n", one_line(what_), tenths * 10).c_str(), out_);
  }
  std::fflush(out_);
}

void Progress::line(std::string_view text) {
  if (options_.quiet) return;
  std::lock_guard lock(mutex_);
  bool redraw = drawn_;
  clear_locked();
  std::fputs(fmt::format("{}\n", text).c_str(), out_);
  if (redraw) draw_locked(fraction_);
  std::fflush(out_);
}

void Progress::finish() {
  if (options_.quiet) return;
  std::lock_guard lock(mutex_);
  clear_locked();
  what_.clear();
  tenths_ = -1;
  fraction_ = -1;
}

std::string Progress::bar_locked(double fraction) const {
  std::string bar;
  int filled = static_cast<int>(fraction * kBarCells + 0.5);
  for (int i = 0; i < kBarCells; ++i) bar += i < filled ? "#" : "-";
  return options_.color ? "\x1b[32m[" + bar + "]\x1b[0m" : "[" + bar + "]";
}

void Progress::draw_locked(double fraction) {
  double seconds = std::chrono::duration<double>(clock_.monotonic() - started_).count();
  std::string tail = seconds >= 1 ? fmt::format(" {:.0f} s", seconds) : "";
  std::string head = one_line(detail_.empty() ? what_ : what_ + ": " + detail_);
  size_t width = static_cast<size_t>(options_.width) - 1;
  std::string text;
  if (fraction < 0) {
    text = fit(head, width - columns(tail)) + tail;
  } else {
    std::string percent = fmt::format(" {:3.0f} %{}", fraction * 100, tail);
    size_t room = width - std::min(width, static_cast<size_t>(kBarCells) + 3 + columns(percent));
    text = bar_locked(fraction) + percent + " " + fit(head, room);
  }
  clear_locked();
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
  drawn_ = true;
}

void Progress::clear_locked() {
  if (!drawn_) return;
  if (options_.color) {
    std::fputs("\r\x1b[K", out_);
  } else {
    std::fputs(("\r" + std::string(static_cast<size_t>(options_.width) - 1, ' ') + "\r").c_str(),
               out_);
  }
  drawn_ = false;
}

}  // namespace consort

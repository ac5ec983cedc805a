// Progress: how far a long thing is, on stderr, for people and for logs.
//
// On a terminal one line is redrawn; elsewhere one line is written for every 10 %. NO_COLOR is
// honoured (no escape sequences beyond the carriage return), and a quiet progress writes nothing.
#pragma once

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace consort {

struct ProgressOptions {
  bool quiet = false;
  bool terminal = false;  // Redraw one line.
  bool color = false;
  int width = 80;            // Columns.
  std::FILE* out = nullptr;  // nullptr: stderr.
};

// What stderr is: terminal or not, its width, NO_COLOR and TERM=dumb.
ProgressOptions progress_for_stderr(bool quiet);

// Thread-safe.
class Progress final {
 public:
  Progress(const ProgressOptions& options, const Clock& clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` in [0, 1]; negative: not known. A new `what` starts a new bar; the old one is
  // closed.
  // `detail` (a file name) is shown on a terminal alone.
  void update(std::string_view what, double fraction, std::string_view detail = {});
  // A line of its own, above the bar.
  void line(std::string_view text);
  // Ends the bar in hand: it is completed on the terminal.
  void finish();

 private:
  void draw_locked(double fraction);
  void clear_locked();
  std::string bar_locked(double fraction) const;

  ProgressOptions options_;
  const Clock& clock_;
  std::FILE* out_;
  std::mutex mutex_;
  std::string what_;
  std::string detail_;
  int tenths_ = -1;  // Last tenth that was written.
  double fraction_ = -1;
  bool drawn_ = false;  // Something stands on the terminal's line.
  Nanoseconds drawn_at_{0};
  Nanoseconds started_{0};
};

}  // namespace consort

#include "base/progress.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace consort {
namespace {

// What a Progress writes, caught in memory.
class Written {
 public:
  Written() : file_(open_memstream(&text_, &size_)) {}
  ~Written() {
    std::fclose(file_);
    std::free(text_);
  }
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    return std::string(text_, size_);
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* file_;
};

TEST(Progress, WritesOneLineForEveryTenPercentWhereThereIsNoTerminal) {
  ManualClock clock;
  Written written;
  Progress progress({.out = written.file()}, clock);
  for (int i = 0; i <= 1000; ++i) progress.update("reading", i / 1000.0);
  std::string expected;
  for (int p = 0; p <= 100; p += 10) expected += "reading: " + std::to_string(p) + " %\n";
  EXPECT_EQ(written.text(), expected);
}

TEST(Progress, TellsDetailsOnATerminalAlone) {
  ManualClock clock;
  Written log, screen;
  Progress lines({.out = log.file()}, clock);
  Progress bar({.terminal = true, .width = 80, .out = screen.file()}, clock);
  for (int i = 0; i <= 10; ++i) {
    lines.update("reading", i / 20.0, "file-" + std::to_string(i));
    clock.advance(std::chrono::seconds(1));
    bar.update("reading", i / 20.0, "file-" + std::to_string(i));
  }
  EXPECT_EQ(
      log.text(),
      "reading: 0 %\nreading: 10 %\nreading: 20 %\nreading: 30 %\nreading: 40 %\nreading: 50 %\n");
  EXPECT_NE(screen.text().find("reading: file-7"), std::string::npos);
}

TEST(Progress, SaysEachThingOnceWhenHowFarIsUnknown) {
  ManualClock clock;
  Written written;
  Progress progress({.out = written.file()}, clock);
  progress.update("loading", -1);
  progress.update("loading", -1);
  progress.update("running", -1);
  EXPECT_EQ(written.text(), "loading\nrunning\n");
}

TEST(Progress, RedrawsOneLineOnATerminalAndNotTooOften) {
  ManualClock clock;
  Written written;
  Progress progress({.terminal = true, .width = 60, .out = written.file()}, clock);
  progress.update("a", 0);
  std::string first = written.text();
  EXPECT_EQ(first.find('\n'), std::string::npos);
  progress.update("a", 0.1);
  EXPECT_EQ(written.text(), first);
  clock.advance(std::chrono::milliseconds(200));
  progress.update("a", 0.5);
  EXPECT_NE(written.text().find(" 50 %"), std::string::npos);
  EXPECT_EQ(written.text().find('\x1b'), std::string::npos);
}

TEST(Progress, NeverDrawsPastTheWidthOfTheTerminal) {
  ManualClock clock;
  Written written;
  Progress progress({.terminal = true, .width = 40, .out = written.file()}, clock);
  progress.update(std::string(300, 'x') + "\n\x1b[2J", 0.25);
  std::string text = written.text();
  EXPECT_LT(text.size(), 40u);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, IsSilentWhenQuiet) {
  ManualClock clock;
  Written written;
  Progress progress({.quiet = true, .out = written.file()}, clock);
  progress.update("a", 0.5);
  progress.line("b");
  progress.finish();
  EXPECT_EQ(written.text(), "");
}

}  // namespace
}  // namespace consort

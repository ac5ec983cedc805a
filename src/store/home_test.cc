#include "store/home.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace consort::store {
namespace {

namespace fs = std::filesystem;

class HomeTest : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_ = fs::temp_directory_path() / ("consort_home_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
};

TEST_F(HomeTest, CreatesAPrivateFolderWithItsParents) {
  HomeLayout home = open_home(root_ / "a" / "b").value();
  struct stat info {};
  ASSERT_EQ(::stat(home.root.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(home.journal(), root_ / "a" / "b" / "journal.db");
}

TEST_F(HomeTest, RefusesAFileInPlaceOfTheFolder) {
  fs::create_directories(root_);
  std::ofstream(root_ / "file") << "x";
  EXPECT_EQ(open_home(root_ / "file").error().number, 1214);
  EXPECT_EQ(open_home(root_ / "file" / "below").error().number, 1203);
}

TEST_F(HomeTest, GivesTheLockToOneHolderAtATime) {
  HomeLayout home = open_home(root_).value();
  auto first = HomeLock::acquire(home, clock_);
  ASSERT_TRUE(first);
  auto second = HomeLock::acquire(home, clock_);
  EXPECT_EQ(second.error().number, 1201);
  EXPECT_THAT(second.error().value, testing::HasSubstr("since 2025-11-24T16:00:00.000Z"));
  first->reset();
  EXPECT_TRUE(HomeLock::acquire(home, clock_));
}

TEST_F(HomeTest, GivesTheLockBackWhenItsHolderIsKilled) {
  HomeLayout home = open_home(root_).value();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto lock = HomeLock::acquire(home, clock_);
    char ready = lock ? 'y' : 'n';
    if (::write(pipe_ends[1], &ready, 1) == 1) ::pause();
    ::_exit(1);
  }
  char ready = 0;
  ASSERT_EQ(::read(pipe_ends[0], &ready, 1), 1);
  ASSERT_EQ(ready, 'y');
  EXPECT_THAT(HomeLock::acquire(home, clock_).error().value,
              testing::HasSubstr("pid " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(HomeLock::acquire(home, clock_));
}

}  // namespace
}  // namespace consort::store

#include "base/file.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

namespace consort {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("consort_file_test_" + std::to_string(::getpid()));
};

TEST_F(FileTest, WritesAtomicallyAndReadsBack) {
  fs::path path = folder_ / "a";
  ASSERT_TRUE(write_file_atomic(path, "one"));
  ASSERT_TRUE(write_file_atomic(path, std::string(300000, 'x')));
  EXPECT_EQ(read_file(path, 1 << 20).value(), std::string(300000, 'x'));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(FileTest, RefusesAFileOverTheLimitAndTakesOneAtIt) {
  fs::path path = folder_ / "a";
  std::ofstream(path) << "12345";
  EXPECT_EQ(read_file(path, 5).value(), "12345");
  EXPECT_EQ(read_file(path, 4).error().code, ErrorCode::resource_exhausted);
}

TEST_F(FileTest, NamesTheMissingFile) {
  auto r = read_file(folder_ / "none", 10);
  EXPECT_EQ(r.error().code, ErrorCode::not_found);
  EXPECT_EQ(r.error().place, (folder_ / "none").string());
  EXPECT_FALSE(write_file_atomic(folder_ / "no" / "file", "x"));
}

TEST_F(FileTest, MapsWholeFilesIncludingEmptyOnes) {
  std::ofstream(folder_ / "empty");
  EXPECT_TRUE(MappedFile::open(folder_ / "empty").value()->bytes().empty());
  std::ofstream(folder_ / "b") << "map";
  auto map = MappedFile::open(folder_ / "b");
  EXPECT_EQ(std::string(map.value()->bytes().begin(), map.value()->bytes().end()), "map");
  EXPECT_FALSE(MappedFile::open(folder_));
}

}  // namespace
}  // namespace consort

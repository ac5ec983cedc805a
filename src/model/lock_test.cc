#include "model/lock.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"

namespace consort::model {
namespace {

// SHA-256 of "abc" is the first example of FIPS 180-4.
constexpr std::string_view kLock =
    R"({"format":1,"models":[{"ref":"tiny:f32","name":"tiny-f32","summary":"s",
 "licence":"MIT","default":true,"files":[{"path":"model.gguf","bytes":3,
 "sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]}]})";

class LockTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(testing::TempDir()) /
        ("lock_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "cache/tiny-f32");
    write("models.lock", kLock);
    write("cache/tiny-f32/model.gguf", "abc");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name) << text;
  }
  std::filesystem::path folder_;
};

TEST_F(LockTest, ResolvesAReferenceToAVerifiedFile) {
  const auto lock = ModelLock::open(folder_ / "models.lock");
  ASSERT_TRUE(lock) << lock.error().to_string();
  const auto resolved = lock->resolve("tiny:f32", Verify::always);
  ASSERT_TRUE(resolved) << resolved.error().to_string();
  EXPECT_EQ(resolved->main_file, folder_ / "cache/tiny-f32/model.gguf");
  EXPECT_FALSE(resolved->is_folder_model);
  EXPECT_EQ(resolved->sha256.hex().substr(0, 8), "ba7816bf");
}

TEST_F(LockTest, NamesTheKnownModelsWhenAReferenceIsUnknown) {
  const auto error =
      ModelLock::open(folder_ / "models.lock")->resolve("huge:f32", Verify::none).error();
  EXPECT_EQ(error.number, 3605);
  EXPECT_NE(error.fix.find("tiny:f32"), std::string::npos);
}

TEST_F(LockTest, RefusesAFileThatIsMissingOrNotTheLocked) {
  const auto lock = ModelLock::open(folder_ / "models.lock");
  write("cache/tiny-f32/model.gguf", "abd");
  EXPECT_TRUE(lock->resolve("tiny:f32", Verify::none));
  EXPECT_EQ(lock->resolve("tiny:f32", Verify::always).error().number, 3603);
  write("cache/tiny-f32/model.gguf", "abcd");
  EXPECT_EQ(lock->resolve("tiny:f32", Verify::none).error().number, 3603);
  std::filesystem::remove(folder_ / "cache/tiny-f32/model.gguf");
  const auto error = lock->resolve("tiny:f32", Verify::none).error();
  EXPECT_EQ(error.number, 3606);
  EXPECT_NE(error.fix.find("fetch_models"), std::string::npos);
}

TEST_F(LockTest, RemembersAVerifiedFileUntilItChanges) {
  const auto lock = ModelLock::open(folder_ / "models.lock");
  const auto memo = folder_ / "verified";
  ASSERT_TRUE(lock->resolve("tiny:f32", Verify::cached, memo));
  const std::string first = read_file(memo, 1 << 20).value();
  EXPECT_NE(first.find("ba7816bf"), std::string::npos);
  ASSERT_TRUE(lock->resolve("tiny:f32", Verify::cached, memo));
  EXPECT_EQ(read_file(memo, 1 << 20).value(), first);
  write("cache/tiny-f32/model.gguf", "abd");
  std::filesystem::last_write_time(
      folder_ / "cache/tiny-f32/model.gguf",
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_EQ(lock->resolve("tiny:f32", Verify::cached, memo).error().number, 3603);
}

TEST_F(LockTest, RefusesABrokenLockAndAPathThatLeavesTheFolder) {
  for (const std::string_view text :
       {"", "{}", "[1]", R"({"format":2,"models":[]})",
        R"({"format":1,"models":[{"ref":"a","name":"../x","files":[]}]})"}) {
    write("models.lock", text);
    EXPECT_EQ(ModelLock::open(folder_ / "models.lock").error().number, 3604) << text;
  }
  std::string escape(kLock);
  escape.replace(escape.find("model.gguf"), 10, "../../etc/x");
  write("models.lock", escape);
  EXPECT_EQ(ModelLock::open(folder_ / "models.lock").error().number, 3604);
}

TEST(ModelLock, ReadsTheLockOfThisRepository) {
  const auto lock =
      ModelLock::open(std::filesystem::path(CONSORT_SOURCE_DIR) / "models/models.lock");
  ASSERT_TRUE(lock) << lock.error().to_string();
  EXPECT_TRUE(lock->find("smollm2-135m:q4_1"));
  EXPECT_TRUE(lock->find("minilm-l6:f32"));
}

}  // namespace
}  // namespace consort::model

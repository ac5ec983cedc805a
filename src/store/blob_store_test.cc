#include "store/blob_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace consort::store {
namespace {

namespace fs = std::filesystem;

class BlobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(home_); }
  void TearDown() override { fs::remove_all(home_); }
  fs::path home_ = fs::temp_directory_path() / ("consort_blob_test_" + std::to_string(::getpid()));
  BlobStore blobs_{home_ / "blobs"};
};

TEST_F(BlobStoreTest, NamesABlobByItsDigest) {
  // SHA-256 of "abc" from FIPS 180-4's examples.
  const char* hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(blobs_.put("abc")->hex(), hex);
  EXPECT_TRUE(fs::is_regular_file(home_ / "blobs" / "ba" / hex));
  EXPECT_EQ(blobs_.get(Digest::from_hex(hex).value()).value(), "abc");
}

TEST_F(BlobStoreTest, KeepsOneFileForTheSameBytesAndNoTemporaryOnes) {
  Digest digest = blobs_.put("same").value();
  ASSERT_TRUE(blobs_.put("same"));
  fs::path folder = blobs_.path_of(digest).parent_path();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(BlobStoreTest, KeepsEmptyAndBinaryBytes) {
  std::string binary("\0\xff\n\0", 4);
  EXPECT_EQ(blobs_.get(blobs_.put("").value()).value(), "");
  EXPECT_EQ(blobs_.get(blobs_.put(binary).value()).value(), binary);
}

TEST_F(BlobStoreTest, FindsAChangedBlobOnReading) {
  Digest digest = blobs_.put("one million").value();
  std::ofstream(blobs_.path_of(digest)) << "two million";
  EXPECT_EQ(blobs_.get(digest).error().number, 1211);
  std::ofstream(blobs_.path_of(digest), std::ios::trunc);
  EXPECT_EQ(blobs_.get(digest).error().code, ErrorCode::corruption);
}

TEST_F(BlobStoreTest, SaysWhichBlobIsMissing) {
  auto missing = blobs_.get(sha256("never put"));
  EXPECT_EQ(missing.error().number, 1212);
  EXPECT_EQ(missing.error().place, blobs_.path_of(sha256("never put")).string());
}

TEST_F(BlobStoreTest, AnswersATypedErrorWhenTheFolderCannotBeMade) {
  BlobStore nowhere(home_ / "none" / "blobs");
  EXPECT_EQ(nowhere.put("x").error().number, 1105);
}

}  // namespace
}  // namespace consort::store

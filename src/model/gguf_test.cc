#include "model/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/test_fixtures.h"

namespace consort::model {
namespace {

Result<std::unique_ptr<const GgufFile>> parse(const std::string& bytes) {
  return GgufFile::parse(as_bytes(bytes));
}

// Reads everything that a caller could read.
void use_all(const GgufFile& file) {
  for (const std::string_view key : file.keys()) {
    (void)file.get_u32(key);
    (void)file.get_f32(key);
    (void)file.get_bool(key);
    (void)file.get_string(key);
    (void)file.get_string_array(key);
    (void)file.get_i32_array(key);
    (void)file.get_f32_array(key);
  }
  unsigned sum = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    (void)file.tensor(tensor.name);
    for (const uint8_t byte : tensor.data) sum += byte;
  }
  EXPECT_GE(sum, 0u);
}

TEST(Gguf, GivesBackWhatWasWritten) {
  const std::string bytes = small_gguf();
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().to_string();
  const GgufFile& gguf = **file;
  EXPECT_EQ(gguf.get_string("general.architecture").value(), "llama");
  EXPECT_EQ(gguf.get_u32("llama.block_count").value(), 3u);
  EXPECT_EQ(gguf.get_u32("wide").value(), 5u);
  EXPECT_EQ(gguf.get_f32("eps").value(), 0.5f);
  EXPECT_TRUE(gguf.get_bool("flag").value());
  EXPECT_EQ(gguf.get_string_array("names").value(),
            (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_EQ(gguf.get_i32_array("ints").value(), (std::vector<int32_t>{-1, 2}));
  EXPECT_EQ(gguf.get_f32_array("floats").value(), std::vector<float>{1.5f});
  const GgufTensor* weights = gguf.tensor("weights").value();
  EXPECT_EQ(weights->dims[0], 2u);
  EXPECT_EQ(weights->n_rows(), 3u);
  float last;
  std::memcpy(&last, weights->data.data() + 20, 4);
  EXPECT_EQ(last, 6.0f);
  EXPECT_EQ(gguf.tensor("q8").value()->data.size(), 34u);
  EXPECT_EQ((gguf.tensor("q4").value()->data.data() - as_bytes(bytes).data()) % 32, 0);
}

TEST(Gguf, SaysWhichKeyIsMissingOrOfAnotherType) {
  const std::string bytes = small_gguf();
  const auto file = parse(bytes);
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->get_u32("absent").error().number, 3105);
  EXPECT_EQ((*file)->get_u32("eps").error().number, 3106);
  EXPECT_EQ((*file)->get_u32("negative").error().number, 3106);
  EXPECT_EQ((*file)->get_string("names").error().number, 3106);
  EXPECT_EQ((*file)->get_u32_or("absent", 9).value(), 9u);
  EXPECT_EQ((*file)->get_u32_or("eps", 9).error().number, 3106);
  EXPECT_EQ((*file)->tensor("absent").error().number, 3105);
}

TEST(Gguf, RefusesAnEmptyFileAndAnotherFormat) {
  EXPECT_EQ(parse("").error().number, 3102);
  EXPECT_EQ(parse("GG").error().number, 3102);
  EXPECT_EQ(parse(std::string(100, 'x')).error().number, 3102);
}

TEST(Gguf, RefusesAFileCutAtAnyByte) {
  const std::string bytes = small_gguf();
  // The last 12 bytes only pad the last tensor (20 bytes of 32).
  for (size_t n = 0; n < bytes.size() - 12; ++n) {
    const auto file = parse(bytes.substr(0, n));
    ASSERT_FALSE(file) << "cut at " << n;
    EXPECT_TRUE(file.error().number >= 3101 && file.error().number <= 3104)
        << file.error().to_string();
    EXPECT_FALSE(file.error().place.empty());
    EXPECT_FALSE(file.error().fix.empty()) << file.error().to_string();
  }
}

TEST(Gguf, SurvivesEveryFlippedBit) {
  std::string bytes = small_gguf();
  int refused = 0;
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
    if (const auto file = parse(bytes); file) {
      use_all(**file);
    } else {
      ++refused;
      EXPECT_TRUE(file.error().number >= 3101 && file.error().number <= 3106);
    }
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
  }
  EXPECT_GT(refused, 500);
}

TEST(Gguf, RefusesCountsThatTheFileCannotHold) {
  for (const uint64_t count : {uint64_t{4} << 30, UINT64_MAX, uint64_t{60000}}) {
    for (const size_t at :
         {size_t{8}, size_t{16}, size_t{24}}) {  // Tensors, metadata, the first key's length.
      std::string bytes = small_gguf();
      std::memcpy(bytes.data() + at, &count, 8);
      const auto file = parse(bytes);
      ASSERT_FALSE(file);
      EXPECT_TRUE(file.error().number == 3101 || file.error().number == 3104)
          << file.error().to_string();
    }
  }
}

TEST(Gguf, RefusesDimensionsWhoseProductOverflows) {
  std::string bytes = small_gguf();
  const size_t name = bytes.find("weights");
  const uint64_t huge = uint64_t{1} << 40;
  std::memcpy(bytes.data() + name + 7 + 4, &huge, 8);
  std::memcpy(bytes.data() + name + 7 + 12, &huge, 8);
  const auto file = parse(bytes);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().number, 3101);
}

TEST(Gguf, OpensAFileWithAnUnknownTensorTypeAndRefusesThatTensorOnly) {
  std::string bytes = small_gguf();
  const size_t name = bytes.find("q8");
  const uint32_t iq2_xxs = 16;
  std::memcpy(bytes.data() + name + 2 + 4 + 8, &iq2_xxs, 4);
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ((*file)->tensor("q8").error().number, 3103);
  EXPECT_TRUE((*file)->tensor("q4"));
}

TEST(Gguf, RefusesBigEndianAndUnknownVersions) {
  std::string bytes = small_gguf();
  bytes[4] = 9;
  EXPECT_EQ(parse(bytes).error().number, 3103);
  std::memcpy(bytes.data() + 4, "\0\0\0\3", 4);
  EXPECT_EQ(parse(bytes).error().number, 3103);
}

TEST(Gguf, RefusesAStringBeyondTheLimit) {
  GgufLimits limits;
  limits.string_bytes_max = 3;
  const std::string bytes = small_gguf();
  const auto file = GgufFile::parse(as_bytes(bytes), "x", limits);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().number, 3104);
}

TEST(GgufWriter, RefusesTwiceTheSameNameAndDataOfAnotherSize) {
  GgufWriter twice;
  twice.set_u32("k", 1);
  twice.set_u32("k", 2);
  EXPECT_EQ(twice.finish().error().number, 3121);
  GgufWriter wrong;
  const uint64_t dims[] = {3};
  wrong.add_tensor_f32("t", dims, std::vector<float>{1, 2});
  EXPECT_EQ(wrong.finish().error().number, 3122);
}

}  // namespace
}  // namespace consort::model

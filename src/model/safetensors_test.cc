#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/test_fixtures.h"

namespace consort::model {
namespace {

Result<std::unique_ptr<const SafetensorsFile>> parse(const std::string& bytes) {
  return SafetensorsFile::parse(as_bytes(bytes));
}
int error_of(std::string_view header, std::string_view data = "12345678") {
  const auto file = parse(safetensors_of(header, data));
  return file ? 0 : file.error().number;
}

TEST(Safetensors, ReadsShapesTypesAndMetadata) {
  const std::string bytes = small_safetensors();
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ((*file)->metadata().at("format"), "pt");
  ASSERT_EQ((*file)->tensors().size(), 3u);
  EXPECT_EQ(to_f32(*(*file)->tensor("a").value()).value(), (std::vector<float>{1.0f, -2.0f}));
  EXPECT_EQ(to_f32(*(*file)->tensor("b").value()).value(), (std::vector<float>{1.0f, -2.0f}));
  EXPECT_EQ((*file)->find("b")->shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(to_f32(*(*file)->find("c")).error().number, 3206);
  EXPECT_EQ((*file)->tensor("absent").error().number, 3205);
}

TEST(Safetensors, RefusesAFileCutAtAnyByte) {
  const std::string bytes = small_safetensors();
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto file = parse(bytes.substr(0, n));
    ASSERT_FALSE(file) << "cut at " << n;
    EXPECT_TRUE(file.error().number >= 3201 && file.error().number <= 3204)
        << file.error().to_string();
    EXPECT_FALSE(file.error().place.empty());
    EXPECT_FALSE(file.error().fix.empty());
  }
}

TEST(Safetensors, SurvivesEveryFlippedBit) {
  std::string bytes = small_safetensors();
  int refused = 0;
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
    if (const auto file = parse(bytes); file) {
      for (const auto& tensor : (*file)->tensors()) (void)to_f32(tensor);
    } else {
      ++refused;
      EXPECT_TRUE(file.error().number >= 3201 && file.error().number <= 3204)
          << file.error().to_string();
    }
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
  }
  EXPECT_GT(refused, 500);
}

TEST(Safetensors, RefusesAHeaderThatClaimsGigabytes) {
  std::string bytes = small_safetensors();
  for (const uint64_t claim : {uint64_t{4} << 30, UINT64_MAX}) {
    std::memcpy(bytes.data(), &claim, 8);
    EXPECT_EQ(parse(bytes).error().number, 3203);
  }
  const uint64_t within_limit = 99'000'000;
  std::memcpy(bytes.data(), &within_limit, 8);
  EXPECT_EQ(parse(bytes).error().number, 3201);
}

TEST(Safetensors, RefusesOffsetsThatOverlapLeaveAHoleOrPassTheEnd) {
  const auto two = [](int a0, int a1, int b0, int b1) {
    return "{\"a\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(a1 - a0) +
           "],\"data_offsets\":[" + std::to_string(a0) + "," + std::to_string(a1) +
           "]},\"b\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(b1 - b0) +
           "],\"data_offsets\":[" + std::to_string(b0) + "," + std::to_string(b1) + "]}}";
  };
  EXPECT_EQ(error_of(two(0, 4, 4, 8)), 0);
  EXPECT_EQ(error_of(two(4, 8, 0, 4)), 0);
  EXPECT_EQ(error_of(two(0, 5, 4, 8)), 3201);
  EXPECT_EQ(error_of(two(0, 3, 4, 8)), 3201);
  EXPECT_EQ(error_of(two(0, 4, 4, 7)), 3201);
  EXPECT_EQ(error_of(two(0, 4, 4, 9)), 3201);
  EXPECT_EQ(error_of("{}", ""), 0);
}

TEST(Safetensors, RefusesAnUnknownTypeAndAShapeThatOverflows) {
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})"), 3204);
  EXPECT_EQ(
      error_of(R"({"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,8]}})"),
      3201);
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"), 3202);
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"), 3201);
  EXPECT_EQ(error_of(R"({"a":1})"), 3202);
  EXPECT_EQ(error_of("[]"), 3202);
}

}  // namespace
}  // namespace consort::model

// A million rows of logits in random companies, of small random-weight models and of SmolLM2.
#include "engine/same_bits.h"

namespace consort::engine {
namespace {

class SameBitsOfSmallModels : public SameBits, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    const auto folder = model::kGolden / "decoders";
    load(folder / (std::string(GetParam()) + ".gguf"),
         folder / (std::string(GetParam()) + ".lora"));
  }
};

TEST_P(SameBitsOfSmallModels, AMillionRowsOfLogitsDoNotDependOnTheirCompany) {
  EXPECT_EQ(count_differences(1000000, 3), 0u);
}

INSTANTIATE_TEST_SUITE_P(Families, SameBitsOfSmallModels,
                         testing::Values("llama", "qwen2", "qwen3", "gemma3"));

TEST_F(SameBits, AMillionRowsOfLogitsDoNotDependOnTheirCompany) {
  EXPECT_EQ(count_differences(1000000, 2), 0u);
}

}  // namespace
}  // namespace consort::engine

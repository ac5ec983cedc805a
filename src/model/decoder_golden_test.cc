// SmolLM2's forward pass against transformers in f32 and PEFT (tools/golden/make_forward.py).
#include <algorithm>
#include <cmath>

#include "model/decoder.h"
#include "model/decoder_test_support.h"
#include "model/forward_test_support.h"

namespace consort::model {
namespace {

struct Difference {
  double largest = 0;  // Over the reference's 64 best logits of every position.
  double mean = 0;
  int top1 = 0, positions = 0;
};

Difference compare(const contract::Value& prompt, const std::vector<float>& logits, int n_vocab) {
  Difference d;
  double sum = 0;
  int n = 0;
  const contract::Array& top = prompt.find("top")->as_array();
  for (size_t position = 0; position < top.size(); ++position) {
    const float* row = logits.data() + position * static_cast<size_t>(n_vocab);
    const std::vector<int32_t> ids = golden_ids(*top[position].find("ids"));
    const std::vector<float> wanted = golden_floats(*top[position].find("logits"));
    for (size_t i = 0; i < ids.size(); ++i, ++n) {
      const double difference = std::fabs(static_cast<double>(row[ids[i]]) - wanted[i]);
      d.largest = std::max(d.largest, difference);
      sum += difference;
    }
    d.top1 += std::max_element(row, row + n_vocab) - row == ids[0] ? 1 : 0;
    ++d.positions;
  }
  d.mean = sum / n;
  return d;
}

class DecoderGolden : public testing::TestWithParam<tensor::Isa> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(kSmol)) << kFetch;
    auto file = GgufFile::open(kSmol);
    ASSERT_TRUE(file) << file.error().to_string();
    auto decoder = Decoder::load(**file);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    decoder_ = std::move(*decoder);
  }
  void expect_like(const char* golden, const DecoderAdapter* adapter) {
    const contract::Value value = golden_json(golden);
    for (const contract::Value& prompt : value.find("prompts")->as_array()) {
      const std::vector<int32_t> ids = golden_ids(*prompt.find("ids"));
      const std::vector<float> logits = run(*decoder_, adapter, GetParam(), ids);
      const Difference d = compare(prompt, logits, decoder_->config().n_vocab);
      const double llama_cpp = prompt.find("llama_cpp_max_abs_diff")->as_number().as_double();
      std::printf(
          "%s %s: largest logit difference to f32 %.3f, mean %.4f (llama.cpp's largest %.3f), "
          "top-1 %d of %d\n",
          golden, std::string(tensor::name(GetParam())).c_str(), d.largest, d.mean, llama_cpp,
          d.top1, d.positions);
      // 8-bit activations move logits; llama.cpp's own distance from f32 is the yardstick.
      EXPECT_LT(d.largest, llama_cpp);
      EXPECT_LT(d.mean, llama_cpp / 4);
      EXPECT_GE(d.top1, d.positions * 85 / 100);
    }
  }
  std::unique_ptr<const Decoder> decoder_;
};

TEST_P(DecoderGolden, LogitsAreAsCloseToF32AsThoseOfLlamaCpp) {
  expect_like("smollm2_logits.json.gz", nullptr);
}

TEST_P(DecoderGolden, AnAdapterChangesLogitsAsPeftDoes) {
  for (const char* path : {"lora/adapter.gguf", "lora/peft"}) {
    auto file = load_adapter_file(kGolden / path,
                                  PeftBase{.architecture = "llama", .n_head = 9, .n_head_kv = 3});
    ASSERT_TRUE(file) << file.error().to_string();
    auto adapter = DecoderAdapter::bind(*decoder_, *file);
    ASSERT_TRUE(adapter) << adapter.error().to_string();
    expect_like("smollm2_lora.json.gz", adapter->get());
  }
}

// Without rounded activations (only keys and values are rounded, to f16) what remains is
// arithmetic.
TEST(DecoderExact, LogitsOfDequantisedWeightsEqualTransformersAndPeft) {
  ASSERT_TRUE(std::filesystem::exists(kSmol)) << kFetch;
  auto file = GgufFile::open(kSmol);
  ASSERT_TRUE(file);
  auto decoder = Decoder::load(**file, 0, true);
  ASSERT_TRUE(decoder) << decoder.error().to_string();
  auto adapter_file = load_adapter_file(kGolden / "lora/adapter.gguf");
  ASSERT_TRUE(adapter_file);
  auto adapter = DecoderAdapter::bind(**decoder, *adapter_file);
  ASSERT_TRUE(adapter) << adapter.error().to_string();
  for (const bool adapted : {false, true}) {
    const contract::Value golden =
        golden_json(adapted ? "smollm2_lora.json.gz" : "smollm2_logits.json.gz");
    double largest = 0;
    for (const contract::Value& prompt : golden.find("prompts")->as_array()) {
      const std::vector<float> logits =
          run(**decoder, adapted ? adapter->get() : nullptr, tensor::supported_isas().back(),
              golden_ids(*prompt.find("ids")));
      const Difference d = compare(prompt, logits, (*decoder)->config().n_vocab);
      largest = std::max(largest, d.largest);
      EXPECT_EQ(d.top1, d.positions);
    }
    std::printf("f32 weights, %s: largest logit difference to %s %.5f\n",
                adapted ? "adapter" : "base", adapted ? "PEFT" : "transformers", largest);
    EXPECT_LT(largest, 0.02);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, DecoderGolden, testing::ValuesIn(tensor::supported_isas()),
                         [](const auto& info) { return std::string(tensor::name(info.param)); });

}  // namespace
}  // namespace consort::model

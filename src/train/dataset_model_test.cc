// With the fetched SmolLM2: rows are rendered by the model's own template, and bad ones refused.
#include <gtest/gtest.h>

#include <algorithm>

#include "contract/json.h"
#include "train/dataset.h"
#include "train/trainer.h"

namespace consort::train {
namespace {

class DatasetOfSmolLm2 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto file = model::GgufFile::open(std::string(CONSORT_SOURCE_DIR) +
                                      "/models/cache/smollm2-135m-q4_1/model.gguf");
    ASSERT_TRUE(file) << "models are not fetched: run 'make models'";
    file_ = std::move(*file).release();
    renderer_ = std::move(*Renderer::create(*file_)).release();
  }
  int error_of(std::string_view text, const DatasetOptions& options = {}) {
    const auto read = read_dataset(text, "rows.jsonl", *renderer_, options);
    return read ? 0 : read.error().number;
  }
  static const model::GgufFile* file_;
  static const Renderer* renderer_;
};
const model::GgufFile* DatasetOfSmolLm2::file_ = nullptr;
const Renderer* DatasetOfSmolLm2::renderer_ = nullptr;

constexpr std::string_view kRow = R"({"prompt": "Say hi", "completion": "hi", "system": "Be brief"})";

TEST_F(DatasetOfSmolLm2, ARowIsTheTemplatesTextAndTheAnswerItsEndToken) {
  const auto data = read_dataset(kRow, "rows.jsonl", *renderer_, {});
  ASSERT_TRUE(data);
  const auto tokenizer = model::load_tokenizer(*file_);
  // SmolLM2-Instruct's published format.
  EXPECT_EQ(*(*tokenizer)->decode(data->examples[0].tokens, true),
            "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nSay hi<|im_end|>\n"
            "<|im_start|>assistant\nhi<|im_end|>");
  EXPECT_EQ(data->n_labels(), 2u);
}

TEST_F(DatasetOfSmolLm2, RefusesRowsThatCannotBeLearnt) {
  const std::string row(kRow);
  EXPECT_EQ(error_of(""), 9014);
  EXPECT_EQ(error_of("\n\n"), 9014);
  EXPECT_EQ(error_of("{"), 9010);
  EXPECT_EQ(error_of("[1]"), 9010);
  EXPECT_EQ(error_of(R"({"prompt": "a"})"), 9010);
  EXPECT_EQ(error_of(R"({"prompt": "a", "completion": ""})"), 9010);
  EXPECT_EQ(error_of(R"({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]})"),
            9010);
  EXPECT_EQ(error_of(row + "\n" + row), 9012);
  EXPECT_EQ(error_of(row, {.tokens_max = 5}), 9013);
  const auto schema = contract::Schema::compile(
      *contract::parse_json(R"({"type": "object", "required": ["sql"]})"), "contract");
  ASSERT_TRUE(schema);
  EXPECT_EQ(error_of(row, {.contract = *schema}), 9011);
  EXPECT_EQ(error_of(R"({"prompt": "a", "completion": "{\"sql\": 1}"})", {.contract = *schema}), 0);
}

TEST_F(DatasetOfSmolLm2, TextThatSpellsAControlTokenDoesNotBecomeOne) {
  const auto data = read_dataset(R"({"prompt": "a<|im_end|>b", "completion": "c<|im_end|>d"})", "x",
                                 *renderer_, {});
  ASSERT_TRUE(data);
  const auto tokenizer = model::load_tokenizer(*file_);
  const auto end = *(*tokenizer)->find("<|im_end|>");
  const auto& tokens = data->examples[0].tokens;
  // One ends the default system message, one the user's, one the answer.
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), end), 3);
}

// The base itself knows how sentences go on: loss far below a uniform guess (ln 49152 = 10.8), and a
// few steps lower it.
TEST_F(DatasetOfSmolLm2, AFewStepsLowerTheLoss) {
  const auto data = read_dataset(
      R"({"prompt": "What is the capital of France?", "completion": "The capital of France is Paris."})"
      "\n"
      R"({"prompt": "How many days has a week?", "completion": "seven 7"})",
      "x", *renderer_, {});
  ASSERT_TRUE(data);
  const auto decoder = model::Decoder::load(*file_);
  ASSERT_TRUE(decoder);
  TrainOptions options;
  options.epochs = 6;
  options.optimizer.learning_rate = 1e-3;
  options.checkpoint_every = 0;
  const SystemClock clock;
  const auto done = train_decoder(**decoder, file_->digest(), *data, options, "/nonexistent", clock,
                                  {}, {});
  ASSERT_TRUE(done);
  EXPECT_LT(done->losses.front(), 4.0);
  EXPECT_LT(done->losses.back(), 0.6 * done->losses.front());
}

}  // namespace
}  // namespace consort::train

#include "train/encoder_trainer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "base/file.h"
#include "model/peft.h"
#include "tensor/kernels.h"
#include "train/adapter_export.h"

namespace consort::train {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "consort_encoder_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

const fs::path kFolder = fs::path(CONSORT_SOURCE_DIR) / "tests/golden/encoders/pair";

struct Base {
  Base() {
    encoder = std::move(*model::Encoder::load(kFolder));
    tokenizer = std::move(*model::load_wordpiece(kFolder));
  }
  Result<EncoderDataset> read(const std::string& rows) const {
    return read_encoder_dataset(rows, "rows", *tokenizer, encoder->config());
  }
  std::unique_ptr<const model::Encoder> encoder;
  std::unique_ptr<const model::Tokenizer> tokenizer;
};

const std::string kVectors =
    R"({"query": ["net cash flow", "cash"], "positive": "operating cash", "negatives": ["sea ship"]})"
    "\n"
    R"({"query": "ship", "positive": "sea", "negatives": ["operating cash"]})"
    "\n"
    R"({"query": "sales grew", "positive": "revenue higher"})"
    "\n"
    R"({"query": "cost fell", "positive": "margin", "negatives": ["year", "quarter"]})"
    "\n";
const std::string kClasses =
    R"({"text": "sea ship", "label": "water"})"
    "\n"
    R"({"text": "net income", "label": "money"})"
    "\n"
    R"({"text": "ship", "label": "water"})"
    "\n"
    R"({"text": "cash flow", "label": "money"})"
    "\n"
    R"({"text": "this year", "label": null})"
    "\n";
const std::string kPairs =
    R"({"query": "cash", "texts": ["net cash", "sea", "ship"], "relevance": [1, 0, 0]})"
    "\n"
    R"({"query": "sea", "texts": ["ship sea", "income"], "relevance": [1, 0]})"
    "\n";

EncoderTrainOptions small_options() {
  EncoderTrainOptions o;
  o.lora.rank = 4;
  o.lora.alpha = 8;
  o.precision = tensor::TrainPrecision::f32;
  o.epochs = 10;
  o.examples_per_batch = 2;
  o.checkpoint_every = 3;
  o.n_threads = 1;
  o.optimizer.learning_rate = 2e-3;
  return o;
}

Result<EncoderTrainResult> train(const Base& base, const EncoderDataset& data,
                                 const EncoderTrainOptions& o, const fs::path& folder,
                                 const std::function<void(const TrainProgress&)>& progress = {}) {
  const SystemClock clock;
  return train_encoder(*base.encoder, data, o, folder, clock, {}, progress);
}

TEST(EncoderTrainer, EveryObjectiveLearnsItsRowsWithTheSameBitsForAnyThreads) {
  const Base base;
  for (const std::string& rows : {kVectors, kClasses, kPairs}) {
    const auto data = base.read(rows);
    ASSERT_TRUE(data) << data.error().to_string();
    const Folder one, three;
    EncoderTrainOptions o = small_options();
    const auto first = train(base, *data, o, one.path);
    o.n_threads = 3;
    const auto second = train(base, *data, o, three.path);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->loop.losses, second->loop.losses);
    EXPECT_EQ(first->lora.values, second->lora.values);
    EXPECT_EQ(first->head_values, second->head_values);
    const size_t n = first->loop.losses.size();
    double early = 0, late = 0;
    for (size_t i = 0; i < 4; ++i) {
      early += first->loop.losses[i];
      late += first->loop.losses[n - 1 - i];
    }
    EXPECT_LT(late, 0.7 * early) << name(data->objective);
  }
}

TEST(EncoderTrainer, KilledAtAnyStepAndStartedAgainEndsWithTheSameBits) {
  const Base base;
  const auto data = base.read(kClasses);
  ASSERT_TRUE(data);
  const Folder whole;
  const auto expected = train(base, *data, small_options(), whole.path);
  ASSERT_TRUE(expected);
  for (const int64_t kill_at : {1, 3, 8, 20}) {
    const Folder folder;
    const pid_t child = fork();
    if (child == 0) {
      (void)train(base, *data, small_options(), folder.path, [&](const TrainProgress& p) {
        if (p.step == kill_at) kill(getpid(), SIGKILL);
      });
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto resumed = train(base, *data, small_options(), folder.path);
    ASSERT_TRUE(resumed);
    EXPECT_EQ(resumed->loop.resumed_at, (kill_at - 1) / 3 * 3);  // Killed before step 3 was kept.
    EXPECT_EQ(resumed->loop.losses, expected->loop.losses);
    EXPECT_EQ(resumed->lora.values, expected->lora.values);
    EXPECT_EQ(resumed->head_values, expected->head_values);
  }
}

TEST(EncoderTrainer, ACheckpointOfOtherDataIsRefused) {
  const Base base;
  const auto one = base.read(kClasses), other = base.read(kPairs);
  const Folder folder;
  ASSERT_TRUE(train(base, *one, small_options(), folder.path));
  const auto refused = train(base, *other, small_options(), folder.path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, 9021);
}

// Isolation: what another component reads from the base has the same bits before, while and after an
// adapter is taught on it.
TEST(EncoderTrainer, LeavesTheBasesVectorsAsTheyAreWhileItTrains) {
  const Base base;
  const auto data = base.read(kClasses);
  ASSERT_TRUE(data);
  const std::span<const model::TextPair> texts(data->texts);
  ThreadPool pool(1);
  model::EncoderRunner runner(*base.encoder, pool, tensor::kernels(*tensor::choose_isa()));
  const auto before = runner.run(texts);
  const Folder folder;
  std::atomic<bool> trained = false;
  std::jthread trainer([&] {
    EXPECT_TRUE(train(base, *data, small_options(), folder.path));
    trained = true;
  });
  int reads = 0;
  do {
    EXPECT_EQ(runner.run(texts), before);
    ++reads;
  } while (!trained);
  EXPECT_GE(reads, 1);
  EXPECT_EQ(runner.run(texts), before);
}

TEST(EncoderDataset, SaysWhichRowIsBad) {
  const Base base;
  const auto number_of = [&](const std::string& rows) {
    const auto data = base.read(rows);
    return data ? 0 : data.error().number;
  };
  EXPECT_EQ(number_of(""), 9014);
  EXPECT_EQ(number_of("{\"text\": \"sea\", \"label\": \"one\"}\n"), 9014);  // One label decides nothing.
  EXPECT_EQ(number_of("[1]\n"), 9010);
  EXPECT_EQ(number_of("{\"text\": \"\", \"label\": \"one\"}\n"), 9010);
  EXPECT_EQ(number_of("{\"query\": \"a\", \"positive\": \"b\", \"negatives\": [\"b\"]}\n"), 9010);
  EXPECT_EQ(number_of("{\"query\": \"a\", \"texts\": [\"b\"], \"relevance\": [1, 2]}\n"), 9010);
  EXPECT_EQ(number_of("{\"query\": \"a\", \"texts\": [\"b\"], \"relevance\": [-1]}\n"), 9010);
  EXPECT_EQ(number_of(kClasses + kPairs), 9010);
  EXPECT_EQ(number_of(kClasses + "{\"text\": \"ship\", \"label\": \"money\"}\n"), 9012);
  EXPECT_EQ(number_of(kPairs + kPairs), 9012);
  const auto labelled = read_encoder_dataset("{\"text\": \"sea\", \"label\": \"air\"}\n", "dev",
                                             *base.tokenizer, base.encoder->config(),
                                             {"money", "water"});
  ASSERT_FALSE(labelled);
  EXPECT_EQ(labelled.error().number, 9010);
  EXPECT_EQ(labelled.error().place, "dev:1");
}

model::AdapterFile adapter_of(const Base& base, const EncoderTrainResult& trained) {
  model::AdapterFile adapter = trained.lora.to_adapter("bert");
  adapter.base_sha256 = base.encoder->digest();
  model::AdapterHead head;
  head.labels = {"money", "water"};
  head.n_embd = base.encoder->config().n_embd;
  head.threshold = 0.25;
  head.weight.assign(trained.head_values.begin(), trained.head_values.end() - 2);
  head.bias.assign(trained.head_values.end() - 2, trained.head_values.end());
  adapter.head = head;
  return adapter;
}

TEST(EncoderExport, BothFilesReadBackAndServeTheVectorsThatWereTrained) {
  const Base base;
  const auto data = base.read(kClasses);
  const Folder folder;
  const auto trained = train(base, *data, small_options(), folder.path);
  ASSERT_TRUE(trained);
  const model::AdapterFile adapter = adapter_of(base, *trained);
  ASSERT_TRUE(write_encoder_adapter_files(folder.path, adapter));
  const auto gguf = model::load_adapter_file(folder.path / "adapter.gguf");
  ASSERT_TRUE(gguf) << gguf.error().to_string();
  const auto peft = model::load_adapter_file(folder.path / "peft", model::PeftBase{.architecture = "bert"});
  ASSERT_TRUE(peft) << peft.error().to_string();
  ASSERT_TRUE(gguf->head);
  EXPECT_EQ(gguf->head->labels, adapter.head->labels);
  EXPECT_EQ(gguf->head->weight, adapter.head->weight);
  EXPECT_EQ(gguf->head->bias, adapter.head->bias);
  EXPECT_EQ(gguf->head->threshold, 0.25);
  EXPECT_EQ(gguf->base_sha256, base.encoder->digest());
  ASSERT_EQ(gguf->pairs.size(), 2u * 6u);
  for (const auto& [name, pair] : gguf->pairs) {
    ASSERT_TRUE(peft->pairs.contains(name)) << name;
    EXPECT_EQ(peft->pairs.at(name).a, pair.a);
    EXPECT_EQ(peft->pairs.at(name).b, pair.b);
  }
  const auto served = base.encoder->with_adapter(*gguf);
  ASSERT_TRUE(served) << served.error().to_string();
  ThreadPool pool(2);
  model::EncoderRunner runner(**served, pool, tensor::kernels(*tensor::choose_isa()));
  model::EncoderRunner plain(*base.encoder, pool, tensor::kernels(*tensor::choose_isa()));
  const auto trained_vectors = training_vectors(*base.encoder, *trained, small_options(), pool)(data->texts);
  const auto served_vectors = runner.run(std::span<const model::TextPair>(data->texts));
  const auto base_vectors = plain.run(std::span<const model::TextPair>(data->texts));
  for (size_t i = 0; i < data->texts.size(); ++i) {
    double with = 0, without = 0;
    for (size_t j = 0; j < 64; ++j) {
      with += static_cast<double>(served_vectors[i][j]) * trained_vectors[i][j];
      without += static_cast<double>(base_vectors[i][j]) * trained_vectors[i][j];
    }
    EXPECT_GT(with, 0.9995);
    EXPECT_LT(without, 0.99) << "the adapter changes nothing";
  }
}

TEST(EncoderExport, AnAdapterThatDoesNotFitIsRefused) {
  const Base base;
  const auto data = base.read(kClasses);
  const Folder folder;
  EncoderTrainOptions o = small_options();
  o.epochs = 1;
  const auto trained = train(base, *data, o, folder.path);
  ASSERT_TRUE(trained);
  const model::AdapterFile good = adapter_of(base, *trained);
  const auto number_of = [&](const model::AdapterFile& adapter) {
    const auto made = base.encoder->with_adapter(adapter);
    return made ? 0 : made.error().number;
  };
  EXPECT_EQ(number_of(good), 0);
  model::AdapterFile bad = good;
  bad.architecture = "llama";
  EXPECT_EQ(number_of(bad), 4106);
  bad = good;
  bad.pairs["blk.2.attn_q.weight"] = bad.pairs["blk.0.attn_q.weight"];
  EXPECT_EQ(number_of(bad), 4106);
  bad = good;
  bad.pairs["blk.0.attn_q.weight"].n_in = 32;
  EXPECT_EQ(number_of(bad), 4106);
  bad = good;
  bad.head->n_embd = 32;
  EXPECT_EQ(number_of(bad), 4106);
  bad = good;
  bad.pairs["blk.0.attn_q.weight"].a[0] = 3e38f;
  bad.pairs["blk.0.attn_q.weight"].b[0] = 3e38f;
  EXPECT_EQ(number_of(bad), 4106);
}

}  // namespace
}  // namespace consort::train

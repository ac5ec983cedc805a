#include "train/trainer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "model/adapter_file.h"
#include "train/adapter_export.h"
#include "train/checkpoint.h"
#include "train/test_model.h"

namespace consort::train {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "consort_train_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

Dataset tiny_data() {
  Dataset data;
  data.digest = sha256("tiny");
  for (int i = 0; i < 12; ++i) {
    Example e;
    e.n_prompt = 3 + i % 4;
    for (int j = 0; j < 12 + i; ++j)
      e.tokens.push_back(static_cast<int32_t>(
          (testing::hashed(static_cast<uint32_t>(i * 40 + j), 7) + 1) / 2 * testing::kVocab));
    data.examples.push_back(std::move(e));
  }
  return data;
}

TrainOptions tiny_options() {
  TrainOptions o;
  o.lora.rank = 4;
  o.lora.targets = {true, false, true, false, false, false, true};
  o.epochs = 6;
  o.tokens_per_batch = 48;
  o.accumulate = 2;
  o.checkpoint_every = 3;
  o.n_threads = 1;
  o.optimizer.learning_rate = 1e-3;
  return o;
}

Result<TrainResult> run(const fs::path& folder, const TrainOptions& o,
                        const std::function<void(const TrainProgress&)>& progress = {}) {
  const auto model = testing::tiny_model();
  const SystemClock clock;
  return train_decoder(*model, sha256("base"), tiny_data(), o, folder, clock, {}, progress);
}

TEST(Trainer, KilledAtAnyStepAndStartedAgainEndsWithTheSameBits) {
  const Folder whole;
  const auto expected = run(whole.path, tiny_options());
  ASSERT_TRUE(expected);
  ASSERT_GT(expected->losses.size(), 12u);
  EXPECT_LT(expected->losses.back(), expected->losses.front());
  for (const int64_t kill_at : {1, 3, 5, 10}) {
    const Folder folder;
    const pid_t child = fork();
    if (child == 0) {
      (void)run(folder.path, tiny_options(), [&](const TrainProgress& p) {
        if (p.step == kill_at) kill(getpid(), SIGKILL);
      });
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto resumed = run(folder.path, tiny_options());
    ASSERT_TRUE(resumed);
    EXPECT_EQ(resumed->resumed_at, (kill_at - 1) / 3 * 3);
    EXPECT_EQ(resumed->losses, expected->losses);
    EXPECT_EQ(resumed->weights.values, expected->weights.values);
  }
}

TEST(Trainer, GoesOnFromAnAdapterOfItsOwnRankAlphaAndTargetsAlone) {
  const Folder first, second;
  const auto taught = run(first.path, tiny_options());
  ASSERT_TRUE(taught);
  const auto model = testing::tiny_model();
  TrainOptions on = tiny_options();
  on.from = std::make_shared<const model::AdapterFile>(taught->weights.to_adapter(model->config()));
  auto same = LoraWeights::create(model->config(), on.lora);
  ASSERT_TRUE(same->take(*on.from));
  EXPECT_EQ(same->values, taught->weights.values);
  const auto gone_on = run(second.path, on);
  ASSERT_TRUE(gone_on);
  EXPECT_LT(gone_on->losses.front(), taught->losses.front());
  EXPECT_EQ(run(first.path, on).error().number, 9021);   // The checkpoint is of the training without it.
  on.lora.rank += 1;
  EXPECT_EQ(run(Folder().path, on).error().number, 9006);
}

TEST(Trainer, ThreadsChangeNoBit) {
  const Folder a, b;
  TrainOptions two = tiny_options();
  two.n_threads = 2;
  EXPECT_EQ(run(a.path, tiny_options())->weights.values, run(b.path, two)->weights.values);
}

TEST(Trainer, RefusesACheckpointOfOtherOptionsOrADamagedOne) {
  const Folder folder;
  ASSERT_TRUE(run(folder.path, tiny_options()));
  TrainOptions other = tiny_options();
  other.seed = 2;
  EXPECT_EQ(run(folder.path, other).error().number, 9021);
  const auto file = folder.path / "checkpoint.bin";
  std::string bytes = *read_file(file, 1 << 24);
  for (const size_t at : {size_t{20}, bytes.size() / 2, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] ^= 1;
    ASSERT_TRUE(write_file_atomic(file, damaged));
    EXPECT_EQ(run(folder.path, tiny_options()).error().number, 9020);
  }
  ASSERT_TRUE(write_file_atomic(file, std::string_view(bytes).substr(0, 100)));
  EXPECT_EQ(run(folder.path, tiny_options()).error().number, 9020);
}

TEST(Trainer, ALossThatIsNoNumberEndsTheTraining) {
  const Folder folder;
  TrainOptions wild = tiny_options();
  wild.optimizer.learning_rate = 1;
  wild.lora.alpha = 3e38f;
  const auto done = run(folder.path, wild);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().number, 9003);
}

TEST(Trainer, AFullDiskDuringACheckpointIsATypedErrorAndKeepsTheOneBefore) {
  const Folder folder;
  const Checkpoint small{sha256("k"), 1, {0.5}, {1, 2}, {3, 4}, {5, 6}};
  const auto file = folder.path / "checkpoint.bin";
  ASSERT_TRUE(save_checkpoint(file, small));
  const pid_t child = fork();
  if (child == 0) {  // A file size limit fails a write as a full disk does, for this child alone.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    Checkpoint large = small;
    large.values.resize(1 << 16);
    const auto saved = save_checkpoint(file, large);
    _exit(!saved && saved.error().number == 1105 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*load_checkpoint(file, sha256("k")), small);
}

TEST(AdapterExport, BothFormsReadBackAsTheSameAdapter) {
  const Folder folder;
  const auto trained = run(folder.path, tiny_options());
  ASSERT_TRUE(trained);
  const auto model = testing::tiny_model();
  model::AdapterFile adapter = trained->weights.to_adapter(model->config());
  adapter.base_sha256 = sha256("base");
  adapter.metadata["consort.licence"] = "Apache-2.0";
  ASSERT_TRUE(write_adapter_files(folder.path, adapter, model->config()));
  const auto gguf = model::load_adapter_file(folder.path / "adapter.gguf");
  const auto peft = model::load_adapter_file(folder.path / "peft", model::PeftBase{"llama", 4, 2});
  ASSERT_TRUE(gguf);
  ASSERT_TRUE(peft);
  EXPECT_EQ(gguf->base_sha256, adapter.base_sha256);
  EXPECT_EQ(gguf->metadata.at("consort.licence"), "Apache-2.0");
  ASSERT_EQ(gguf->pairs.size(), 6u);
  ASSERT_EQ(peft->pairs.size(), 6u);
  for (const auto& [name, pair] : adapter.pairs) {
    for (const auto* read : {&gguf->pairs.at(name), &peft->pairs.at(name)}) {
      EXPECT_EQ(read->a, pair.a) << name;
      EXPECT_EQ(read->b, pair.b) << name;
      EXPECT_FLOAT_EQ(read->scale, pair.scale);
    }
  }
}

TEST(Pack, PutsEveryExampleOnceAndLabelsTheCompletionAlone) {
  const Dataset data = tiny_data();
  std::vector<size_t> order{3, 0, 11, 5};
  const auto batches = pack(data.examples, order, 40);
  size_t which = 0;
  for (const Batch& batch : batches) {
    EXPECT_LE(batch.rows(), 40);
    for (const Sequence& s : batch.sequences) {
      const Example& e = data.examples[order[which++]];
      ASSERT_EQ(s.length, static_cast<int>(e.tokens.size()) - 1);
      for (int j = 0; j < s.length; ++j) {
        const auto at = static_cast<size_t>(s.start + j), next = static_cast<size_t>(j + 1);
        EXPECT_EQ(batch.tokens[at], e.tokens[next - 1]);
        EXPECT_EQ(batch.labels[at], j + 1 >= e.n_prompt ? e.tokens[next] : -1);
      }
    }
  }
  EXPECT_EQ(which, order.size());
}

}  // namespace
}  // namespace consort::train

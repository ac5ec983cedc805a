// Adapters on an encoder: what they change, what they say, and that nobody else notices them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <thread>

#include "base/file.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "model/adapter_file.h"
#include "model/encoder.h"

namespace consort::engine {
namespace {

namespace fs = std::filesystem;

const fs::path kBase = fs::path(CONSORT_SOURCE_DIR) / "tests/golden/encoders/pair";
const std::vector<std::string> kTexts = {"net cash flow", "sea ship", "sales grew by 12 percent",
                                         "operating margin fell", "year"};

// LoRA of random numbers on every projection of layer 0.
model::AdapterFile random_adapter(uint64_t seed, double size = 0.2) {
  Rng rng(seed);
  model::AdapterFile out;
  out.architecture = "bert";
  out.rank = 4;
  out.alpha = 4;
  const auto encoder = model::Encoder::load(kBase);
  out.base_sha256 = (*encoder)->digest();
  for (const auto& [part, n_out, n_in] :
       {std::tuple{"attn_q", 64, 64}, {"attn_output", 64, 64}, {"ffn_up", 96, 64}, {"ffn_down", 64, 96}}) {
    model::LoraPair pair{.rank = 4, .n_in = n_in, .n_out = n_out, .scale = 1, .a = {}, .b = {}};
    for (int i = 0; i < 4 * n_in; ++i) pair.a.push_back(static_cast<float>(size * rng.normal()));
    for (int i = 0; i < 4 * n_out; ++i) pair.b.push_back(static_cast<float>(size * rng.normal()));
    out.pairs["blk.0." + std::string(part) + ".weight"] = std::move(pair);
  }
  return out;
}

model::AdapterHead random_head(uint64_t seed, std::vector<std::string> labels) {
  Rng rng(seed);
  model::AdapterHead head;
  head.kind = labels.size() == 1 ? model::AdapterHead::Kind::pairs : model::AdapterHead::Kind::classes;
  head.n_embd = 64;
  for (size_t i = 0; i < labels.size() * 64; ++i) head.weight.push_back(static_cast<float>(rng.normal()));
  for (size_t i = 0; i < labels.size(); ++i) head.bias.push_back(static_cast<float>(rng.normal()));
  head.labels = std::move(labels);
  return head;
}

class EncoderAdapters : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "consort_encoders_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    auto engine = Engine::create({.n_threads = 2}, clock_);
    ASSERT_TRUE(engine);
    engine_ = std::move(*engine);
    ASSERT_TRUE(engine_->load_model("base", kBase));
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path write(const std::string& name, const model::AdapterFile& adapter) {
    const fs::path path = folder_ / (name + ".gguf");
    EXPECT_TRUE(write_file_atomic(path, *model::write_adapter(adapter)));
    return path;
  }
  int load(const std::string& name, const model::AdapterFile& adapter) {
    const auto loaded = engine_->load_adapter(name, "base", write(name, adapter));
    return loaded ? 0 : loaded.error().number;
  }

  fs::path folder_;
  SystemClock clock_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EncoderAdapters, LeaveEveryOthersVectorsBitIdentical) {
  const auto base = engine_->embed("base", kTexts);
  ASSERT_TRUE(base);
  ASSERT_EQ(load("b", random_adapter(2)), 0);
  const auto b = engine_->embed("base", kTexts, {}, "b");
  ASSERT_TRUE(b);
  EXPECT_NE(*b, *base);
  // While another is loaded, used and unloaded, from another thread.
  std::jthread other([&] {
    for (uint64_t i = 0; i < 8; ++i) {
      ASSERT_EQ(load("a", random_adapter(10 + i)), 0);
      ASSERT_TRUE(engine_->embed("base", kTexts, {}, "a"));
      ASSERT_TRUE(engine_->unload_adapter("a", "base"));
    }
  });
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(*engine_->embed("base", kTexts), *base);
    EXPECT_EQ(*engine_->embed("base", kTexts, {}, "b"), *b);
  }
  other.join();
  EXPECT_EQ(*engine_->embed("base", kTexts), *base);
  EXPECT_EQ(*engine_->embed("base", std::span(kTexts).subspan(2, 1), {}, "b"),
            std::vector<std::vector<float>>{(*b)[2]});
}

TEST_F(EncoderAdapters, SayTheirClassesAndNoneBelowTheThreshold) {
  model::AdapterFile adapter = random_adapter(3);
  adapter.head = random_head(4, {"one", "two", "three"});
  ASSERT_EQ(load("plain", adapter), 0);
  adapter.head->threshold = 0.6;
  ASSERT_EQ(load("strict", adapter), 0);
  const auto vectors = engine_->embed("base", kTexts, {}, "plain");
  const auto said = engine_->classify("base", "plain", kTexts);
  const auto strict = engine_->classify("base", "strict", kTexts);
  ASSERT_TRUE(vectors && said && strict);
  EXPECT_EQ(said->labels, (std::vector<std::string>{"one", "two", "three"}));
  int outside = 0;
  for (size_t i = 0; i < kTexts.size(); ++i) {
    double p[3], total = 0;
    for (size_t l = 0; l < 3; ++l) {
      double x = adapter.head->bias[l];
      for (size_t j = 0; j < 64; ++j)
        x += static_cast<double>(adapter.head->weight[l * 64 + j]) * (*vectors)[i][j];
      total += p[l] = std::exp(x);
    }
    for (size_t l = 0; l < 3; ++l) EXPECT_NEAR(said->texts[i].probabilities[l], p[l] / total, 1e-5);
    const double best = said->texts[i].probabilities[static_cast<size_t>(said->texts[i].best)];
    EXPECT_EQ(best, *std::max_element(said->texts[i].probabilities.begin(), said->texts[i].probabilities.end()));
    EXPECT_FALSE(said->texts[i].outside);
    EXPECT_EQ(strict->texts[i].outside, best < 0.6);
    outside += strict->texts[i].outside;
  }
  EXPECT_GT(outside, 0);
  const auto pairs = engine_->score_pairs("base", "sea", kTexts, {}, "plain");
  ASSERT_FALSE(pairs);
  EXPECT_EQ(pairs.error().number, 4113);
}

TEST_F(EncoderAdapters, ScorePairsByTheirOwnHead) {
  model::AdapterFile adapter = random_adapter(5);
  adapter.head = random_head(6, {"score"});
  ASSERT_EQ(load("pairs", adapter), 0);
  const auto scores = engine_->score_pairs("base", "sea", kTexts, {}, "pairs");
  ASSERT_TRUE(scores) << scores.error().to_string();
  ASSERT_EQ(scores->labels.size(), kTexts.size());
  for (size_t i = 0; i < kTexts.size(); ++i) {
    ASSERT_EQ(scores->labels[i].size(), 1u);
    const auto alone = engine_->score_pairs("base", "sea", std::span(kTexts).subspan(i, 1), {}, "pairs");
    EXPECT_EQ(alone->labels[0], scores->labels[i]);
  }
  EXPECT_NE(scores->labels[0], scores->labels[1]);
  EXPECT_NE(engine_->score_pairs("base", "sea", kTexts)->labels, scores->labels);
  const auto classes = engine_->classify("base", "pairs", kTexts);
  ASSERT_FALSE(classes);
  EXPECT_EQ(classes.error().number, 4113);
}

TEST_F(EncoderAdapters, OfAnotherBaseOrWithoutEffectAreRefused) {
  model::AdapterFile adapter = random_adapter(7);
  adapter.base_sha256 = sha256("another");
  EXPECT_EQ(load("other", adapter), 4106);
  adapter = random_adapter(7, 0);
  EXPECT_EQ(load("nothing", adapter), 4106);
  adapter = random_adapter(7);
  adapter.architecture = "llama";
  EXPECT_EQ(load("llama", adapter), 4106);
  adapter = random_adapter(7);
  adapter.head = random_head(8, {"one", "two"});
  adapter.head->n_embd = 32;
  adapter.head->weight.resize(64);
  EXPECT_EQ(load("narrow", adapter), 4106);
  EXPECT_EQ(engine_->embed("base", kTexts, {}, "narrow").error().number, 4110);
}

TEST_F(EncoderAdapters, AreReadAgainAfterTheyWereEvicted) {
  const auto load_model = [&](Engine& engine) { return engine.load_model("base", kBase); };
  auto small = Engine::create({.n_threads = 1}, clock_);
  const auto base = load_model(**small);
  ASSERT_TRUE(base);
  const auto info = (*small)->load_adapter("a", "base", write("a", random_adapter(11)));
  ASSERT_TRUE(info);
  const auto wanted = (*small)->embed("base", kTexts, {}, "a");
  // Room for one adapter beside the base.
  auto tight = Engine::create({.n_threads = 1, .memory_bytes_max = base->resident_bytes + info->resident_bytes * 3 / 2},
                              clock_);
  ASSERT_TRUE(load_model(**tight));
  ASSERT_TRUE((*tight)->load_adapter("a", "base", write("a", random_adapter(11))));
  const auto second = (*tight)->load_adapter("b", "base", write("b", random_adapter(12)));
  ASSERT_TRUE(second) << second.error().to_string();
  const uint64_t evictions = (*tight)->stats().n_evictions;
  EXPECT_GE(evictions, 1u);
  EXPECT_EQ(*(*tight)->embed("base", kTexts, {}, "a"), *wanted);
}

}  // namespace
}  // namespace consort::engine

// A model with a sliding window (a small random-weight Gemma 3, window 24) in company, on cached
// prefixes and in any order: the same bits.
#include "engine/model_fixture.h"

namespace consort::engine {
namespace {

class Windowed : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create({.n_threads = 2}, clock_);
    ASSERT_TRUE(engine) << engine.error().to_string();
    engine_ = std::move(*engine);
    const auto loaded = engine_->load_model("gemma", model::kGolden / "decoders" / "gemma3.gguf");
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    EXPECT_EQ(loaded->architecture, "gemma3");
  }
  // Prompts of 20 to 110 tokens that share beginnings of different lengths.
  static std::vector<GenerateRequest> requests() {
    std::vector<GenerateRequest> out;
    for (int i = 0; i < 12; ++i) {
      GenerateRequest r;
      r.model = "gemma";
      std::string prompt;
      for (int k = 0; k < 4 + 2 * (i % 6); ++k) prompt += "word" + std::to_string(k % 7) + " 101 ";
      r.prompt = prompt + std::to_string(i * 37);
      r.max_tokens = 40;
      r.digest_logits = true;
      out.push_back(std::move(r));
    }
    return out;
  }
  SystemClock clock_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(Windowed, CompanyAndCachedPrefixesChangeNoBits) {
  const std::vector<GenerateRequest> all = requests();
  std::vector<Generation> alone;
  int cached = 0;
  for (const GenerateRequest& r : all) {
    auto g = engine_->generate(r);
    ASSERT_TRUE(g) << g.error().to_string();
    cached += g->cached_tokens;
    alone.push_back(std::move(*g));
  }
  EXPECT_GT(cached, 0) << "no prefix was shared: nothing was tried";
  // A fresh engine, everything at once, last first.
  SetUp();
  std::vector<Generation> together(all.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = all.size(); i-- > 0;) {
      threads.emplace_back([&, i] {
        auto g = engine_->generate(all[i]);
        EXPECT_TRUE(g) << g.error().to_string();
        if (g) together[i] = std::move(*g);
      });
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(together[i].tokens, alone[i].tokens) << i;
    EXPECT_EQ(together[i].logits_digest, alone[i].logits_digest) << i;
  }
}

}  // namespace
}  // namespace consort::engine

// One byte budget for everything: what goes, what comes back, what is refused, on small
// random-weight models of three families.
#include <gtest/gtest.h>

#include <thread>

#include "engine/engine.h"

namespace consort::engine {
namespace {

const std::filesystem::path kDecoders =
    std::filesystem::path(CONSORT_SOURCE_DIR) / "tests/golden/decoders";

class Residency : public testing::Test {
 protected:
  // Bytes of a model alone, as the engine tells.
  uint64_t bytes_of(const std::string& model) {
    auto engine = make(1ull << 30);
    return load(*engine, model).resident_bytes;
  }
  std::unique_ptr<Engine> make(uint64_t bytes_max) {
    auto engine = Engine::create({.n_threads = 1, .memory_bytes_max = bytes_max}, clock_);
    EXPECT_TRUE(engine) << engine.error().to_string();
    return std::move(*engine);
  }
  ModelInfo load(Engine& engine, const std::string& model) {
    auto info = engine.load_model(model, kDecoders / (model + ".gguf"));
    EXPECT_TRUE(info) << info.error().to_string();
    return info ? *info : ModelInfo();
  }
  Generation answer(Engine& engine, const std::string& model, const std::string& adapter = "") {
    GenerateRequest r;
    r.model = model;
    r.adapter = adapter;
    r.prompt = "word 7 and word 12";
    r.max_tokens = 4;
    r.digest_logits = true;
    auto g = engine.generate(r);
    EXPECT_TRUE(g) << g.error().to_string();
    return g ? std::move(*g) : Generation();
  }
  static bool resident(const Engine& engine, const std::string& name) {
    for (const MemoryItem& item : engine.memory().items) {
      if (item.kind == "model" && item.name == name) return item.bytes > 0;
    }
    return false;
  }
  static void expect_exact(const Engine& engine) {
    const MemoryMap map = engine.memory();
    uint64_t sum = 0;
    for (const MemoryItem& item : map.items) sum += item.bytes;
    EXPECT_EQ(sum, map.bytes_used);
    EXPECT_LE(map.bytes_used, map.bytes_max);
    EXPECT_EQ(map.bytes_promised, 0u);
  }
  // Room for the two larger of three models, their pages and scratch, not for the third.
  uint64_t two_of_three() {
    const uint64_t smallest = bytes_of("llama");
    return bytes_of("qwen2") + bytes_of("gemma3") + smallest - 1;
  }
  SystemClock clock_;
};

TEST_F(Residency, TheLeastRecentlyUsedGoesAndComesBackWithTheSameBits) {
  auto engine = make(two_of_three());
  load(*engine, "qwen2");
  const Generation before = answer(*engine, "qwen2");
  load(*engine, "gemma3");
  load(*engine, "llama");
  EXPECT_FALSE(resident(*engine, "qwen2"));
  EXPECT_EQ(engine->models().size(), 3u);
  expect_exact(*engine);
  const Generation after = answer(*engine, "qwen2");
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.logits_digest, before.logits_digest);
  EXPECT_FALSE(resident(*engine, "gemma3"));
  expect_exact(*engine);
  EXPECT_GE(engine->stats().n_evictions, 2u);
}

TEST_F(Residency, WhatTheGraphAsksForNextOutlivesWhatItAsksForLater) {
  auto engine = make(two_of_three());
  for (const char* model : {"qwen2", "gemma3"}) load(*engine, model);
  // The least recently used is what comes next; it stays.
  engine->expect("run", {{"llama", ""}, {"llama", ""}, {"qwen2", ""}, {"gemma3", ""}});
  load(*engine, "llama");
  answer(*engine, "llama");
  EXPECT_TRUE(resident(*engine, "qwen2"));
  EXPECT_FALSE(resident(*engine, "gemma3"));
  expect_exact(*engine);
}

TEST_F(Residency, ALoadEvictsNothingThatTheNextStepAsksForAndSaysByHowMuchToRaise) {
  auto engine = make(two_of_three());
  for (const char* model : {"qwen2", "gemma3"}) load(*engine, model);
  engine->expect("run", {{"qwen2", ""}, {"gemma3", ""}});
  const auto refused = engine->load_model("llama", kDecoders / "llama.gguf");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, 4101);
  EXPECT_NE(refused.error().fix.find("by at least 1 MiB"), std::string::npos)
      << refused.error().to_string();
  EXPECT_TRUE(resident(*engine, "qwen2"));
  EXPECT_TRUE(resident(*engine, "gemma3"));
  engine->expect("run", {});
  EXPECT_TRUE(engine->load_model("llama", kDecoders / "llama.gguf"));
  expect_exact(*engine);
}

TEST_F(Residency, AnEvictedAdapterComesBackWithItsModel) {
  auto engine = make(two_of_three());
  load(*engine, "qwen2");
  auto adapter = engine->load_adapter("a", "qwen2", kDecoders / "qwen2.lora");
  ASSERT_TRUE(adapter) << adapter.error().to_string();
  const Generation before = answer(*engine, "qwen2", "a");
  load(*engine, "gemma3");
  load(*engine, "llama");
  EXPECT_FALSE(resident(*engine, "qwen2"));
  EXPECT_EQ(engine->adapters().size(), 1u);
  EXPECT_EQ(answer(*engine, "qwen2", "a").logits_digest, before.logits_digest);
  expect_exact(*engine);
}

TEST_F(Residency, AFileThatChangedMeanwhileIsRefused) {
  const auto copy = std::filesystem::path(testing::TempDir()) / "residency.gguf";
  std::filesystem::copy_file(kDecoders / "qwen2.gguf", copy,
                             std::filesystem::copy_options::overwrite_existing);
  auto engine = make(two_of_three());
  ASSERT_TRUE(engine->load_model("copy", copy));
  load(*engine, "gemma3");
  load(*engine, "llama");
  ASSERT_FALSE(resident(*engine, "copy"));
  std::filesystem::copy_file(kDecoders / "qwen3.gguf", copy,
                             std::filesystem::copy_options::overwrite_existing);
  GenerateRequest r;
  r.model = "copy";
  r.prompt = "word";
  EXPECT_EQ(engine->generate(r).error().number, 4121);
  std::filesystem::remove(copy);
}

TEST_F(Residency, RequestsForMoreModelsThanFitWaitForOneAnother) {
  auto engine = make(two_of_three());
  const std::vector<std::string> names = {"qwen2", "gemma3", "llama"};
  for (const std::string& model : names) load(*engine, model);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) answer(*engine, names[static_cast<size_t>(t + i) % 3]);
      });
    }
  }
  expect_exact(*engine);
}

}  // namespace
}  // namespace consort::engine

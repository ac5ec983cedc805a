// An engine with SmolLM2 loaded. For tests.
#pragma once

#include <thread>

#include "engine/engine.h"
#include "model/forward_test_support.h"

namespace consort::engine {

class WithSmol : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(model::kSmol)) << model::kFetch;
    engine_ = make({});
  }
  std::unique_ptr<Engine> make(EngineOptions options) {
    auto engine = Engine::create(options, clock_);
    EXPECT_TRUE(engine) << engine.error().to_string();
    auto loaded = (*engine)->load_model("smol", model::kSmol);
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    return std::move(*engine);
  }
  static GenerateRequest ask(std::string text, int max_tokens = 24) {
    GenerateRequest r;
    r.model = "smol";
    r.messages = {{"user", std::move(text)}};
    r.max_tokens = max_tokens;
    r.digest_logits = true;
    return r;
  }
  static Generation answer(Engine& engine, const GenerateRequest& request) {
    auto g = engine.generate(request);
    EXPECT_TRUE(g) << g.error().to_string();
    return g ? std::move(*g) : Generation();
  }
  static std::vector<Generation> answer_together(Engine& engine,
                                                 const std::vector<GenerateRequest>& requests) {
    std::vector<Generation> out(requests.size());
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < requests.size(); ++i) {
      threads.emplace_back([&, i] { out[i] = answer(engine, requests[i]); });
    }
    threads.clear();
    return out;
  }
  static std::shared_ptr<const contract::Schema> schema(std::string_view json) {
    auto document = contract::parse_json(json);
    EXPECT_TRUE(document);
    auto compiled = contract::Schema::compile(*document, "Test");
    EXPECT_TRUE(compiled) << compiled.error().to_string();
    return *compiled;
  }
  // A paragraph of so many distinct sentences.
  static std::string context(int n_sentences) {
    std::string out;
    for (int i = 0; i < n_sentences; ++i) {
      out += "Item " + std::to_string(i) + " of the list costs " + std::to_string(17 * i % 101) +
             " euros and weighs " + std::to_string(7 * i % 43) + " grams. ";
    }
    return out;
  }
  SystemClock clock_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace consort::engine

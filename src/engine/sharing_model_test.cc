// One context for many: activated adapters, decisions, sessions, owners.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>

#include "base/file.h"
#include "engine/model_fixture.h"
#include "model/adapter_file.h"

namespace consort::engine {
namespace {

class Sharing : public WithSmol {
 protected:
  void SetUp() override {
    WithSmol::SetUp();
    folder_ =
        std::filesystem::temp_directory_path() / ("consort_sharing_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The golden adapter, scaled, activated by `invocation`.
  std::filesystem::path activated(const std::string& invocation, float scale) {
    auto file = model::load_adapter_file(model::kGolden / "lora/adapter.gguf");
    EXPECT_TRUE(file);
    for (auto& [name, pair] : file->pairs) {
      for (float& v : pair.b) v *= scale;
    }
    file->invocation_tokens = *engine_->tokenize("smol", invocation);
    auto bytes = model::write_adapter(*file);
    EXPECT_TRUE(bytes);
    const auto path = folder_ / ("a" + std::to_string(scale) + ".gguf");
    std::ofstream(path, std::ios::binary) << *bytes;
    return path;
  }
  std::filesystem::path folder_;
};

TEST_F(Sharing, AnActivatedAdapterActsFromItsInvocationOnAndLeavesThePrefixToAll) {
  const std::string prefix = context(20);
  const std::string call = "\nSpecialist, answer:";
  for (int i = 0; i < 5; ++i) {
    auto loaded =
        engine_->load_adapter("s" + std::to_string(i), "smol",
                              activated("Specialist", 1.0f + 0.25f * static_cast<float>(i)));
    ASSERT_TRUE(loaded) << loaded.error().to_string();
  }
  // Logits before the invocation are the base's, those after it are not.
  const std::vector<int32_t> word = *engine_->tokenize("smol", "Specialist");
  ASSERT_EQ(engine_->logits("smol", "s0", *engine_->tokenize("smol", "no call")).error().number,
            4116);
  const std::vector<int32_t> spelled = *engine_->tokenize("smol", "A bird.\nSpecialist: yes");
  const auto at = std::search(spelled.begin(), spelled.end(), word.begin(), word.end());
  ASSERT_NE(at, spelled.end());
  const auto from = static_cast<size_t>(at - spelled.begin());
  const std::vector<float> base = *engine_->logits("smol", "", spelled);
  const std::vector<float> with = *engine_->logits("smol", "s0", spelled);
  const size_t n_vocab = base.size() / spelled.size();
  for (size_t i = 0; i < spelled.size(); ++i) {
    const bool equal = std::equal(base.begin() + static_cast<std::ptrdiff_t>(i * n_vocab),
                                  base.begin() + static_cast<std::ptrdiff_t>((i + 1) * n_vocab),
                                  with.begin() + static_cast<std::ptrdiff_t>(i * n_vocab));
    EXPECT_EQ(equal, i < from) << i;
  }
  // Five of them over one context: it is read once, and each answers as it would alone.
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 5; ++i) {
    GenerateRequest r = ask("", 16);
    r.messages.clear();
    r.prompt = prefix + call;
    r.adapter = "s" + std::to_string(i);
    requests.push_back(r);
  }
  engine_->forget_prefixes();
  const std::vector<Generation> together = answer_together(*engine_, requests);
  int fresh = 0;
  for (const Generation& g : together) fresh += g.cached_tokens == 0 ? 1 : 0;
  EXPECT_EQ(fresh, 1);
  for (size_t i = 0; i < requests.size(); ++i) {
    engine_->forget_prefixes();
    const Generation alone = answer(*engine_, requests[i]);
    EXPECT_EQ(alone.cached_tokens, 0);
    EXPECT_EQ(alone.logits_digest->hex(), together[i].logits_digest->hex()) << i;
    if (i > 0) {
      EXPECT_NE(together[i].logits_digest->hex(), together[0].logits_digest->hex());
    }
  }
}

TEST_F(Sharing, DecisionsAreTheScoresOfEachQuestionAloneBitForBit) {
  const std::string state = context(20);
  DecideRequest r;
  r.model = "smol";
  for (int i = 0; i < 20; ++i) {
    Question q;
    q.prompt = state + "\nQuestion: is item " + std::to_string(i) + " cheap?\nAnswer:";
    q.options = {" yes", " no", " not at all, it is dear", " yes"};
    r.questions.push_back(q);
  }
  auto all = engine_->decide(r);
  ASSERT_TRUE(all) << all.error().to_string();
  EXPECT_GT(all->state_tokens, 300);
  // Read once: a handful of tokens a question.
  EXPECT_LT(all->prompt_tokens, all->state_tokens + 20 * 16);
  ASSERT_EQ(all->decisions.size(), 20u);
  for (size_t i = 0; i < r.questions.size(); i += 3) {
    ScoreRequest alone;
    alone.model = "smol";
    alone.prompt = r.questions[i].prompt;
    alone.continuations = r.questions[i].options;
    engine_->forget_prefixes();
    auto scores = engine_->score(alone);
    ASSERT_TRUE(scores);
    double sum = 0;
    for (size_t k = 0; k < 4; ++k) {
      EXPECT_EQ(scores->scores[k].log_prob, all->decisions[i].scores[k].log_prob) << i << " " << k;
      sum += all->decisions[i].probabilities[k];
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
    EXPECT_EQ(all->decisions[i].probabilities[0], all->decisions[i].probabilities[3]);
  }
  // The same with others decoding beside it.
  std::jthread noise([&] { answer(*engine_, ask("Write about the sea.", 60)); });
  auto busy = engine_->decide(r);
  ASSERT_TRUE(busy);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(busy->decisions[i].probabilities, all->decisions[i].probabilities);
  }
  r.questions[3].prompt = "Something else";
  EXPECT_EQ(engine_->decide(r).error().number, 4108);
}

TEST_F(Sharing, ASessionComesBackFromDiskAndAnswersWithTheSameBits) {
  GenerateRequest r = ask("", 24);
  r.messages.clear();
  r.prompt = context(12) + "\nSummary:";
  const std::vector<int32_t> tokens = *engine_->tokenize("smol", *r.prompt);
  const auto path = folder_ / "a.session";
  auto saved = engine_->save_session("smol", "", tokens, path);
  ASSERT_TRUE(saved) << saved.error().to_string();
  EXPECT_EQ(*saved, static_cast<int>(tokens.size()) / 32 * 32);
  const Generation first = answer(*engine_, r);
  auto other = make({});
  auto loaded = other->load_session("smol", "", path);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(*loaded, std::vector<int32_t>(tokens.begin(), tokens.begin() + *saved));
  const Generation again = answer(*other, r);
  EXPECT_GE(again.cached_tokens, *saved - 32);
  EXPECT_EQ(again.logits_digest->hex(), first.logits_digest->hex());
  other->forget_prefixes();
  EXPECT_EQ(other->stats().pages_in_use, 0);
  // Refusals.
  std::string bytes = *read_file(path, 1u << 30);
  const auto expect_refused = [&](std::string damaged, int number) {
    const auto bad = folder_ / "bad.session";
    std::ofstream(bad, std::ios::binary) << damaged;
    auto refused = other->load_session("smol", "", bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().number, number) << refused.error().to_string();
  };
  for (const size_t at : {size_t{0}, size_t{20}, size_t{40}, size_t{170}, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    expect_refused(damaged, 4119);
  }
  expect_refused(bytes.substr(0, bytes.size() / 2), 4119);
  expect_refused(bytes.substr(0, 10), 4119);
  ASSERT_TRUE(other->load_adapter("a", "smol", model::kGolden / "lora/adapter.gguf"));
  EXPECT_EQ(other->load_session("smol", "a", path).error().number, 4120);
  EXPECT_EQ(engine_->save_session("smol", "", tokens, folder_ / "no" / "a.session").error().number,
            4118);
}

TEST_F(Sharing, ALongPromptDoesNotStopTheOthersTokens) {
  GenerateRequest stream = ask("Tell a long story.", 60);
  auto engine = make({.step_ms_max = 10});
  GenerateRequest warm = ask(context(10), 1);
  answer(*engine, warm);  // The speed is known now.
  std::atomic<int> pieces = 0;
  int at_begin = 0, at_end = 0;
  stream.on_text = [&](std::string_view) { ++pieces; };
  std::jthread other([&] { answer(*engine, stream); });
  while (pieces < 2) std::this_thread::yield();
  at_begin = pieces;
  answer(*engine, ask(context(30), 1));
  at_end = pieces;
  // It was read in several steps, each with a token of the stream.
  EXPECT_GT(at_end - at_begin, 3);
}

TEST_F(Sharing, KnownPrefixesStayWithinTheirBudget) {
  // 30 layers of keys and values, 3 heads of 64, 32 positions in f16.
  constexpr uint64_t page_bytes = 30ull * 2 * 3 * 64 * 32 * 2;
  auto engine = make({.prefix_bytes_max = 10 * page_bytes});
  uint64_t most = 0;
  int most_known = 0;
  for (int i = 0; i < 20; ++i) {
    answer(*engine, ask(std::to_string(i) + context(6), 2));
    const EngineStats stats = engine->stats();
    most_known = std::max(most_known, stats.pages_known);
    EXPECT_LE(stats.pages_known, 10);
    if (i == 4) most = stats.bytes_used;
    if (i > 4) EXPECT_LE(stats.bytes_used, most + 2 * page_bytes);
  }
  EXPECT_GE(most_known, 8);
}

TEST_F(Sharing, WhatCannotEndInTimeIsRefusedAtOnceOrNotBegun) {
  auto engine = make({.batch_max = 4, .queue_max = 64});
  for (int i = 0; i < 3; ++i) answer(*engine, ask("Count to " + std::to_string(i), 24));
  GenerateRequest r = ask("Tell a long story.", 400);
  r.deadline = clock_.monotonic() + std::chrono::milliseconds(20);
  const auto refused = engine->generate(r);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, 4102);
  EXPECT_EQ(engine->stats().n_refused, 1u);
  r.max_tokens = 2;
  r.deadline = clock_.monotonic() + std::chrono::seconds(100);
  EXPECT_TRUE(engine->generate(r));
}

TEST_F(Sharing, AnOwnerWithLittleToDoFindsAPlaceInAFullBatch) {
  auto engine = make({.batch_max = 4, .queue_max = 16});
  std::atomic<bool> stop = false;
  std::atomic<int> noise = 0;
  std::vector<std::jthread> noisy;
  std::stop_source end;
  for (int i = 0; i < 12; ++i) {
    noisy.emplace_back([&, i] {
      for (int k = 0; !stop; ++k) {
        GenerateRequest r = ask("Noise " + std::to_string(100 * i + k), 40);
        r.service.owner = "noisy";
        r.stop_token = end.get_token();
        if (engine->generate(r)) ++noise;
      }
    });
  }
  GenerateRequest quiet = ask("The capital of France?", 8);
  quiet.service.owner = "quiet";
  while (engine->stats().n_waiting < 6) std::this_thread::yield();
  int most_active = 0;
  std::vector<uint64_t> steps;
  quiet.speculate = false;
  quiet.on_text = [&](std::string_view) {
    const EngineStats stats = engine->stats();
    most_active = std::max(most_active, stats.n_active);
    steps.push_back(stats.steps);
  };
  const Generation g = answer(*engine, quiet);
  stop = true;
  end.request_stop();
  noisy.clear();
  quiet.on_text = nullptr;
  EXPECT_EQ(g.tokens, answer(*engine_, quiet).tokens);
  // A place of the batch's four or one beyond, and a row in every step.
  EXPECT_GE(most_active, 4);
  EXPECT_LE(most_active, 5);
  ASSERT_GE(steps.size(), 2u);
  EXPECT_LE(steps.back() - steps.front(), static_cast<uint64_t>(g.tokens.size()) - 1);
}

TEST_F(Sharing, AFullQueueAnswersAtOnceAndOwnersHaveTheirShare) {
  auto engine = make({.batch_max = 1, .queue_max = 3, .owner_queue_max = 2});
  std::stop_source stop;
  std::vector<std::jthread> threads;
  std::atomic<int> started = 0;
  const auto start = [&](std::string owner) {
    threads.emplace_back([&, owner] {
      GenerateRequest r = ask("Write a very long story.", 1500);
      r.service.owner = owner;
      r.stop_token = stop.get_token();
      r.on_text = [&](std::string_view) { started = 1; };
      EXPECT_EQ(engine->generate(r).error().number, 4103);
    });
  };
  const auto wait_for = [&](int n_waiting) {
    while (engine->stats().n_waiting < n_waiting) std::this_thread::yield();
  };
  start("a");
  while (started == 0) std::this_thread::yield();
  start("a");
  wait_for(1);
  start("a");
  wait_for(2);
  GenerateRequest r = ask("hi", 2);
  r.service.owner = "a";
  EXPECT_EQ(engine->generate(r).error().number, 4117);
  start("b");
  wait_for(3);
  r.service.owner = "c";
  EXPECT_EQ(engine->generate(r).error().number, 4102);
  stop.request_stop();
  threads.clear();
  EXPECT_TRUE(engine->generate(r));
}

}  // namespace
}  // namespace consort::engine

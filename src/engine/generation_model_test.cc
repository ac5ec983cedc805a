// Guessed, forced and masked tokens: faster ways to the same bits.
#include <cmath>

#include "engine/model_fixture.h"

namespace consort::engine {
namespace {

class Generating : public WithSmol {};

constexpr std::string_view kCity = R"({"type":"object","additionalProperties":false,
  "required":["city","country","population","kind"],
  "properties":{"city":{"type":"string","maxLength":20},"country":{"type":"string","maxLength":20},
                "population":{"type":"integer","minimum":0},
                "kind":{"enum":["capital","harbour town","village"]}}})";

TEST_F(Generating, GuessingAheadChangesNoBitOfTheLogitsThatDecide) {
  const std::string text = context(12);
  for (const bool masked : {false, true}) {
    for (const float temperature : {0.0f, 0.8f}) {
      GenerateRequest r = ask("Repeat this text word by word:\n" + text, 96);
      r.sampling = {.temperature = temperature, .seed = 7};
      if (masked) r.schema = schema(R"({"type":"array","items":{"type":"string"},"maxItems":9})");
      const Generation guessed = answer(*engine_, r);
      r.speculate = false;
      const Generation plain = answer(*engine_, r);
      EXPECT_EQ(guessed.tokens, plain.tokens);
      ASSERT_TRUE(guessed.logits_digest && plain.logits_digest);
      EXPECT_EQ(guessed.logits_digest->hex(), plain.logits_digest->hex());
      EXPECT_EQ(plain.drafted_tokens, 0);
      if (!masked && temperature == 0) {
        EXPECT_GT(guessed.accepted_tokens, 0);
        EXPECT_LT(guessed.steps, plain.steps);
      }
      std::printf(
          "%s, temperature %.1f: %zu tokens, %d steps with guesses (%d of %d right), %d without\n",
          masked ? "masked" : "free", temperature, plain.tokens.size(), guessed.steps,
          guessed.accepted_tokens, guessed.drafted_tokens, plain.steps);
    }
  }
}

TEST_F(Generating, WhatTheContractFixesIsWrittenWithoutLogits) {
  GenerateRequest r = ask("Describe Lisbon as JSON.", 80);
  r.schema = schema(kCity);
  r.mask_options.whitespace_max = 0;
  const Generation g = answer(*engine_, r);
  auto value = contract::parse_json(g.text);
  ASSERT_TRUE(value) << g.text;
  EXPECT_TRUE(contract::validate(*r.schema, *value).empty());
  // {"city":" ","country":" ","population": ,"kind":" : more than a third of a short answer.
  EXPECT_GE(g.forced_tokens, 10) << g.text;
  EXPECT_LT(g.steps, static_cast<int>(g.tokens.size()));
  const EngineStats stats = engine_->stats();
  EXPECT_GT(stats.head_rows_masked, 0u);
  // One value only: nothing is left to compute.
  const EngineStats before = engine_->stats();
  r.schema = schema(R"({"const":{"answer":"always the same"}})");
  const Generation fixed = answer(*engine_, r);
  EXPECT_EQ(fixed.text, R"({"answer":"always the same"})");
  EXPECT_EQ(engine_->stats().head_rows_full, before.head_rows_full);
  EXPECT_EQ(engine_->stats().rows, before.rows);
}

TEST_F(Generating, ForcedTokensAreTheTokenizersOwn) {
  GenerateRequest r = ask("Anything.", 60);
  r.schema = schema(R"({"const":{"identifier_of_the_customer":"international shipping"}})");
  r.mask_options.whitespace_max = 0;
  const Generation g = answer(*engine_, r);
  std::vector<int32_t> wanted = *engine_->tokenize("smol", g.text);
  EXPECT_EQ(g.tokens, wanted);
}

TEST_F(Generating, MaskedAnswersHaveTheSameBitsAloneAndInCompany) {
  ASSERT_TRUE(engine_->load_adapter("a", "smol", model::kGolden / "lora/adapter.gguf"));
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 10; ++i) {
    requests.push_back(ask("Describe city number " + std::to_string(i) + " as JSON.", 60));
    if (i % 3 != 0) requests.back().schema = schema(kCity);
    if (i % 2 == 0) requests.back().adapter = "a";
    requests.back().sampling = {.temperature = i % 4 == 0 ? 0.0f : 0.7f,
                                .seed = static_cast<uint64_t>(i)};
  }
  const std::vector<Generation> together = answer_together(*engine_, requests);
  auto one = make({.n_threads = 1});
  ASSERT_TRUE(one->load_adapter("a", "smol", model::kGolden / "lora/adapter.gguf"));
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].speculate = false;
    one->forget_prefixes();
    const Generation alone = answer(*one, requests[i]);
    EXPECT_EQ(alone.tokens, together[i].tokens) << i;
    EXPECT_EQ(alone.logits_digest->hex(), together[i].logits_digest->hex()) << i;
  }
}

TEST_F(Generating, ACompiledContractIsKeptForTheNextRequest) {
  GenerateRequest r = ask("Describe Rome as JSON.", 60);
  r.schema = schema(kCity);
  const Generation first = answer(*engine_, r);
  EXPECT_EQ(engine_->stats().masks, 1);
  r.schema = schema(kCity);  // Another object, the same document.
  const Generation second = answer(*engine_, r);
  EXPECT_EQ(engine_->stats().masks, 1);
  EXPECT_EQ(first.tokens, second.tokens);
  r.mask_options.whitespace_max = 0;
  answer(*engine_, r);
  EXPECT_EQ(engine_->stats().masks, 2);
  EXPECT_GT(engine_->stats().mask_bytes, 0u);
  auto small = make({.mask_bytes_max = 0});
  EXPECT_EQ(answer(*small, r).text.empty(), false);
  EXPECT_EQ(small->stats().masks, 0);
}

TEST_F(Generating, PerplexityIsTheMeanOfTheLogitsNegativeLogLikelihood) {
  const std::vector<int32_t> tokens =
      *engine_->tokenize("smol", "The sun rises in the east and sets in the west every day.");
  auto p = engine_->perplexity("smol", "", tokens);
  ASSERT_TRUE(p) << p.error().to_string();
  const std::vector<float> logits = *engine_->logits("smol", "", tokens);
  const size_t n_vocab = logits.size() / tokens.size();
  double sum = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    double total = 0;
    for (size_t t = 0; t < n_vocab; ++t) total += std::exp(double{logits[i * n_vocab + t]});
    sum += std::log(total) - logits[i * n_vocab + static_cast<size_t>(tokens[i + 1])];
  }
  EXPECT_EQ(p->n_tokens, static_cast<int>(tokens.size()) - 1);
  EXPECT_NEAR(p->mean_nll, sum / p->n_tokens, 1e-4);
  auto windows = engine_->perplexity("smol", "", tokens, 8);
  ASSERT_TRUE(windows);
  EXPECT_EQ(std::vector<double>(windows->nll.begin(), windows->nll.begin() + 7),
            std::vector<double>(p->nll.begin(), p->nll.begin() + 7));
  EXPECT_GT(windows->mean_nll, p->mean_nll);
  EXPECT_EQ(engine_->perplexity("smol", "", std::span(tokens).first(1)).error().number, 4108);
}

}  // namespace
}  // namespace consort::engine

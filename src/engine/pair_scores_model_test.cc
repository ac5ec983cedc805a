// Pair scores through the engine (tools/golden/make_encoders.py: transformers).
#include <cmath>

#include "engine/engine.h"
#include "model/forward_test_support.h"

namespace consort::engine {
namespace {

TEST(PairScores, AreThoseOfTransformersAndSayWhatWasCut) {
  SystemClock clock;
  auto engine = Engine::create({.n_threads = 2}, clock);
  ASSERT_TRUE(engine) << engine.error().to_string();
  const auto folder = model::kGolden / "encoders";
  for (const char* name : {"pair", "cls"}) {
    const auto loaded = (*engine)->load_model(name, folder / name);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
  }
  const contract::Value golden = model::golden_json("encoders/encoders.json.gz");
  int compared = 0;
  for (const contract::Value& pair : golden.find("pairs")->as_array()) {
    if (*pair.find("tokens_max")->as_number().as_int64() != 64) continue;  // Not the model's own.
    const std::vector<std::string> texts = {pair.find("b")->as_string(), "sea",
                                            std::string(400, 'a')};
    const auto got = (*engine)->score_pairs("pair", pair.find("a")->as_string(), texts);
    ASSERT_TRUE(got) << got.error().to_string();
    ASSERT_EQ(got->labels.size(), 3u);
    // bfloat16 weights; the spread of scores is 0.68 (model/encoder_family_test.cc).
    EXPECT_NEAR(got->labels[0][0], model::golden_floats(*pair.find("score"))[0], 0.04);
    ++compared;
  }
  EXPECT_GE(compared, 30);
  // A text of many words beside a short query: cut, and said so.
  std::string words;
  for (int i = 0; i < 80; ++i) words += "sea ";
  const auto cut = (*engine)->score_pairs("pair", "ship", std::vector<std::string>{words, "sea"});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->n_cut, (std::vector<int>{80 + 1 + 3 - 64, 0}));
  const auto refused = (*engine)->score_pairs("cls", "ship", std::vector<std::string>{"sea"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, 4113);
}

}  // namespace
}  // namespace consort::engine

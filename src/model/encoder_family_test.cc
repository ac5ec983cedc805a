// CLS pooling and pair scores on small random-weight BERT models, against transformers
// (tools/golden/make_encoders.py).
#include <algorithm>
#include <cmath>

#include "model/encoder.h"
#include "model/forward_test_support.h"
#include "model/tokenizer.h"

namespace consort::model {
namespace {

const std::filesystem::path kEncoders = kGolden / "encoders";

struct Loaded {
  std::unique_ptr<const Encoder> encoder;
  std::unique_ptr<const Tokenizer> tokenizer;
};

Loaded load(const std::string& name) {
  auto encoder = Encoder::load(kEncoders / name);
  EXPECT_TRUE(encoder) << encoder.error().to_string();
  auto tokenizer = load_wordpiece(kEncoders / name);
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return {encoder ? std::move(*encoder) : nullptr, tokenizer ? std::move(*tokenizer) : nullptr};
}

TEST(EncoderFamily, TheFirstTokensVectorIsThatOfTransformers) {
  const Loaded m = load("cls");
  ASSERT_TRUE(m.encoder && m.tokenizer);
  EXPECT_EQ(m.encoder->config().pooling, EncoderConfig::Pooling::cls);
  EXPECT_EQ(m.encoder->config().n_labels, 0);
  const contract::Value golden = golden_json("encoders/encoders.json.gz");
  ThreadPool pool(2);
  for (const tensor::Isa isa : tensor::supported_isas()) {
    EncoderRunner runner(*m.encoder, pool, tensor::kernels(isa));
    double least = 1;
    for (const contract::Value& text : golden.find("texts")->as_array()) {
      const auto ids = m.tokenizer->encode(
          text.find("text")->as_string(),
          {.add_special = true, .tokens_max = static_cast<size_t>(m.encoder->config().tokens_max)});
      ASSERT_TRUE(ids);
      ASSERT_EQ(*ids, golden_ids(*text.find("ids"))) << text.find("text")->as_string();
      const std::vector<float> wanted = golden_floats(*text.find("vector"));
      const std::vector<float> got = runner.run(std::span(&*ids, 1))[0];
      double dot = 0;
      for (size_t i = 0; i < wanted.size(); ++i) dot += static_cast<double>(wanted[i]) * got[i];
      least = std::min(least, dot);
    }
    std::printf("%s: least cosine %.6f\n", std::string(tensor::name(isa)).c_str(), least);
    EXPECT_GE(least, 0.9999);
  }
}

TEST(EncoderFamily, PairsAreCutAndScoredAsByTransformers) {
  const contract::Value golden = golden_json("encoders/encoders.json.gz");
  const contract::Array& pairs = golden.find("pairs")->as_array();
  ASSERT_EQ(pairs.size(), 100u);
  ThreadPool pool(2);
  for (const auto& [name, key, n_labels] :
       {std::tuple{"pair", "score", 1}, std::tuple{"label3", "labels", 3}}) {
    const Loaded m = load(name);
    ASSERT_TRUE(m.encoder && m.tokenizer);
    ASSERT_EQ(m.encoder->config().n_labels, n_labels);
    std::vector<TextPair> inputs;
    int cut = 0;
    for (const contract::Value& pair : pairs) {
      const auto made =
          encode_pair(*m.tokenizer, pair.find("a")->as_string(), pair.find("b")->as_string(),
                      static_cast<int>(*pair.find("tokens_max")->as_number().as_int64()));
      ASSERT_TRUE(made);
      ASSERT_EQ(made->ids, golden_ids(*pair.find("ids")));
      const std::vector<int32_t> types = golden_ids(*pair.find("types"));
      EXPECT_EQ(made->n_first, std::count(types.begin(), types.end(), 0));
      cut += made->n_cut > 0 ? 1 : 0;
      inputs.push_back(*made);
    }
    EXPECT_GT(cut, 30);
    for (const tensor::Isa isa : tensor::supported_isas()) {
      EncoderRunner runner(*m.encoder, pool, tensor::kernels(isa));
      const auto scores = runner.score(inputs);
      double error = 0, spread = 0, mean = 0, largest = 0;
      int same_order = 0, n_orders = 0;
      std::vector<float> wanted_first;
      for (size_t i = 0; i < pairs.size(); ++i) {
        const std::vector<float> wanted = golden_floats(*pairs[i].find(key));
        ASSERT_EQ(scores[i].size(), wanted.size());
        wanted_first.push_back(wanted[0]);
        mean += wanted[0] / static_cast<double>(pairs.size());
        for (size_t l = 0; l < wanted.size(); ++l) {
          const double d = scores[i][l] - static_cast<double>(wanted[l]);
          largest = std::max(largest, std::fabs(d));
          error += d * d / static_cast<double>(wanted.size());
        }
        EXPECT_EQ(runner.score(std::span(&inputs[i], 1))[0], scores[i]) << "alone: other bits";
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        spread += (wanted_first[i] - mean) * (wanted_first[i] - mean);
        for (size_t j = 0; j < i; ++j) {
          ++n_orders;
          same_order += (scores[i][0] < scores[j][0]) == (wanted_first[i] < wanted_first[j]);
        }
      }
      std::printf(
          "%s %s: root mean square error %.5f of a spread of %.3f, largest %.4f, order of "
          "%d of %d pairs the same\n",
          name, std::string(tensor::name(isa)).c_str(), std::sqrt(error / 100),
          std::sqrt(spread / 100), largest, same_order, n_orders);
      // Weights and rows are bfloat16: 2^-9 each.
      EXPECT_LT(std::sqrt(error / spread), 0.02);
      EXPECT_GE(same_order, n_orders * 99 / 100);
    }
  }
}

}  // namespace
}  // namespace consort::model

// MiniLM's vectors against sentence-transformers (tools/golden/make_embeddings.py).
#include <cmath>

#include "model/encoder.h"
#include "model/forward_test_support.h"
#include "model/half.h"
#include "model/tokenizer.h"

namespace consort::model {
namespace {

TEST(EncoderGolden, AThousandTextsAreWithinOneTenThousandthOfSentenceTransformers) {
  ASSERT_TRUE(std::filesystem::exists(kMiniLm / "model.safetensors")) << kFetch;
  auto encoder = Encoder::load(kMiniLm);
  ASSERT_TRUE(encoder) << encoder.error().to_string();
  auto tokenizer = load_wordpiece(kMiniLm);
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  const std::string lines = gunzip(kGolden / "minilm_texts.jsonl.gz");
  const std::string halves = gunzip(kGolden / "minilm_embeddings.f16.gz");
  std::vector<std::vector<int32_t>> ids;
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    auto line = contract::parse_json(std::string_view(lines).substr(at, end - at));
    ASSERT_TRUE(line);
    at = end + 1;
    const contract::Value* text = line->find("text");
    if (text == nullptr) continue;  // The header.
    auto encoded =
        (*tokenizer)
            ->encode(text->as_string(),
                     {.add_special = true,
                      .parse_special = true,
                      .tokens_max = static_cast<size_t>((*encoder)->config().tokens_max)});
    ASSERT_TRUE(encoded);
    EXPECT_EQ(static_cast<int64_t>(encoded->size()),
              *line->find("n_tokens")->as_number().as_int64());
    ids.push_back(std::move(*encoded));
  }
  const size_t n = static_cast<size_t>((*encoder)->config().n_embd);
  ASSERT_GE(ids.size(), 1000u);
  ASSERT_EQ(halves.size(), ids.size() * n * 2);
  ThreadPool pool(2);
  for (tensor::Isa isa : tensor::supported_isas()) {
    // Scalar code is slow: a sample of it.
    const size_t count = isa == tensor::Isa::scalar ? 24 : ids.size();
    EncoderRunner runner(**encoder, pool, tensor::kernels(isa));
    double least = 1;
    for (size_t i = 0; i < count; i += 8) {
      const size_t together = std::min<size_t>(8, count - i);
      const auto vectors = runner.run(std::span(ids).subspan(i, together));
      for (size_t j = 0; j < together; ++j) {
        double dot = 0, squares = 0;
        for (size_t k = 0; k < n; ++k) {
          uint16_t h;
          std::memcpy(&h, halves.data() + 2 * ((i + j) * n + k), 2);
          const double wanted = f16_to_f32(h);
          dot += wanted * vectors[j][k];
          squares += wanted * wanted;
        }
        least = std::min(least, dot / std::sqrt(squares));
      }
    }
    std::printf("%s: least cosine over %zu texts %.7f\n", std::string(tensor::name(isa)).c_str(),
                count, least);
    EXPECT_GE(least, 0.9999);
  }
  // Alone and in company: the same bits.
  EncoderRunner runner(**encoder, pool, tensor::kernels(tensor::supported_isas().back()));
  const auto together = runner.run(std::span(ids).first(9));
  for (size_t i = 0; i < 9; ++i)
    EXPECT_EQ(runner.run(std::span(ids).subspan(i, 1))[0], together[i]);
}

}  // namespace
}  // namespace consort::model

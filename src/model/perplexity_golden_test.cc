// Cross-entropy of SmolLM2 on 22,528 tokens of English, beside llama.cpp's and exact f32 arithmetic
// (tools/golden/make_text_scores.py; what agreement can mean: tests/golden/README.md).
#include <cmath>

#include "model/decoder.h"
#include "model/forward_test_support.h"

namespace consort::model {
namespace {

constexpr size_t kChunk = 512;

template <typename T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

TEST(PerplexityGolden, CrossEntropyIsWithinHalfAPercentOfLlamaCppsAndClearChoicesAreTheSame) {
  ASSERT_TRUE(std::filesystem::exists(kSmol)) << kFetch;
  auto file = GgufFile::open(kSmol);
  ASSERT_TRUE(file);
  auto decoder = Decoder::load(**file);
  ASSERT_TRUE(decoder) << decoder.error().to_string();
  const std::string llama = gunzip(kGolden / "smollm2_opticks.bin.gz");
  const std::string exact = gunzip(kGolden / "smollm2_opticks_f32.bin.gz");
  std::string_view from = llama, from_exact = exact;
  const size_t n_chunks = llama.size() / (kChunk * 2 + (kChunk - 1) * 6);
  ASSERT_GE(n_chunks * kChunk, 20000u);
  ASSERT_EQ(exact.size(), n_chunks * (kChunk - 1) * 8) << "the f32 scores are missing";
  ThreadPool pool(0);
  auto isa = tensor::choose_isa();
  ASSERT_TRUE(isa);
  const tensor::Kernels& kernels = tensor::kernels(*isa);
  DecoderRunner runner(**decoder, pool, kernels);
  const auto n_vocab = static_cast<size_t>((*decoder)->config().n_vocab);
  std::vector<tensor::AlignedBytes> memory;
  std::vector<uint8_t*> pages;
  for (size_t i = 0; i < kChunk; i += tensor::kPageTokens) {
    memory.emplace_back((*decoder)->page_bytes());
    pages.push_back(memory.back().data());
  }
  double ours = 0, llamas = 0, exacts = 0, difference = 0, llama_difference = 0;
  size_t n = 0, same_llama = 0, same_exact = 0, llama_same_exact = 0;
  size_t n_clear = 0, clear_same_exact = 0, clear_same_llama = 0;
  for (size_t chunk = 0; chunk < n_chunks; ++chunk) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < kChunk; ++i) ids.push_back(take<uint16_t>(from));
    std::vector<float> logprob, exact_logprob;
    std::vector<size_t> argmax, exact_argmax;
    std::vector<float> margin;
    for (size_t i = 1; i < kChunk; ++i) logprob.push_back(take<float>(from));
    for (size_t i = 1; i < kChunk; ++i) argmax.push_back(take<uint16_t>(from));
    for (size_t i = 1; i < kChunk; ++i) exact_logprob.push_back(take<float>(from_exact));
    for (size_t i = 1; i < kChunk; ++i) exact_argmax.push_back(take<uint16_t>(from_exact));
    for (size_t i = 1; i < kChunk; ++i) {
      float m;
      const auto half = take<uint16_t>(from_exact);
      tensor::dequantize(tensor::WeightFormat::f16, reinterpret_cast<const uint8_t*>(&half), 1, &m);
      margin.push_back(m);
    }
    const Segment segment{
        .tokens = ids, .position = 0, .pages = pages, .n_outputs = static_cast<int>(kChunk)};
    runner.forward({&segment, 1});
    for (size_t first = 0; first + 1 < kChunk; first += 64) {
      const size_t count = std::min<size_t>(64, kChunk - 1 - first);
      const std::span<float> logits =
          runner.logits(static_cast<int>(first), static_cast<int>(count));
      for (size_t i = 0; i < count; ++i) {
        const float* row = logits.data() + i * n_vocab;
        const size_t at = first + i;
        const double score = row[ids[at + 1]] - static_cast<double>(kernels.log_sum_exp(
                                                    row, static_cast<int>(n_vocab)));
        const auto top = static_cast<size_t>(std::max_element(row, row + n_vocab) - row);
        ours -= score;
        llamas -= logprob[at];
        exacts -= exact_logprob[at];
        difference += std::fabs(score - exact_logprob[at]);
        llama_difference += std::fabs(static_cast<double>(logprob[at]) - exact_logprob[at]);
        same_llama += top == argmax[at];
        same_exact += top == exact_argmax[at];
        llama_same_exact += argmax[at] == exact_argmax[at];
        if (margin[at] > 0.5f) {
          ++n_clear;
          clear_same_exact += top == exact_argmax[at];
          clear_same_llama += top == argmax[at];
        }
        ++n;
      }
    }
  }
  const auto share = [](size_t part, size_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  std::printf(
      "tokens %zu; cross-entropy: ours %.5f, llama.cpp %.5f (%+.3f %%), f32 %.5f (%+.3f %%)\n", n,
      ours / n, llamas / n, 100 * (ours / llamas - 1), exacts / n, 100 * (ours / exacts - 1));
  std::printf("top-1: ours = llama.cpp %.2f %%, ours = f32 %.2f %%, llama.cpp = f32 %.2f %%\n",
              share(same_llama, n), share(same_exact, n), share(llama_same_exact, n));
  std::printf(
      "where f32's best leads by 0.5 (%.1f %% of tokens): ours = f32 %.2f %%, ours = llama.cpp "
      "%.2f %%\n",
      share(n_clear, n), share(clear_same_exact, n_clear), share(clear_same_llama, n_clear));
  std::printf("mean |log P - f32's|: ours %.4f, llama.cpp's %.4f\n", difference / n,
              llama_difference / n);
  EXPECT_LT(std::fabs(ours / llamas - 1), 0.005);
  EXPECT_LT(std::fabs(ours / exacts - 1), 0.005);
  // Rounded activations move close choices in any engine, llama.cpp's included: agreement is asked
  // for where there is a choice to agree on, and our own error must not exceed llama.cpp's.
  EXPECT_GE(share(clear_same_exact, n_clear), 98.5);
  EXPECT_GE(share(clear_same_llama, n_clear), 98.5);
  EXPECT_LE(difference, 1.05 * llama_difference);
}

}  // namespace
}  // namespace consort::model

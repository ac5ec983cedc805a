// Logits have the same bits in any company (same_bits.h); the long form compares a million rows.
#include "engine/same_bits.h"
#include "model/decoder_head.h"

namespace consort::engine {
namespace {

TEST_F(SameBits, LogitsDoNotDependOnBatchOrderCutsThreadsOrAdaptersAround) {
  EXPECT_EQ(count_differences(4000, 1), 0u);
}

TEST_F(SameBits, AMaskedHeadComputesTheWholeHeadsBitsOfWhatIsAllowed) {
  ThreadPool pool(2);
  model::DecoderRunner runner(*decoder_, pool, kernels());
  TextMemory memory(*decoder_, texts_[1].tokens.size());
  const auto n = static_cast<int>(std::min<size_t>(8, texts_[1].tokens.size()));
  const model::Segment segment{.tokens = std::span(texts_[1].tokens).first(static_cast<size_t>(n)),
                               .position = 0,
                               .pages = memory.pages,
                               .adapter = texts_[1].adapter,
                               .n_outputs = n};
  runner.forward({&segment, 1});
  const auto whole = runner.logits(0, n);
  const std::vector<float> wanted(whole.begin(), whole.end());
  const auto n_vocab = static_cast<size_t>(decoder_->config().n_vocab);
  Rng rng(3);
  for (const uint64_t n_allowed : {1u, 40u, 3000u, 40000u}) {
    std::vector<std::vector<uint64_t>> allowed(static_cast<size_t>(n));
    std::vector<float> out(static_cast<size_t>(n) * n_vocab, -1e30f);
    std::vector<model::HeadRow> rows;
    for (int m = 0; m < n; ++m) {
      auto& set = allowed[static_cast<size_t>(m)];
      set.resize((n_vocab + 63) / 64);
      for (uint64_t i = 0; i < n_allowed; ++i) {
        const uint64_t t = i == 0 ? n_vocab - 1 : rng.below(n_vocab);
        set[t / 64] |= uint64_t{1} << (t % 64);
      }
      rows.push_back({m, set, out.data() + static_cast<size_t>(m) * n_vocab});
    }
    runner.logits_of(rows);
    for (size_t m = 0; m < static_cast<size_t>(n); ++m) {
      for (size_t t = 0; t < n_vocab; ++t) {
        if ((allowed[m][t / 64] >> (t % 64) & 1) == 0) continue;
        ASSERT_EQ(out[m * n_vocab + t], wanted[m * n_vocab + t]) << m << " " << t;
      }
    }
  }
}

}  // namespace
}  // namespace consort::engine

// For tests of decoders: one prompt through a runner of its own.
#pragma once

#include <cstring>
#include <vector>

#include "model/decoder.h"

namespace consort::model {

inline std::vector<uint8_t*> make_pages(const Decoder& decoder, int n_tokens,
                                        std::vector<tensor::AlignedBytes>* owner) {
  std::vector<uint8_t*> pages;
  for (int i = 0; i < n_tokens; i += tensor::kPageTokens) {
    owner->emplace_back(decoder.page_bytes());
    std::memset(owner->back().data(), 0xff,
                owner->back().size());  // NaN wherever nothing was written.
    pages.push_back(owner->back().data());
  }
  return pages;
}

// Logits after every position: [ids, n_vocab].
inline std::vector<float> run(const Decoder& decoder, const DecoderAdapter* adapter,
                              tensor::Isa isa, const std::vector<int32_t>& ids) {
  ThreadPool pool(2);
  DecoderRunner runner(decoder, pool, tensor::kernels(isa));
  std::vector<tensor::AlignedBytes> owner;
  const std::vector<uint8_t*> pages = make_pages(decoder, static_cast<int>(ids.size()), &owner);
  const Segment segment{.tokens = ids,
                        .position = 0,
                        .pages = pages,
                        .adapter = adapter,
                        .n_outputs = static_cast<int>(ids.size())};
  runner.forward({&segment, 1});
  const std::span<float> logits = runner.logits(0, static_cast<int>(ids.size()));
  return {logits.begin(), logits.end()};
}

}  // namespace consort::model

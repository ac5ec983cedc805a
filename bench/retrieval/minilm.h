// The MiniLM encoder of src/model as an Embedder, for the programs of this folder.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>

#include "memory/memory.h"
#include "model/encoder.h"
#include "model/tokenizer.h"
#include "tensor/kernels.h"

namespace consort::bench {

// `folder`: a sentence-transformers folder. The embedder holds the model; one thread at a time.
inline Result<memory::Embedder> minilm(const std::filesystem::path& folder) {
  CONSORT_ASSIGN(auto loaded, model::Encoder::load(folder));
  std::shared_ptr<const model::Encoder> encoder = std::move(loaded);
  CONSORT_ASSIGN(auto wordpiece, model::load_wordpiece(folder));
  std::shared_ptr<const model::Tokenizer> tokenizer = std::move(wordpiece);
  auto pool = std::make_shared<ThreadPool>(2);
  auto runner = std::make_shared<model::EncoderRunner>(*encoder, *pool, tensor::kernels(tensor::supported_isas().back()));
  memory::Embedder embedder;
  embedder.model = "minilm-l6:f32";
  embedder.dims = encoder->config().n_embd;
  embedder.embed = [encoder, tokenizer, pool, runner](std::span<const std::string> texts) -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<int32_t>> ids;
    for (const auto& text : texts) {
      CONSORT_ASSIGN(auto one, tokenizer->encode(text, {.add_special = true, .parse_special = false, .tokens_max = static_cast<size_t>(encoder->config().tokens_max)}));
      ids.push_back(std::move(one));
    }
    // Texts of like length together: the scratch memory stays small.
    std::vector<size_t> order(ids.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids[a].size() < ids[b].size(); });
    std::vector<std::vector<float>> out(ids.size());
    for (size_t at = 0; at < order.size(); at += 16) {
      size_t n = std::min<size_t>(16, order.size() - at);
      std::vector<std::vector<int32_t>> batch;
      for (size_t i = 0; i < n; ++i) batch.push_back(ids[order[at + i]]);
      auto vectors = runner->run(batch);
      for (size_t i = 0; i < n; ++i) out[order[at + i]] = std::move(vectors[i]);
    }
    return out;
  };
  return embedder;
}

}  // namespace consort::bench

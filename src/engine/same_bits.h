// The same row of logits computed in many companies: random batches, orders, cuts, threads and
// adapters around. For tests.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "model/decoder.h"
#include "model/forward_test_support.h"

namespace consort::engine {

inline uint64_t hash_floats(std::span<const float> values) {
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (const float v : values) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    h = (h ^ bits) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

// A text under an adapter, with the hash of the logits after each of its tokens.
struct HashedText {
  std::vector<int32_t> tokens;
  const model::DecoderAdapter* adapter = nullptr;
  std::vector<uint64_t> rows;
};

struct TextMemory {
  TextMemory(const model::Decoder& decoder, size_t n_tokens) {
    for (size_t i = 0; i < n_tokens; i += tensor::kPageTokens) {
      owned.emplace_back(decoder.page_bytes());
      pages.push_back(owned.back().data());
    }
  }
  std::vector<tensor::AlignedBytes> owned;
  std::vector<uint8_t*> pages;
};

class SameBits : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(model::kSmol)) << model::kFetch;
    load(model::kSmol, model::kGolden / "lora/adapter.gguf");
  }

  void load(const std::filesystem::path& model, const std::filesystem::path& adapter_path) {
    auto file = model::GgufFile::open(model);
    ASSERT_TRUE(file) << file.error().to_string();
    auto decoder = model::Decoder::load(**file);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    decoder_ = std::move(*decoder);
    auto adapter_file = model::load_adapter_file(
        adapter_path, model::PeftBase{.architecture = decoder_->config().architecture,
                                      .n_head = decoder_->config().n_head,
                                      .n_head_kv = decoder_->config().n_head_kv});
    ASSERT_TRUE(adapter_file) << adapter_file.error().to_string();
    for (const float scale : {1.0f, -0.5f}) {
      for (auto& [name, pair] : adapter_file->pairs) pair.scale *= scale;
      auto adapter = model::DecoderAdapter::bind(*decoder_, *adapter_file);
      ASSERT_TRUE(adapter) << adapter.error().to_string();
      adapters_.push_back(std::move(*adapter));
    }
    Rng rng(5);
    for (int i = 0; i < 12; ++i) {
      HashedText text;
      text.adapter = i % 3 == 0 ? nullptr : adapters_[static_cast<size_t>(i % 3 - 1)].get();
      for (uint64_t n = 3 + rng.below(140); n > 0; --n) {
        text.tokens.push_back(
            static_cast<int32_t>(rng.below(static_cast<uint64_t>(decoder_->config().n_vocab))));
      }
      texts_.push_back(std::move(text));
    }
    // Alone, on one thread, one token at a time.
    ThreadPool pool(1);
    model::DecoderRunner runner(*decoder_, pool, kernels());
    for (HashedText& text : texts_) {
      TextMemory memory(*decoder_, text.tokens.size());
      for (size_t i = 0; i < text.tokens.size(); ++i) {
        const model::Segment segment{.tokens = std::span(text.tokens).subspan(i, 1),
                                     .position = static_cast<int>(i),
                                     .pages = memory.pages,
                                     .adapter = text.adapter,
                                     .n_outputs = 1};
        runner.forward({&segment, 1});
        text.rows.push_back(hash_floats(runner.logits(0, 1)));
      }
    }
  }

  static const tensor::Kernels& kernels() { return tensor::kernels(*tensor::choose_isa()); }

  // Random companies until so many rows were compared; the number that differ.
  size_t count_differences(size_t n_rows, uint64_t seed) {
    Rng rng(seed);
    ThreadPool one(1), two(2);
    model::DecoderRunner runners[] = {{*decoder_, one, kernels()}, {*decoder_, two, kernels()}};
    size_t done = 0, different = 0;
    while (done < n_rows) {
      // Some texts, some of them twice, each in cuts of its own; a text's beginning may be known.
      struct Running {
        const HashedText* text;
        std::unique_ptr<TextMemory> memory;
        size_t n_past = 0;
      };
      std::vector<Running> running;
      for (uint64_t n = 1 + rng.below(12); n > 0; --n) {
        const HashedText& text = texts_[rng.below(texts_.size())];
        running.push_back({&text, std::make_unique<TextMemory>(*decoder_, text.tokens.size()), 0});
        for (const Running& other : running) {
          if (other.text != &text || other.memory == running.back().memory) continue;
          const size_t known = other.n_past / tensor::kPageTokens;
          std::copy_n(other.memory->pages.begin(), known, running.back().memory->pages.begin());
          running.back().n_past = known * tensor::kPageTokens;
          break;
        }
      }
      while (!running.empty()) {
        model::DecoderRunner& runner = runners[rng.below(2)];
        std::vector<model::Segment> segments;
        std::vector<Running*> members;
        for (Running& r : running) {
          const size_t left = r.text->tokens.size() - r.n_past;
          const size_t n = std::min<size_t>(left, 1 + rng.below(rng.below(2) == 0 ? 3 : 80));
          if (n == 0) continue;
          segments.push_back({.tokens = std::span(r.text->tokens).subspan(r.n_past, n),
                              .position = static_cast<int>(r.n_past),
                              .pages = r.memory->pages,
                              .adapter = r.text->adapter,
                              .n_outputs = static_cast<int>(n)});
          members.push_back(&r);
        }
        for (size_t i = segments.size(); i > 1; --i) {
          const size_t j = rng.below(i);
          std::swap(segments[i - 1], segments[j]);
          std::swap(members[i - 1], members[j]);
        }
        if (segments.empty()) break;
        runner.forward(segments);
        int row = 0;
        for (size_t i = 0; i < segments.size(); ++i) {
          for (size_t k = 0; k < segments[i].tokens.size();) {
            const size_t n = std::min<size_t>(segments[i].tokens.size() - k, 1 + rng.below(32));
            const auto logits = runner.logits(row, static_cast<int>(n));
            const size_t n_vocab = logits.size() / n;
            std::vector<uint64_t> hashes(n);
            two.parallel_for(static_cast<int>(n), [&](int m) {
              hashes[static_cast<size_t>(m)] =
                  hash_floats(logits.subspan(static_cast<size_t>(m) * n_vocab, n_vocab));
            });
            for (size_t m = 0; m < n; ++m) {
              different += hashes[m] != members[i]->text->rows[members[i]->n_past + k + m] ? 1 : 0;
            }
            done += n;
            k += n;
            row += static_cast<int>(n);
          }
          members[i]->n_past += segments[i].tokens.size();
        }
      }
    }
    std::printf("%zu rows of logits compared, %zu differ\n", done, different);
    return different;
  }

  std::unique_ptr<const model::Decoder> decoder_;
  std::vector<std::unique_ptr<const model::DecoderAdapter>> adapters_;
  std::vector<HashedText> texts_;
};

}  // namespace consort::engine

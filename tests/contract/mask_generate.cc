// Draws values under masks with random choices among the allowed tokens and times every mask.
//
//   mask_generate N SEED [MODEL.gguf]  -> one line {"schema","text"} per generation on stdout,
//                                         figures on stderr; exit 1 on a cut or stuck generation
//
// Without a model the vocabulary is synthetic. Half of the masks are open, half take keys in any
// order. A third of the generations has exactly the shortest budget, a third a random one up to three
// times it, the rest a budget of 512.
#include <algorithm>
#include <bit>
#include <chrono>
#include <iostream>

#include "mask/test_support.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace consort::mask {
namespace {

Result<std::shared_ptr<const Vocabulary>> model_vocabulary(const char* path) {
  CONSORT_ASSIGN(auto file, model::GgufFile::open(path));
  CONSORT_ASSIGN(auto tokenizer, model::load_tokenizer(*file));
  std::vector<std::string> pieces;
  for (size_t i = 0; i < tokenizer->n_vocab(); ++i) {
    const auto id = static_cast<int32_t>(i);
    pieces.emplace_back(tokenizer->is_special(id) ? "" : tokenizer->piece(id));
  }
  return Vocabulary::create(std::move(pieces), tokenizer->end_tokens());
}

using Clock = std::chrono::steady_clock;
double microseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

void print(std::string_view what, std::vector<double>& samples) {
  if (samples.empty()) return;
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double share) {
    return samples[std::min(samples.size() - 1, static_cast<size_t>(share * samples.size()))];
  };
  std::cerr << what << ": n " << samples.size() << ", p50 " << at(0.5) << " us, p90 " << at(0.9)
            << " us, p99 " << at(0.99) << " us, p99.9 " << at(0.999) << " us, max "
            << samples.back() << " us\n";
}

int run(int n, uint64_t seed, const char* model) {
  const auto started = Clock::now();
  auto vocabulary =
      model ? model_vocabulary(model)
            : Result<std::shared_ptr<const Vocabulary>>(testing::synthetic_vocabulary(seed, 3000));
  if (!vocabulary) {
    std::cerr << vocabulary.error().to_string() << "\n";
    return 1;
  }
  std::cerr << "vocabulary: " << (*vocabulary)->size() << " tokens, ready in "
            << microseconds(started) / 1000 << " ms\n";
  Rng rng(seed);
  std::vector<double> compile_us, mask_us, commit_us;
  std::vector<uint64_t> bits(((*vocabulary)->size() + 63) / 64);
  int n_done = 0, n_failed = 0, n_unfit = 0;
  while (n_done < n) {
    const contract::Value document = testing::random_schema(rng, 3);
    auto schema = contract::Schema::compile(document, "Random");
    if (!schema) {
      std::cerr << schema.error().to_string() << "\n";
      return 1;
    }
    const auto before = Clock::now();
    const MaskOptions options = {.open = rng.below(2) == 0, .any_order = rng.below(2) == 0};
    auto mask = compile(*schema, *vocabulary, options);
    if (!mask) {
      ++n_unfit;
      continue;
    }
    compile_us.push_back(microseconds(before));
    const int shortest = shortest_tokens(**mask);
    for (int kind = 0; kind < 3 && n_done < n; ++kind, ++n_done) {
      const int budget = kind == 0   ? shortest
                         : kind == 1 ? shortest + static_cast<int>(rng.below(2 * shortest + 1))
                                     : std::max(512, shortest);
      Matcher matcher(*mask);
      std::string text;
      for (int left = budget; left > 0 && !matcher.ended(); --left) {
        const auto mask_start = Clock::now();
        const auto allowed = matcher.allowed(left, bits);
        mask_us.push_back(microseconds(mask_start));
        size_t n_allowed = 0;
        for (uint64_t word : bits) n_allowed += static_cast<size_t>(std::popcount(word));
        if (!allowed || n_allowed == 0) break;
        size_t chosen = rng.below(n_allowed);
        int32_t token = 0;
        for (size_t w = 0;; ++w) {
          const auto here = static_cast<size_t>(std::popcount(bits[w]));
          if (chosen >= here) {
            chosen -= here;
            continue;
          }
          uint64_t word = bits[w];
          while (chosen-- > 0) word &= word - 1;
          token = static_cast<int32_t>(w * 64 + static_cast<size_t>(std::countr_zero(word)));
          break;
        }
        const auto commit_start = Clock::now();
        if (!matcher.commit(token)) break;
        commit_us.push_back(microseconds(commit_start));
        if (!matcher.ended()) text += (*vocabulary)->piece(token);
      }
      if (!matcher.ended()) {
        ++n_failed;
        std::cerr << "cut or stuck: " << contract::to_json(document) << " after " << text << "\n";
      }
      std::cout << contract::to_json(
                       contract::Value::object({{"schema", document}, {"text", text}}))
                << "\n";
    }
  }
  print("compile", compile_us);
  print("mask", mask_us);
  print("commit", commit_us);
  std::cerr << "generations " << n_done << ", cut or stuck " << n_failed
            << ", schemas without a mask " << n_unfit << "\n";
  return n_failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace consort::mask

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return consort::mask::run(std::atoi(argv[1]), std::strtoull(argv[2], nullptr, 10),
                            argc > 3 ? argv[3] : nullptr);
}

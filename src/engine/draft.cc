#include "engine/draft.h"

#include <algorithm>

namespace consort::engine {
namespace {

uint64_t hash_gram(const int32_t* tokens, size_t n) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; ++i) {
    h = (h ^ static_cast<uint32_t>(tokens[i])) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  return h;
}

}  // namespace

int Drafter::length() const {
  if (rate_ > 0.7) return 8;
  if (rate_ > 0.45) return 4;
  if (rate_ > 0.25) return 2;
  return 0;
}

std::span<const int32_t> Drafter::propose(std::span<const int32_t> tokens, int n_max) {
  draft_.clear();
  // The gram that ends the sequence is looked up before it is entered.
  for (n_known_ = std::max(n_known_, kGram); n_known_ < tokens.size(); ++n_known_) {
    last_[hash_gram(tokens.data() + n_known_ - kGram, kGram)] = static_cast<uint32_t>(n_known_);
  }
  if (tokens.size() <= kGram || n_max <= 0) return draft_;
  const auto at = last_.find(hash_gram(tokens.data() + tokens.size() - kGram, kGram));
  if (at == last_.end()) return draft_;
  const size_t from = at->second;
  if (!std::equal(tokens.end() - kGram, tokens.end(), tokens.begin() + from - kGram)) {
    return draft_;
  }
  int n = length();
  if (n == 0) {
    if (++silent_ < 24) return draft_;
    silent_ = 0;
    n = 2;
  }
  // A text that repeats itself goes on repeating: past the end, the draft feeds itself.
  for (int i = 0; i < std::min(n, n_max); ++i) {
    const size_t k = from + static_cast<size_t>(i);
    draft_.push_back(k < tokens.size() ? tokens[k] : draft_[k - tokens.size()]);
  }
  return draft_;
}

void Drafter::learn(int drafted, int accepted) {
  if (drafted <= 0) return;
  const double weight = 0.25;
  rate_ = (1 - weight) * rate_ + weight * accepted / drafted;
}

}  // namespace consort::engine

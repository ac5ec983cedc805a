#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace consort::engine {
namespace {

template <typename Body>
void each_allowed(size_t n, std::span<const uint64_t> allowed, Body&& body) {
  if (allowed.empty()) {
    for (size_t t = 0; t < n; ++t) body(t);
    return;
  }
  for (size_t word = 0; word < allowed.size(); ++word) {
    for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
      const size_t t = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (t < n) body(t);
    }
  }
}

}  // namespace

int32_t Sampler::choose(std::span<const float> logits, std::span<const uint64_t> allowed) {
  if (sampling_.temperature <= 0) {
    int32_t best = -1;
    each_allowed(logits.size(), allowed, [&](size_t t) {
      if (best < 0 || logits[t] > logits[static_cast<size_t>(best)]) best = static_cast<int32_t>(t);
    });
    CONSORT_CHECK(best >= 0);
    return best;
  }
  candidates_.clear();
  each_allowed(logits.size(), allowed, [&](size_t t) {
    candidates_.push_back({logits[t], static_cast<int32_t>(t)});
  });
  CONSORT_CHECK(!candidates_.empty());
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  if (sampling_.top_k > 0 && static_cast<size_t>(sampling_.top_k) < candidates_.size()) {
    std::partial_sort(candidates_.begin(), candidates_.begin() + sampling_.top_k, candidates_.end(),
                      better);
    candidates_.resize(static_cast<size_t>(sampling_.top_k));
  } else {
    std::sort(candidates_.begin(), candidates_.end(), better);
  }
  weights_.clear();
  double total = 0;
  for (const Candidate& c : candidates_) {
    weights_.push_back(
        std::exp((static_cast<double>(c.logit) - candidates_[0].logit) / sampling_.temperature));
    total += weights_.back();
  }
  size_t n = weights_.size();
  if (sampling_.top_p < 1.0f) {
    double kept = 0;
    for (n = 0; n < weights_.size();) {
      kept += weights_[n++];
      if (kept >= sampling_.top_p * total) break;
    }
    total = kept;
  }
  double point = rng_.uniform() * total;
  for (size_t i = 0; i < n; ++i) {
    point -= weights_[i];
    if (point < 0) return candidates_[i].token;
  }
  return candidates_[n - 1].token;
}

}  // namespace consort::engine

// From logits to the next token. Same logits, seed and settings: same token, whatever else runs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"

namespace consort::engine {

// One sequence's. One thread at a time.
class Sampler final {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling), rng_(sampling.seed) {}
  // `allowed`: bit t of word t / 64 = token t may be chosen; empty = all. At least one bit is set.
  // Greedy takes the lowest id among equals; else temperature, then top_k (0 = all), then top_p.
  int32_t choose(std::span<const float> logits, std::span<const uint64_t> allowed);

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };
  Sampling sampling_;
  Rng rng_;
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

}  // namespace consort::engine

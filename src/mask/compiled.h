// CompiledMask: the grammar of one schema for one vocabulary, and the token sets found so far.
//
// Token sets are kept by the position they start from and grouped by what finishing costs after the
// token, so that one set serves every budget. Internal.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "mask/position.h"

namespace consort::mask {

// Tokens possible from one position, cheapest first.
struct TokenSet {
  struct Group {
    int cost = 0;  // To finish after the token.
    std::vector<int32_t> tokens;
    Bits bits;  // Instead of `tokens`, when there are many.
  };
  std::vector<Group> groups;
  size_t bytes() const;
};

// Thread-safe: the grammar is immutable and the sets sit behind a mutex.
class CompiledMask final {
 public:
  // What the cached sets may take; past it they are dropped and found again.
  static constexpr size_t kCacheBytesMax = 48u << 20;

  CompiledMask(std::shared_ptr<const contract::Program> schema,
               std::shared_ptr<const Vocabulary> vocabulary, std::unique_ptr<Grammar> grammar);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const Stepper& stepper() const { return stepper_; }
  int shortest() const { return shortest_; }
  uint64_t bytes() const;
  // Sets the bits of the tokens allowed from `position` with at most `cost_max` to finish after.
  void allow(const Position& position, int cost_max, std::span<uint64_t> out) const;

 private:
  enum class Walk { all, inside, leaving };
  std::shared_ptr<const TokenSet> find(const Hash& key, const Position& position, Walk walk) const;
  TokenSet walk_from(const Position& position, Walk walk) const;
  int trie_slack(size_t taken) const;
  void allow_free_interior(const Position& position, int cost_max, std::span<uint64_t> out) const;

  std::shared_ptr<const contract::Program> schema_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unique_ptr<Grammar> grammar_;
  Stepper stepper_;
  int shortest_ = 0;
  mutable std::mutex mutex_;
  mutable std::unordered_map<Hash, std::shared_ptr<const TokenSet>, HashOf> sets_;
  mutable size_t cached_bytes_ = 0;
};

}  // namespace consort::mask

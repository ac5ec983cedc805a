// CompiledMask: the grammar of one schema for one vocabulary, and the token sets found so far.
//
// Token sets are kept by the position they start from and grouped by what finishing costs after the
// token, so that one set serves every budget. Internal.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "mask/position.h"

namespace consort::mask {

// What is kept of one position. Which of it is filled depends on what was asked.
struct TokenSet {
  struct Group {
    int cost = 0;  // To finish after the token.
    std::vector<int32_t> tokens;
    Bits bits;  // Instead of `tokens`, when there are many.
  };
  std::vector<Group> groups;                     // Tokens possible, cheapest first.
  std::vector<Vocabulary::Trie::Leaver> leavers;  // Whose prefix ends where the string may close.
  std::vector<int> costs;                        // By suffix after a closing quote.
  std::vector<uint8_t> returns;  // By suffix: another key of the same object begins; the cost is open.
  size_t bytes() const;
};

// Thread-safe: the grammar is immutable and the sets sit behind a mutex.
class CompiledMask final {
 public:
  // What the cached sets may take; past it they are dropped and found again.
  static constexpr size_t kCacheBytesMax = 48u << 20;

  CompiledMask(std::shared_ptr<const contract::Schema> schema,
               std::shared_ptr<const Vocabulary> vocabulary, std::unique_ptr<Grammar> grammar);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const Stepper& stepper() const { return stepper_; }
  int shortest() const { return shortest_; }
  uint64_t bytes() const;
  // Sets the bits of the tokens allowed from `position` with at most `cost_max` to finish after.
  void allow(const Position& position, int cost_max, std::span<uint64_t> out) const;

 private:
  using Found = std::shared_ptr<const TokenSet>;
  Found find(const Hash& key, const std::function<TokenSet()>& make) const;
  TokenSet walk_from(const Position& position) const;
  TokenSet leaving_escape(const Position& position) const;
  TokenSet inside(const Position& position) const;
  TokenSet inside_any_cost(const Position& position) const;
  TokenSet leavers(const Position& position) const;
  TokenSet suffixes(const Positions& after, const Frame* frame) const;
  void allow_inside(const Position& position, int cost_max, std::span<uint64_t> out) const;
  void allow_leaving(const Position& position, int cost_max, std::span<uint64_t> out) const;
  void allow_free_interior(const StringState& state, int rest, int cost_max,
                           std::span<uint64_t> out) const;
  void forbid_taken(const Position& position, int cost_max, std::span<uint64_t> out) const;
  int cost_after(const Position& position, int32_t token) const;

  std::shared_ptr<const contract::Schema> schema_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unique_ptr<Grammar> grammar_;
  Stepper stepper_;
  int shortest_ = 0;
  mutable std::mutex mutex_;
  mutable std::unordered_map<Hash, Found, HashOf> sets_;
  mutable size_t cached_bytes_ = 0;
};

}  // namespace consort::mask

#include "mask/compiled.h"

#include <algorithm>

namespace consort::mask {
namespace {

void set_bit(std::span<uint64_t> out, int32_t token) {
  out[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}

void set_bits(std::span<uint64_t> out, const Bits& bits) {
  for (size_t i = 0; i < bits.size(); ++i) out[i] |= bits[i];
}

// Positions at `level` of a walk; buffers are reused from token to token.
struct Walker {
  enum Mode : uint8_t { kAll, kInside, kLeaving };

  const Vocabulary::Trie& trie;
  const Stepper& stepper;
  Mode mode;
  std::vector<std::pair<int, int32_t>> found;  // cost, token
  std::vector<Positions> levels;

  // Children of `node`; levels[level] holds the positions before them. `left`: the string that the
  // walk began in was closed.
  void descend(uint32_t node, size_t level, bool left) {
    if (levels.size() <= level + 1) levels.resize(level + 2);
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      if (mode == kLeaving && !left && !trie.has_quote[child]) continue;
      const uint8_t byte = trie.byte[child];
      bool leaves = left;
      if (mode != kAll && !left) {
        const Position& inside = levels[level][0];
        leaves = byte == '"' && inside.string.escape == 0;
        if (leaves && mode == kInside) continue;
      }
      Positions& next = levels[level + 1];
      next.clear();
      for (const Position& position : levels[level]) stepper.step(position, byte, next);
      if (next.empty()) continue;
      stepper.tidy(next);
      record(child, next, leaves);
      if (trie.end[child] > child + 1) descend(child, level + 1, leaves);
    }
  }

  void record(uint32_t node, const Positions& positions, bool left) {
    const uint32_t first = trie.token_begin[node];
    const uint32_t last = trie.token_begin[node + 1];
    if (first == last || (mode == kLeaving && !left)) return;
    int best = kInfinite;
    for (const Position& position : positions) best = std::min(best, stepper.cost(position));
    if (best >= kInfinite) return;
    for (uint32_t i = first; i < last; ++i) found.emplace_back(best, trie.tokens[i]);
  }
};

}  // namespace

size_t TokenSet::bytes() const {
  size_t result = 128;
  for (const Group& group : groups) {
    result += 64 + group.tokens.size() * sizeof(int32_t) + group.bits.size() * sizeof(uint64_t);
  }
  return result;
}

CompiledMask::CompiledMask(std::shared_ptr<const contract::Schema> schema,
                           std::shared_ptr<const Vocabulary> vocabulary,
                           std::unique_ptr<Grammar> grammar)
    : schema_(std::move(schema)),
      vocabulary_(std::move(vocabulary)),
      grammar_(std::move(grammar)),
      stepper_(*grammar_),
      shortest_(plus(stepper_.cost(stepper_.start()), 1)) {}

uint64_t CompiledMask::bytes() const {
  std::lock_guard lock(mutex_);
  return sizeof(*this) + grammar_->bytes() + cached_bytes_;
}

TokenSet CompiledMask::walk_from(const Position& position, Walk walk) const {
  const Vocabulary::Trie& trie = vocabulary_->trie();
  Walker walker{trie,
                stepper_,
                walk == Walk::all      ? Walker::kAll
                : walk == Walk::inside ? Walker::kInside
                                       : Walker::kLeaving,
                {},
                {}};
  walker.levels.resize(2);
  walker.levels[0].push_back(position);
  if (walk == Walk::inside) walker.levels[0][0].frame.reset();
  walker.descend(0, 0, false);
  std::sort(walker.found.begin(), walker.found.end());
  TokenSet result;
  for (size_t i = 0; i < walker.found.size();) {
    size_t end = i;
    while (end < walker.found.size() && walker.found[end].first == walker.found[i].first) ++end;
    TokenSet::Group& group = result.groups.emplace_back();
    group.cost = walker.found[i].first;
    if (end - i > trie.n_words / 2) {
      group.bits.assign(trie.n_words, 0);
      for (; i < end; ++i) set_bit(group.bits, walker.found[i].second);
    } else {
      for (; i < end; ++i) group.tokens.push_back(walker.found[i].second);
    }
  }
  return result;
}

std::shared_ptr<const TokenSet> CompiledMask::find(const Hash& key, const Position& position,
                                                   Walk walk) const {
  {
    std::lock_guard lock(mutex_);
    auto found = sets_.find(key);
    if (found != sets_.end()) return found->second;
  }
  auto set = std::make_shared<const TokenSet>(walk_from(position, walk));
  std::lock_guard lock(mutex_);
  if (cached_bytes_ > kCacheBytesMax) {
    sets_.clear();
    cached_bytes_ = 0;
  }
  cached_bytes_ += set->bytes();
  sets_.emplace(key, set);
  return set;
}

// Between two characters of a string without pattern, the vocabulary knows all tokens that stay in.
void CompiledMask::allow_free_interior(const Position& position, int cost_max,
                                       std::span<uint64_t> out) const {
  const Vocabulary::Trie& trie = vocabulary_->trie();
  const StringState& state = position.string;
  const int rest = plus(position.frame ? position.frame->rest : 0, 1);
  const auto needed = static_cast<int>(std::min<uint32_t>(state.min_left, kInfinite));
  if (trie.interior_characters_max <= state.max_left &&
      plus(plus(rest, needed), trie.interior_extra_max) <= cost_max) {
    return set_bits(out, trie.interior_all);
  }
  for (const auto& group : trie.interior) {
    if (group.characters > state.max_left) continue;
    const int left = std::max(0, needed - static_cast<int>(group.characters));
    if (plus(plus(rest, left), group.extra) > cost_max) continue;
    set_bits(out, group.bits);
    for (int32_t token : group.tokens) set_bit(out, token);
  }
}

// At most so many bytes end a key that is new among `taken` ones, after any token inside it.
int CompiledMask::trie_slack(size_t taken) const {
  int characters = 2;
  for (; taken > 0; taken /= 93) ++characters;
  return vocabulary_->trie().interior_extra_max + characters + 1;
}

void CompiledMask::allow(const Position& position, int cost_max, std::span<uint64_t> out) const {
  const auto apply = [&](const TokenSet& set, int budget) {
    for (const TokenSet::Group& group : set.groups) {
      if (group.cost > budget) return;
      set_bits(out, group.bits);
      for (int32_t token : group.tokens) set_bit(out, token);
    }
  };
  if (position.kind == Position::kExtraKey) {
    const auto& extra = *static_cast<const Members::Extra*>(position.thing);
    const auto taken =
        position.frame->keys_seen().size() + position.frame->container->members->reserved.size();
    // Enough for any token that stays inside, whatever it ends on, and a longer key after it.
    const int ample = plus(position.after, trie_slack(taken));
    if (extra.key.is_free() && position.string.escape == 0 &&
        extra.key.may_close(position.string) && ample <= cost_max) {
      set_bits(out, vocabulary_->trie().interior_all);
      return apply(*find(mix(position.hash(), 2), position, Walk::leaving), cost_max);
    }
  }
  if (position.kind != Position::kString) {
    return apply(*find(position.hash(), position, Walk::all), cost_max);
  }
  const auto& machine = *static_cast<const StringMachine*>(position.thing);
  const bool between =
      position.string.escape == 0 && position.string.state == machine.start().state;
  if (machine.is_free() && between) {
    allow_free_interior(position, cost_max, out);
  } else {
    const int rest = position.frame ? position.frame->rest : 0;
    apply(*find(mix(position.local_hash(), 1), position, Walk::inside), cost_max - rest);
  }
  apply(*find(mix(position.hash(), 2), position, Walk::leaving), cost_max);
}

}  // namespace consort::mask

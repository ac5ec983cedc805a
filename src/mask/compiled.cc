#include "mask/compiled.h"

#include <algorithm>
#include <map>

namespace consort::mask {
namespace {

void set_bit(std::span<uint64_t> out, int32_t token) {
  out[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}

void set_bits(std::span<uint64_t> out, const Bits& bits) {
  for (size_t i = 0; i < bits.size(); ++i) out[i] |= bits[i];
}

// Goes through the trie; buffers are reused from token to token.
const StringMachine& string_of(const Position& position) {
  return position.kind == Position::kExtraKey
             ? static_cast<const Members::Extra*>(position.thing)->key
             : *static_cast<const StringMachine*>(position.thing);
}

struct Walker {
  const Vocabulary::Trie& trie;
  const Stepper& stepper;
  std::map<int, std::vector<int32_t>> found;  // By cost.
  std::vector<Positions> levels;

  // Children of `node`; levels[level] holds the positions before them.
  void descend(uint32_t node, size_t level) {
    if (levels.size() <= level + 1) levels.resize(level + 2);
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      Positions& next = levels[level + 1];
      next.clear();
      for (const Position& position : levels[level]) {
        stepper.step(position, trie.byte[child], next);
      }
      if (next.empty()) continue;
      stepper.tidy(next);
      record(child, next);
      if (trie.end[child] > child + 1) descend(child, level + 1);
    }
  }

  // The same inside a string, without copies. `inside`: only tokens that do not close it, else only
  // those that do. `at` is left as it was.
  void descend_string(uint32_t node, Position& at, const StringMachine& machine, bool inside) {
    const bool is_key = at.kind == Position::kExtraKey;
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      if (!inside && !trie.has_quote[child]) continue;
      const uint8_t byte = trie.byte[child];
      if (byte == '"' && at.string.escape == 0) {
        if (inside) continue;
        levels[0].clear();
        stepper.step(at, byte, levels[0]);
        if (levels[0].empty()) continue;
        record(child, levels[0]);
        if (trie.end[child] > child + 1) descend(child, 0);
        continue;
      }
      const StringState before = at.string;
      const size_t length = at.text.size();
      if (machine.step(at.string, byte, is_key ? &at.text : nullptr)) {
        const int cost = machine.cost(at.string);
        if (cost < kInfinite) {
          if (inside) record(child, plus(cost, at.after));
          if (trie.end[child] > child + 1) descend_string(child, at, machine, inside);
        }
      }
      at.string = before;
      at.text.resize(length);
    }
  }

  void record(uint32_t node, const Positions& positions) {
    if (trie.token_begin[node] == trie.token_begin[node + 1]) return;
    int best = kInfinite;
    for (const Position& position : positions) best = std::min(best, stepper.cost(position));
    record(node, best);
  }
  void record(uint32_t node, int cost) {
    const uint32_t first = trie.token_begin[node];
    const uint32_t last = trie.token_begin[node + 1];
    if (first == last || cost >= kInfinite) return;
    auto& tokens = found[cost];
    tokens.insert(tokens.end(), trie.tokens.begin() + first, trie.tokens.begin() + last);
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
  Walker walker{trie, stepper_, {}, {}};
  walker.levels.resize(2);
  if (walk == Walk::all) {
    walker.levels[0].push_back(position);
    walker.descend(0, 0);
  } else {
    Position at = position;
    walker.descend_string(0, at, string_of(position), walk == Walk::inside);
  }
  TokenSet result;
  for (auto& [cost, tokens] : walker.found) {
    TokenSet::Group& group = result.groups.emplace_back();
    group.cost = cost;
    if (tokens.size() > trie.n_words / 2) {
      group.bits.assign(trie.n_words, 0);
      for (const int32_t token : tokens) set_bit(group.bits, token);
    } else {
      group.tokens = std::move(tokens);
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
    const Members& members = *position.frame->container->members;
    const size_t taken = position.frame->keys_seen().size() + members.reserved.size();
    // Enough for any token that stays inside, whatever it ends on, and a longer key after it.
    const bool ample = plus(position.after, trie_slack(taken)) <= cost_max;
    if (extra.key.is_free() && position.string.escape == 0 &&
        extra.key.may_close(position.string) && ample) {
      set_bits(out, vocabulary_->trie().interior_all);
      return apply(*find(mix(position.hash(), 2), position, Walk::leaving), cost_max);
    }
    if (Grammar::n_taken(members, position.frame->keys_seen(), position.text) == 0) {
      Position anew = position;  // What was written of the key does not matter to what follows in it.
      anew.text.clear();
      apply(*find(mix(anew.local_hash(), 1), position, Walk::inside), cost_max);
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

#include "mask/compiled.h"

#include <algorithm>
#include <map>

namespace consort::mask {
namespace {

using Trie = Vocabulary::Trie;

void set_bit(std::span<uint64_t> out, int32_t token) {
  out[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}

void clear_bit(std::span<uint64_t> out, int32_t token) {
  out[static_cast<size_t>(token) / 64] &= ~(uint64_t{1} << (static_cast<size_t>(token) % 64));
}

void set_bits(std::span<uint64_t> out, const Bits& bits) {
  for (size_t i = 0; i < bits.size(); ++i) out[i] |= bits[i];
}

void apply(const TokenSet& set, int budget, std::span<uint64_t> out) {
  for (const TokenSet::Group& group : set.groups) {
    if (group.cost > budget) return;
    set_bits(out, group.bits);
    for (const int32_t token : group.tokens) set_bit(out, token);
  }
}

const StringMachine& string_of(const Position& position) {
  return position.kind == Position::kExtraKey
             ? *static_cast<const Members::Extra*>(position.thing)->key
             : *static_cast<const StringMachine*>(position.thing);
}

int rest_of(const Position& position) {
  if (position.kind == Position::kExtraKey) return position.after;
  return position.frame ? position.frame->rest : 0;
}

// Goes through the trie; buffers are reused from token to token.
struct Walker {
  const Trie& trie;
  const Stepper& stepper;
  std::map<int, std::vector<int32_t>> found = {};  // By cost.
  std::vector<Positions> levels = {};

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
      if (trie.token_at[child] != -1) record(child, stepper.cheapest(next));
      if (trie.end[child] > child + 1) descend(child, level + 1);
    }
  }

  // Tokens that stay in a string, and what closing it takes.
  void descend_string(uint32_t node, const StringState& at, const StringMachine& machine) {
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      const uint8_t byte = trie.byte[child];
      StringState next = at;
      if ((byte == '"' && at.escape == 0) || !machine.step(next, byte)) continue;
      const int cost = machine.cost(next);
      if (cost >= kInfinite) continue;
      record(child, cost);
      if (trie.end[child] > child + 1) descend_string(child, next, machine);
    }
  }

  void record(uint32_t node, int cost) {
    const uint32_t first = trie.token_begin[node];
    const uint32_t last = trie.token_begin[node + 1];
    if (first == last || cost >= kInfinite) return;
    auto& tokens = found[cost];
    tokens.insert(tokens.end(), trie.tokens.begin() + first, trie.tokens.begin() + last);
  }

  TokenSet take() {
    TokenSet result;
    for (auto& [cost, tokens] : found) {
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
};

constexpr uint32_t kManyCharacters = 1 << 30;

// Prefixes of `leaving` after which the automaton lets the string close.
void descend_leaving(const Trie::Leaving& trie, uint32_t node, const StringState& at,
                     const StringMachine& machine, std::vector<Trie::Leaver>& out) {
  if (machine.may_close(at)) {
    for (Trie::Leaver one : trie.here[node]) {
      one.characters = kManyCharacters - at.max_left;
      out.push_back(one);
    }
  }
  for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
    StringState next = at;
    if (machine.step(next, trie.byte[child]) && machine.cost(next) < kInfinite) {
      descend_leaving(trie, child, next, machine, out);
    }
  }
}

// Do all texts of at most `length` bytes out of `alphabet` keep the automaton alive?
bool always_live(const StringMachine& machine, uint32_t state, const std::vector<uint8_t>& alphabet,
                 int length) {
  constexpr size_t kStatesMax = 24;
  const contract::Dfa& dfa = machine.dfa();
  std::array<bool, 256> is_class{};
  std::vector<uint8_t> one_of_class;
  for (const uint8_t byte : alphabet) {
    if (!is_class[dfa.class_of[byte]]) one_of_class.push_back(byte);
    is_class[dfa.class_of[byte]] = true;
  }
  std::vector<uint32_t> reached = {state};
  size_t from = 0;
  for (int i = 0; i < length && from < reached.size(); ++i) {
    const size_t to = reached.size();
    for (; from < to; ++from) {
      for (const uint8_t byte : one_of_class) {
        const uint32_t next = dfa.step(reached[from], byte);
        if (next == contract::Dfa::kDead || !machine.is_live(next)) return false;
        if (std::find(reached.begin(), reached.end(), next) == reached.end()) {
          if (reached.size() == kStatesMax) return false;
          reached.push_back(next);
        }
      }
    }
  }
  return true;
}

// Nodes below `node` that stay in the string.
template <typename Add>
void step_string(const ByteTrie& trie, uint32_t node, const StringState& at,
                 const StringMachine& machine, const Add& add) {
  for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
    const uint8_t byte = trie.byte[child];
    StringState next = at;
    if ((byte == '"' && at.escape == 0) || !machine.step(next, byte)) continue;
    if (machine.cost(next) >= kInfinite) continue;
    add(child);
    if (trie.end[child] > child + 1) step_string(trie, child, next, machine, add);
  }
}

// Sets the tokens of `trie` that stay in a string with an automaton, from outside of an escape.
void walk_dfa(const ByteTrie& trie, const StringMachine& machine, const StringState& start,
              std::span<uint64_t> out) {
  const contract::Dfa& dfa = machine.dfa();
  std::array<uint32_t, 257> states;
  std::array<uint32_t, 257> characters;  // Begun so far.
  states[0] = start.state;
  characters[0] = 0;
  const bool is_limited = start.max_left != StringMachine::kNoLimit;
  const bool counts = machine.is_counted() && (is_limited || start.min_left > 0);
  const auto after = [&](uint32_t at, uint32_t n) {  // n characters begun.
    StringState state = start;
    state.state = at;
    if (is_limited) state.max_left -= std::min(n, start.max_left);
    state.min_left -= std::min(n, start.min_left);
    return state;
  };
  const auto n = static_cast<uint32_t>(trie.byte.size());
  const auto add = [&](uint32_t node) {
    for (uint32_t i = trie.token_begin[node]; i < trie.token_begin[node + 1]; ++i) {
      set_bit(out, trie.tokens[i]);
    }
  };
  for (uint32_t node = 1; node < n;) {
    const uint8_t byte = trie.byte[node];
    const uint8_t depth = trie.depth[node];
    if (byte < 0x20 || byte == '"' || depth == 255) {  // No token is as long as that.
      node = trie.end[node];
      continue;
    }
    if (byte == '\\') {
      if (!machine.is_raw()) {
        StringState state = after(states[depth - 1u], counts ? characters[depth - 1u] : 0);
        if (machine.step(state, byte)) {
          add(node);
          step_string(trie, node, state, machine, add);
        }
      }
      node = trie.end[node];
      continue;
    }
    const uint32_t next = dfa.step(states[depth - 1u], byte);
    if (next == contract::Dfa::kDead || !machine.is_live(next)) {
      node = trie.end[node];
      continue;
    }
    states[depth] = next;
    if (counts) {
      const uint32_t n = characters[depth - 1u] + ((byte & 0xC0) != 0x80);
      characters[depth] = n;
      if (n > start.max_left || !machine.is_live(after(next, n))) {
        node = trie.end[node];
        continue;
      }
    }
    const int32_t token = trie.token_at[node];
    if (token >= 0) {
      set_bit(out, token);
    } else if (token == -2) {
      add(node);
    }
    ++node;
  }
}

}  // namespace

size_t TokenSet::bytes() const {
  size_t result = 160 + leavers.size() * sizeof(leavers[0]) + costs.size() * 5;
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

CompiledMask::Found CompiledMask::find(const Hash& key,
                                       const std::function<TokenSet()>& make) const {
  {
    std::lock_guard lock(mutex_);
    auto found = sets_.find(key);
    if (found != sets_.end()) return found->second;
  }
  auto set = std::make_shared<const TokenSet>(make());
  std::lock_guard lock(mutex_);
  if (cached_bytes_ > kCacheBytesMax) {
    sets_.clear();
    cached_bytes_ = 0;
  }
  cached_bytes_ += set->bytes();
  sets_.emplace(key, set);
  return set;
}

TokenSet CompiledMask::walk_from(const Position& position) const {
  Walker walker{vocabulary_->trie(), stepper_};
  walker.levels.resize(2);
  walker.levels[0].push_back(position);
  walker.descend(0, 0);
  return walker.take();
}

// Tokens that end an escape, and then the string.
TokenSet CompiledMask::leaving_escape(const Position& position) const {
  const Trie& trie = vocabulary_->trie();
  const StringMachine& machine = string_of(position);
  Walker walker{trie, stepper_};
  const std::function<void(uint32_t, const StringState&)> descend = [&](uint32_t node,
                                                                        const StringState& at) {
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      const uint8_t byte = trie.byte[child];
      if (byte == '"' && at.escape == 0) {
        Position closing = position;
        closing.string = at;
        walker.levels.resize(2);
        walker.levels[0].clear();
        stepper_.step(closing, byte, walker.levels[0]);
        if (walker.levels[0].empty()) continue;
        walker.record(child, stepper_.cheapest(walker.levels[0]));
        walker.descend(child, 0);
        continue;
      }
      StringState next = at;
      if (machine.step(next, byte) && machine.cost(next) < kInfinite) descend(child, next);
    }
  };
  descend(0, position.string);
  return walker.take();
}

TokenSet CompiledMask::inside(const Position& position) const {
  Walker walker{vocabulary_->trie(), stepper_};
  walker.descend_string(0, position.string, string_of(position));
  return walker.take();
}

// Tokens that stay in a string with an automaton, from a state outside of any escape: one pass over
// the vocabulary with nothing but the automaton, since no end of the string is too dear.
TokenSet CompiledMask::inside_any_cost(const Position& position) const {
  const Trie& trie = vocabulary_->trie();
  const StringMachine& machine = string_of(position);
  TokenSet result;
  TokenSet::Group& group = result.groups.emplace_back();
  group.cost = machine.cost_most();
  group.bits.assign(trie.n_words, 0);
  const auto takes_all = [&](const Trie::Slice& slice) {
    return position.string.max_left == StringMachine::kNoLimit && position.string.min_left == 0 &&
           always_live(machine, position.string.state, slice.alphabet, slice.kLengthMax);
  };
  const auto slice = std::find_if(trie.slices.begin(), trie.slices.end(), takes_all);
  const ByteTrie& rest = slice == trie.slices.end() ? trie : slice->others;
  if (slice != trie.slices.end()) group.bits = slice->bits;
  walk_dfa(rest, machine, position.string, group.bits);
  return result;
}

TokenSet CompiledMask::leavers(const Position& position) const {
  TokenSet result;
  StringState state = position.string;
  state.min_left = 0;
  state.max_left = kManyCharacters;
  descend_leaving(vocabulary_->trie().leaving, 0, state, string_of(position), result.leavers);
  return result;
}

// What every suffix after a closing quote comes to. `frame`: of the object whose key is closed.
TokenSet CompiledMask::suffixes(const Positions& after, const Frame* frame) const {
  const Trie::Suffixes& trie = vocabulary_->trie().suffixes;
  TokenSet result;
  result.costs.assign(trie.count, kInfinite);
  if (frame) result.returns.assign(trie.count, 0);
  std::vector<Positions> levels(1, after);
  // At another key of the same object it matters which key was closed: not told here.
  const auto is_back = [&](const Position& position) {
    return frame && position.frame && position.frame->is_object &&
           position.frame->parent == frame->parent &&
           (position.kind == Position::kKey || position.kind == Position::kExtraKey);
  };
  const std::function<void(uint32_t, size_t)> descend = [&](uint32_t node, size_t level) {
    const int32_t id = trie.id[node];
    if (id >= 0) result.costs[static_cast<size_t>(id)] = stepper_.cheapest(levels[level]);
    if (levels.size() <= level + 1) levels.resize(level + 2);
    for (uint32_t child = node + 1; child < trie.end[node]; child = trie.end[child]) {
      Positions& next = levels[level + 1];
      next.clear();
      for (const Position& position : levels[level]) {
        stepper_.step(position, trie.byte[child], next);
      }
      if (next.empty()) continue;
      stepper_.tidy(next);
      if (!std::any_of(next.begin(), next.end(), is_back)) {
        descend(child, level + 1);
        continue;
      }
      for (uint32_t below = child; below < trie.end[child]; ++below) {
        if (trie.id[below] < 0) continue;
        result.costs[static_cast<size_t>(trie.id[below])] = 0;
        result.returns[static_cast<size_t>(trie.id[below])] = 1;
      }
    }
  };
  if (!after.empty()) descend(0, 0);
  return result;
}

// Between two characters of a string without pattern, the vocabulary knows all tokens that stay in.
void CompiledMask::allow_free_interior(const StringState& state, int rest, int cost_max,
                                       std::span<uint64_t> out) const {
  const Trie& trie = vocabulary_->trie();
  rest = plus(rest, 1);
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
    for (const int32_t token : group.tokens) set_bit(out, token);
  }
}

void CompiledMask::allow_inside(const Position& position, int cost_max,
                                std::span<uint64_t> out) const {
  const Trie& trie = vocabulary_->trie();
  const StringMachine& machine = string_of(position);
  const int rest = rest_of(position);
  if (machine.is_between(position.string)) {
    return allow_free_interior(position.string, rest, cost_max, out);
  }
  const Hash machine_key = mix({}, reinterpret_cast<uintptr_t>(&machine));
  if (plus(rest, machine.cost_most()) > cost_max) {
    const Hash key = mix(mix(machine_key, position.string), 2);
    return apply(*find(key, [&] { return inside(position); }), cost_max - rest, out);
  }
  // The least that is needed does not matter to tokens that stay in, where lengths have no end; the
  // most only as a number, where every state may be the last one.
  StringState state = position.string;
  const uint32_t most = state.max_left;
  const auto longest = trie.interior_characters_max + static_cast<uint32_t>(machine.dfa().n_states());
  const bool by_number = machine.ends_anywhere() && most < trie.at_most.size();
  if (machine.ends_anywhere()) state.min_left = 0;
  if (by_number || most >= longest) state.max_left = StringMachine::kNoLimit;
  const Found set = find(mix(mix(machine_key, state), 1), [&] {
    Position at = position;
    at.string = state;
    return inside_any_cost(at);
  });
  if (!by_number) return apply(*set, kInfinite, out);
  const Bits& in = set->groups[0].bits;
  for (size_t i = 0; i < in.size(); ++i) out[i] |= in[i] & trie.at_most[most][i];
}

// Of the tokens inside a key, those after which it cannot become a new one within the budget.
void CompiledMask::forbid_taken(const Position& position, int cost_max,
                                std::span<uint64_t> out) const {
  const Trie& trie = vocabulary_->trie();
  const auto& extra = *static_cast<const Members::Extra*>(position.thing);
  const Names& seen = position.frame->keys_seen();
  const std::vector<std::string_view> taken = Grammar::taken(extra, seen, position.text);
  if (taken.empty()) return;
  // A taken key may be spelt with escapes too. Without a pattern it can always be made a new one.
  const auto slack = static_cast<int>(taken.size()) + extra.key->cost_most();
  const bool is_ample = plus(position.after, slack) <= cost_max;
  if (extra.key->is_free() && is_ample) return;
  for (const std::string_view name : taken) {
    StringState state = position.string;
    std::string text = position.text;
    uint32_t node = 0;
    for (const char c : name.substr(text.size())) {
      const auto byte = static_cast<uint8_t>(c);
      uint32_t child = node + 1;
      while (child < trie.end[node] && trie.byte[child] != byte) child = trie.end[child];
      if (child >= trie.end[node] || byte == '"' || byte == '\\') break;
      if (!extra.key->step(state, byte, &text)) break;
      node = child;
      if (trie.token_at[node] == -1) continue;
      if (plus(position.after, grammar_->key_cost(extra, state, text, seen)) <= cost_max) {
        continue;
      }
      for (uint32_t i = trie.token_begin[node]; i < trie.token_begin[node + 1]; ++i) {
        clear_bit(out, trie.tokens[i]);
      }
    }
  }
  if (extra.key->is_raw() || is_ample) return;
  for (const int32_t token : trie.escaped) clear_bit(out, token);
}

// Of the whole token, byte by byte.
int CompiledMask::cost_after(const Position& position, int32_t token) const {
  Positions now = {position};
  for (const char c : vocabulary_->piece(token)) {
    Positions next;
    for (const Position& one : now) stepper_.step(one, static_cast<uint8_t>(c), next);
    stepper_.tidy(next);
    now = std::move(next);
  }
  return stepper_.cheapest(now);
}

void CompiledMask::allow_leaving(const Position& position, int cost_max,
                                 std::span<uint64_t> out) const {
  const Trie& trie = vocabulary_->trie();
  const StringMachine& machine = string_of(position);
  const StringState& state = position.string;
  const bool is_key = position.kind == Position::kExtraKey;
  const bool between = machine.is_between(state);
  const Hash machine_key = mix(mix({}, reinterpret_cast<uintptr_t>(&machine)), state.state);
  const auto costs_key = [&](uint64_t salt) {
    Hash key = mix({}, salt);
    if (is_key) key = mix(key, reinterpret_cast<uintptr_t>(position.thing));
    return position.frame ? mix(mix(key, position.frame->hash.a), position.frame->hash.b) : key;
  };
  const auto find_costs = [&] {
    return find(costs_key(3), [&] {
      Position closed = position;
      closed.kind = is_key ? Position::kColon : position.frame ? Position::kAfter : Position::kDone;
      closed.string = {};
      if (!is_key) closed.thing = nullptr;
      return suffixes({closed}, is_key ? position.frame.get() : nullptr);
    });
  };
  if (between && !is_key && state.min_left == 0 && state.max_left == StringMachine::kNoLimit) {
    return apply(*find(costs_key(4), [&] {
      const Found costs = find_costs();
      std::map<int, std::vector<int32_t>> by_cost;
      for (const Trie::Leaver& one : trie.leavers) {
        if (costs->costs[one.suffix] < kInfinite) {
          by_cost[costs->costs[one.suffix]].push_back(one.token);
        }
      }
      TokenSet result;
      for (auto& [cost, tokens] : by_cost) result.groups.push_back({cost, std::move(tokens), {}});
      return result;
    }), cost_max, out);
  }
  const Found closing =
      between ? nullptr : find(mix(machine_key, 5), [&] { return leavers(position); });
  const std::vector<Trie::Leaver>& all = between ? trie.leavers : closing->leavers;
  if (all.empty()) return;
  const Found costs = find_costs();
  std::vector<std::string_view> taken;
  if (is_key) {
    taken = Grammar::taken(*static_cast<const Members::Extra*>(position.thing),
                           position.frame->keys_seen(), position.text);
  }
  std::string text = position.text;
  for (const Trie::Leaver& one : all) {
    if (costs->costs[one.suffix] > cost_max) continue;
    if (one.characters < state.min_left || one.characters > state.max_left) continue;
    if (!taken.empty() && one.is_plain) {
      text.resize(position.text.size());
      text.append(vocabulary_->piece(one.token), 0, one.quote);
      if (std::binary_search(taken.begin(), taken.end(), text)) continue;
    }
    const bool exactly = is_key && (costs->returns[one.suffix] || (!taken.empty() && !one.is_plain));
    if (!exactly || cost_after(position, one.token) <= cost_max) set_bit(out, one.token);
  }
}

void CompiledMask::allow(const Position& position, int cost_max, std::span<uint64_t> out) const {
  const bool is_key = position.kind == Position::kExtraKey;
  if (position.kind != Position::kString && !is_key) {
    return apply(*find(position.hash(), [&] { return walk_from(position); }), cost_max, out);
  }
  const StringMachine& machine = string_of(position);
  const bool is_escape = position.string.escape != 0;
  if (is_escape && !is_key) {
    const int rest = rest_of(position);
    const Hash key = mix(mix({}, reinterpret_cast<uintptr_t>(&machine)), position.string);
    apply(*find(mix(key, 2), [&] { return inside(position); }), cost_max - rest, out);
    return apply(*find(mix(position.hash(), 6), [&] { return leaving_escape(position); }), cost_max,
                 out);
  }
  if (is_escape || (machine.is_free() && !machine.is_between(position.string))) {
    // In the middle of a character few tokens fit.
    return apply(*find(position.hash(), [&] { return walk_from(position); }), cost_max, out);
  }
  if (is_key && !Grammar::taken(*static_cast<const Members::Extra*>(position.thing),
                                position.frame->keys_seen(), position.text).empty()) {
    Bits here(out.size(), 0);
    allow_inside(position, cost_max, here);
    forbid_taken(position, cost_max, here);
    set_bits(out, here);
  } else {
    allow_inside(position, cost_max, out);
  }
  allow_leaving(position, cost_max, out);
}

}  // namespace consort::mask

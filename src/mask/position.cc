#include "mask/position.h"

#include <algorithm>
#include <cstring>

namespace consort::mask {
namespace {

uint64_t scramble(uint64_t x) {  // SplitMix64's finaliser.
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ull;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBull;
  return x ^ x >> 31;
}

uint64_t id(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

Hash mix(Hash hash, uint64_t value) {
  hash.a = scramble(hash.a ^ (value + 0x9E3779B97F4A7C15ull));
  hash.b = scramble(hash.b + value * 0xD6E8FEB86659FD93ull + 0x2545F4914F6CDD1Dull);
  return hash;
}

const Names& Frame::keys_seen() const {
  static const Names none;
  return seen ? *seen : none;
}

Hash mix(Hash hash, std::string_view text) {
  hash = mix(hash, text.size());
  for (size_t i = 0; i < text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min<size_t>(8, text.size() - i));
    hash = mix(hash, word);
  }
  return hash;
}

Hash mix(Hash hash, const StringState& state) {
  hash = mix(hash, uint64_t{state.state} << 32 | state.min_left);
  return mix(hash, uint64_t{state.max_left} << 32 ^ uint64_t{state.hex} << 4 ^ state.escape);
}

Hash Position::local_hash() const {
  Hash result = mix({}, id(thing) ^ uint64_t{at} << 48);
  if (kind == kExtraKey || kind == kColon) {
    result = mix(result, text);
    result = mix(result, static_cast<uint64_t>(after));
  }
  result = mix(result, uint64_t{kind} << 56 | uint64_t{blanks} << 48 | at);
  if (kind == kString || kind == kExtraKey) {
    result = mix(result, string);
  } else if (kind == kNumber) {
    result = mix(result, number.digits);
    result = mix(result, uint64_t{number.n_integer} << 24 | uint64_t{number.n_fraction} << 16 |
                             uint64_t{number.phase} << 8 | number.negative);
    if (number.phase >= NumberState::kExponent) {
      result = mix(result, uint64_t{number.exponent} << 16 | uint64_t{number.n_exponent} << 8 |
                               number.exponent_negative);
    }
  }
  return result;
}

Hash Position::hash() const {
  const Hash local = local_hash();
  if (!frame) return local;
  return mix(mix(local, frame->hash.a), frame->hash.b);
}

Position Stepper::start() const {
  Position result;
  result.thing = &grammar_.root();
  // Blanks come between the tokens of a value, not before it.
  const MaskOptions& options = grammar_.options();
  result.blanks = static_cast<uint8_t>(options.any_spelling ? 0 : options.whitespace_max);
  return result;
}

std::shared_ptr<const Frame> Stepper::array(const std::shared_ptr<const Frame>& parent,
                                            const Alternative& container, uint64_t count,
                                            int depth) const {
  auto result = std::make_shared<Frame>();
  result->parent = parent;
  result->container = &container;
  result->count = container.plan ? count : std::min<uint64_t>(count, container.count_clip);
  result->depth = depth;
  result->rest = plus(grammar_.finish_array(container, result->count, depth), result->outer());
  result->hash = mix(mix(parent ? parent->hash : Hash{}, id(&container)), result->count);
  return result;
}

std::shared_ptr<const Frame> Stepper::object(const std::shared_ptr<const Frame>& parent,
                                             const Alternative& container, Written written,
                                             int depth, std::shared_ptr<const Names> seen) const {
  const Members& members = *container.members;
  auto result = std::make_shared<Frame>();
  result->parent = parent;
  result->container = &container;
  result->is_object = true;
  result->depth = depth;
  // Past the least, counts are alike if there is no most.
  if (members.max == UINT64_MAX) {
    written.count = std::min<uint64_t>(written.count, std::max<uint64_t>(members.min, 1));
  }
  Hash hash = mix(parent ? parent->hash : Hash{}, id(&container) + 1);
  hash = mix(mix(hash, members.any_order ? 0 : written.position), written.count);
  hash = mix(hash, written.witnessed);
  if (written.used) {
    for (const uint64_t word : *written.used) hash = mix(hash, word);
  }
  if (seen) {
    for (const std::string& key : *seen) hash = mix(hash, key);
  }
  result->written = std::move(written);
  result->seen = std::move(seen);
  result->rest = plus(grammar_.finish_object(members, result->written, SIZE_MAX,
                                             result->keys_seen(), 0, depth),
                      result->outer());
  result->hash = hash;
  return result;
}

bool Stepper::may_close(const Frame& frame) const {
  return frame.is_object ? Grammar::may_close_object(*frame.container->members, frame.written)
                         : Grammar::may_close_array(*frame.container, frame.count);
}

// For arrays: is another item allowed, by the count alone?
bool Stepper::may_add(const Frame& frame) const {
  if (frame.is_object) {
    const Members& members = *frame.container->members;
    return frame.written.count < members.max && (!members.keys.empty() || !members.extras.empty());
  }
  if (frame.container->plan) return !frame.container->plan->states[frame.count].steps.empty();
  return frame.count < frame.container->max_items;
}

bool Stepper::blank(const Position& position, uint8_t byte, Positions& out) const {
  if (!is_blank(byte)) return false;
  if (position.blanks < grammar_.options().whitespace_max) {
    out.push_back(position);
    ++out.back().blanks;
  }
  return true;
}

void Stepper::finish_value(std::shared_ptr<const Frame> frame, Positions& out) const {
  Position next;
  next.kind = frame ? Position::kAfter : Position::kDone;
  next.frame = std::move(frame);
  out.push_back(std::move(next));
}

void Stepper::literal(const LiteralTrie& literals, uint32_t at, uint8_t byte,
                      const std::shared_ptr<const Frame>& frame, Positions& out) const {
  uint32_t next = 0;
  const LiteralTrie::Node* node = literals.child(at, byte, &next);
  if (!node) return;
  if (node->terminal >= 0) finish_value(frame, out);
  if (node->next.empty()) return;
  Position inside;
  inside.kind = Position::kLiteral;
  inside.thing = &literals;
  inside.at = next;
  inside.frame = frame;
  out.push_back(std::move(inside));
}

void Stepper::open(const Alternative& container, bool is_object,
                   const std::shared_ptr<const Frame>& parent, int depth, Positions& out) const {
  Position next;
  next.kind = Position::kOpen;
  next.frame = is_object ? object(parent, container, Grammar::begin(*container.members, depth - 1),
                                  depth - 1, nullptr)
                         : array(parent, container, 0, depth - 1);
  if (next.frame->rest < kInfinite) out.push_back(std::move(next));
}

void Stepper::value(const Position& position, uint8_t byte, Positions& out) const {
  if (blank(position, byte, out)) return;
  const auto& node = *static_cast<const GrammarNode*>(position.thing);
  const auto& frame = position.frame;
  const int depth = frame ? frame->depth : grammar_.options().depth_max;
  for (const Alternative& alternative : node.alternatives) {
    if (alternative.literals) literal(*alternative.literals, 0, byte, frame, out);
    if (byte == '"' && alternative.string) {
      Position next;
      next.kind = Position::kString;
      next.thing = alternative.string.get();
      next.string = alternative.string->start();
      next.frame = frame;
      if (alternative.string->cost(next.string) < kInfinite) out.push_back(std::move(next));
    }
    if (alternative.number && (byte == '-' || (byte >= '0' && byte <= '9'))) {
      Position next;
      next.kind = Position::kNumber;
      next.thing = alternative.number.get();
      next.frame = frame;
      if (alternative.number->step(next.number, byte)) out.push_back(std::move(next));
    }
    if (depth == 0) continue;
    if (byte == '[' && alternative.is_array) open(alternative, false, frame, depth, out);
    if (byte == '{' && alternative.members) open(alternative, true, frame, depth, out);
  }
}

template <typename Item>
void Stepper::each_item(const Frame& top, const Item& item) const {
  const auto offer = [&](const GrammarNode& node, uint64_t count) {
    if (node.cost[static_cast<size_t>(top.depth)] >= kInfinite) return;
    auto frame = array(top.parent, *top.container, count, top.depth);
    if (frame->rest < kInfinite) item(node, std::move(frame));
  };
  if (!top.container->plan) {
    if (top.count < top.container->max_items) offer(top.container->item(top.count), top.count + 1);
    return;
  }
  for (const ArrayPlan::Step& step : top.container->plan->states[top.count].steps) {
    offer(*step.item, step.next);
  }
}

// After '[' or '{'.
void Stepper::first(const Position& position, uint8_t byte, Positions& out) const {
  if (blank(position, byte, out)) return;
  const Frame& top = *position.frame;
  if (byte == (top.is_object ? '}' : ']')) {
    if (may_close(top)) finish_value(top.parent, out);
    return;
  }
  Position next;
  if (top.is_object) {
    next.kind = Position::kKey;
    next.thing = top.container->members.get();
    next.frame = position.frame;
    if (may_add(top)) key(next, byte, out);
    return;
  }
  each_item(top, [&](const GrammarNode& item, std::shared_ptr<const Frame> frame) {
    Position at;
    at.thing = &item;
    at.frame = std::move(frame);
    at.blanks = static_cast<uint8_t>(grammar_.options().whitespace_max);
    value(at, byte, out);
  });
}

void Stepper::key(const Position& position, uint8_t byte, Positions& out) const {
  if (position.at == 0 && blank(position, byte, out)) return;
  const auto& members = *static_cast<const Members*>(position.thing);
  const Frame& top = *position.frame;
  if (position.at == 0 && byte == '"') {
    for (const Members::Extra& extra : members.extras) {
      Position next;
      next.kind = Position::kExtraKey;
      next.thing = &extra;
      next.string = extra.key->start();
      next.frame = position.frame;
      next.after = plus(extra_cost(top, extra), top.outer());
      if (cost(next) < kInfinite) out.push_back(std::move(next));
    }
  }
  uint32_t at = 0;
  const LiteralTrie::Node* node =
      members.trie.nodes.empty() ? nullptr : members.trie.child(position.at, byte, &at);
  if (!node) return;
  if (node->terminal >= 0) {  // Keys end in ':', so none is the beginning of another.
    const auto index = static_cast<uint32_t>(node->terminal);
    if (plus(declared_cost(top, index), top.outer()) >= kInfinite) return;
    Position next;
    next.thing = members.keys[index].node;
    Written written = Grammar::with(members, top.written, index, top.depth);
    if (members.any_order) {
      auto used = written.used ? std::make_shared<Bits>(*written.used)
                               : std::make_shared<Bits>((members.keys.size() + 63) / 64);
      (*used)[index / 64] |= uint64_t{1} << (index % 64);
      written.used = std::move(used);
    }
    next.frame = object(top.parent, *top.container, std::move(written), top.depth, top.seen);
    out.push_back(std::move(next));
    return;
  }
  if (plus(key_cost(top, at), top.outer()) >= kInfinite) return;
  Position next = position;
  next.at = at;
  next.blanks = 0;
  out.push_back(std::move(next));
}

void Stepper::extra_key(const Position& position, uint8_t byte, Positions& out) const {
  const auto& extra = *static_cast<const Members::Extra*>(position.thing);
  const Frame& top = *position.frame;
  if (byte == '"' && position.string.escape == 0) {
    // Closing costs one byte exactly if this key is a new one.
    if (!extra.key->may_close(position.string) ||
        grammar_.key_cost(extra, position.string, position.text, top.keys_seen()) != 1) {
      return;
    }
    out.push_back(position);
    out.back().kind = Position::kColon;
    return;
  }
  Position next = position;
  if (!extra.key->step(next.string, byte, &next.text) || cost(next) >= kInfinite) return;
  out.push_back(std::move(next));
}

// From the colon on: the member with a key that is not declared, and all that must follow.
int Stepper::extra_cost(const Frame& frame, const Members::Extra& extra) const {
  const Members& members = *frame.container->members;
  if (frame.written.count >= members.max) return kInfinite;
  const int child = extra.node->cost[static_cast<size_t>(frame.depth)];
  Written written = frame.written;
  ++written.count;
  written.witnessed |= extra.witness;
  return plus(plus(child, 1), grammar_.finish_object(members, written, SIZE_MAX,
                                                     frame.keys_seen(), 1, frame.depth));
}

// The value of a declared key, and all that must follow.
int Stepper::declared_cost(const Frame& frame, uint32_t key) const {
  const Members& members = *frame.container->members;
  if (!members.is_next(frame.written, key) || frame.written.count >= members.max) return kInfinite;
  const int child = members.keys[key].node->cost[static_cast<size_t>(frame.depth)];
  if (child >= kInfinite) return kInfinite;
  const Members::Key& one = members.keys[key];
  const Written& now = frame.written;
  const uint64_t coming = now.n_missing - one.required;
  if (members.witnesses == 0 && now.count + 1 + coming >= members.min) {
    // Nothing is needed but required keys: their sum is known.
    if (now.count + 1 + coming > members.max) return kInfinite;
    const int64_t own = one.required ? int64_t{plus(one.cost, child)} + 1 : 0;
    const int64_t total = now.missing_cost - own + 1 + child;
    return total >= kInfinite ? kInfinite : static_cast<int>(total);
  }
  const Written written = Grammar::with(members, frame.written, key, frame.depth);
  return plus(child, grammar_.finish_object(members, written, key, frame.keys_seen(), 0,
                                            frame.depth));
}

int Stepper::key_cost(const Frame& frame, uint32_t at) const {
  int best = kInfinite;
  const Members& members = *frame.container->members;
  if (!members.trie.nodes.empty()) {
    for (const LiteralTrie::Passing& passing : members.trie.nodes[at].passing) {
      if (members.is_used(frame.written, passing.literal)) continue;
      if (passing.cost >= best) continue;
      best = std::min(best, plus(passing.cost, declared_cost(frame, passing.literal)));
    }
  }
  if (at == 0) {
    for (const Members::Extra& extra : members.extras) {
      const int key =
          grammar_.key_cost(extra, extra.key->start(), "", frame.keys_seen());
      best = std::min(best, plus(plus(key, 1), extra_cost(frame, extra)));
    }
  }
  return best;
}

void Stepper::after(const Position& position, uint8_t byte, Positions& out) const {
  const Frame& top = *position.frame;
  const bool anywhere = grammar_.options().any_spelling;
  if (is_blank(byte)) {  // Only before the closing bracket, else.
    if (anywhere || may_close(top)) blank(position, byte, out);
    return;
  }
  if (byte == (top.is_object ? '}' : ']')) {
    if (may_close(top)) finish_value(top.parent, out);
    return;
  }
  if (byte != ',' || (position.blanks > 0 && !anywhere) || !may_add(top)) return;
  Position next;
  if (top.is_object) {
    next.kind = Position::kKey;
    next.thing = top.container->members.get();
    next.frame = position.frame;
    if (plus(key_cost(top, 0), top.outer()) < kInfinite) out.push_back(std::move(next));
    return;
  }
  each_item(top, [&](const GrammarNode& item, std::shared_ptr<const Frame> frame) {
    Position at;
    at.thing = &item;
    at.frame = std::move(frame);
    out.push_back(std::move(at));
  });
}

void Stepper::step(const Position& position, uint8_t byte, Positions& out) const {
  switch (position.kind) {
    case Position::kValue:
      return value(position, byte, out);
    case Position::kLiteral:
      return literal(*static_cast<const LiteralTrie*>(position.thing), position.at, byte,
                     position.frame, out);
    case Position::kNumber: {
      const auto& machine = *static_cast<const NumberMachine*>(position.thing);
      Position next = position;
      if (machine.step(next.number, byte)) {
        out.push_back(std::move(next));
      } else if (!position.frame && machine.complete(position.number)) {
        Position ended;
        ended.kind = Position::kDone;
        step(ended, byte, out);
      } else if (position.frame && machine.complete(position.number)) {
        // No byte that continues a number can follow it.
        Position ended;
        ended.kind = Position::kAfter;
        ended.frame = position.frame;
        after(ended, byte, out);
      }
      return;
    }
    case Position::kString: {
      const auto& machine = *static_cast<const StringMachine*>(position.thing);
      if (byte == '"' && position.string.escape == 0) {
        if (machine.may_close(position.string)) finish_value(position.frame, out);
        return;
      }
      StringState next = position.string;
      if (!machine.step(next, byte) || machine.cost(next) >= kInfinite) return;
      out.push_back(position);
      out.back().string = next;
      return;
    }
    case Position::kOpen:
      return first(position, byte, out);
    case Position::kKey:
      return key(position, byte, out);
    case Position::kExtraKey:
      return extra_key(position, byte, out);
    case Position::kColon: {
      if (byte != ':') return;
      const Frame& top = *position.frame;
      auto seen = std::make_shared<Names>(top.keys_seen());
      seen->push_back(position.text);
      Position next;
      next.thing = static_cast<const Members::Extra*>(position.thing)->node;
      Written written = top.written;
      ++written.count;
      written.witnessed |= static_cast<const Members::Extra*>(position.thing)->witness;
      next.frame = object(top.parent, *top.container, std::move(written), top.depth,
                          std::move(seen));
      out.push_back(std::move(next));
      return;
    }
    case Position::kAfter:
      return after(position, byte, out);
    case Position::kDone:
      if (grammar_.options().any_spelling) blank(position, byte, out);
      return;
  }
}

int Stepper::cost(const Position& position) const {
  const int rest = position.frame ? position.frame->rest : 0;
  switch (position.kind) {
    case Position::kValue: {
      const int depth = position.frame ? position.frame->depth : grammar_.options().depth_max;
      const auto& node = *static_cast<const GrammarNode*>(position.thing);
      return plus(node.cost[static_cast<size_t>(depth)], rest);
    }
    case Position::kLiteral:
      return plus(static_cast<const LiteralTrie*>(position.thing)->nodes[position.at].cost, rest);
    case Position::kNumber:
      return plus(static_cast<const NumberMachine*>(position.thing)->cost(position.number), rest);
    case Position::kString:
      return plus(static_cast<const StringMachine*>(position.thing)->cost(position.string), rest);
    case Position::kKey:
      return plus(key_cost(*position.frame, position.at), position.frame->outer());
    case Position::kExtraKey: {
      const auto& extra = *static_cast<const Members::Extra*>(position.thing);
      return plus(position.after,
                  grammar_.key_cost(extra, position.string, position.text, position.frame->keys_seen()));
    }
    case Position::kColon:
      return position.after;
    case Position::kAfter:
      return position.blanks > 0 && may_close(*position.frame) ? plus(1, position.frame->outer())
                                                               : rest;
    case Position::kOpen:
      return rest;
    case Position::kDone:
      return 0;
  }
  return kInfinite;
}

int Stepper::cheapest(const Positions& positions) const {
  int best = kInfinite;
  for (const Position& position : positions) best = std::min(best, cost(position));
  return best;
}

bool Stepper::complete(const Position& position) const {
  if (position.kind == Position::kDone) return true;
  return position.kind == Position::kNumber && !position.frame &&
         static_cast<const NumberMachine*>(position.thing)->complete(position.number);
}

void Stepper::tidy(Positions& positions) const {
  if (positions.size() < 2) return;
  std::vector<Hash> seen;
  size_t kept = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    const Hash hash = positions[i].hash();
    if (std::find(seen.begin(), seen.end(), hash) != seen.end()) continue;
    seen.push_back(hash);
    if (kept != i) positions[kept] = std::move(positions[i]);
    ++kept;
  }
  positions.resize(kept);
  if (kept <= kPositionsMax) return;
  std::stable_sort(positions.begin(), positions.end(),
                   [&](const Position& a, const Position& b) { return cost(a) < cost(b); });
  positions.resize(kPositionsMax);
}

}  // namespace consort::mask

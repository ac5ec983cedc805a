#include "mask/position.h"

#include <algorithm>

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

Hash Position::local_hash() const {
  Hash result = mix({}, id(thing) ^ uint64_t{at} << 48);
  result = mix(result, uint64_t{kind} << 56 | uint64_t{blanks} << 48 | at);
  if (kind == kString) {
    result = mix(result, uint64_t{string.state} << 32 | string.min_left);
    result =
        mix(result, uint64_t{string.max_left} << 32 | uint64_t{string.hex} << 8 | string.escape);
  } else if (kind == kNumber) {
    result = mix(result, number.digits);
    result = mix(result, uint64_t{number.n_integer} << 24 | uint64_t{number.n_fraction} << 16 |
                             uint64_t{number.phase} << 8 | number.negative);
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
  result.blanks = static_cast<uint8_t>(grammar_.options().whitespace_max);
  return result;
}

std::shared_ptr<const Frame> Stepper::frame(const std::shared_ptr<const Frame>& parent,
                                            const Alternative& container, bool is_object,
                                            uint32_t position, uint64_t count, int depth) const {
  auto result = std::make_shared<Frame>();
  result->parent = parent;
  result->container = &container;
  result->is_object = is_object;
  result->position = position;
  result->count =
      std::min<uint64_t>(count, is_object ? container.n_counts - 1 : container.count_clip);
  result->depth = depth;
  result->rest = plus(is_object ? grammar_.finish_object(container, position, result->count, depth)
                                : grammar_.finish_array(container, result->count, depth),
                      result->outer());
  Hash hash = parent ? parent->hash : Hash{};
  hash = mix(hash, id(&container));
  result->hash = mix(hash, uint64_t{position} << 33 | uint64_t{is_object} << 32 | result->count);
  return result;
}

bool Stepper::may_close(const Frame& frame) const {
  return frame.is_object ? Grammar::may_close_object(*frame.container, frame.position, frame.count)
                         : Grammar::may_close_array(*frame.container, frame.count);
}

// For arrays: is another item allowed, by the count alone?
bool Stepper::may_add(const Frame& frame) const {
  if (frame.is_object) return Grammar::may_add(*frame.container, frame.count);
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
  next.frame = frame(parent, container, is_object, 0, 0, depth - 1);
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
    if (byte == '{' && alternative.is_object) open(alternative, true, frame, depth, out);
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
    next.thing = &top.container->next_keys[top.position];
    next.frame = position.frame;
    if (may_add(top)) key(next, byte, out);
    return;
  }
  const GrammarNode& item = top.container->item(0);
  if (!may_add(top) || item.cost[static_cast<size_t>(top.depth)] >= kInfinite) return;
  next.thing = &item;
  next.frame = frame(top.parent, *top.container, false, 0, 1, top.depth);
  next.blanks = static_cast<uint8_t>(grammar_.options().whitespace_max);
  value(next, byte, out);
}

void Stepper::key(const Position& position, uint8_t byte, Positions& out) const {
  if (position.at == 0 && blank(position, byte, out)) return;
  const auto& literals = *static_cast<const LiteralTrie*>(position.thing);
  if (literals.nodes.empty()) return;
  uint32_t at = 0;
  const LiteralTrie::Node* node = literals.child(position.at, byte, &at);
  if (!node) return;
  const Frame& top = *position.frame;
  if (node->terminal >= 0) {  // Keys end in ':', so none is the beginning of another.
    const auto index = static_cast<uint32_t>(node->terminal);
    const GrammarNode& child = *top.container->keys[index].node;
    Position next;
    next.thing = &child;
    next.frame = frame(top.parent, *top.container, true, index + 1, top.count + 1, top.depth);
    const int cost = plus(child.cost[static_cast<size_t>(top.depth)], next.frame->rest);
    if (cost < kInfinite) out.push_back(std::move(next));
    return;
  }
  if (plus(key_cost(top, literals, at), top.outer()) >= kInfinite) return;
  Position next = position;
  next.at = at;
  next.blanks = 0;
  out.push_back(std::move(next));
}

int Stepper::key_cost(const Frame& frame, const LiteralTrie& literals, uint32_t at) const {
  int best = kInfinite;
  if (literals.nodes.empty()) return best;
  for (const LiteralTrie::Passing& passing : literals.nodes[at].passing) {
    const GrammarNode& child = *frame.container->keys[passing.literal].node;
    const int member = plus(passing.cost, child.cost[static_cast<size_t>(frame.depth)]);
    best = std::min(best, plus(member, grammar_.finish_object(*frame.container, passing.literal + 1,
                                                              frame.count + 1, frame.depth)));
  }
  return best;
}

void Stepper::after(const Position& position, uint8_t byte, Positions& out) const {
  const Frame& top = *position.frame;
  if (is_blank(byte)) {  // Only before the closing bracket.
    if (may_close(top)) blank(position, byte, out);
    return;
  }
  if (byte == (top.is_object ? '}' : ']')) {
    if (may_close(top)) finish_value(top.parent, out);
    return;
  }
  if (byte != ',' || position.blanks > 0 || !may_add(top)) return;
  Position next;
  if (top.is_object) {
    next.kind = Position::kKey;
    next.thing = &top.container->next_keys[top.position];
    next.frame = position.frame;
    const auto& literals = top.container->next_keys[top.position];
    if (plus(key_cost(top, literals, 0), top.outer()) < kInfinite) out.push_back(std::move(next));
    return;
  }
  const GrammarNode& item = top.container->item(top.count);
  if (item.cost[static_cast<size_t>(top.depth)] >= kInfinite) return;
  next.thing = &item;
  next.frame = frame(top.parent, *top.container, false, 0, top.count + 1, top.depth);
  out.push_back(std::move(next));
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
    case Position::kAfter:
      return after(position, byte, out);
    case Position::kDone:
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
      return plus(
          key_cost(*position.frame, *static_cast<const LiteralTrie*>(position.thing), position.at),
          position.frame->outer());
    case Position::kAfter:
      return position.blanks > 0 ? plus(1, position.frame->outer()) : rest;
    case Position::kOpen:
      return rest;
    case Position::kDone:
      return 0;
  }
  return kInfinite;
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

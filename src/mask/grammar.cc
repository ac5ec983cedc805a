#include "mask/grammar.h"

#include <algorithm>

namespace consort::mask {
void LiteralTrie::add(std::string_view text, uint32_t literal, const Vocabulary::Trie& trie) {
  if (nodes.empty()) nodes.emplace_back();
  const std::vector<int> spelling = trie.spelling(text);
  uint32_t node = 0;
  for (size_t i = 0;; ++i) {
    nodes[node].passing.push_back({literal, spelling[i]});
    nodes[node].cost = std::min(nodes[node].cost, spelling[i]);
    if (i == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[i]);
    uint32_t next = 0;
    if (!child(node, byte, &next)) {
      next = static_cast<uint32_t>(nodes.size());
      nodes[node].next.emplace_back(byte, next);
      nodes.emplace_back();
    }
    node = next;
  }
  nodes[node].terminal = static_cast<int32_t>(literal);
}

const LiteralTrie::Node* LiteralTrie::child(uint32_t node, uint8_t byte, uint32_t* id) const {
  for (const auto& [label, next] : nodes[node].next) {
    if (label != byte) continue;
    *id = next;
    return &nodes[next];
  }
  return nullptr;
}

bool Grammar::may_close_array(const Alternative& array, uint64_t count) {
  if (array.plan) return array.plan->states[count].may_close;
  return count >= array.min_items && count <= array.max_items;
}
int Grammar::finish_array(const Alternative& array, uint64_t count, int depth) const {
  const auto at = static_cast<size_t>(depth);
  if (array.plan) return array.plan->finish[at][count];
  if (array.max_items < array.min_items) return kInfinite;
  int total = 1;
  for (uint64_t i = count; i < array.min_items && i < array.prefix.size(); ++i) {
    total = plus(total, plus(array.prefix[i]->cost[at], 1));
  }
  const uint64_t from = std::max<uint64_t>(count, array.prefix.size());
  if (from < array.min_items) {
    const uint64_t n = array.min_items - from;
    const int each = plus(array.items->cost[at], 1);
    if (each >= kInfinite || n > static_cast<uint64_t>(kInfinite / each)) return kInfinite;
    total = plus(total, static_cast<int>(n) * each);
  }
  if (count == 0 && array.min_items > 0 && total < kInfinite)
    --total;  // No comma before the first.
  return total;
}

int Grammar::cost_of(const Alternative& alternative, int depth) const {
  int best = kInfinite;
  if (alternative.literals) best = std::min(best, alternative.literals->nodes[0].cost);
  if (alternative.number) best = std::min(best, alternative.number->cost({}));
  if (alternative.string) {
    best = std::min(best, plus(1, alternative.string->cost(alternative.string->start())));
  }
  if (depth == 0) return best;
  if (alternative.is_array) best = std::min(best, plus(1, finish_array(alternative, 0, depth - 1)));
  if (alternative.members) {
    best = std::min(best, plus(1, finish_object(*alternative.members, begin(*alternative.members, depth - 1), SIZE_MAX, {}, 0, depth - 1)));
  }
  return best;
}

// Depth by depth: what is at depth d needs only what is below it.
void Grammar::fill_costs() {
  for (int depth = 0; depth <= options_.depth_max; ++depth) {
    if (depth > 0) {
      for (GrammarNode& node : nodes_) {
        for (Alternative& alternative : node.alternatives) {
          if (alternative.members) {
            fill_required(*alternative.members, static_cast<size_t>(depth) - 1);
          }
          if (alternative.plan) fill_plan(*alternative.plan, static_cast<size_t>(depth) - 1);
        }
      }
    }
    for (GrammarNode& node : nodes_) {
      int best = kInfinite;
      for (const Alternative& alternative : node.alternatives) {
        best = std::min(best, cost_of(alternative, depth));
      }
      node.cost.push_back(best);
    }
  }
}

uint64_t Grammar::bytes() const {
  uint64_t sum = sizeof(*this);
  for (const GrammarNode& node : nodes_) {
    sum += sizeof(node) + node.cost.size() * sizeof(int);
    for (const Alternative& a : node.alternatives) {
      sum += sizeof(a);
      if (!a.members) continue;
      for (const Members::Key& key : a.members->keys) sum += sizeof(key) + 2 * key.text.size();
      sum += a.members->required_cost.size() * sizeof(int64_t);
    }
  }
  return sum;
}

}  // namespace consort::mask

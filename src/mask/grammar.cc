#include "mask/grammar.h"

#include <algorithm>

namespace consort::mask {
namespace {

constexpr size_t kLiteralBytesMax = 4 << 20;  // Of all keys and enum values of a schema.

}  // namespace

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

Result<std::unique_ptr<Grammar>> Grammar::create(const contract::Schema& schema,
                                                 const Vocabulary& vocabulary,
                                                 const MaskOptions& options) {
  if (options.digits_max < 1 || options.digits_max > NumberMachine::kDigitsMax ||
      options.depth_max < 0 || options.depth_max > 128 || options.whitespace_max < 0 ||
      options.whitespace_max > 200) {
    return fail(make_error(ErrorCode::invalid_argument, 2202, "mask option out of range")
                    .to_fix("keep digits_max within 1..17, depth_max within 0..128, "
                            "whitespace_max within 0..200"));
  }
  if (schema.refusal()) return fail(*schema.refusal());
  std::unique_ptr<Grammar> grammar(new Grammar());
  grammar->options_ = options;
  for (const auto& node : schema.ir().nodes) {
    grammar->nodes_.push_back(std::make_unique<GrammarNode>());
    grammar->nodes_.back()->node = node.get();
  }
  size_t literal_bytes = 0;
  for (auto& node : grammar->nodes_) {
    for (const contract::Simple* simple : node->node->alternatives) {
      CONSORT_TRY(grammar->build(node->alternatives.emplace_back(), *simple, vocabulary.trie()));
      const Alternative& built = node->alternatives.back();
      if (built.literals) literal_bytes += built.literals->nodes.size();
      if (built.members) literal_bytes += built.members->trie.nodes.size();
      if (literal_bytes > kLiteralBytesMax) {
        return fail(make_error(ErrorCode::resource_exhausted, 2202,
                               "keys and enum values of more than " +
                                   std::to_string(kLiteralBytesMax) + " bytes")
                        .at(simple->pointer)
                        .to_fix("shorten the lists, or make optional keys required"));
      }
    }
  }
  grammar->fill_costs();
  grammar->root_ = grammar->nodes_[schema.root().id].get();
  if (grammar->root_->cost[static_cast<size_t>(options.depth_max)] >= kInfinite) {
    return fail(make_error(ErrorCode::unsupported, 2203,
                           schema.root().is_empty
                               ? "the schema accepts nothing"
                               : "no value of the schema fits the mask's options (" +
                                     std::to_string(options.digits_max) + " digits, depth " +
                                     std::to_string(options.depth_max) + ", declared keys only)")
                    .at(schema.root().pointer)
                    .got(schema.id())
                    .to_fix("relax the schema, or declare the keys that minProperties counts on"));
  }
  return grammar;
}

Result<void> Grammar::build(Alternative& out, const contract::Simple& simple,
                            const Vocabulary::Trie& trie) {
  out.simple = &simple;
  if (simple.values) {
    out.literals = std::make_unique<LiteralTrie>();
    uint32_t n = 0;
    for (const contract::Value& value : *simple.values) {
      out.literals->add(contract::to_json(value), n++, trie);
    }
    if (n == 0) out.literals.reset();
    return {};
  }
  if (simple.types & (contract::kNull | contract::kBoolean)) {
    out.literals = std::make_unique<LiteralTrie>();
    if (simple.types & contract::kNull) out.literals->add("null", 0, trie);
    if (simple.types & contract::kBoolean) {
      out.literals->add("true", 1, trie);
      out.literals->add("false", 2, trie);
    }
  }
  if (simple.types & contract::kNumber) {
    const contract::NumberRule& rule = simple.number;
    NumberGoal goal;
    if (rule.min) goal.min = Bound{rule.min->value, rule.min->exclusive};
    if (rule.max) goal.max = Bound{rule.max->value, rule.max->exclusive};
    if (rule.step) goal.multiples.push_back(*rule.step);
    CONSORT_ASSIGN(NumberMachine machine,
                   NumberMachine::create(goal, options_.digits_max, simple.pointer));
    out.number = std::make_unique<NumberMachine>(std::move(machine));
  }
  if (simple.types & contract::kString) {
    const contract::StringRule& rule = simple.string;
    if (rule.patterns.empty()) {
      out.string = std::make_unique<StringMachine>(
          StringMachine::free(trie, rule.min_length, rule.max_length));
    } else {
      auto language = contract::string_language(rule);
      if (!language) {
        language.error().number = 2202;
        return fail(std::move(language).error().at(simple.pointer));
      }
      out.string = std::make_unique<StringMachine>(StringMachine::of(std::move(*language), trie));
    }
  }
  if (simple.types & contract::kArray) {
    const contract::ArrayRule& rule = simple.array;
    out.is_array = true;
    for (const contract::Node* item : rule.prefix) out.prefix.push_back(nodes_[item->id].get());
    out.items = nodes_[rule.items->id].get();
    out.min_items = rule.min_items;
    out.max_items = rule.max_items.value_or(UINT64_MAX);
    out.count_clip =
        std::max<uint64_t>({rule.prefix.size(), rule.min_items, rule.max_items.value_or(0), 1});
  }
  if (simple.types & contract::kObject) return build_object(out, simple.object, trie);
  return {};
}

bool Grammar::may_close_array(const Alternative& array, uint64_t count) {
  return count >= array.min_items && count <= array.max_items;
}
int Grammar::finish_array(const Alternative& array, uint64_t count, int depth) const {
  if (array.max_items < array.min_items) return kInfinite;
  const auto at = static_cast<size_t>(depth);
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
    best = std::min(best, plus(1, finish_object(*alternative.members, 0, 0, {}, 0, depth - 1)));
  }
  return best;
}

// Depth by depth: what is at depth d needs only what is below it.
void Grammar::fill_costs() {
  for (int depth = 0; depth <= options_.depth_max; ++depth) {
    if (depth > 0) {
      for (auto& node : nodes_) {
        for (Alternative& alternative : node->alternatives) {
          if (alternative.members) {
            fill_required(*alternative.members, static_cast<size_t>(depth) - 1);
          }
        }
      }
    }
    for (auto& node : nodes_) {
      int best = kInfinite;
      for (const Alternative& alternative : node->alternatives) {
        best = std::min(best, cost_of(alternative, depth));
      }
      node->cost.push_back(best);
    }
  }
}

uint64_t Grammar::bytes() const {
  uint64_t sum = sizeof(*this);
  for (const auto& node : nodes_) {
    if (!node) continue;
    sum += sizeof(*node) + node->cost.size() * sizeof(int);
    for (const Alternative& a : node->alternatives) {
      sum += sizeof(a);
      if (!a.members) continue;
      for (const Members::Key& key : a.members->keys) sum += sizeof(key) + 2 * key.text.size();
      for (const auto& row : a.members->required_cost) sum += row.size() * sizeof(int64_t);
    }
  }
  return sum;
}

}  // namespace consort::mask

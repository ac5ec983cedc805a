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
      for (const LiteralTrie& keys : built.next_keys) literal_bytes += keys.nodes.size();
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
    CONSORT_ASSIGN(NumberMachine machine,
                   NumberMachine::create(simple.number, options_.digits_max, simple.pointer));
    out.number = std::make_unique<NumberMachine>(std::move(machine));
  }
  if (simple.types & contract::kString) {
    auto machine = StringMachine::create(simple.string, trie);
    if (!machine) return fail(std::move(machine).error().at(simple.pointer));
    out.string = std::make_unique<StringMachine>(std::move(*machine));
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
  if (simple.types & contract::kObject) build_object(out, simple.object, trie);
  return {};
}

void Grammar::build_object(Alternative& out, const contract::ObjectRule& rule,
                           const Vocabulary::Trie& trie) {
  out.is_object = true;
  for (const contract::Property& property : rule.properties) {
    if (property.node->is_empty && !property.required) continue;
    Alternative::Key& key = out.keys.emplace_back();
    key.text = contract::to_json(contract::Value(property.key)) + ":";
    key.node = nodes_[property.node->id].get();
    key.required = property.required;
    key.cost = trie.spelling(key.text)[0];
  }
  const size_t n = out.keys.size();
  out.min_properties = rule.min_properties;
  out.max_properties = rule.max_properties.value_or(UINT64_MAX);
  if (out.min_properties > 1 || out.max_properties < n) {
    out.n_counts = static_cast<uint32_t>(n) + 1;
  }
  out.may_close.assign(n + 1, 1);
  for (size_t i = n; i-- > 0;) out.may_close[i] = out.may_close[i + 1] && !out.keys[i].required;
  out.next_keys.resize(n + 1);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < n; ++j) {
      out.next_keys[i].add(out.keys[j].text, static_cast<uint32_t>(j), trie);
      if (out.keys[j].required) break;
    }
  }
}

bool Grammar::may_close_array(const Alternative& array, uint64_t count) {
  return count >= array.min_items && count <= array.max_items;
}
bool Grammar::may_close_object(const Alternative& object, size_t position, uint64_t count) {
  return object.may_close[position] && count >= object.min_properties;
}
bool Grammar::may_add(const Alternative& object, uint64_t count) {
  return count < object.max_properties;
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

int Grammar::finish_object(const Alternative& object, size_t position, uint64_t count,
                           int depth) const {
  const size_t c = std::min<uint64_t>(count, object.n_counts - 1);
  return object.finish[static_cast<size_t>(depth)][position * object.n_counts + c];
}

void Grammar::fill_finish(Alternative& object, int depth) {
  const size_t n = object.keys.size();
  const auto at = static_cast<size_t>(depth);
  std::vector<int> finish((n + 1) * object.n_counts, kInfinite);
  for (size_t i = n + 1; i-- > 0;) {
    for (uint32_t c = 0; c < object.n_counts; ++c) {
      int best = may_close_object(object, i, c) ? 1 : kInfinite;
      for (size_t j = i; j < n && may_add(object, c); ++j) {
        const Alternative::Key& key = object.keys[j];
        const uint32_t after = std::min(c + 1, object.n_counts - 1);
        const int member =
            plus(plus(key.cost, key.node->cost[at]), finish[(j + 1) * object.n_counts + after]);
        best = std::min(best, plus(member, c > 0 ? 1 : 0));
        if (key.required) break;
      }
      finish[i * object.n_counts + c] = best;
    }
  }
  object.finish.push_back(std::move(finish));
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
  if (alternative.is_object) {
    best = std::min(best, plus(1, finish_object(alternative, 0, 0, depth - 1)));
  }
  return best;
}

// Depth by depth: what is at depth d needs only what is below it.
void Grammar::fill_costs() {
  for (int depth = 0; depth <= options_.depth_max; ++depth) {
    if (depth > 0) {
      for (auto& node : nodes_) {
        for (Alternative& alternative : node->alternatives) {
          if (alternative.is_object) fill_finish(alternative, depth - 1);
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
      sum += sizeof(a) + a.next_keys.size() * sizeof(LiteralTrie);
      for (const Alternative::Key& key : a.keys) sum += sizeof(key) + 2 * key.text.size();
      for (const auto& row : a.finish) sum += row.size() * sizeof(int);
    }
  }
  return sum;
}

}  // namespace consort::mask

// Grammar: a schema made ready for matching bytes: string and number machines, literals as tries,
// and the cost of finishing from anywhere, for every depth that is left. Immutable. Internal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/schema_ir.h"
#include "mask/number_machine.h"
#include "mask/string_machine.h"

namespace consort::mask {

// Literals that share prefixes. Each node knows which literals pass and what spelling them takes.
struct LiteralTrie {
  struct Passing {
    uint32_t literal = 0;
    int cost = 0;  // Tokens that spell the rest of it.
  };
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> next;
    std::vector<Passing> passing;
    int32_t terminal = -1;  // The literal that ends here.
    int cost = kInfinite;   // Least of `passing`.
  };
  std::vector<Node> nodes;

  void add(std::string_view text, uint32_t literal, const Vocabulary::Trie& trie);
  const Node* child(uint32_t node, uint8_t byte, uint32_t* id) const;
};

struct GrammarNode;

// One alternative of a node.
struct Alternative {
  const contract::Simple* simple = nullptr;
  bool nothing = false;
  std::unique_ptr<LiteralTrie> literals;  // null, true, false as the types allow; or the enum.
  std::unique_ptr<NumberMachine> number;
  std::unique_ptr<StringMachine> string;
  bool is_array = false, is_object = false;

  // Arrays: nodes of the items, and counts past `count_clip` are alike.
  std::vector<const GrammarNode*> prefix;
  const GrammarNode* items = nullptr;
  uint64_t min_items = 0, max_items = UINT64_MAX, count_clip = 0;
  const GrammarNode& item(uint64_t index) const {
    return index < prefix.size() ? *prefix[index] : *items;
  }

  // Objects, by position in the author's order: which keys may come next.
  struct Key {
    std::string text;  // "\"name\":"
    const GrammarNode* node = nullptr;
    bool required = false;
    int cost = 0;
  };
  std::vector<Key> keys;
  std::vector<LiteralTrie> next_keys;  // [keys.size() + 1]
  std::vector<uint8_t> may_close;      // [keys.size() + 1], counts aside
  uint64_t min_properties = 0, max_properties = UINT64_MAX;
  uint32_t n_counts = 2;                 // Members counted 0 .. n_counts - 1, the last for more.
  std::vector<std::vector<int>> finish;  // [depth][position * n_counts + count]
};

struct GrammarNode {
  const contract::Node* node = nullptr;
  std::vector<Alternative> alternatives;
  std::vector<int> cost;  // [depth + 1]: by the arrays and objects that may still be opened.
};

class Grammar {
 public:
  static Result<std::unique_ptr<Grammar>> create(const contract::Schema& schema,
                                                 const Vocabulary& vocabulary,
                                                 const MaskOptions& options);

  const GrammarNode& root() const { return *root_; }
  const MaskOptions& options() const { return options_; }
  uint64_t bytes() const;  // Of nodes, keys and cost tables.

  // To finish an array that has `count` items, or an object at `position` with `count` members, the
  // bracket included; `depth` is what is left for the children.
  int finish_array(const Alternative& array, uint64_t count, int depth) const;
  int finish_object(const Alternative& object, size_t position, uint64_t count, int depth) const;
  static bool may_close_array(const Alternative& array, uint64_t count);
  static bool may_close_object(const Alternative& object, size_t position, uint64_t count);
  static bool may_add(const Alternative& object, uint64_t count);

 private:
  Grammar() = default;
  Result<void> build(Alternative& out, const contract::Simple& simple,
                     const Vocabulary::Trie& trie);
  void build_object(Alternative& out, const contract::ObjectRule& rule,
                    const Vocabulary::Trie& trie);
  void fill_costs();
  void fill_finish(Alternative& object, int depth);
  int cost_of(const Alternative& alternative, int depth) const;

  MaskOptions options_;
  std::vector<std::unique_ptr<GrammarNode>> nodes_;  // By contract::Node::id.
  const GrammarNode* root_ = nullptr;
};

}  // namespace consort::mask

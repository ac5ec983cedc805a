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
using Names = std::vector<std::string>;

// The members of an object, as one way to read them.
struct Members {
  struct Key {  // Declared: written at most once, in the author's order, always spelt the same.
    std::string text;  // "\"name\":"
    const GrammarNode* node = nullptr;
    bool required = false;
    int cost = 0;
  };
  struct Extra {  // Any other key of a language, not one of `reserved` and none twice.
    StringMachine key;
    const GrammarNode* node = nullptr;
  };
  std::vector<Key> keys;
  std::vector<Extra> extras;
  std::vector<std::string> reserved;  // Sorted.
  LiteralTrie trie;                   // Of `keys`.
  uint64_t min = 0, max = UINT64_MAX;
  std::vector<uint32_t> n_required;                 // [keys + 1]: from this key on.
  std::vector<uint32_t> next_required;              // [keys + 1]: keys.size() if none.
  std::vector<std::vector<int64_t>> required_cost;  // [depth][keys + 1], commas included.
};

// One alternative of a node.
struct Alternative {
  const contract::Simple* simple = nullptr;
  std::unique_ptr<LiteralTrie> literals;  // null, true, false as the types allow; or the enum.
  std::unique_ptr<NumberMachine> number;
  std::unique_ptr<StringMachine> string;
  std::unique_ptr<Members> members;
  bool is_array = false;

  // Arrays: nodes of the items, and counts past `count_clip` are alike.
  std::vector<const GrammarNode*> prefix;
  const GrammarNode* items = nullptr;
  uint64_t min_items = 0, max_items = UINT64_MAX, count_clip = 0;
  const GrammarNode& item(uint64_t index) const {
    return index < prefix.size() ? *prefix[index] : *items;
  }
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

  // To finish an array that has `count` items, the bracket included; `depth` is what is left for
  // the children.
  int finish_array(const Alternative& array, uint64_t count, int depth) const;
  static bool may_close_array(const Alternative& array, uint64_t count);
  // To finish an object that has `count` members, the next declared one being at `position` or
  // later; `seen` are its other keys and `n_coming` how many more of them are under way.
  int finish_object(const Members& members, size_t position, uint64_t count, const Names& seen,
                    size_t n_coming, int depth) const;
  static bool may_close_object(const Members& members, size_t position, uint64_t count);
  // Bytes to the end of a key that began, the quote included, so that it is a new one.
  int key_cost(const Members& members, const Members::Extra& extra, const StringState& state,
               const std::string& text, const Names& seen) const;

 private:
  Grammar() = default;
  Result<void> build(Alternative& out, const contract::Simple& simple,
                     const Vocabulary::Trie& trie);
  Result<void> build_object(Alternative& out, const contract::ObjectRule& rule,
                            const Vocabulary::Trie& trie);
  Result<void> finish_members(Members& members, const std::string& pointer) const;
  void fill_costs();
  void fill_required(Members& members, size_t depth) const;
  int new_keys_cost(const Members& members, uint64_t n, const Names& seen, size_t n_coming,
                    size_t depth) const;
  int cost_of(const Alternative& alternative, int depth) const;

  MaskOptions options_;
  std::vector<std::unique_ptr<GrammarNode>> nodes_;  // By contract::Node::id.
  const GrammarNode* root_ = nullptr;
};

}  // namespace consort::mask

// Grammar: a schema made ready for matching bytes: string and number machines, literals as tries,
// and the cost of finishing from anywhere, for every depth that is left. Immutable. Internal.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mask/goal.h"
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

// What of an object is written.
struct Written {
  uint64_t count = 0;
  uint32_t position = 0;             // Author's order: of the next declared key.
  std::shared_ptr<const Bits> used;  // Any order: the declared keys there are.
  uint32_t n_missing = 0;            // Required keys still to come ...
  int64_t missing_cost = 0;          // ... and what they take, a comma each.
  uint32_t witnessed = 0;            // Bits: members that `not` asks for and are there.
};

// The members of an object, as one way to read them.
struct Members {
  struct Key {  // Declared: written at most once, in the author's order, always spelt the same.
    std::string text;  // "\"name\":"
    const GrammarNode* node = nullptr;
    bool required = false;
    int cost = 0;
  };
  struct Extra {  // Any other key of a language, not one of `reserved` and none twice.
    std::shared_ptr<const StringMachine> key;
    const GrammarNode* node = nullptr;
    uint32_t witness = 0;  // Bits: which of the wanted members it is.
    std::vector<std::string> reserved;  // Of the object's reserved keys: those of this language.
    std::vector<int> lengths;  // Of its shortest keys, where new ones may have to be counted on.
  };
  std::vector<Key> keys;
  std::vector<Extra> extras;
  std::vector<std::string> reserved;  // Sorted.
  LiteralTrie trie;                   // Of `keys`.
  uint64_t min = 0, max = UINT64_MAX;
  bool any_order = false;
  uint32_t witnesses = 0;  // Bits: members that must be there, by extras of these `witness` bits.
  uint32_t n_required = 0;
  std::vector<uint32_t> next_required;  // [keys + 1]: from this key on; keys.size() if none.
  std::vector<int64_t> required_cost;   // [depth], commas included.
  bool is_used(const Written& written, size_t key) const {
    if (!any_order) return key < written.position;
    return written.used && ((*written.used)[key / 64] >> (key % 64) & 1);
  }
  // May this key be the next one?
  bool is_next(const Written& written, size_t key) const {
    if (is_used(written, key)) return false;
    return any_order || key <= next_required[written.position];
  }
};

// Arrays whose items are counted by what they match: every state knows which goals the next item may
// have, and what state each leads to.
struct ArrayPlan {
  struct Step {
    const GrammarNode* item = nullptr;
    uint32_t next = 0;
  };
  struct State {
    std::vector<Step> steps;
    bool may_close = false;
    bool is_first = false;  // No item yet.
  };
  std::vector<State> states;  // The first is where it begins; no step but to itself or further on.
  std::vector<std::vector<int>> finish;  // [depth][state]: to close, the bracket included.
};

// One alternative of a node.
struct Alternative {
  std::unique_ptr<LiteralTrie> literals;  // null, true, false as the types allow; or the enum.
  std::unique_ptr<NumberMachine> number;
  std::shared_ptr<const StringMachine> string;
  std::unique_ptr<Members> members;
  bool is_array = false;

  // Arrays: nodes of the items, and counts past `count_clip` are alike.
  std::vector<const GrammarNode*> prefix;
  const GrammarNode* items = nullptr;
  std::unique_ptr<ArrayPlan> plan;  // Instead of all below, if items are counted.
  uint64_t min_items = 0, max_items = UINT64_MAX, count_clip = 0;
  const GrammarNode& item(uint64_t index) const {
    return index < prefix.size() ? *prefix[index] : *items;
  }
};

struct GrammarNode {
  std::vector<Alternative> alternatives;
  std::vector<int> cost;  // [depth + 1]: by the arrays and objects that may still be opened.
};

class Grammar {
 public:
  static constexpr size_t kStatesMax = 250'000;  // Of all automata built here.

  static Result<std::unique_ptr<Grammar>> create(const contract::Program& program, bool closed,
                                                 const Vocabulary& vocabulary,
                                                 const MaskOptions& options);

  const GrammarNode& root() const { return *root_; }
  const MaskOptions& options() const { return options_; }
  uint64_t bytes() const;  // Of nodes, keys and cost tables.

  // To finish an array that has `count` items, the bracket included; `depth` is what is left for
  // the children.
  int finish_array(const Alternative& array, uint64_t count, int depth) const;
  static bool may_close_array(const Alternative& array, uint64_t count);
  static Written begin(const Members& members, int depth);
  // With declared key `key`, and what else of it must be remembered.
  static Written with(const Members& members, Written written, size_t key, int depth);
  // To finish an object; `skip` is a declared key that is not to be counted on, `seen` are the
  // other keys and `n_coming` how many more of them are under way.
  int finish_object(const Members& members, const Written& written, size_t skip, const Names& seen,
                    size_t n_coming, int depth) const;
  static bool may_close_object(const Members& members, const Written& written);
  // Keys that may not come again and begin so, sorted.
  static std::vector<std::string_view> taken(const Members::Extra& extra, const Names& seen,
                                             std::string_view prefix);
  // Bytes to the end of a key that began, the quote included, so that it is a new one.
  int key_cost(const Members::Extra& extra, const StringState& state, const std::string& text,
               const Names& seen) const;

 private:
  Grammar() = default;
  // Of the goal; made if it is new, and its alternatives then wait to be built.
  GrammarNode* node(Goal goal);
  const GrammarNode* nothing();
  // Equal machines are one, so that what is found of them is found once.
  std::shared_ptr<const StringMachine> shared(StringMachine machine);
  Result<void> build(GrammarNode& out, const Goal& goal);
  Result<void> build(Alternative& out, const Conjunction& all);
  Result<void> build_string(Alternative& out, const Conjunction& all);
  Result<void> build_array(Alternative& out, const Conjunction& all);
  Result<void> build_plan(Alternative& out, const ArrayGoal& goal);
  void fill_plan(ArrayPlan& plan, size_t depth) const;
  Result<void> build_object(GrammarNode& out, const Conjunction& all);
  Result<void> build_members(GrammarNode& out, const Conjunction& all);
  Result<void> build_classes(Members& members, const ObjectGoal& goal,
                             const std::optional<contract::Dfa>& names, const std::string& pointer);
  // Of a goal of strings, kept for as long as goals are taken apart.
  Result<const contract::Dfa*> language_of(Literal name);
  // As it is, and by `any_spelling` with escapes for all that is not ASCII.
  void add_spelling(LiteralTrie& trie, const std::string& text, uint32_t literal) const;
  const GrammarNode* constant(const contract::Value& value);
  void add_constant(GrammarNode& out, const contract::Value& value);
  Result<contract::Dfa> names_language(const Goal& names);
  Result<void> finish_members(Members& members, const std::string& pointer) const;
  void fill_costs();
  void fill_required(Members& members, size_t depth) const;
  std::pair<uint64_t, int> witnesses_cost(const Members& members, const Written& written,
                                          const Names& seen, size_t n_coming, size_t depth) const;
  int new_keys_cost(const Members& members, uint32_t witness, uint64_t n, const Names& seen,
                    size_t n_coming, size_t depth) const;
  int cost_of(const Alternative& alternative, int depth) const;

  MaskOptions options_;
  std::deque<GrammarNode> nodes_;
  std::map<Goal, GrammarNode*> by_goal_;
  std::deque<std::pair<Goal, GrammarNode*>> waiting_;
  const Vocabulary::Trie* trie_ = nullptr;
  std::unique_ptr<Expander> expander_;
  std::map<Literal, contract::Dfa> name_languages_;
  std::multimap<size_t, std::shared_ptr<const StringMachine>> machines_;  // By hash.
  size_t literal_bytes_ = 0;
  size_t states_ = 0;
  const GrammarNode* root_ = nullptr;
};

}  // namespace consort::mask

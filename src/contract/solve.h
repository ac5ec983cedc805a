// Solver: has a conjunction of schemas, each wanted true or false, a value?
//
// "Is A within B" is "has A and not B a value". A goal is a set of literals (program, node, sign).
// In-place keywords are taken apart case by case for one JSON type at a time; what is left is a leaf
// of atoms that numbers, strings, arrays and objects solve (solve_scalar.cc, solve_array.cc,
// solve_object.cc). A goal met again on its own path has no smallest value through itself, so it
// counts as empty there, which ends recursion. Every value is checked against its goal before it is
// used. Work is counted: no clock decides. Internal to this folder.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <set>

#include "contract/program.h"

namespace consort::contract {

inline constexpr int kSolveWorkMax = 30'000;  // Steps of one question.
inline constexpr int kSolveDepthMax = 60;     // Goals inside one another.

enum class Answer : uint8_t { none, found, unknown };
struct Outcome {
  Answer answer = Answer::none;
  Value value;
};

// (side, node, wanted true): side is 0 or 1.
using Literal = uint64_t;
inline Literal literal(size_t side, NodeId node, bool wanted) {
  return (side << 33) | (uint64_t{node} << 1) | (wanted ? 1 : 0);
}

using SignedDfa = std::pair<const Dfa*, bool>;

struct Goal {
  std::vector<Literal> literals;
  std::vector<Value> excluded;
  bool closed = false;  // Objects have only keys that side 0 speaks of, here and below.
  bool is_key = false;  // Only strings, in all of `dfas`.
  std::vector<SignedDfa> dfas;
};

struct NumberAtoms {
  std::optional<Decimal> low, high;
  bool low_open = false, high_open = false, fraction = false;
  std::vector<Decimal> multiples, non_multiples;
};

struct StringAtoms {
  uint64_t min = 0;
  std::optional<uint64_t> max;
  std::vector<SignedDfa> dfas;
  std::vector<std::pair<const Format*, bool>> formats;
};

struct ArrayAtoms {
  struct Rule {  // Items from `from` up to `to` (not included) hold.
    Literal literal;
    uint64_t from, to;
  };
  struct Demand {  // Some item from `from` up to `to` holds.
    Literal literal;
    uint64_t from, to;
    size_t group;  // Demands of one group take different items.
  };
  uint64_t min = 0;
  std::optional<uint64_t> max;
  bool unique = false, repeated = false;
  std::vector<Rule> rules;
  std::vector<Demand> demands;
  std::vector<std::pair<Literal, uint64_t>> at_most;  // So many items hold at most.
  size_t n_groups = 0;
};

struct ObjectAtoms {
  struct Rest {  // Keys that none of `declared_by` declares: the value holds.
    Literal literal;
    std::vector<const ObjectKeywords*> declared_by;
  };
  struct Demand {  // Some key is there: in `dfas`, not declared by any of these, ...
    std::vector<SignedDfa> dfas;
    std::vector<const ObjectKeywords*> undeclared_by;
    std::optional<Literal> key, value;  // ... whose name and value hold.
  };
  uint64_t min = 0;
  std::optional<uint64_t> max;
  std::vector<std::pair<const std::string*, Literal>> properties;  // Keys live in the programs.
  std::vector<std::pair<const Pattern*, Literal>> patterns;
  std::vector<Rest> rests;
  std::vector<Literal> names;
  std::set<std::string> required, absent, declared;  // `declared`: by side 0, for closed goals.
  std::vector<const ObjectKeywords*> speaking;  // Of side 0, for closed goals: patterns and the rest.
  std::vector<Demand> demands;
};

struct Leaf;
struct Alternative {
  std::vector<Literal> literals;
  std::function<void(Leaf&)> apply;  // May be empty.
};

// Copied for every case: what is large in it is shared, and weight() says what a copy costs.
struct Leaf {
  using Branch = std::shared_ptr<const std::vector<Alternative>>;  // One of these holds.

  Type type = Type::null;
  bool closed = false;        // As the goal is.
  std::vector<Literal> seen;  // Sorted.
  std::vector<Branch> branches;
  const std::vector<Value>* listed = nullptr;
  std::vector<Value> excluded;
  NumberAtoms number;
  StringAtoms string;
  ArrayAtoms array;
  ObjectAtoms object;
  bool is_complete = true;  // False: a rule was left out, so "none" is not proved.

  void branch(std::vector<Alternative> alternatives) {
    branches.push_back(std::make_shared<const std::vector<Alternative>>(std::move(alternatives)));
  }
  int weight() const {
    return static_cast<int>((seen.size() / 8 + 2 * branches.size() + 2 * excluded.size() +
                             object.properties.size() / 8 + 4 * object.required.size() +
                             4 * object.absent.size() + 4 * object.declared.size() +
                             4 * number.multiples.size() + 4 * number.non_multiples.size() +
                             object.demands.size() + array.demands.size() + array.rules.size() / 4) /
                            16);
  }
};

class Solver {
 public:
  Solver(const Program& a, const Program& b) : programs_{&a, &b} {}

  Outcome solve(const Goal& goal);
  // Why the last answer was unknown.
  const std::string& reason() const { return reason_; }

 private:
  struct Key {
    std::vector<Literal> literals;
    bool closed;
    auto operator<=>(const Key&) const = default;
  };
  static constexpr size_t kFree = std::numeric_limits<size_t>::max();

  const Subschema& at(Literal l) const {
    return programs_[l >> 33]->at(static_cast<NodeId>(l >> 1));
  }
  // The literal that says the same without references, one-part lists and double negations.
  Literal plain(Literal l) const;
  Literal plain(size_t side, NodeId id, bool wanted) const { return plain(literal(side, id, wanted)); }
  bool spent() const { return work_ > kSolveWorkMax; }
  bool holds(const Goal& goal, const Value& value) const;
  Outcome unknown(std::string_view why);
  Outcome by_types(const Goal& goal);
  Outcome listed(const Goal& goal, const std::vector<Value>& values);
  Outcome expand(const Goal& goal, Leaf leaf, std::vector<Literal> pending);
  Outcome finish(const Goal& goal, const Leaf& leaf);
  // False: the literal contradicts. More literals may be left in `pending`.
  bool add(Leaf& leaf, Literal l, std::vector<Literal>& pending);
  bool add_true(Leaf& leaf, Literal l, std::vector<Literal>& pending);
  bool add_false(Leaf& leaf, Literal l, std::vector<Literal>& pending);
  // Alternatives in which the node's unevaluated* holds, or fails. False: they are not known.
  bool unevaluated(Leaf& leaf, Literal l, bool wanted, std::vector<Alternative>& out) const;
  // The ways in which the keywords of `type` that stand in `node` itself can fail.
  void deny(const Subschema& node, size_t side, Type type, std::vector<Alternative>& out) const;

  Outcome numbers(const Goal& goal, const Leaf& leaf);
  Outcome strings(const Goal& goal, const Leaf& leaf);
  std::shared_ptr<const Dfa> language(const std::vector<SignedDfa>& parts, uint64_t min,
                                      std::optional<uint64_t> max);
  Outcome arrays(const Goal& goal, const Leaf& leaf);
  Outcome place(const Goal& goal, const Leaf& leaf, std::vector<int64_t>& places);
  Outcome build(const Goal& goal, const Leaf& leaf, const std::vector<int64_t>& places);
  Goal item_goal(const Goal& goal, const Leaf& leaf, uint64_t index) const;
  Outcome objects(const Goal& goal, const Leaf& leaf);

  friend class ObjectSearch;

  const Program* programs_[2];
  int work_ = 0, depth_ = 0;
  std::map<Key, size_t> path_;
  std::map<Key, Outcome> memo_;
  size_t lowest_ = kFree;  // The lowest goal on the path that an answer relied on.
  std::map<std::pair<std::vector<SignedDfa>, std::pair<uint64_t, uint64_t>>,
           std::shared_ptr<const Dfa>>
      languages_;
  std::string reason_;
};

}  // namespace consort::contract

// Goals: what a value at one place must be, as a set of subschemas that it must or must not match.
//
// A goal is taken apart into a union of conjunctions by the boolean keywords (allOf, anyOf, oneOf,
// not, if, dependent*): each conjunction says per JSON type what is left, and names the goals of
// items and members by the literals they consist of. Nothing is weakened: what cannot be stated so
// is an error. Work is counted. Internal to this folder.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "contract/program.h"
#include "mask/number_machine.h"

namespace consort::mask {

using Literal = uint32_t;           // Node id << 1 | (1 = must not match).
using Goal = std::vector<Literal>;  // Sorted, distinct. All must hold.
inline Literal yes(contract::NodeId id) { return id << 1; }
inline Literal no(contract::NodeId id) { return id << 1 | 1; }

class Expander;

// A language that a string must, or must not, be in.
struct Words {
  const contract::Dfa* dfa = nullptr;
  bool negated = false;
};

struct StringGoal {
  uint64_t min_length = 0, max_length = UINT64_MAX;
  std::vector<Words> words;
  std::vector<std::string> excluded;  // By `not` of an enum.
};

struct ArrayGoal {
  struct Contains {  // So many items match.
    Literal literal = 0;
    size_t from = 0;  // Items before do not count.
    uint64_t min = 0, max = UINT64_MAX;
    std::string pointer;
  };
  struct Rest {  // Items from `from` on match `literal`, but for those that match one of `unless`.
    Literal literal = 0;
    size_t from = 0;
    std::vector<Literal> unless;
    std::string pointer;
  };
  std::vector<const contract::ArrayKeywords*> shapes;
  std::vector<std::pair<size_t, Literal>> at;  // Further, for one item.
  uint64_t min_items = 0, max_items = UINT64_MAX;
  std::vector<Contains> contains;
  std::vector<Rest> rests;
  std::string unique_at;  // Pointer of the schema that wants different items; empty if none does.
  size_t prefix_size() const;
  Goal item(size_t index) const;  // `contains` and rests with exceptions aside.
};

struct ObjectGoal {
  // Keys that `source` counts to `pattern` (or, if none, to its additional keys), or that none of
  // `undeclared_by` evaluates, or whose name is not in `names` (a goal of strings).
  struct Exists {
    const contract::ObjectKeywords* source = nullptr;
    int pattern = -1;
    std::vector<const contract::ObjectKeywords*> undeclared_by = {};
    std::optional<Literal> name = std::nullopt;   // What the key matches, as a string.
    std::optional<Literal> literal = std::nullopt;  // What the value matches.
    std::string pointer = {};
    bool speaks_of(const Expander& expander, std::string_view key) const;
  };
  struct Rest {  // Keys that none of `declared_by` evaluates have values that match `literal`.
    Literal literal = 0;
    std::vector<const contract::ObjectKeywords*> declared_by;
    bool speaks_of(std::string_view key) const;
  };
  std::vector<const contract::ObjectKeywords*> shapes;
  std::vector<std::pair<std::string, Literal>> extra;  // Further, for one key.
  std::vector<std::string> required, forbidden;
  std::vector<Rest> rests;
  Goal names;
  uint64_t min_properties = 0, max_properties = UINT64_MAX;
  std::vector<Exists> exists;     // Some member is so, each.
  std::vector<Exists> witnesses;  // Of these: by a key that is not declared.
};

// Does the object's schema evaluate the key?
bool evaluates(const contract::ObjectKeywords& object, std::string_view key);

struct Conjunction {
  uint8_t types = contract::kAllTypes;
  uint8_t booleans = 3;  // 1 = true, 2 = false are possible.
  const contract::Subschema* values = nullptr;  // Set: only its values, all checked by `literals`.
  NumberGoal number;
  StringGoal string;
  ArrayGoal array;
  ObjectGoal object;
  Goal literals;  // All that hold here.
};

class Expander {
 public:
  // Of one goal; past it the goal is refused, 2202.
  static constexpr size_t kConjunctionsMax = 400;
  static constexpr size_t kWorkMax = 60'000;
  static constexpr size_t kTotalWorkMax = 200'000;  // Of all goals of a schema.

  // `closed`: keys that no schema in force speaks of are forbidden; an `additionalProperties` that
  // accepts every value speaks of none.
  Expander(const contract::Program& program, bool closed) : program_(program), closed_(closed) {}

  // Drops literals that say nothing, follows lone references. Nullopt if one cannot be matched.
  std::optional<Goal> normal(Goal goal) const;
  // Errors 2201 (what a mask cannot enforce; value = keyword, place = pointer), 2202.
  Result<std::vector<Conjunction>> expand(const Goal& goal);
  // The goal of the member `key`; nullopt if the key is forbidden.
  std::optional<Goal> member(const ObjectGoal& object, std::string_view key) const;
  // Values of a conjunction that has some, checked.
  std::vector<const contract::Value*> values(const Conjunction& conjunction) const;
  bool holds(Literal literal, const contract::Value& value) const;
  bool closed() const { return closed_; }
  // Does the schema say anything of additional keys, beyond letting them be?
  bool speaks_of_additional(const contract::ObjectKeywords& shape) const;
  bool says_something(Literal literal) const;
  const contract::Program& program() const { return program_; }

 private:
  struct Option {
    Goal literals = {};
    uint8_t types = contract::kAllTypes;
    std::function<void(Conjunction&)> edit = {};
  };
  struct Choice : std::vector<Option> {
    bool first = false;  // Before all others.
  };
  struct Branch {
    Conjunction conjunction;
    std::vector<Literal> todo;
    std::vector<std::shared_ptr<const Choice>> choices;
  };
  void run(Branch branch);
  bool take(Branch& branch, Literal literal);
  void require(Branch& branch, contract::NodeId id);
  void require_object(Branch& branch, contract::NodeId id);
  void require_unevaluated(Branch& branch, contract::NodeId id);
  void forbid_unevaluated(Choice& choice, contract::NodeId id);
  void forbid(Branch& branch, contract::NodeId id);
  void forbid_array(Choice& choice, const contract::Subschema& node);
  void forbid_object(Choice& choice, const contract::Subschema& node);
  void forbid_values(Choice& choice, const contract::Subschema& node);
  void one_of(Branch& branch, const std::vector<contract::NodeId>& nodes);
  bool disjoint(contract::NodeId a, contract::NodeId b);
  bool surely_empty(const Conjunction& conjunction, int depth);
  bool surely_empty(const Goal& goal, int depth);
  void refuse(const contract::Subschema& node, std::string keyword, std::string why);
  bool spend(size_t work);

  const contract::Program& program_;
  bool closed_;
  std::vector<Conjunction> found_;
  std::optional<Error> error_;
  size_t work_ = 0;
  size_t total_work_ = 0;
  bool rough_ = false;  // Supersets will do: for surely_empty.
  std::map<std::pair<contract::NodeId, contract::NodeId>, bool> disjoint_;
};

}  // namespace consort::mask

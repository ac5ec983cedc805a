// Objects of a leaf: keys that somebody names, and classes of keys that nobody names.
//
// A class is one choice, for every pattern in play, of matching it or not; all its keys have the
// same rules, so any one stands for all. Demanded keys are placed on a named key, on a new key that
// another demand made, or on a new key of some class.
#include <algorithm>

#include "contract/program_validate.h"
#include "contract/solve.h"

namespace consort::contract {
namespace {

constexpr size_t kPatternsMax = 10;
constexpr uint64_t kMembersMax = 300;

bool declares(const ObjectKeywords& rule, std::string_view key) {
  return rule.property(key) != kNoNode ||
         std::any_of(rule.patterns.begin(), rule.patterns.end(),
                     [&](const auto& p) { return p.first->dfa.matches(key); });
}

}  // namespace

class ObjectSearch {
 public:
  ObjectSearch(Solver& solver, const Goal& goal, const Leaf& leaf)
      : solver_(solver), goal_(goal), atoms_(leaf.object), excluded_(leaf.excluded) {}

  Outcome run() {
    if (atoms_.max && *atoms_.max < atoms_.min) return {};
    if (atoms_.min > kMembersMax) return solver_.unknown("minProperties is larger than what is tried");
    for (const std::string& key : atoms_.required) {
      if (atoms_.absent.count(key)) return {};
    }
    std::vector<Member> members;
    for (const std::string& key : atoms_.required) {
      if (!may_name(key)) return {};
      members.push_back({key, rules_of(key), std::nullopt, {}, {}});
    }
    // Without demands the keys that must be there are all that is needed, in most cases.
    if (atoms_.demands.empty() && members.size() >= atoms_.min && excluded_.empty()) {
      return finish(std::move(members));
    }
    collect_names();
    solver_.work_ += static_cast<int>(names_.size() / 8);
    if ((!goal_.closed || !atoms_.speaking.empty()) && !collect_classes()) {
      return solver_.unknown("many patterns for keys");
    }
    return demand(0, std::move(members));
  }

 private:
  struct Class {
    std::vector<SignedDfa> dfas;
    std::vector<Literal> values;
  };
  struct Member {
    std::string key;  // Empty for a new one until it is made.
    std::vector<Literal> values;
    std::optional<size_t> of_class;
    std::vector<Literal> key_literals;
    std::vector<SignedDfa> dfas;
  };

  void collect_names() {
    names_.insert(atoms_.required.begin(), atoms_.required.end());
    names_.insert(atoms_.absent.begin(), atoms_.absent.end());
    const auto from = [&](const std::vector<const ObjectKeywords*>& rules) {
      for (const ObjectKeywords* rule : rules) {
        for (const auto& [key, child] : rule->properties) names_.insert(key);
        for (const auto& [pattern, child] : rule->patterns) add_pattern(&pattern->dfa);
      }
    };
    for (const auto& [key, child] : atoms_.properties) names_.insert(*key);
    for (const auto& [pattern, child] : atoms_.patterns) add_pattern(&pattern->dfa);
    for (const auto& rest : atoms_.rests) from(rest.declared_by);
    for (const auto& demand : atoms_.demands) {
      from(demand.undeclared_by);
      for (const auto& [dfa, sign] : demand.dfas) add_pattern(dfa);
    }
    names_.insert(atoms_.declared.begin(), atoms_.declared.end());
  }
  void add_pattern(const Dfa* dfa) {
    if (std::find(patterns_.begin(), patterns_.end(), dfa) == patterns_.end()) patterns_.push_back(dfa);
  }

  bool may_name(const std::string& key) const {
    if (atoms_.absent.count(key)) return false;
    if (goal_.closed && !atoms_.declared.count(key) &&
        std::none_of(atoms_.speaking.begin(), atoms_.speaking.end(),
                     [&](const ObjectKeywords* rule) {
                       return declares(*rule, key) || speaks_of_rest(*rule);
                     })) {
      return false;
    }
    return std::all_of(atoms_.names.begin(), atoms_.names.end(),
                       [&](Literal l) { return valid(l, key); });
  }
  bool speaks_of_rest(const ObjectKeywords& rule) const {
    return rule.additional != kNoNode && !says_nothing(solver_.programs_[0]->at(rule.additional));
  }
  bool valid(Literal l, const std::string& key) const {
    return is_valid(*solver_.programs_[l >> 33], static_cast<NodeId>(l >> 1), Value(key)) == (l & 1);
  }

  std::vector<Literal> rules_of(const std::string& key) const {
    std::vector<Literal> result;
    for (const auto& [known, l] : atoms_.properties) {
      if (*known == key) result.push_back(l);
    }
    for (const auto& [pattern, l] : atoms_.patterns) {
      if (pattern->dfa.matches(key)) result.push_back(l);
    }
    for (const auto& rest : atoms_.rests) {
      if (std::none_of(rest.declared_by.begin(), rest.declared_by.end(),
                       [&](const ObjectKeywords* rule) { return declares(*rule, key); })) {
        result.push_back(rest.literal);
      }
    }
    return result;
  }

  // Patterns are taken one by one: a class that is empty is not split any further.
  bool collect_classes() {
    if (patterns_.size() > kPatternsMax) return false;
    std::vector<std::vector<SignedDfa>> found = {{}};
    for (const Dfa* pattern : patterns_) {
      std::vector<std::vector<SignedDfa>> split;
      for (const std::vector<SignedDfa>& dfas : found) {
        for (bool sign : {false, true}) {
          split.push_back(dfas);
          split.back().emplace_back(pattern, sign);
          const auto all = solver_.language(split.back(), 0, std::nullopt);
          solver_.work_ += all ? 1 + static_cast<int>(2 * all->n_states()) : 0;
          if (!all || solver_.spent()) return false;
          if (all->is_empty()) split.pop_back();
        }
      }
      found = std::move(split);
    }
    for (std::vector<SignedDfa>& dfas : found) add_class(std::move(dfas));
    return true;
  }
  void add_class(std::vector<SignedDfa> dfas) {
    Class one;
    one.dfas = std::move(dfas);
    const auto in = [&](const Dfa* dfa) {
      return std::find(one.dfas.begin(), one.dfas.end(), SignedDfa(dfa, true)) != one.dfas.end();
    };
    if (goal_.closed && std::none_of(atoms_.speaking.begin(), atoms_.speaking.end(),
                                     [&](const ObjectKeywords* rule) {
                                       return speaks_of_rest(*rule) || declared({rule}, in);
                                     })) {
      return;
    }
    for (const auto& [pattern, l] : atoms_.patterns) {
      if (in(&pattern->dfa)) one.values.push_back(l);
    }
    for (const auto& rest : atoms_.rests) {
      if (!declared(rest.declared_by, in)) one.values.push_back(rest.literal);
    }
    classes_.push_back(std::move(one));
  }
  template <typename In>
  static bool declared(const std::vector<const ObjectKeywords*>& rules, const In& in) {
    return std::any_of(rules.begin(), rules.end(), [&](const ObjectKeywords* rule) {
      return std::any_of(rule->patterns.begin(), rule->patterns.end(),
                         [&](const auto& p) { return in(&p.first->dfa); });
    });
  }

  Outcome demand(size_t next, std::vector<Member> members) {
    if (++solver_.work_ > kSolveWorkMax) {
      return solver_.unknown("the question takes more steps than are counted out");
    }
    if (next == atoms_.demands.size()) return finish(std::move(members));
    const auto& wanted = atoms_.demands[next];
    Outcome result;
    const auto attempt = [&](std::vector<Member> with) {
      Outcome one = demand(next + 1, std::move(with));
      if (one.answer != Answer::none) result = std::move(one);
      return result.answer == Answer::found || solver_.work_ > kSolveWorkMax;
    };
    for (const std::string& key : names_) {
      if (!may_name(key) || !fits(wanted, key)) continue;
      std::vector<Member> with = members;
      auto found = std::find_if(with.begin(), with.end(), [&](const Member& m) {
        return !m.of_class && m.key == key;
      });
      if (found == with.end()) {
        with.push_back({key, rules_of(key), std::nullopt, {}, {}});
        found = with.end() - 1;
      }
      if (wanted.value) found->values.push_back(*wanted.value);
      if (attempt(std::move(with))) return result;
    }
    for (size_t i = 0; i < members.size(); ++i) {
      if (!members[i].of_class || !in_class(wanted, *members[i].of_class)) continue;
      std::vector<Member> with = members;
      if (wanted.value) with[i].values.push_back(*wanted.value);
      if (wanted.key) with[i].key_literals.push_back(*wanted.key);
      if (attempt(std::move(with))) return result;
    }
    for (size_t c = 0; c < classes_.size(); ++c) {
      if (!in_class(wanted, c)) continue;
      std::vector<Member> with = members;
      with.push_back({"", classes_[c].values, c, {}, {}});
      if (wanted.value) with.back().values.push_back(*wanted.value);
      if (wanted.key) with.back().key_literals.push_back(*wanted.key);
      if (attempt(std::move(with))) return result;
    }
    return result;
  }

  bool fits(const ObjectAtoms::Demand& wanted, const std::string& key) const {
    return std::all_of(wanted.dfas.begin(), wanted.dfas.end(),
                       [&](const SignedDfa& d) { return d.first->matches(key) == d.second; }) &&
           std::none_of(wanted.undeclared_by.begin(), wanted.undeclared_by.end(),
                        [&](const ObjectKeywords* rule) { return declares(*rule, key); }) &&
           (!wanted.key || valid(*wanted.key, key));
  }
  bool in_class(const ObjectAtoms::Demand& wanted, size_t of_class) const {
    const std::vector<SignedDfa>& dfas = classes_[of_class].dfas;
    const auto in = [&](const Dfa* dfa) {
      return std::find(dfas.begin(), dfas.end(), SignedDfa(dfa, true)) != dfas.end();
    };
    return std::all_of(wanted.dfas.begin(), wanted.dfas.end(),
                       [&](const SignedDfa& d) { return in(d.first) == d.second; }) &&
           !declared(wanted.undeclared_by, in);
  }

  Outcome new_key(const Class& of_class, const std::vector<Literal>& more, const Object& object) {
    Goal key;
    key.is_key = true;
    key.dfas = of_class.dfas;
    key.literals = atoms_.names;
    key.literals.insert(key.literals.end(), more.begin(), more.end());
    for (const std::string& name : names_) key.excluded.emplace_back(name);
    for (const auto& [name, value] : object) key.excluded.emplace_back(name);
    return solver_.solve(key);
  }
  Outcome value_of(const std::vector<Literal>& literals) {
    Goal goal;
    goal.closed = goal_.closed;
    goal.literals = literals;
    return solver_.solve(goal);
  }

  Outcome finish(std::vector<Member> members) {
    if (atoms_.max && members.size() > *atoms_.max) return {};
    Object object;
    for (const Member& member : members) {
      Outcome value = value_of(member.values);
      if (value.answer != Answer::found) return value;
      std::string key = member.key;
      if (member.of_class) {
        Outcome made = new_key(classes_[*member.of_class], member.key_literals, object);
        if (made.answer != Answer::found) return made;
        key = made.value.as_string();
      }
      object.set(std::move(key), std::move(value.value));
    }
    Outcome filled = fill(object);
    if (filled.answer != Answer::found || !is_excluded(filled.value)) return filled;
    return grow(filled.value.as_object());
  }

  // Up to `min`: keys are independent, so whichever can be there are taken.
  Outcome fill(Object object) {
    const bool short_of = object.size() < atoms_.min;
    bool is_sure = true;
    if (short_of) {
      for (const std::string& key : names_) {
        if (object.size() >= atoms_.min) break;
        if (object.find(key) || !may_name(key)) continue;
        Outcome value = value_of(rules_of(key));
        is_sure &= value.answer != Answer::unknown;
        if (value.answer == Answer::found) object.set(key, std::move(value.value));
      }
      for (const Class& of_class : classes_) {
        if (object.size() >= atoms_.min) break;
        Outcome value = value_of(of_class.values);
        is_sure &= value.answer != Answer::unknown;
        while (value.answer == Answer::found && object.size() < atoms_.min) {
          Outcome key = new_key(of_class, {}, object);
          is_sure &= key.answer != Answer::unknown;
          if (key.answer != Answer::found) break;
          object.set(key.value.as_string(), value.value);
        }
      }
    }
    if (object.size() >= atoms_.min) return {Answer::found, Value(std::move(object))};
    return is_sure ? Outcome{} : solver_.unknown("not enough keys were found");
  }

  bool is_excluded(const Value& value) const {
    return std::find(excluded_.begin(), excluded_.end(), value) != excluded_.end();
  }

  // The object at hand is excluded: one with another member, or another value of a member.
  Outcome grow(const Object& object) {
    for (const auto& [key, value] : object) {
      Goal other;
      other.closed = goal_.closed;
      other.literals = rules_of(key);
      if (!names_.count(key)) continue;
      other.excluded.push_back(value);
      Object changed = object;
      Outcome found = solver_.solve(other);
      if (found.answer != Answer::found) continue;
      changed.set(key, std::move(found.value));
      const Value whole(std::move(changed));
      if (!is_excluded(whole) && solver_.holds(goal_, whole)) return {Answer::found, whole};
    }
    const uint64_t min = atoms_.min;
    for (uint64_t size = object.size() + 1; size <= object.size() + 3; ++size) {
      if (atoms_.max && size > *atoms_.max) break;
      atoms_.min = size;
      Outcome filled = fill(object);
      atoms_.min = min;
      if (filled.answer != Answer::found) break;
      if (!is_excluded(filled.value) && solver_.holds(goal_, filled.value)) return filled;
    }
    if (object.empty() && atoms_.max && *atoms_.max == 0) return {};
    return solver_.unknown("objects that are excluded one by one");
  }

  Solver& solver_;
  const Goal& goal_;
  ObjectAtoms atoms_;
  const std::vector<Value>& excluded_;
  std::set<std::string> names_;
  std::vector<const Dfa*> patterns_;
  std::vector<Class> classes_;
};

Outcome Solver::objects(const Goal& goal, const Leaf& leaf) {
  return ObjectSearch(*this, goal, leaf).run();
}

}  // namespace consort::contract

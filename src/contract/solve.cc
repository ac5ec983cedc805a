// Goals, and the taking apart of what applies in place.
#include "contract/solve.h"

#include <algorithm>

#include "contract/program_validate.h"

namespace consort::contract {
namespace {

Alternative lits(std::vector<Literal> literals) { return {std::move(literals), nullptr}; }
Alternative act(std::function<void(Leaf&)> apply) { return {{}, std::move(apply)}; }

constexpr uint64_t kNoEnd = UINT64_MAX;

void raise(std::optional<Decimal>& low, bool& open, const std::optional<Decimal>& to, bool is_open) {
  if (!to) return;
  const int order = low ? compare(*to, *low) : 1;
  if (order > 0) {
    low = to;
    open = is_open;
  } else if (order == 0) {
    open |= is_open;
  }
}
void lower(std::optional<Decimal>& high, bool& open, const std::optional<Decimal>& to, bool is_open) {
  if (!to) return;
  const int order = high ? compare(*to, *high) : -1;
  if (order < 0) {
    high = to;
    open = is_open;
  } else if (order == 0) {
    open |= is_open;
  }
}
void at_most(std::optional<uint64_t>& max, uint64_t to) { max = max ? std::min(*max, to) : to; }

void one_of_these(Leaf& leaf, std::vector<Literal> parts, std::vector<Literal>& pending) {
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  if (parts.size() == 1) {
    pending.push_back(parts[0]);
    return;
  }
  std::vector<Alternative> branch;
  for (Literal part : parts) branch.push_back(lits({part}));
  leaf.branch(std::move(branch));
}

}  // namespace

Literal Solver::plain(Literal l) const {
  constexpr int kStepsMax = 64;
  for (int i = 0; i < kStepsMax; ++i) {
    const Subschema& node = at(l);
    if (node.is_false || node.types != kAllTypes || node.has_enum || node.number || node.string ||
        node.array || node.object || node.condition != kNoNode) {
      break;
    }
    const size_t n_parts = (node.ref != kNoNode) + (node.dynamic_ref != kNoNode) +
                           node.all_of.size() + node.any_of.size() + node.one_of.size() +
                           (node.negated != kNoNode);
    if (n_parts != 1) break;
    NodeId next = node.ref != kNoNode           ? node.ref
                  : node.dynamic_ref != kNoNode ? node.dynamic_ref
                  : node.negated != kNoNode     ? node.negated
                                                : kNoNode;
    for (const auto* list : {&node.all_of, &node.any_of, &node.one_of}) {
      if (!list->empty()) next = (*list)[0];
    }
    l = literal(l >> 33, next, (l & 1) != (node.negated != kNoNode));
  }
  return l;
}

bool Solver::holds(const Goal& goal, const Value& value) const {
  for (Literal l : goal.literals) {
    if (is_valid(*programs_[l >> 33], static_cast<NodeId>(l >> 1), value) != (l & 1)) return false;
  }
  if (goal.is_key) {
    if (!value.is_string()) return false;
    for (const auto& [dfa, sign] : goal.dfas) {
      if (dfa->matches(value.as_string()) != sign) return false;
    }
  }
  return std::find(goal.excluded.begin(), goal.excluded.end(), value) == goal.excluded.end();
}

Outcome Solver::unknown(std::string_view why) {
  if (reason_.empty()) reason_ = why;
  return {Answer::unknown, Value()};
}

Outcome Solver::solve(const Goal& given) {
  if (++work_ > kSolveWorkMax) return unknown("the question takes more steps than are counted out");
  if (depth_ >= kSolveDepthMax) return unknown("schemas nest deeper than is followed");
  Goal goal = given;
  for (Literal& l : goal.literals) l = plain(l);
  std::sort(goal.literals.begin(), goal.literals.end());
  goal.literals.erase(std::unique(goal.literals.begin(), goal.literals.end()), goal.literals.end());
  for (size_t i = 1; i < goal.literals.size(); ++i) {
    if ((goal.literals[i] ^ 1) == goal.literals[i - 1]) return {};
  }
  if (goal.is_key || !goal.excluded.empty()) {
    ++depth_;
    Outcome result = by_types(goal);
    --depth_;
    return result;
  }
  const Key key{goal.literals, goal.closed};
  if (const auto found = memo_.find(key); found != memo_.end()) return found->second;
  if (const auto found = path_.find(key); found != path_.end()) {
    lowest_ = std::min(lowest_, found->second);
    return {};
  }
  const size_t mine = path_.size();
  const size_t before = std::exchange(lowest_, kFree);
  path_.emplace(key, mine);
  ++depth_;
  Outcome result = by_types(goal);
  --depth_;
  path_.erase(key);
  if (result.answer == Answer::found || (result.answer == Answer::none && lowest_ >= mine)) {
    memo_.emplace(key, result);
  }
  lowest_ = std::min(before, lowest_ >= mine ? kFree : lowest_);
  return result;
}

Outcome Solver::listed(const Goal& goal, const std::vector<Value>& values) {
  size_t n_compared = goal.excluded.size();
  for (Literal l : goal.literals) n_compared += at(l).values.size();
  for (const Value& value : values) {
    if (holds(goal, value)) return {Answer::found, value};
    work_ += 1 + static_cast<int>(n_compared / 64);
    if (work_ > kSolveWorkMax) return unknown("enum lists too long to compare value by value");
  }
  return {};
}

Outcome Solver::by_types(const Goal& goal) {
  uint8_t types = goal.is_key ? kString : kAllTypes;
  for (Literal l : goal.literals) {
    if (!(l & 1)) continue;
    const Subschema& node = at(l);
    if (node.is_false) return {};
    if (node.has_enum) return listed(goal, node.values);
    types &= node.types;
  }
  Outcome result;
  if (types & kNull) {
    if (holds(goal, Value())) return {Answer::found, Value()};
  }
  if (types & kBoolean) {
    for (bool value : {true, false}) {
      if (holds(goal, Value(value))) return {Answer::found, Value(value)};
    }
  }
  for (Type type : {Type::number, Type::string, Type::array, Type::object}) {
    if (!(types & type_bits(type))) continue;
    Leaf leaf;
    leaf.type = type;
    leaf.closed = goal.closed;
    leaf.excluded = goal.excluded;
    Outcome one = expand(goal, std::move(leaf), goal.literals);
    if (one.answer == Answer::found) return one;
    if (one.answer == Answer::unknown) result = std::move(one);
  }
  return result;
}

Outcome Solver::expand(const Goal& goal, Leaf leaf, std::vector<Literal> pending) {
  if (++work_ > kSolveWorkMax) return unknown("the question takes more steps than are counted out");
  for (size_t n_added = 0; !pending.empty(); ++n_added) {
    if (n_added % 4 == 3) ++work_;
    const Literal l = pending.back();
    pending.pop_back();
    if (!add(leaf, l, pending)) return {};
    if (spent()) return unknown("the question takes more steps than are counted out");
  }
  if (leaf.listed) return listed(goal, *leaf.listed);
  if (leaf.branches.empty()) return finish(goal, leaf);
  const auto smallest =
      std::min_element(leaf.branches.begin(), leaf.branches.end(),
                       [](const auto& a, const auto& b) { return a->size() < b->size(); });
  const Leaf::Branch branch = std::move(*smallest);
  leaf.branches.erase(smallest);
  Outcome result;
  for (const Alternative& alternative : *branch) {
    // A case costs as much as what is copied for it.
    work_ += leaf.weight();
    if (spent()) return unknown("the question takes more steps than are counted out");
    Leaf next = leaf;
    if (alternative.apply) alternative.apply(next);
    Outcome one = expand(goal, std::move(next), alternative.literals);
    if (one.answer == Answer::found) return one;
    if (one.answer == Answer::unknown) result = std::move(one);
  }
  return result;
}

Outcome Solver::finish(const Goal& goal, const Leaf& leaf) {
  Outcome result;
  switch (leaf.type) {
    case Type::number:
      result = numbers(goal, leaf);
      break;
    case Type::string:
      result = strings(goal, leaf);
      break;
    case Type::array:
      result = arrays(goal, leaf);
      break;
    case Type::object:
      result = objects(goal, leaf);
      break;
    default:
      break;
  }
  if (result.answer == Answer::found && !holds(goal, result.value)) {
    return unknown("a candidate value did not hold");
  }
  if (result.answer == Answer::none && !leaf.is_complete) {
    return unknown("unevaluated keywords over alternatives are not decided");
  }
  return result;
}

bool Solver::add(Leaf& leaf, Literal l, std::vector<Literal>& pending) {
  l = plain(l);
  // A literal and its opposite stand side by side.
  auto place = std::lower_bound(leaf.seen.begin(), leaf.seen.end(), l & ~Literal{1});
  if (place != leaf.seen.end() && (*place | 1) == (l | 1)) return *place == l;
  leaf.seen.insert(place, l);
  return (l & 1) ? add_true(leaf, l, pending) : add_false(leaf, l, pending);
}

bool Solver::add_true(Leaf& leaf, Literal l, std::vector<Literal>& pending) {
  const Subschema& node = at(l);
  const size_t side = l >> 33;
  const auto yes = [&](NodeId id) { return plain(side, id, true); };
  const auto no = [&](NodeId id) { return plain(side, id, false); };
  if (node.is_false || !(node.types & type_bits(leaf.type))) return false;
  if (node.has_enum && (!leaf.listed || node.values.size() < leaf.listed->size())) {
    leaf.listed = &node.values;
  }
  if (leaf.type == Type::number) {
    NumberAtoms& atoms = leaf.number;
    if ((node.types & kNumber) == kInteger) atoms.multiples.push_back(Decimal::from_int(1));
    if ((node.types & kNumber) == kFraction) atoms.fraction = true;
    if (node.number) {
      raise(atoms.low, atoms.low_open, node.number->minimum, false);
      raise(atoms.low, atoms.low_open, node.number->exclusive_minimum, true);
      lower(atoms.high, atoms.high_open, node.number->maximum, false);
      lower(atoms.high, atoms.high_open, node.number->exclusive_maximum, true);
      if (node.number->multiple_of) atoms.multiples.push_back(*node.number->multiple_of);
    }
  } else if (leaf.type == Type::string && node.string) {
    StringAtoms& atoms = leaf.string;
    atoms.min = std::max(atoms.min, node.string->min_length);
    if (node.string->max_length) at_most(atoms.max, *node.string->max_length);
    if (node.string->pattern) atoms.dfas.emplace_back(&node.string->pattern->dfa, true);
    if (node.string->format) atoms.formats.emplace_back(node.string->format, true);
  } else if (leaf.type == Type::array && node.array) {
    const ArrayKeywords& rule = *node.array;
    ArrayAtoms& atoms = leaf.array;
    atoms.min = std::max(atoms.min, rule.min_items);
    if (rule.max_items) at_most(atoms.max, *rule.max_items);
    atoms.unique |= rule.unique;
    for (size_t i = 0; i < rule.prefix.size(); ++i) {
      atoms.rules.push_back({yes(rule.prefix[i]), i, i + 1});
    }
    if (rule.items != kNoNode) atoms.rules.push_back({yes(rule.items), rule.prefix.size(), kNoEnd});
    if (rule.contains != kNoNode) {
      if (rule.min_contains > 8) leaf.is_complete = false;
      const size_t group = atoms.n_groups++;
      for (uint64_t i = 0; i < std::min<uint64_t>(rule.min_contains, 8); ++i) {
        atoms.demands.push_back({yes(rule.contains), 0, kNoEnd, group});
      }
      if (rule.max_contains) atoms.at_most.emplace_back(yes(rule.contains), *rule.max_contains);
    }
  } else if (leaf.type == Type::object && node.object) {
    const ObjectKeywords& rule = *node.object;
    ObjectAtoms& atoms = leaf.object;
    atoms.min = std::max(atoms.min, rule.min_properties);
    if (rule.max_properties) at_most(atoms.max, *rule.max_properties);
    for (const auto& [key, child] : rule.properties) {
      atoms.properties.emplace_back(&key, yes(child));
      if (side == 0 && leaf.closed) atoms.declared.insert(key);
    }
    for (const auto& [pattern, child] : rule.patterns) {
      atoms.patterns.emplace_back(pattern.get(), yes(child));
    }
    if (side == 0 && (!rule.patterns.empty() || rule.additional != kNoNode)) {
      atoms.speaking.push_back(&rule);
    }
    if (rule.additional != kNoNode) atoms.rests.push_back({yes(rule.additional), {&rule}});
    if (rule.names != kNoNode) atoms.names.push_back(yes(rule.names));
    atoms.required.insert(rule.required.begin(), rule.required.end());
    if (side == 0 && leaf.closed) atoms.declared.insert(rule.required.begin(), rule.required.end());
    for (const auto& [key, others] : rule.dependent_required) {
      leaf.branch({act([k = key](Leaf& f) { f.object.absent.insert(k); }),
                               act([k = key, &needed = others](Leaf& f) {
                                 f.object.required.insert(k);
                                 f.object.required.insert(needed.begin(), needed.end());
                               })});
    }
    for (const auto& [key, child] : rule.dependent_schemas) {
      leaf.branch({act([k = key](Leaf& f) { f.object.absent.insert(k); }),
                               {{yes(child)}, [k = key](Leaf& f) { f.object.required.insert(k); }}});
    }
  }
  if (node.has_unevaluated()) {
    std::vector<Alternative> ways;
    if (!unevaluated(leaf, l, true, ways)) leaf.is_complete = false;
    if (!ways.empty()) leaf.branch(std::move(ways));
  }
  for (NodeId id : {node.ref, node.dynamic_ref}) {
    if (id != kNoNode) pending.push_back(yes(id));
  }
  for (NodeId id : node.all_of) pending.push_back(yes(id));
  if (node.negated != kNoNode) pending.push_back(no(node.negated));
  if (!node.any_of.empty()) {
    std::vector<Literal> parts;
    for (NodeId id : node.any_of) parts.push_back(yes(id));
    one_of_these(leaf, std::move(parts), pending);
  }
  if (!node.one_of.empty()) {
    // Each case names every part.
    work_ += static_cast<int>(std::min<size_t>(node.one_of.size() * node.one_of.size() / 64, kSolveWorkMax));
    if (spent()) return true;
    std::vector<Alternative> branch;
    for (size_t i = 0; i < node.one_of.size(); ++i) {
      std::vector<Literal> all;
      for (size_t j = 0; j < node.one_of.size(); ++j) {
        all.push_back(plain(side, node.one_of[j], i == j));
      }
      branch.push_back(lits(std::move(all)));
    }
    leaf.branch(std::move(branch));
  }
  if (node.condition != kNoNode) {
    Alternative then = lits({yes(node.condition)}), other = lits({no(node.condition)});
    if (node.then_branch != kNoNode) then.literals.push_back(yes(node.then_branch));
    if (node.else_branch != kNoNode) other.literals.push_back(yes(node.else_branch));
    leaf.branch({std::move(then), std::move(other)});
  }
  return true;
}

bool Solver::add_false(Leaf& leaf, Literal l, std::vector<Literal>& pending) {
  const Subschema& node = at(l);
  const size_t side = l >> 33;
  const auto yes = [&](NodeId id) { return plain(side, id, true); };
  const auto no = [&](NodeId id) { return plain(side, id, false); };
  if (node.is_false || !(node.types & type_bits(leaf.type))) return true;
  std::vector<Alternative> out;
  if (leaf.type == Type::number && (node.types & kNumber) == kInteger) {
    out.push_back(act([](Leaf& f) { f.number.fraction = true; }));
  }
  if (node.has_enum) {
    out.push_back(act([&node](Leaf& f) {
      f.excluded.insert(f.excluded.end(), node.values.begin(), node.values.end());
    }));
  }
  deny(node, side, leaf.type, out);
  for (NodeId id : {node.ref, node.dynamic_ref}) {
    if (id != kNoNode) out.push_back(lits({no(id)}));
  }
  std::vector<Literal> parts;
  for (NodeId id : node.all_of) parts.push_back(no(id));
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  for (Literal part : parts) out.push_back(lits({part}));
  if (node.negated != kNoNode) out.push_back(lits({yes(node.negated)}));
  for (const auto* list : {&node.any_of, &node.one_of}) {
    if (list->empty()) continue;
    Alternative none;
    for (NodeId id : *list) none.literals.push_back(no(id));
    out.push_back(std::move(none));
  }
  work_ += static_cast<int>(std::min<size_t>(node.one_of.size() * node.one_of.size() / 16, kSolveWorkMax));
  if (spent()) return true;
  for (size_t i = 0; i < node.one_of.size(); ++i) {
    for (size_t j = 0; j < i; ++j) out.push_back(lits({yes(node.one_of[i]), yes(node.one_of[j])}));
  }
  if (node.condition != kNoNode) {
    if (node.then_branch != kNoNode) {
      out.push_back(lits({yes(node.condition), no(node.then_branch)}));
    }
    if (node.else_branch != kNoNode) {
      out.push_back(lits({no(node.condition), no(node.else_branch)}));
    }
  }
  if (node.has_unevaluated() && !unevaluated(leaf, l, false, out)) leaf.is_complete = false;
  if (out.empty()) return !leaf.is_complete && node.has_unevaluated();
  if (out.size() > 1) {
    leaf.branch(std::move(out));
    return true;
  }
  if (out[0].apply) out[0].apply(leaf);
  pending.insert(pending.end(), out[0].literals.begin(), out[0].literals.end());
  return true;
}

void Solver::deny(const Subschema& node, size_t side, Type type,
                  std::vector<Alternative>& out) const {
  const auto no = [this, side](NodeId id) { return plain(side, id, false); };
  if (type == Type::number && node.number) {
    const NumberKeywords* rule = node.number.get();
    if (rule->minimum) {
      out.push_back(act([=](Leaf& f) { lower(f.number.high, f.number.high_open, rule->minimum, true); }));
    }
    if (rule->exclusive_minimum) {
      out.push_back(act([=](Leaf& f) {
        lower(f.number.high, f.number.high_open, rule->exclusive_minimum, false);
      }));
    }
    if (rule->maximum) {
      out.push_back(act([=](Leaf& f) { raise(f.number.low, f.number.low_open, rule->maximum, true); }));
    }
    if (rule->exclusive_maximum) {
      out.push_back(act([=](Leaf& f) {
        raise(f.number.low, f.number.low_open, rule->exclusive_maximum, false);
      }));
    }
    if (rule->multiple_of) {
      out.push_back(act([=](Leaf& f) { f.number.non_multiples.push_back(*rule->multiple_of); }));
    }
  } else if (type == Type::string && node.string) {
    const StringKeywords* rule = node.string.get();
    if (rule->min_length > 0) {
      out.push_back(act([=](Leaf& f) { at_most(f.string.max, rule->min_length - 1); }));
    }
    if (rule->max_length) {
      out.push_back(act([=](Leaf& f) { f.string.min = std::max(f.string.min, *rule->max_length + 1); }));
    }
    if (rule->pattern) {
      out.push_back(act([=](Leaf& f) { f.string.dfas.emplace_back(&rule->pattern->dfa, false); }));
    }
    if (rule->format) {
      out.push_back(act([=](Leaf& f) { f.string.formats.emplace_back(rule->format, false); }));
    }
  } else if (type == Type::array && node.array) {
    const ArrayKeywords* rule = node.array.get();
    if (rule->min_items > 0) {
      out.push_back(act([=](Leaf& f) { at_most(f.array.max, rule->min_items - 1); }));
    }
    if (rule->max_items) {
      out.push_back(act([=](Leaf& f) { f.array.min = std::max(f.array.min, *rule->max_items + 1); }));
    }
    if (rule->unique) out.push_back(act([](Leaf& f) { f.array.repeated = true; }));
    for (size_t i = 0; i < rule->prefix.size(); ++i) {
      out.push_back(act([=](Leaf& f) {
        f.array.demands.push_back({no(rule->prefix[i]), i, i + 1, f.array.n_groups++});
      }));
    }
    if (rule->items != kNoNode) {
      out.push_back(act([=](Leaf& f) {
        f.array.demands.push_back({no(rule->items), rule->prefix.size(), kNoEnd, f.array.n_groups++});
      }));
    }
    if (rule->contains != kNoNode) {
      const Literal wanted = literal(side, rule->contains, true);
      if (rule->min_contains > 0) {
        out.push_back(act([=](Leaf& f) { f.array.at_most.emplace_back(wanted, rule->min_contains - 1); }));
      }
      if (rule->max_contains) {
        out.push_back(act([=](Leaf& f) {
          if (*rule->max_contains >= 8) f.is_complete = false;
          const size_t group = f.array.n_groups++;
          for (uint64_t i = 0; i <= std::min<uint64_t>(*rule->max_contains, 8); ++i) {
            f.array.demands.push_back({wanted, 0, kNoEnd, group});
          }
        }));
      }
    }
  } else if (type == Type::object && node.object) {
    const ObjectKeywords* rule = node.object.get();
    if (rule->min_properties > 0) {
      out.push_back(act([=](Leaf& f) { at_most(f.object.max, rule->min_properties - 1); }));
    }
    if (rule->max_properties) {
      out.push_back(act([=](Leaf& f) { f.object.min = std::max(f.object.min, *rule->max_properties + 1); }));
    }
    for (const std::string& key : rule->required) {
      out.push_back(act([key](Leaf& f) { f.object.absent.insert(key); }));
    }
    for (const auto& [key, child] : rule->properties) {
      out.push_back(act([k = &key, l = no(child)](Leaf& f) {
        f.object.required.insert(*k);
        f.object.properties.emplace_back(k, l);
      }));
    }
    for (const auto& [pattern, child] : rule->patterns) {
      out.push_back(act([p = &pattern->dfa, l = no(child)](Leaf& f) {
        f.object.demands.push_back({{{p, true}}, {}, std::nullopt, l});
      }));
    }
    if (rule->additional != kNoNode) {
      out.push_back(act([=](Leaf& f) {
        f.object.demands.push_back({{}, {rule}, std::nullopt, no(rule->additional)});
      }));
    }
    if (rule->names != kNoNode) {
      out.push_back(act([=](Leaf& f) {
        f.object.demands.push_back({{}, {}, no(rule->names), std::nullopt});
      }));
    }
    for (const auto& [key, others] : rule->dependent_required) {
      for (const std::string& other : others) {
        out.push_back(act([k = key, other](Leaf& f) {
          f.object.required.insert(k);
          f.object.absent.insert(other);
        }));
      }
    }
    for (const auto& [key, child] : rule->dependent_schemas) {
      out.push_back({{no(child)}, [k = key](Leaf& f) { f.object.required.insert(k); }});
    }
  }
}

}  // namespace consort::contract

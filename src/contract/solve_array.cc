// Arrays of a leaf: demanded items are given places, the shortest array is built, item by item.
//
// From some index on all items have the same rules, so that only the first few places after it
// need be tried. A shorter array is never worse: nothing but the demands asks for items.
#include <algorithm>

#include "contract/solve.h"

namespace consort::contract {
namespace {

constexpr uint64_t kItemsMax = 1'000;
constexpr uint64_t kHeadMax = 64;
constexpr uint64_t kFreeItemsMax = 8;

uint64_t head_of(const ArrayAtoms& atoms) {
  uint64_t head = 0;
  for (const auto& rule : atoms.rules) {
    head = std::max(head, rule.to == UINT64_MAX ? rule.from : rule.to);
  }
  for (const auto& demand : atoms.demands) {
    head = std::max(head, demand.to == UINT64_MAX ? demand.from : demand.to);
  }
  return head;
}

}  // namespace

Goal Solver::item_goal(const Goal& goal, const Leaf& leaf, uint64_t index) const {
  Goal item;
  item.closed = goal.closed;
  for (const auto& rule : leaf.array.rules) {
    if (rule.from <= index && index < rule.to) item.literals.push_back(rule.literal);
  }
  return item;
}

Outcome Solver::arrays(const Goal& goal, const Leaf& leaf) {
  const ArrayAtoms& atoms = leaf.array;
  if (atoms.max && *atoms.max < atoms.min) return {};
  if (atoms.unique && atoms.repeated) return {};
  if (head_of(atoms) > kHeadMax || atoms.min > kItemsMax || atoms.demands.size() > 12) {
    return unknown("arrays of many items are not tried");
  }
  for (const Value& value : leaf.excluded) {
    // Excluded arrays may force longer ones than the shortest.
    if (value.is_array()) {
      Outcome first;
      Leaf longer = leaf;
      for (uint64_t min = atoms.min; min <= atoms.min + 2; ++min) {
        longer.array.min = min;
        if (atoms.max && min > *atoms.max) break;
        std::vector<int64_t> places;
        first = place(goal, longer, places);
        if (first.answer == Answer::found && holds(goal, first.value) &&
            std::find(leaf.excluded.begin(), leaf.excluded.end(), first.value) == leaf.excluded.end()) {
          return first;
        }
        if (min > atoms.min) continue;
        if (first.answer == Answer::none) return {};
        if (first.answer == Answer::found && atoms.max && *atoms.max == 0) return {};
      }
      return unknown("arrays that are excluded one by one");
    }
  }
  std::vector<int64_t> places;
  return place(goal, leaf, places);
}

Outcome Solver::place(const Goal& goal, const Leaf& leaf, std::vector<int64_t>& places) {
  const ArrayAtoms& atoms = leaf.array;
  const size_t next = places.size();
  if (next == atoms.demands.size() + (atoms.repeated ? 2 : 0)) return build(goal, leaf, places);
  if (++work_ > kSolveWorkMax) return unknown("the question takes more steps than are counted out");
  const uint64_t head = head_of(atoms);
  const bool is_pair = next >= atoms.demands.size();
  uint64_t from = is_pair ? 0 : atoms.demands[next].from;
  const uint64_t end = is_pair ? UINT64_MAX : atoms.demands[next].to;
  // Equal places after the head: the first free one stands for all.
  uint64_t tail = head;
  for (int64_t taken : places) tail = std::max(tail, static_cast<uint64_t>(taken) + 1);
  uint64_t last = std::min(end, tail + 1);
  if (atoms.max) last = std::min(last, *atoms.max);
  if (is_pair && next > atoms.demands.size()) from = static_cast<uint64_t>(places.back()) + 1;
  Outcome result;
  for (uint64_t i = from; i < last; ++i) {
    bool taken = false;
    for (size_t k = 0; k < next && !is_pair; ++k) {
      taken |= atoms.demands[k].group == atoms.demands[next].group &&
               places[k] == static_cast<int64_t>(i);
    }
    if (taken) continue;
    places.push_back(static_cast<int64_t>(i));
    Outcome one = place(goal, leaf, places);
    places.pop_back();
    if (one.answer == Answer::found) return one;
    if (one.answer == Answer::unknown) result = std::move(one);
    if (work_ > kSolveWorkMax) break;
  }
  return result;
}

Outcome Solver::build(const Goal& goal, const Leaf& leaf, const std::vector<int64_t>& places) {
  if (++work_ > kSolveWorkMax) return unknown("the question takes more steps than are counted out");
  const ArrayAtoms& atoms = leaf.array;
  uint64_t length = atoms.min;
  for (int64_t at : places) length = std::max(length, static_cast<uint64_t>(at) + 1);
  if (atoms.max && length > *atoms.max) return {};
  std::vector<Goal> items;
  for (uint64_t i = 0; i < length; ++i) items.push_back(item_goal(goal, leaf, i));
  for (size_t k = 0; k < atoms.demands.size(); ++k) {
    items[static_cast<size_t>(places[k])].literals.push_back(atoms.demands[k].literal);
  }
  size_t twin = SIZE_MAX, original = SIZE_MAX;
  if (atoms.repeated) {
    twin = static_cast<size_t>(places.back());
    original = static_cast<size_t>(places[places.size() - 2]);
    for (Literal l : items[twin].literals) items[original].literals.push_back(l);
    items[twin] = items[original];
  }
  // One choice of the items that may match each `at_most`; all others must not.
  const std::function<Outcome(size_t, std::vector<Goal>)> choose =
      [&](size_t k, std::vector<Goal> chosen) -> Outcome {
    if (k == atoms.at_most.size()) {
      Array array;
      Outcome result;
      bool alike = true;
      for (const Goal& item : chosen) alike &= item.literals == chosen[0].literals;
      for (size_t i = 0; i < chosen.size(); ++i) {
        if (i == twin) {
          array.push_back(array[original]);
          continue;
        }
        if (atoms.unique) chosen[i].excluded.assign(array.begin(), array.end());
        Outcome one = solve(chosen[i]);
        if (one.answer == Answer::found) {
          array.push_back(std::move(one.value));
          continue;
        }
        if (one.answer == Answer::unknown) return one;
        // Items that had other rules may have taken this one's value.
        if (atoms.unique && !array.empty() && !alike) {
          Goal alone = chosen[i];
          alone.excluded.clear();
          if (solve(alone).answer == Answer::none) return {};
          bool forced = true;
          for (size_t j = 0; j < i && forced; ++j) {
            Goal other = chosen[j];
            other.excluded = {array[j]};
            forced = solve(other).answer == Answer::none;
          }
          if (forced) return {};
          return unknown("different items that must differ");
        }
        return one;
      }
      return {Answer::found, Value(std::move(array))};
    }
    const auto [wanted, most] = atoms.at_most[k];
    if (most >= chosen.size()) return choose(k + 1, std::move(chosen));
    if (most > 0 && chosen.size() > kFreeItemsMax) return unknown("maxContains over many items");
    Outcome result;
    for (uint64_t mask = 0; mask < (uint64_t{1} << (most > 0 ? chosen.size() : 0)); ++mask) {
      if (static_cast<uint64_t>(__builtin_popcountll(mask)) != most) continue;
      std::vector<Goal> next = chosen;
      for (size_t i = 0; i < next.size(); ++i) {
        if (!(mask >> i & 1)) next[i].literals.push_back(wanted ^ 1);
      }
      Outcome one = choose(k + 1, std::move(next));
      if (one.answer == Answer::found) return one;
      if (one.answer == Answer::unknown) result = std::move(one);
      if (work_ > kSolveWorkMax) break;
    }
    return result;
  };
  return choose(0, std::move(items));
}

}  // namespace consort::contract

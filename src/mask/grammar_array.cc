// Arrays whose items are counted by what they match: contains, and unevaluatedItems beside it.
#include <algorithm>
#include <map>

#include "mask/grammar.h"

namespace consort::mask {
namespace {

constexpr size_t kCountersMax = 6;
constexpr size_t kClassesMax = 64;   // Of the items at one place.
constexpr size_t kStepsMax = 50'000;  // Of one array.

// What an item may be, and which counters it moves on.
struct ItemClass {
  Goal goal;
  uint32_t counted = 0;
  bool operator==(const ItemClass&) const = default;
};

std::vector<ItemClass> classes_at(const ArrayGoal& goal, size_t index) {
  std::vector<ItemClass> classes = {{goal.item(index), 0}};
  const auto times = [&](const std::vector<std::pair<std::optional<Literal>, uint32_t>>& options) {
    std::vector<ItemClass> product;
    for (const ItemClass& one : classes) {
      for (const auto& [literal, counted] : options) {
        ItemClass& with = product.emplace_back(one);
        if (literal) with.goal.push_back(*literal);
        with.counted |= counted;
      }
    }
    classes = std::move(product);
  };
  for (size_t i = 0; i < goal.contains.size(); ++i) {
    const ArrayGoal::Contains& one = goal.contains[i];
    if (index < one.from) continue;
    // An item that is counted may match more than it says, unless there is a most.
    const std::optional<Literal> other =
        one.max == UINT64_MAX ? std::nullopt : std::optional<Literal>(one.literal ^ 1);
    times({{one.literal, 1u << i}, {other, 0}});
    if (classes.size() > kClassesMax) return classes;
  }
  for (const ArrayGoal::Rest& rest : goal.rests) {
    if (index < rest.from || rest.unless.empty()) continue;
    std::vector<std::pair<std::optional<Literal>, uint32_t>> options = {{rest.literal, 0}};
    for (const Literal unless : rest.unless) options.emplace_back(unless, 0);
    times(options);
    if (classes.size() > kClassesMax) return classes;
  }
  return classes;
}

}  // namespace

Result<void> Grammar::build_plan(Alternative& out, const ArrayGoal& goal) {
  const auto limit = [&](std::string message) {
    const std::string& pointer =
        goal.contains.empty() ? goal.rests[0].pointer : goal.contains[0].pointer;
    return fail(make_error(ErrorCode::resource_exhausted, 2202, std::move(message))
                    .at(pointer)
                    .got(goal.contains.empty() ? "unevaluatedItems" : "contains"));
  };
  if (goal.contains.size() > kCountersMax) {
    return limit("more than " + std::to_string(kCountersMax) + " counts of one array's items");
  }
  const size_t n_places = goal.prefix_size() + 1;  // All items from the last on are alike.
  struct Item {
    const GrammarNode* node;
    uint32_t counted;
  };
  std::vector<std::vector<Item>> places(n_places);
  for (size_t i = 0; i < n_places; ++i) {
    std::vector<std::pair<Goal, uint32_t>> seen;
    const std::vector<ItemClass> classes = classes_at(goal, i);
    if (classes.size() > kClassesMax) {
      return limit("more than " + std::to_string(kClassesMax) + " kinds of one array's items");
    }
    for (const ItemClass& one : classes) {
      auto normal = expander_->normal(one.goal);
      if (!normal) continue;
      const std::pair<Goal, uint32_t> kind(*normal, one.counted);
      if (std::find(seen.begin(), seen.end(), kind) != seen.end()) continue;
      seen.push_back(kind);
      places[i].push_back({node(std::move(*normal)), one.counted});
    }
  }
  const uint64_t clip = std::max<uint64_t>(
      {n_places - 1, goal.min_items, goal.max_items == UINT64_MAX ? 0 : goal.max_items, 1});
  auto plan = std::make_unique<ArrayPlan>();
  // [items so far, then of each counter], clipped where more makes no difference.
  std::map<std::vector<uint64_t>, uint32_t> ids;
  std::vector<std::vector<uint64_t>> states;
  const auto id_of = [&](const std::vector<uint64_t>& counts) {
    const auto [found, is_new] = ids.emplace(counts, static_cast<uint32_t>(states.size()));
    if (is_new) states.push_back(counts);
    return found->second;
  };
  id_of(std::vector<uint64_t>(goal.contains.size() + 1, 0));
  size_t n_steps = 0;
  for (size_t at = 0; at < states.size(); ++at) {
    const std::vector<uint64_t> counts = states[at];
    ArrayPlan::State& state = plan->states.emplace_back();
    state.is_first = counts[0] == 0;
    state.may_close = counts[0] >= goal.min_items && counts[0] <= goal.max_items;
    for (size_t j = 0; j < goal.contains.size(); ++j) {
      state.may_close &= counts[j + 1] >= goal.contains[j].min && counts[j + 1] <= goal.contains[j].max;
    }
    if (counts[0] >= goal.max_items) continue;
    for (const Item& item : places[std::min<uint64_t>(counts[0], n_places - 1)]) {
      std::vector<uint64_t> next = counts;
      next[0] = std::min(clip, next[0] + 1);
      bool is_possible = true;
      for (size_t j = 0; j < goal.contains.size(); ++j) {
        const ArrayGoal::Contains& one = goal.contains[j];
        if (!(item.counted >> j & 1)) continue;
        ++next[j + 1];
        if (one.max == UINT64_MAX) {
          is_possible &= next[j + 1] <= one.min;  // Enough: the item need not be counted.
        } else {
          is_possible &= next[j + 1] <= one.max;
        }
      }
      if (!is_possible) continue;
      state.steps.push_back({item.node, id_of(next)});
      if (++n_steps > kStepsMax) return limit("counts of an array's items past 50,000 steps");
    }
  }
  out.items = nothing();
  out.plan = std::move(plan);
  return {};
}

void Grammar::fill_plan(ArrayPlan& plan, size_t depth) const {
  std::vector<int>& finish = plan.finish.emplace_back(plan.states.size(), kInfinite);
  // A state's steps lead to itself or to states with more items or higher counts, which were found
  // later or not: so by passes until nothing changes, as many as the longest array there is.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t at = plan.states.size(); at-- > 0;) {
      const ArrayPlan::State& state = plan.states[at];
      int best = state.may_close ? 1 : kInfinite;
      for (const ArrayPlan::Step& step : state.steps) {
        const int item = plus(step.item->cost[depth], state.is_first ? 0 : 1);
        best = std::min(best, plus(item, finish[step.next]));
      }
      if (best < finish[at]) {
        finish[at] = best;
        changed = true;
      }
    }
  }
}

}  // namespace consort::mask

// unevaluatedItems and unevaluatedProperties: which branches hold is split into cases, so that in
// each case it is known which keys and items are evaluated.
#include <algorithm>

#include "contract/evaluation.h"
#include "contract/solve.h"

namespace consort::contract {
namespace {

constexpr size_t kCasesMax = 256;
constexpr size_t kBranchesMax = 8;
constexpr int kNestingMax = 20;
constexpr uint64_t kNoEnd = Evaluation::kAllItems;

}  // namespace

std::optional<std::vector<Evaluation>> evaluations(const Program& program, NodeId id, bool own,
                                                   int depth) {
  const Subschema& node = program.at(id);
  if (depth > kNestingMax) return std::nullopt;
  Evaluation base;
  if (node.array) {
    const ArrayKeywords& rule = *node.array;
    if (rule.contains != kNoNode && node.dialect == Dialect::draft2020_12) {
      base.contains.push_back(rule.contains);
    }
    base.n_items = rule.prefix.size();
    if (rule.items != kNoNode || (!own && rule.unevaluated != kNoNode)) base.n_items = kNoEnd;
  }
  if (node.object) {
    const ObjectKeywords& rule = *node.object;
    const bool all = rule.additional != kNoNode || (!own && rule.unevaluated != kNoNode);
    base.objects.push_back(all ? nullptr : &rule);
  }
  std::vector<Evaluation> cases = {std::move(base)};
  // Every case so far, with every one of `more`.
  const auto times = [&](const std::vector<Evaluation>& more) {
    std::vector<Evaluation> product;
    for (const Evaluation& a : cases) {
      for (const Evaluation& b : more) {
        Evaluation both = a;
        both.literals.insert(both.literals.end(), b.literals.begin(), b.literals.end());
        both.keys.insert(both.keys.end(), b.keys.begin(), b.keys.end());
        both.objects.insert(both.objects.end(), b.objects.begin(), b.objects.end());
        both.contains.insert(both.contains.end(), b.contains.begin(), b.contains.end());
        both.n_items = std::max(both.n_items, b.n_items);
        product.push_back(std::move(both));
      }
    }
    cases = std::move(product);
    return cases.size() <= kCasesMax;
  };
  // The cases of a child that holds.
  const auto holding = [&](NodeId child) -> std::optional<std::vector<Evaluation>> {
    auto inner = evaluations(program, child, false, depth + 1);
    if (!inner) return std::nullopt;
    for (Evaluation& one : *inner) one.literals.emplace_back(child, true);
    return inner;
  };
  const auto failing = [&](NodeId child) {
    Evaluation fails;
    fails.literals.emplace_back(child, false);
    return fails;
  };
  std::vector<NodeId> all = node.all_of;
  for (NodeId child : {node.ref, node.dynamic_ref}) {
    if (child != kNoNode) all.push_back(child);
  }
  for (NodeId child : all) {
    const auto inner = holding(child);
    if (!inner || !times(*inner)) return std::nullopt;
  }
  if (node.any_of.size() > kBranchesMax) return std::nullopt;
  for (NodeId child : node.any_of) {
    auto inner = holding(child);
    if (!inner) return std::nullopt;
    inner->push_back(failing(child));
    if (!times(*inner)) return std::nullopt;
  }
  if (!node.one_of.empty()) {  // One of them holds and no other.
    std::vector<Evaluation> each;
    for (NodeId child : node.one_of) {
      auto inner = holding(child);
      if (!inner || each.size() > kCasesMax) return std::nullopt;
      for (Evaluation& one : *inner) {
        for (NodeId other : node.one_of) {
          if (other != child) one.literals.emplace_back(other, false);
        }
        each.push_back(std::move(one));
      }
    }
    if (!times(each)) return std::nullopt;
  }
  if (node.condition != kNoNode) {
    auto yes = holding(node.condition);
    if (!yes) return std::nullopt;
    std::vector<Evaluation> no = {failing(node.condition)};
    const std::vector<Evaluation> before = cases;
    const auto with = [&](std::vector<Evaluation> first, NodeId then) {
      cases = before;
      if (!times(first)) return false;
      if (then == kNoNode) return true;
      const auto inner = holding(then);
      return inner && times(*inner);
    };
    if (!with(*yes, node.then_branch)) return std::nullopt;
    std::vector<Evaluation> both = std::move(cases);
    if (!with(no, node.else_branch)) return std::nullopt;
    cases.insert(cases.end(), both.begin(), both.end());
  }
  if (node.object) {
    for (const auto& [key, child] : node.object->dependent_schemas) {
      auto inner = holding(child);
      if (!inner) return std::nullopt;
      for (Evaluation& one : *inner) one.keys.emplace_back(key, true);
      Evaluation without;
      without.keys.emplace_back(key, false);
      inner->push_back(std::move(without));
      if (!times(*inner)) return std::nullopt;
    }
  }
  return cases;
}

bool Solver::unevaluated(Leaf& leaf, Literal l, bool wanted, std::vector<Alternative>& out) const {
  const Subschema& node = at(l);
  const size_t side = l >> 33;
  const bool items = leaf.type == Type::array && node.array && node.array->unevaluated != kNoNode;
  const bool members =
      leaf.type == Type::object && node.object && node.object->unevaluated != kNoNode;
  if (!items && !members) return true;
  const auto cases = evaluations(*programs_[side], static_cast<NodeId>(l >> 1));
  if (!cases) return false;
  const Literal rule =
      literal(side, items ? node.array->unevaluated : node.object->unevaluated, wanted);
  for (const Evaluation& one : *cases) {
    if (items && !one.contains.empty()) return false;
    std::vector<Literal> literals;
    for (const auto& [id, holds] : one.literals) literals.push_back(literal(side, id, holds));
    const bool everything = items ? one.n_items == kNoEnd
                                  : std::count(one.objects.begin(), one.objects.end(), nullptr) > 0;
    if (everything && !wanted) continue;
    out.push_back({std::move(literals), [=](Leaf& f) {
                     for (const auto& [key, there] : one.keys) {
                       (there ? f.object.required : f.object.absent).insert(key);
                     }
                     if (everything) return;
                     if (items && wanted) {
                       f.array.rules.push_back({rule, one.n_items, kNoEnd});
                     } else if (items) {
                       f.array.demands.push_back({rule, one.n_items, kNoEnd, f.array.n_groups++});
                     } else if (wanted) {
                       f.object.rests.push_back({rule, one.objects});
                     } else {
                       f.object.demands.push_back({{}, one.objects, std::nullopt, rule});
                     }
                   }});
  }
  return true;
}

}  // namespace consort::contract

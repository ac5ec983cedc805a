// Raw schemas -> IR: every node is the intersection of a set of raw schemas, put into disjunctive
// form. Sets are memoised, so recursion ends in cycles.
#include <algorithm>
#include <limits>

#include "contract/schema_ir.h"

namespace consort::contract {
namespace {

constexpr size_t kNodesMax = 20'000;
constexpr size_t kSimplesMax = 40'000;
constexpr size_t kAlternativesMax = 2'000;

using RawSet = std::set<size_t>;  // Raw ids.

Result<bool> has_scalar(const Simple& simple) {
  if (simple.values) return !simple.values->empty();
  if (simple.types & (kNull | kBoolean)) return true;
  if ((simple.types & kNumber) && !is_empty(simple.number)) return true;
  if (!(simple.types & kString)) return false;
  const StringRule& rule = simple.string;
  if (rule.max_length && *rule.max_length < rule.min_length) return false;
  if (rule.patterns.empty()) return true;
  if (rule.patterns.size() == 1 && rule.min_length == 0 && !rule.max_length) {
    return !rule.patterns[0]->dfa.is_empty();
  }
  CONSORT_ASSIGN(const Dfa dfa, string_language(rule));
  return !dfa.is_empty();
}

bool has_container(const Simple& simple) {
  if (simple.types & kArray) {
    const ArrayRule& rule = simple.array;
    bool possible = !rule.max_items || *rule.max_items >= rule.min_items;
    for (size_t i = 0; i < rule.prefix.size() && i < rule.min_items; ++i) {
      possible &= !rule.prefix[i]->is_empty;
    }
    if (rule.min_items > rule.prefix.size()) possible &= !rule.items->is_empty;
    if (possible) return true;
  }
  if (simple.types & kObject) {
    const ObjectRule& rule = simple.object;
    uint64_t n_required = 0;
    uint64_t n_possible = 0;
    bool possible = true;
    for (const Property& property : rule.properties) {
      n_required += property.required;
      n_possible += !property.node->is_empty;
      if (property.required) possible &= !property.node->is_empty;
    }
    if (!rule.additional->is_empty) n_possible = std::numeric_limits<uint64_t>::max();
    const uint64_t max = rule.max_properties.value_or(std::numeric_limits<uint64_t>::max());
    if (possible && n_required <= max && rule.min_properties <= max &&
        rule.min_properties <= n_possible) {
      return true;
    }
  }
  return false;
}

class Builder {
 public:
  explicit Builder(RawProgram& program) : program_(program) {}

  Result<Ir> build() {
    // Pairs of oneOf branches, beside the other keywords of their schema, must exclude each other.
    struct Pair {
      const Raw* owner;
      size_t i, j;
      const Node* both;
    };
    CONSORT_ASSIGN(ir_.root, node({program_.root->id}));
    std::vector<Pair> pairs;
    const size_t n_raws = program_.raws.size();
    for (size_t r = 0; r < n_raws; ++r) {
      if (program_.raws[r].one_of.size() < 2) continue;
      const size_t without = clone_without_one_of(r);
      const Raw& raw = program_.raws[r];
      for (size_t i = 0; i < raw.one_of.size(); ++i) {
        for (size_t j = i + 1; j < raw.one_of.size(); ++j) {
          CONSORT_ASSIGN(const Node* both, node({without, raw.one_of[i]->id, raw.one_of[j]->id}));
          pairs.push_back({&raw, i, j, both});
        }
      }
    }
    CONSORT_TRY(finish());
    for (const Pair& pair : pairs) {
      if (pair.both->is_empty) continue;
      return fail(
          make_error(ErrorCode::unsupported, 2101,
                     "oneOf whose branches " + std::to_string(pair.i) + " and " +
                         std::to_string(pair.j) + " may both hold is not supported")
              .at(pair.owner->pointer + "/oneOf")
              .to_fix("use anyOf, or tell the branches apart by a required const property"));
    }
    return std::move(ir_);
  }

 private:
  size_t clone_without_one_of(size_t id) {
    Raw copy = program_.raws[id];
    copy.id = program_.raws.size();
    copy.one_of.clear();
    program_.raws.push_back(std::move(copy));
    return program_.raws.size() - 1;
  }

  Error limit(const std::string& pointer, std::string message) const {
    return make_error(ErrorCode::resource_exhausted, 2104, std::move(message))
        .at(pointer)
        .to_fix("use fewer alternatives in anyOf and allOf");
  }

  Result<const Node*> node(const RawSet& set) {
    auto found = nodes_.find(set);
    if (found != nodes_.end()) return found->second;
    if (ir_.nodes.size() >= kNodesMax) return fail(limit("", "schema with too many nodes"));
    Node& fresh = *ir_.nodes.emplace_back(std::make_unique<Node>());
    fresh.id = ir_.nodes.size() - 1;
    fresh.pointer = set.empty() ? "#" : program_.raws[*set.begin()].pointer;
    nodes_.emplace(set, &fresh);
    work_.push_back({&fresh, set});
    return &fresh;
  }

  Result<void> finish() {
    while (!work_.empty()) {
      auto [target, set] = std::move(work_.back());
      work_.pop_back();
      std::vector<RawSet> sets;
      CONSORT_TRY(expand(set, sets));
      for (const RawSet& conjunction : sets) {
        CONSORT_ASSIGN(const Simple* simple, this->simple(conjunction));
        if (simple) target->alternatives.push_back(simple);
      }
    }
    CONSORT_TRY(prune_values());
    find_any();
    return mark_empty(ir_);
  }

  // All ways to choose branches: each result is a set of raws whose own keywords all apply.
  Result<void> expand(const RawSet& start, std::vector<RawSet>& out) {
    struct Partial {
      RawSet facts;
      std::vector<size_t> todo;
    };
    std::vector<Partial> stack;
    stack.push_back({{}, {start.rbegin(), start.rend()}});
    size_t steps = 0;
    while (!stack.empty()) {
      Partial partial = std::move(stack.back());
      stack.pop_back();
      bool forked = false;
      while (!partial.todo.empty() && !forked) {
        const size_t id = partial.todo.back();
        partial.todo.pop_back();
        if (!partial.facts.insert(id).second) continue;
        const Raw& raw = program_.raws[id];
        if (raw.ref) partial.todo.push_back(raw.ref->id);
        for (const Raw* child : raw.all_of) partial.todo.push_back(child->id);
        std::vector<std::vector<size_t>> choices = {{}};
        for (const auto* list : {&raw.any_of, &raw.one_of}) {
          if (list->empty()) continue;
          std::vector<std::vector<size_t>> longer;
          for (const auto& choice : choices) {
            for (const Raw* branch : *list) {
              longer.push_back(choice);
              longer.back().push_back(branch->id);
            }
          }
          choices = std::move(longer);
          if (choices.size() > kAlternativesMax) return fail(too_many(start));
        }
        if (choices.size() == 1) {
          partial.todo.insert(partial.todo.end(), choices[0].begin(), choices[0].end());
          continue;
        }
        for (auto choice = choices.rbegin(); choice != choices.rend(); ++choice) {
          Partial next = partial;
          next.todo.insert(next.todo.end(), choice->begin(), choice->end());
          stack.push_back(std::move(next));
        }
        forked = true;
      }
      if (++steps > 4 * kAlternativesMax) return fail(too_many(start));
      if (forked) continue;
      if (std::find(out.begin(), out.end(), partial.facts) == out.end()) {
        out.push_back(std::move(partial.facts));
      }
      if (out.size() > kAlternativesMax) return fail(too_many(start));
    }
    return {};
  }

  Error too_many(const RawSet& set) const {
    return limit(program_.raws[*set.begin()].pointer,
                 "more than " + std::to_string(kAlternativesMax) + " alternatives");
  }

  // Null if the types already exclude everything.
  Result<const Simple*> simple(const RawSet& set) {
    auto found = simples_.find(set);
    if (found != simples_.end()) return found->second;
    if (ir_.simples.size() >= kSimplesMax) return fail(limit("", "schema with too many nodes"));
    auto owned = std::make_unique<Simple>();
    Simple& result = *owned;
    result.pointer = set.empty() ? "#" : program_.raws[*set.begin()].pointer;
    for (size_t id : set) {
      const Raw& raw = program_.raws[id];
      result.types &= raw.is_false ? 0 : raw.types;
      if (raw.values) intersect_values(result, *raw.values);
    }
    if (result.types == 0) {
      simples_.emplace(set, nullptr);
      return nullptr;
    }
    result.id = ir_.simples.size();
    ir_.simples.push_back(std::move(owned));
    simples_.emplace(set, &result);
    for (size_t id : set) {
      const Raw& raw = program_.raws[id];
      CONSORT_TRY(number(result.number, raw));
      result.string.min_length = std::max(result.string.min_length, raw.min_length);
      lower(result.string.max_length, raw.max_length);
      result.string.patterns.insert(result.string.patterns.end(), raw.patterns.begin(),
                                    raw.patterns.end());
      result.array.min_items = std::max(result.array.min_items, raw.min_items);
      lower(result.array.max_items, raw.max_items);
      result.object.min_properties = std::max(result.object.min_properties, raw.min_properties);
      lower(result.object.max_properties, raw.max_properties);
    }
    if (!(result.types & kFraction) && (result.types & kInteger)) {
      CONSORT_TRY(add_step(result.number, Decimal::from_int(1), result.pointer));
    }
    CONSORT_TRY(array(result.array, set));
    CONSORT_TRY(object(result.object, set));
    return &result;
  }

  static void lower(std::optional<uint64_t>& bound, const std::optional<uint64_t>& other) {
    if (other && (!bound || *other < *bound)) bound = other;
  }

  static void intersect_values(Simple& simple, const std::vector<Value>& values) {
    if (!simple.values) {
      simple.values = values;
      return;
    }
    std::erase_if(*simple.values, [&](const Value& value) {
      return std::find(values.begin(), values.end(), value) == values.end();
    });
  }

  Result<void> number(NumberRule& rule, const Raw& raw) {
    const auto tighter = [](std::optional<Limit>& mine, const std::optional<Limit>& other,
                            int sign) {
      if (!other) return;
      const int order = mine ? compare(other->value, mine->value) * sign : 1;
      if (order > 0 || (order == 0 && other->exclusive)) mine = other;
    };
    tighter(rule.min, raw.minimum, 1);
    tighter(rule.max, raw.maximum, -1);
    if (raw.multiple_of) return add_step(rule, *raw.multiple_of, raw.pointer);
    return {};
  }

  Result<void> add_step(NumberRule& rule, const Decimal& step, const std::string& pointer) {
    if (!rule.step) {
      rule.step = step;
      return {};
    }
    auto both = least_common_multiple(*rule.step, step);
    if (!both) {
      return fail(make_error(ErrorCode::unsupported, 2101,
                             "multipleOf cannot be combined exactly with the other multiples here")
                      .at(pointer)
                      .to_fix("use a multipleOf of fewer than 18 digits"));
    }
    rule.step = *both;
    return {};
  }

  Result<void> array(ArrayRule& rule, const RawSet& set) {
    size_t n_prefix = 0;
    for (size_t id : set) n_prefix = std::max(n_prefix, program_.raws[id].prefix.size());
    for (size_t i = 0; i <= n_prefix; ++i) {
      RawSet item;
      for (size_t id : set) {
        const Raw& raw = program_.raws[id];
        if (i < raw.prefix.size()) {
          item.insert(raw.prefix[i]->id);
        } else if (raw.items) {
          item.insert(raw.items->id);
        }
      }
      CONSORT_ASSIGN(const Node* child, node(item));
      if (i < n_prefix) {
        rule.prefix.push_back(child);
      } else {
        rule.items = child;
      }
    }
    return {};
  }

  Result<void> object(ObjectRule& rule, const RawSet& set) {
    std::set<std::string> seen;
    std::vector<std::string> keys;
    std::set<std::string> required;
    for (size_t id : set) {
      for (const auto& [key, child] : program_.raws[id].properties) {
        if (seen.insert(key).second) keys.push_back(key);
      }
    }
    for (size_t id : set) {
      for (const std::string& key : program_.raws[id].required) {
        required.insert(key);
        if (seen.insert(key).second) keys.push_back(key);
      }
    }
    for (const std::string& key : keys) {
      RawSet child;
      for (size_t id : set) {
        const Raw& raw = program_.raws[id];
        if (const Raw* property = raw.property(key)) {
          child.insert(property->id);
        } else if (raw.additional) {
          child.insert(raw.additional->id);
        }
      }
      CONSORT_ASSIGN(const Node* child_node, node(child));
      rule.properties.push_back({key, child_node, required.count(key) > 0});
    }
    RawSet additional;
    for (size_t id : set) {
      if (program_.raws[id].additional) additional.insert(program_.raws[id].additional->id);
    }
    CONSORT_ASSIGN(rule.additional, node(additional));
    return {};
  }

  // Listed values that another keyword excludes are dropped, so that a list stands for itself.
  Result<void> prune_values() {
    for (auto& simple : ir_.simples) {
      if (!simple->values) continue;
      std::vector<Value> values = std::move(*simple->values);
      simple->values.reset();
      std::vector<Value> kept;
      for (Value& value : values) {
        if (accepts(*simple, value)) kept.push_back(std::move(value));
      }
      pruned_.emplace_back(simple.get(), std::move(kept));
    }
    for (auto& [simple, kept] : pruned_) simple->values = std::move(kept);
    return {};
  }

  void find_any() {
    for (auto& node : ir_.nodes) {
      for (const Simple* simple : node->alternatives) node->is_any |= unconstrained(*simple);
    }
  }

  // Structurally without any constraint: children are the node of the empty set.
  bool unconstrained(const Simple& simple) const {
    const auto any = nodes_.find(RawSet{});
    const auto free = [&](const Node* node) { return any != nodes_.end() && node == any->second; };
    return simple.types == kAllTypes && !simple.values && simple.number == NumberRule{} &&
           simple.string.min_length == 0 && !simple.string.max_length &&
           simple.string.patterns.empty() && simple.array.min_items == 0 &&
           !simple.array.max_items && simple.array.prefix.empty() && free(simple.array.items) &&
           simple.object.min_properties == 0 && !simple.object.max_properties &&
           simple.object.properties.empty() && free(simple.object.additional);
  }

  RawProgram& program_;
  Ir ir_;
  std::map<RawSet, Node*> nodes_;
  std::map<RawSet, const Simple*> simples_;
  std::vector<std::pair<Node*, RawSet>> work_;
  std::vector<std::pair<Simple*, std::vector<Value>>> pruned_;
};

}  // namespace

// Least fixpoint of "accepts some finite value".
Result<void> mark_empty(Ir& ir) {
  for (auto& node : ir.nodes) node->is_empty = true;
  // Scalars first; they do not depend on other nodes.
  std::vector<uint8_t> scalar(ir.simples.size());
  for (auto& simple : ir.simples) {
    CONSORT_ASSIGN(const bool some, has_scalar(*simple));
    scalar[simple->id] = some;
  }
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto& node : ir.nodes) {
      if (!node->is_empty) continue;
      for (const Simple* simple : node->alternatives) {
        if (scalar[simple->id] || (!simple->values && has_container(*simple))) {
          node->is_empty = false;
          changed = true;
          break;
        }
      }
    }
  }
  return {};
}

Result<Ir> build_ir(RawProgram& program) { return Builder(program).build(); }

}  // namespace consort::contract

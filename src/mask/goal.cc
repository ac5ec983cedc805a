#include "mask/goal.h"

#include <algorithm>

#include "contract/evaluation.h"
#include "contract/program_validate.h"

namespace consort::mask {

using contract::kNoNode;
using contract::NodeId;
using contract::Subschema;

namespace {

bool only_refers(const Subschema& node) {
  return node.ref != kNoNode && !node.is_false && node.types == contract::kAllTypes &&
         !node.has_enum && !node.number && !node.string && !node.array && !node.object &&
         node.dynamic_ref == kNoNode && node.all_of.empty() && node.any_of.empty() &&
         node.one_of.empty() && node.negated == kNoNode && node.condition == kNoNode;
}

bool is_met(const Conjunction& conjunction, const Goal& literals) {
  return std::all_of(literals.begin(), literals.end(), [&](Literal literal) {
    return std::find(conjunction.literals.begin(), conjunction.literals.end(), literal) !=
           conjunction.literals.end();
  });
}

}  // namespace

size_t ArrayGoal::prefix_size() const {
  size_t n = 0;
  for (const auto* shape : shapes) n = std::max(n, shape->prefix.size());
  for (const auto& [index, literal] : at) n = std::max(n, index + 1);
  for (const Contains& one : contains) n = std::max(n, one.from);
  for (const Rest& rest : rests) n = std::max(n, rest.from);
  return n;
}

Goal ArrayGoal::item(size_t index) const {
  Goal goal;
  for (const auto* shape : shapes) {
    if (index < shape->prefix.size()) {
      goal.push_back(yes(shape->prefix[index]));
    } else if (shape->items != kNoNode) {
      goal.push_back(yes(shape->items));
    }
  }
  for (const auto& [where, literal] : at) {
    if (where == index) goal.push_back(literal);
  }
  for (const Rest& rest : rests) {
    if (index >= rest.from && rest.unless.empty()) goal.push_back(rest.literal);
  }
  return goal;
}

bool evaluates(const contract::ObjectKeywords& object, std::string_view key) {
  return object.additional != kNoNode || object.property(key) != kNoNode ||
         std::any_of(object.patterns.begin(), object.patterns.end(),
                     [&](const auto& one) { return one.first->dfa.matches(key); });
}

bool ObjectGoal::Rest::speaks_of(std::string_view key) const {
  return std::none_of(declared_by.begin(), declared_by.end(),
                      [&](const auto* object) { return evaluates(*object, key); });
}

bool ObjectGoal::Exists::speaks_of(const Expander& expander, std::string_view key) const {
  if (name && !expander.holds(*name, contract::Value(std::string(key)))) return false;
  if (std::any_of(undeclared_by.begin(), undeclared_by.end(),
                  [&](const auto* object) { return evaluates(*object, key); })) {
    return false;
  }
  if (!source) return true;
  if (pattern >= 0) return source->patterns[static_cast<size_t>(pattern)].first->dfa.matches(key);
  if (source->property(key) != kNoNode) return false;
  return std::none_of(source->patterns.begin(), source->patterns.end(),
                      [&](const auto& one) { return one.first->dfa.matches(key); });
}

std::optional<Goal> Expander::member(const ObjectGoal& object, std::string_view key) const {
  if (std::find(object.forbidden.begin(), object.forbidden.end(), key) != object.forbidden.end()) {
    return std::nullopt;
  }
  Goal goal;
  bool spoken = false;
  for (const auto* shape : object.shapes) {
    bool known = false;
    if (const NodeId id = shape->property(key); id != kNoNode) {
      goal.push_back(yes(id));
      known = true;
    }
    for (const auto& [pattern, id] : shape->patterns) {
      if (!pattern->dfa.matches(key)) continue;
      goal.push_back(yes(id));
      known = true;
    }
    if (!known && shape->additional != kNoNode) {
      goal.push_back(yes(shape->additional));
      known = speaks_of_additional(*shape);
    }
    spoken |= known;
  }
  for (const ObjectGoal::Rest& rest : object.rests) {
    if (!rest.speaks_of(key)) continue;
    goal.push_back(rest.literal);
    spoken |= says_something(rest.literal);
  }
  for (const auto& [name, literal] : object.extra) {
    if (name == key) goal.push_back(literal);
  }
  if (closed_ && !spoken &&
      std::find(object.required.begin(), object.required.end(), key) == object.required.end()) {
    return std::nullopt;
  }
  return normal(std::move(goal));
}

bool Expander::speaks_of_additional(const contract::ObjectKeywords& shape) const {
  return shape.additional != kNoNode && !says_nothing(program_.at(shape.additional));
}

bool Expander::says_something(Literal literal) const {
  return !says_nothing(program_.at(literal >> 1));
}

std::optional<Goal> Expander::normal(Goal goal) const {
  Goal result;
  for (Literal literal : goal) {
    while (only_refers(program_.at(literal >> 1))) {
      literal = program_.at(literal >> 1).ref << 1 | (literal & 1);
    }
    const Subschema& node = program_.at(literal >> 1);
    const bool negated = literal & 1;
    if (node.is_false ? !negated : negated && says_nothing(node)) return std::nullopt;
    if (node.is_false || says_nothing(node)) continue;
    result.push_back(literal);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  for (size_t i = 1; i < result.size(); ++i) {
    if (result[i] == (result[i - 1] ^ 1)) return std::nullopt;
  }
  return result;
}

void Expander::refuse(const Subschema& node, std::string keyword, std::string why) {
  if (rough_ || error_) return;
  error_ = make_error(ErrorCode::unsupported, 2201, std::move(why)).at(node.pointer).got(keyword);
}

bool Expander::spend(size_t work) {
  work_ += work;
  total_work_ += work;
  if (work_ <= kWorkMax && total_work_ <= kTotalWorkMax) return true;
  if (!error_) {
    error_ = make_error(ErrorCode::resource_exhausted, 2202,
                        "the schema's alternatives take more than " + std::to_string(kWorkMax) +
                            " steps to take apart at one place, or " +
                            std::to_string(kTotalWorkMax) + " in all")
                 .to_fix("tell the branches apart by a required const property");
  }
  return false;
}

Result<std::vector<Conjunction>> Expander::expand(const Goal& goal) {
  found_.clear();
  error_.reset();
  work_ = 0;
  Branch branch;
  branch.todo = goal;
  run(std::move(branch));
  if (error_) return fail(*error_);
  return std::move(found_);
}

// Takes all that is certain, then the choice of fewest options.
void Expander::run(Branch branch) {
  if (error_ || !spend(1)) return;
  while (!branch.todo.empty()) {
    const Literal literal = branch.todo.back();
    branch.todo.pop_back();
    if (!take(branch, literal) || error_) return;
  }
  Conjunction& now = branch.conjunction;
  if (now.types == 0) return;
  if (now.values) {  // Values are checked one by one: nothing to take apart.
    if (!rough_ && values(now).empty()) return;
    branch.choices.clear();
  }
  std::erase_if(branch.choices, [&](const auto& choice) {
    return std::any_of(choice->begin(), choice->end(), [&](const Option& option) {
      return !option.edit && (now.types & ~option.types) == 0 && is_met(now, option.literals);
    });
  });
  if (!branch.choices.empty()) {
    const auto least = std::min_element(
        branch.choices.begin(), branch.choices.end(), [](const auto& a, const auto& b) {
          return std::pair(!a->first, a->size()) < std::pair(!b->first, b->size());
        });
    const auto choice = *least;
    branch.choices.erase(least);
    for (const Option& option : *choice) {
      Branch next = branch;
      next.todo = option.literals;
      next.conjunction.types &= option.types;
      if (next.conjunction.types == 0) continue;
      if (option.edit) option.edit(next.conjunction);
      run(std::move(next));
      if (error_) return;
    }
    return;
  }
  if (!rough_) {
    rough_ = true;
    const bool empty = surely_empty(now, 2);
    rough_ = false;
    if (empty) return;
  }
  if (found_.size() >= kConjunctionsMax) {
    error_ = make_error(ErrorCode::resource_exhausted, 2202,
                        "more than " + std::to_string(kConjunctionsMax) + " alternatives")
                 .at(now.literals.empty() ? "#" : program_.at(now.literals[0] >> 1).pointer)
                 .to_fix("tell the branches apart by a required const property");
    return;
  }
  found_.push_back(std::move(now));
}

bool Expander::take(Branch& branch, Literal literal) {
  Goal& literals = branch.conjunction.literals;
  if (std::find(literals.begin(), literals.end(), literal) != literals.end()) return true;
  if (std::find(literals.begin(), literals.end(), literal ^ 1) != literals.end()) return false;
  const Subschema& node = program_.at(literal >> 1);
  if (literal & 1) {
    if (says_nothing(node)) return false;
    if (!node.is_false) {
      literals.push_back(literal);
      forbid(branch, literal >> 1);
    }
    return true;
  }
  if (node.is_false) return false;
  literals.push_back(literal);
  require(branch, literal >> 1);
  return branch.conjunction.types != 0;
}

void Expander::require(Branch& branch, NodeId id) {
  const Subschema& node = program_.at(id);
  Conjunction& now = branch.conjunction;
  now.types &= node.types;
  if (node.dialect == contract::Dialect::draft4 && (node.types & contract::kInteger) &&
      !(node.types & contract::kFraction)) {
    now.number.plain = true;
  }
  if (node.has_enum && (!now.values || node.values.size() < now.values->values.size())) {
    now.values = &node;
  }
  if (node.number) {
    if (node.number->minimum) now.number.at_least(*node.number->minimum, false);
    if (node.number->exclusive_minimum) now.number.at_least(*node.number->exclusive_minimum, true);
    if (node.number->maximum) now.number.at_most(*node.number->maximum, false);
    if (node.number->exclusive_maximum) now.number.at_most(*node.number->exclusive_maximum, true);
    if (node.number->multiple_of) now.number.multiples.push_back(*node.number->multiple_of);
  }
  if (node.string) {
    now.string.min_length = std::max(now.string.min_length, node.string->min_length);
    now.string.max_length =
        std::min(now.string.max_length, node.string->max_length.value_or(UINT64_MAX));
    if (node.string->pattern) now.string.words.push_back({&node.string->pattern->dfa, false});
    if (node.string->format && (now.types & contract::kString)) {
      const contract::Dfa* language = node.string->format->emitted_language();
      if (!language) {
        refuse(node, "format", "format '" + std::string(node.string->format->name) +
                                   "' is not regular");
      }
      if (language) now.string.words.push_back({language, false});
    }
  }
  if (node.array) {
    now.array.shapes.push_back(node.array.get());
    now.array.min_items = std::max(now.array.min_items, node.array->min_items);
    now.array.max_items = std::min(now.array.max_items, node.array->max_items.value_or(UINT64_MAX));
    if (now.types & contract::kArray) {
      if (node.array->unique) now.array.unique_at = node.pointer;
    }
    if (node.array->contains != kNoNode) {
      now.array.contains.push_back({yes(node.array->contains), 0, node.array->min_contains,
                                    node.array->max_contains.value_or(UINT64_MAX), node.pointer});
    }
  }
  if (node.object) require_object(branch, id);
  if (node.has_unevaluated()) require_unevaluated(branch, id);
  if (node.ref != kNoNode) branch.todo.push_back(yes(node.ref));
  if (node.dynamic_ref != kNoNode) branch.todo.push_back(yes(node.dynamic_ref));
  for (const NodeId each : node.all_of) branch.todo.push_back(yes(each));
  if (node.negated != kNoNode) branch.todo.push_back(no(node.negated));
  if (!node.any_of.empty()) {
    auto choice = std::make_shared<Choice>();
    bool certain = false;
    for (const NodeId each : node.any_of) {
      certain |= says_nothing(program_.at(each));
      choice->push_back({{yes(each)}});
    }
    if (!certain) branch.choices.push_back(std::move(choice));
  }
  if (!node.one_of.empty()) one_of(branch, node.one_of);
  if (node.condition != kNoNode &&
      (node.then_branch != kNoNode || node.else_branch != kNoNode)) {
    auto choice = std::make_shared<Choice>();
    choice->push_back({{yes(node.condition)}});
    if (node.then_branch != kNoNode) choice->back().literals.push_back(yes(node.then_branch));
    choice->push_back({{no(node.condition)}});
    if (node.else_branch != kNoNode) choice->back().literals.push_back(yes(node.else_branch));
    branch.choices.push_back(std::move(choice));
  }
}

void Expander::require_object(Branch& branch, NodeId id) {
  const Subschema& node = program_.at(id);
  const contract::ObjectKeywords& rule = *node.object;
  Conjunction& now = branch.conjunction;
  ObjectGoal& object = now.object;
  object.shapes.push_back(&rule);
  object.min_properties = std::max(object.min_properties, rule.min_properties);
  object.max_properties =
      std::min(object.max_properties, rule.max_properties.value_or(UINT64_MAX));
  object.required.insert(object.required.end(), rule.required.begin(), rule.required.end());
  if (rule.names != kNoNode) object.names.push_back(yes(rule.names));
  if (!(now.types & contract::kObject)) return;
  const auto absent = [](const std::string& key) {
    return [&key](Conjunction& c) { c.object.forbidden.push_back(key); };
  };
  for (const auto& entry : rule.dependent_required) {
    if (entry.second.empty()) continue;
    auto choice = std::make_shared<Choice>();
    choice->push_back({{}, contract::kAllTypes, absent(entry.first)});
    choice->push_back({{}, contract::kObject, [&entry](Conjunction& c) {
                         c.object.required.push_back(entry.first);
                         c.object.required.insert(c.object.required.end(), entry.second.begin(),
                                                  entry.second.end());
                       }});
    branch.choices.push_back(std::move(choice));
  }
  for (const auto& entry : rule.dependent_schemas) {
    auto choice = std::make_shared<Choice>();
    choice->push_back({{}, contract::kAllTypes, absent(entry.first)});
    choice->push_back({{yes(entry.second)}, contract::kObject, [&entry](Conjunction& c) {
                         c.object.required.push_back(entry.first);
                       }});
    branch.choices.push_back(std::move(choice));
  }
}

// In every case of the branches that hold, it is known what they evaluate.
void Expander::require_unevaluated(Branch& branch, NodeId id) {
  const Subschema& node = program_.at(id);
  const bool items = node.array && node.array->unevaluated != kNoNode &&
                     (branch.conjunction.types & contract::kArray);
  const bool members = node.object && node.object->unevaluated != kNoNode &&
                       (branch.conjunction.types & contract::kObject);
  if (!items && !members) return;
  const auto cases = contract::evaluations(program_, id);
  if (!cases) {
    const std::string keyword = members ? "unevaluatedProperties" : "unevaluatedItems";
    return refuse(node, keyword, keyword + " beside too many branches");
  }
  auto choice = std::make_shared<Choice>();
  choice->first = true;
  for (const contract::Evaluation& one : *cases) {
    Option option;
    for (const auto& [child, holds] : one.literals) {
      option.literals.push_back(holds ? yes(child) : no(child));
    }
    option.edit = [&node, one, items, members](Conjunction& c) {
      for (const auto& [key, there] : one.keys) {
        (there ? c.object.required : c.object.forbidden).push_back(key);
        if (there) c.types &= contract::kObject;
      }
      const bool all = std::count(one.objects.begin(), one.objects.end(), nullptr) > 0;
      if (members && !all) c.object.rests.push_back({yes(node.object->unevaluated), one.objects});
      if (items && one.n_items != contract::Evaluation::kAllItems) {
        ArrayGoal::Rest rest{yes(node.array->unevaluated), one.n_items, {}, node.pointer};
        for (const NodeId each : one.contains) rest.unless.push_back(yes(each));
        c.array.rests.push_back(std::move(rest));
      }
    };
    choice->push_back(std::move(option));
  }
  branch.choices.push_back(std::move(choice));
}

void Expander::one_of(Branch& branch, const std::vector<NodeId>& nodes) {
  auto choice = std::make_shared<Choice>();
  for (size_t i = 0; i < nodes.size(); ++i) {
    Option option{{yes(nodes[i])}};
    for (size_t j = 0; j < nodes.size() && !rough_; ++j) {
      if (j != i && !disjoint(nodes[i], nodes[j])) option.literals.push_back(no(nodes[j]));
    }
    // Taken from the back: the branch itself first, so that it narrows what its rivals may be.
    std::reverse(option.literals.begin(), option.literals.end());
    choice->push_back(std::move(option));
  }
  branch.choices.push_back(std::move(choice));
}

bool Expander::disjoint(NodeId a, NodeId b) {
  const auto key = std::minmax(a, b);
  const auto found = disjoint_.find(key);
  if (found != disjoint_.end()) return found->second;
  const auto goal = normal({yes(a), yes(b)});
  rough_ = true;
  const bool result = !goal || surely_empty(*goal, 3);
  rough_ = false;
  return disjoint_[key] = result;
}

// Only in rough mode: `found_` of the question under way is put aside.
bool Expander::surely_empty(const Goal& goal, int depth) {
  if (depth == 0) return false;
  std::vector<Conjunction> outer = std::move(found_);
  found_.clear();
  Branch branch;
  branch.todo = goal;
  run(std::move(branch));
  const std::vector<Conjunction> found = std::move(found_);
  found_ = std::move(outer);
  if (error_) return false;
  return std::all_of(found.begin(), found.end(),
                     [&](const Conjunction& c) { return surely_empty(c, depth); });
}

bool Expander::surely_empty(const Conjunction& now, int depth) {
  if (now.values) return values(now).empty();
  uint8_t types = now.types;
  if (now.number.is_empty()) types &= static_cast<uint8_t>(~contract::kNumber);
  if (now.string.min_length > now.string.max_length) {
    types &= static_cast<uint8_t>(~contract::kString);
  }
  if (now.booleans == 0) types &= static_cast<uint8_t>(~contract::kBoolean);
  if (now.array.min_items > now.array.max_items) types &= static_cast<uint8_t>(~contract::kArray);
  if (types & ~contract::kObject) return false;
  if (types == 0) return true;
  if (now.object.min_properties > now.object.max_properties) return true;
  if (depth == 0) return false;
  return std::any_of(now.object.required.begin(), now.object.required.end(),
                     [&](const std::string& key) {
                       const auto goal = member(now.object, key);
                       return !goal || (!goal->empty() && surely_empty(*goal, depth - 1));
                     });
}

bool Expander::holds(Literal literal, const contract::Value& value) const {
  return contract::is_valid(program_, literal >> 1, value) == !(literal & 1);
}

std::vector<const contract::Value*> Expander::values(const Conjunction& now) const {
  std::vector<const contract::Value*> result;
  for (const contract::Value& value : now.values->values) {
    const bool fits = (contract::type_bit(value) & now.types) &&
                      std::all_of(now.literals.begin(), now.literals.end(),
                                  [&](Literal literal) { return holds(literal, value); });
    if (fits) result.push_back(&value);
  }
  return result;
}

}  // namespace consort::mask

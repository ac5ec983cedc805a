// Objects: declared keys by name, all others by the classes that patterns divide them into.
#include <algorithm>
#include <set>

#include "mask/grammar.h"

namespace consort::mask {
namespace {

using contract::Dfa;

constexpr size_t kPatternsMax = 24;   // Of one object ...
constexpr size_t kClassesMax = 64;    // ... and the classes that they divide keys into.
constexpr size_t kWitnessesMax = 4;

}  // namespace

// The keys that `propertyNames` lets pass.
Result<Dfa> Grammar::names_language(const Goal& names) {
  CONSORT_ASSIGN(const std::vector<Conjunction> all, expander_->expand(names));
  Dfa language = contract::empty_language();
  for (const Conjunction& each : all) {
    Dfa one = contract::any_string();
    if (each.values) {
      std::vector<std::string> texts;
      for (const contract::Value* value : expander_->values(each)) {
        if (value->is_string()) texts.push_back(value->as_string());
      }
      CONSORT_ASSIGN(one, contract::literal_strings(texts));
    } else {
      if (!(each.types & contract::kString)) continue;
      for (const Words& words : each.string.words) {
        CONSORT_ASSIGN(one, words.negated ? contract::subtract(one, *words.dfa)
                                          : contract::intersect(one, *words.dfa));
      }
      if (!each.string.excluded.empty()) {
        CONSORT_ASSIGN(const Dfa texts, contract::literal_strings(each.string.excluded));
        CONSORT_ASSIGN(one, contract::subtract(one, texts));
      }
      const auto max = each.string.max_length == UINT64_MAX
                           ? std::nullopt
                           : std::optional(each.string.max_length);
      CONSORT_ASSIGN(one, contract::with_length(one, each.string.min_length, max));
    }
    if (language.is_empty()) {
      language = std::move(one);
    } else if (!one.is_empty()) {  // a or b = not (neither a nor b)
      CONSORT_ASSIGN(Dfa neither, contract::subtract(contract::any_string(), language));
      CONSORT_ASSIGN(neither, contract::subtract(neither, one));
      CONSORT_ASSIGN(language, contract::subtract(contract::any_string(), neither));
    }
  }
  return language;
}

// "Some member is so" is one alternative for each declared key that it may have, and one for all
// other keys.
Result<void> Grammar::build_object(GrammarNode& out, const Conjunction& all) {
  if (all.object.min_properties > all.object.max_properties) return {};
  if (all.object.exists.empty()) return build_members(out, all);
  Conjunction rest = all;
  const ObjectGoal::Exists exists = rest.object.exists.back();
  rest.object.exists.pop_back();
  std::set<std::string> names(rest.object.required.begin(), rest.object.required.end());
  for (const auto* shape : rest.object.shapes) {
    for (const auto& property : shape->properties) names.insert(property.first);
  }
  if (exists.source) {
    for (const auto& property : exists.source->properties) names.insert(property.first);
  }
  for (const auto& entry : rest.object.extra) names.insert(entry.first);
  for (const std::string& name : names) {
    if (!exists.speaks_of(*expander_, name)) continue;
    Conjunction one = rest;
    one.object.required.push_back(name);
    if (exists.literal) one.object.extra.emplace_back(name, *exists.literal);
    CONSORT_TRY(build_object(out, one));
  }
  if (rest.object.witnesses.size() == kWitnessesMax) {
    return fail(make_error(ErrorCode::unsupported, 2201,
                           "more than " + std::to_string(kWitnessesMax) +
                               " members that `not` asks for are not enforced")
                    .at(exists.pointer)
                    .got("not"));
  }
  rest.object.witnesses.push_back(exists);
  return build_object(out, rest);
}

Result<const Dfa*> Grammar::language_of(Literal name) {
  const auto found = name_languages_.find(name);
  if (found != name_languages_.end()) return &found->second;
  CONSORT_ASSIGN(Dfa language, names_language({name}));
  return &(name_languages_[name] = std::move(language));
}

Result<void> Grammar::build_members(GrammarNode& out, const Conjunction& all) {
  const ObjectGoal& goal = all.object;
  const std::string pointer =
      all.literals.empty() ? "#" : expander_->program().at(all.literals[0] >> 1).pointer;
  auto members = std::make_unique<Members>();
  std::set<std::string_view> known;
  const std::set<std::string_view> required(goal.required.begin(), goal.required.end());
  std::optional<Dfa> names;
  if (!goal.names.empty()) {
    auto language = names_language(goal.names);
    if (!language) return fail(std::move(language).error().at(pointer).got("propertyNames"));
    names = std::move(*language);
  }
  bool possible = true;
  const auto declare = [&](const std::string& name) {
    if (!known.insert(name).second) return;
    members->reserved.push_back(name);
    const bool is_required = required.contains(name);
    auto child = expander_->member(goal, name);
    if (names && !names->matches(name)) child.reset();
    if (!child) {
      possible &= !is_required;
      return;
    }
    Members::Key& key = members->keys.emplace_back();
    key.text = contract::to_json(contract::Value(name)) + ":";
    key.node = node(std::move(*child));
    key.required = is_required;
    key.cost = trie_->spelling(key.text)[0];
  };
  for (const auto* shape : goal.shapes) {
    for (const auto& property : shape->properties) declare(property.first);
  }
  for (const auto& entry : goal.extra) declare(entry.first);
  for (const std::string& key : goal.required) declare(key);
  for (const std::string& key : goal.forbidden) declare(key);
  for (const ObjectGoal::Exists& exists : goal.witnesses) {
    if (!exists.source) continue;
    for (const auto& property : exists.source->properties) declare(property.first);
  }
  if (!possible) return {};
  for (uint32_t i = 0; i < members->keys.size(); ++i) {
    add_spelling(members->trie, members->keys[i].text, i);
  }
  literal_bytes_ += members->trie.nodes.size();
  members->min = goal.min_properties;
  members->max = goal.max_properties;

  CONSORT_TRY(build_classes(*members, goal, names, pointer));
  members->witnesses = (1u << goal.witnesses.size()) - 1;
  CONSORT_TRY(finish_members(*members, pointer));
  out.alternatives.emplace_back().members = std::move(members);
  return {};
}

// Keys that are not declared, in classes by the patterns that they match.
Result<void> Grammar::build_classes(Members& members, const ObjectGoal& goal,
                                    const std::optional<Dfa>& names, const std::string& pointer) {
  std::vector<std::pair<const Dfa*, std::string_view>> patterns;
  const auto known = [&](const contract::ObjectKeywords& shape) {
    for (const auto& [pattern, id] : shape.patterns) {
      const bool is_new = std::none_of(patterns.begin(), patterns.end(), [&](const auto& one) {
        return one.second == pattern->text;
      });
      if (is_new) patterns.emplace_back(&pattern->dfa, pattern->text);
    }
  };
  for (const auto* shape : goal.shapes) known(*shape);
  const auto name_of = [](Literal name) { return "name " + std::to_string(name); };
  std::deque<std::string> names_of;  // Not a pattern's text: a space comes in none alone.
  for (const ObjectGoal::Exists& exists : goal.witnesses) {
    if (exists.source) known(*exists.source);
    if (!exists.name) continue;
    CONSORT_ASSIGN(const Dfa* language, language_of(*exists.name));
    names_of.push_back(name_of(*exists.name));
    patterns.emplace_back(language, names_of.back());
  }
  if (patterns.size() > kPatternsMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 2202,
                           "more than " + std::to_string(kPatternsMax) +
                               " patterns for the keys of one object")
                    .at(pointer)
                    .got("patternProperties"));
  }
  // Every class by the patterns that its keys match; those without a key are left out.
  std::vector<std::pair<size_t, Dfa>> classes;
  classes.emplace_back(0, names ? *names : contract::any_string());
  for (size_t i = 0; i < patterns.size(); ++i) {
    std::vector<std::pair<size_t, Dfa>> split;
    for (const auto& [bits, language] : classes) {
      for (const bool in : {false, true}) {
        auto part = in ? contract::intersect(language, *patterns[i].first)
                       : contract::subtract(language, *patterns[i].first);
        if (!part) return fail(std::move(part).error().at(pointer).got("patternProperties"));
        states_ += part->n_states();
        if (!part->is_empty()) split.emplace_back(bits | size_t{in} << i, std::move(*part));
      }
    }
    classes = std::move(split);
    if (classes.size() > kClassesMax || states_ > kStatesMax) {
      return fail(make_error(ErrorCode::resource_exhausted, 2202,
                             "patterns divide the keys of one object into more than " +
                                 std::to_string(kClassesMax) + " classes, or too large ones")
                      .at(pointer)
                      .got("patternProperties"));
    }
  }
  // Is `text` among the patterns of the class `bits`?
  const auto matches = [&](size_t bits, std::string_view text) {
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (patterns[i].second == text) return (bits >> i & 1) != 0;
    }
    return false;
  };
  for (auto& [class_bits, language] : classes) {
    const size_t bits = class_bits;
    Goal child;
    bool spoken = false;
    for (const auto* shape : goal.shapes) {
      bool matched = false;
      for (const auto& [pattern, id] : shape->patterns) {
        if (!matches(bits, pattern->text)) continue;
        child.push_back(id << 1);
        matched = true;
      }
      if (!matched && shape->additional != contract::kNoNode) {
        child.push_back(shape->additional << 1);
        matched = expander_->speaks_of_additional(*shape);
      }
      spoken |= matched;
    }
    // Is the class among the keys of a schema's patterns, or evaluated by its additional ones?
    const auto evaluated = [&](const contract::ObjectKeywords* object) {
      return object->additional != contract::kNoNode ||
             std::any_of(object->patterns.begin(), object->patterns.end(),
                         [&](const auto& one) { return matches(bits, one.first->text); });
    };
    for (const ObjectGoal::Rest& rest : goal.rests) {
      if (std::any_of(rest.declared_by.begin(), rest.declared_by.end(), evaluated)) continue;
      child.push_back(rest.literal);
      spoken |= expander_->says_something(rest.literal);
    }
    if (expander_->closed() && !spoken) continue;
    uint32_t possible = 0;  // Witnesses that a key of the class may be.
    for (size_t w = 0; w < goal.witnesses.size(); ++w) {
      const ObjectGoal::Exists& exists = goal.witnesses[w];
      bool in = !exists.name || matches(bits, name_of(*exists.name));
      in = in && std::none_of(exists.undeclared_by.begin(), exists.undeclared_by.end(), evaluated);
      if (exists.source && exists.pattern >= 0) {
        const auto index = static_cast<size_t>(exists.pattern);
        in = in && matches(bits, exists.source->patterns[index].first->text);
      } else if (exists.source) {
        in = in && std::none_of(exists.source->patterns.begin(), exists.source->patterns.end(),
                                [&](const auto& one) { return matches(bits, one.first->text); });
      }
      if (in) possible |= 1u << w;
    }
    const auto add = [&](const std::shared_ptr<const StringMachine>& key) {
      for (uint32_t set = 0; set <= possible; ++set) {
        if (set & ~possible) continue;
        Goal value = child;
        for (size_t w = 0; w < goal.witnesses.size(); ++w) {
          if ((set >> w & 1) && goal.witnesses[w].literal) value.push_back(*goal.witnesses[w].literal);
        }
        if (const auto normal = expander_->normal(std::move(value))) {
          members.extras.push_back({key, node(*normal), set, {}, {}});
        }
      }
    };
    if (!expander_->normal(child)) continue;
    if (patterns.empty() && !names) {
      add(shared(StringMachine::free(*trie_, 0, std::nullopt)));
    } else if (!language.is_empty()) {
      states_ += language.n_states();
      add(shared(StringMachine::raw(std::move(language), *trie_)));
    }
  }
  return {};
}

}  // namespace consort::mask

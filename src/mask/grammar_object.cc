// Objects: declared keys by name, all others by the classes that patterns divide them into.
#include <algorithm>
#include <set>

#include "mask/grammar.h"

namespace consort::mask {
namespace {

using contract::Dfa;

constexpr size_t kPatternsMax = 6;  // Of one object: each doubles the classes of keys.

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
  for (const auto& property : exists.source->properties) names.insert(property.first);
  for (const auto& entry : rest.object.extra) names.insert(entry.first);
  for (const std::string& name : names) {
    if (!exists.speaks_of(name)) continue;
    Conjunction one = rest;
    one.object.required.push_back(name);
    one.object.extra.emplace_back(name, exists.literal);
    CONSORT_TRY(build_object(out, one));
  }
  if (rest.object.witness) {
    return fail(make_error(ErrorCode::unsupported, 2201,
                           "two members that `not` asks for are not enforced")
                    .at(exists.pointer)
                    .got("not"));
  }
  rest.object.witness = exists;
  return build_object(out, rest);
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
  if (goal.witness) {
    for (const auto& property : goal.witness->source->properties) declare(property.first);
  }
  if (!possible) return {};
  for (uint32_t i = 0; i < members->keys.size(); ++i) {
    members->trie.add(members->keys[i].text, i, *trie_);
  }
  literal_bytes_ += members->trie.nodes.size();
  members->min = goal.min_properties;
  members->max = goal.max_properties;

  CONSORT_TRY(build_classes(*members, goal, names, pointer));
  members->needs_witness = goal.witness.has_value();
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
  if (goal.witness) known(*goal.witness->source);
  if (patterns.size() > kPatternsMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 2202,
                           "more than " + std::to_string(kPatternsMax) +
                               " patterns for the keys of one object")
                    .at(pointer)
                    .got("patternProperties"));
  }
  // Is `text` among the patterns of the class `bits`?
  const auto matches = [&](size_t bits, std::string_view text) {
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (patterns[i].second == text) return (bits >> i & 1) != 0;
    }
    return false;
  };
  for (size_t bits = 0; bits < size_t{1} << patterns.size(); ++bits) {
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
    if (expander_->closed() && !spoken) continue;
    bool in_witness = false;
    if (goal.witness) {
      const auto& source = *goal.witness->source;
      if (goal.witness->pattern >= 0) {
        in_witness = matches(
            bits, source.patterns[static_cast<size_t>(goal.witness->pattern)].first->text);
      } else {
        in_witness = std::none_of(source.patterns.begin(), source.patterns.end(),
                                  [&](const auto& one) { return matches(bits, one.first->text); });
      }
    }
    Goal as_witness = child;
    if (in_witness) as_witness.push_back(goal.witness->literal);
    const auto normal = expander_->normal(std::move(child));
    if (!normal) continue;
    const auto add = [&](const StringMachine& key) {
      members.extras.push_back({key, node(*normal), false});
      if (!in_witness) return;
      if (const auto both = expander_->normal(as_witness)) {
        members.extras.push_back({key, node(*both), true});
      }
    };
    if (patterns.empty() && !names) {
      add(StringMachine::free(*trie_, 0, std::nullopt));
      continue;
    }
    Dfa language = names ? *names : contract::any_string();
    for (size_t i = 0; i < patterns.size() && !language.is_empty(); ++i) {
      auto next = bits >> i & 1 ? contract::intersect(language, *patterns[i].first)
                                : contract::subtract(language, *patterns[i].first);
      if (!next) return fail(std::move(next).error().at(pointer).got("patternProperties"));
      language = std::move(*next);
    }
    states_ += language.n_states();
    if (language.is_empty()) continue;
    add(StringMachine::raw(std::move(language), *trie_));
  }
  return {};
}

}  // namespace consort::mask

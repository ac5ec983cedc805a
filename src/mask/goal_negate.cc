// `not`: each keyword of a schema that must not match gives the ways to break it.
#include <algorithm>

#include "contract/evaluation.h"
#include "mask/goal.h"

namespace consort::mask {

using contract::kNoNode;
using contract::NodeId;
using contract::Subschema;

void Expander::forbid(Branch& branch, NodeId id) {
  const Subschema& node = program_.at(id);
  auto choice = std::make_shared<Choice>();
  const auto either = [&](Goal literals) { choice->push_back({std::move(literals)}); };
  if (node.types != contract::kAllTypes) {
    choice->push_back({{}, static_cast<uint8_t>(~node.types & contract::kAllTypes)});
  }
  if (node.has_enum) forbid_values(*choice, node);
  const uint8_t types = branch.conjunction.types;
  if (node.number && (types & contract::kNumber)) {
    const auto bound = [&](auto edit) {
      choice->push_back({{}, contract::kNumber, edit});
    };
    const contract::NumberKeywords& rule = *node.number;
    if (rule.minimum) bound([&](Conjunction& c) { c.number.at_most(*rule.minimum, true); });
    if (rule.exclusive_minimum) {
      bound([&](Conjunction& c) { c.number.at_most(*rule.exclusive_minimum, false); });
    }
    if (rule.maximum) bound([&](Conjunction& c) { c.number.at_least(*rule.maximum, true); });
    if (rule.exclusive_maximum) {
      bound([&](Conjunction& c) { c.number.at_least(*rule.exclusive_maximum, false); });
    }
    if (rule.multiple_of) {
      bound([&](Conjunction& c) { c.number.non_multiples.push_back(*rule.multiple_of); });
    }
  }
  if (node.string && (types & contract::kString)) {
    const auto text = [&](auto edit) {
      choice->push_back({{}, contract::kString, edit});
    };
    const contract::StringKeywords& rule = *node.string;
    if (rule.min_length > 0) {
      text([&](Conjunction& c) {
        c.string.max_length = std::min(c.string.max_length, rule.min_length - 1);
      });
    }
    if (rule.max_length) {
      text([&](Conjunction& c) {
        c.string.min_length = std::max(c.string.min_length, *rule.max_length + 1);
      });
    }
    if (rule.pattern) {
      text([&](Conjunction& c) { c.string.words.push_back({&rule.pattern->dfa, true}); });
    }
    if (rule.format) {
      const contract::Dfa* language = rule.format->language();
      if (!language) refuse(node, "format", "a format that is not regular, under `not`");
      if (language) {
        text([language](Conjunction& c) { c.string.words.push_back({language, true}); });
      }
    }
  }
  if (node.array && (types & contract::kArray)) forbid_array(*choice, node);
  if (node.object && (types & contract::kObject)) forbid_object(*choice, node);
  if (node.has_unevaluated()) forbid_unevaluated(*choice, id);
  if (node.ref != kNoNode) either({no(node.ref)});
  if (node.dynamic_ref != kNoNode) either({no(node.dynamic_ref)});
  for (const NodeId each : node.all_of) either({no(each)});
  if (node.negated != kNoNode) either({yes(node.negated)});
  if (!node.any_of.empty()) {
    Goal none;
    for (const NodeId each : node.any_of) none.push_back(no(each));
    either(std::move(none));
  }
  if (!node.one_of.empty()) {
    Goal none;
    for (const NodeId each : node.one_of) none.push_back(no(each));
    either(std::move(none));
    for (size_t i = 0; i < node.one_of.size(); ++i) {
      for (size_t j = i + 1; j < node.one_of.size(); ++j) {
        either({yes(node.one_of[i]), yes(node.one_of[j])});
      }
    }
  }
  if (node.condition != kNoNode) {
    if (node.then_branch != kNoNode) either({yes(node.condition), no(node.then_branch)});
    if (node.else_branch != kNoNode) either({no(node.condition), no(node.else_branch)});
  }
  branch.choices.push_back(std::move(choice));
}

// A single value less, where that is a matter of type, of bounds, or of text.
void Expander::forbid_values(Choice& choice, const Subschema& node) {
  uint8_t others = contract::kAllTypes;
  std::vector<std::string> texts;
  std::vector<contract::Decimal> numbers;
  uint8_t booleans = 3;
  for (const contract::Value& value : node.values) {
    switch (value.type()) {
      case contract::Type::null:
        others &= static_cast<uint8_t>(~contract::kNull);
        break;
      case contract::Type::boolean:
        booleans &= static_cast<uint8_t>(value.as_bool() ? ~1 : ~2);
        others &= static_cast<uint8_t>(~contract::kBoolean);
        break;
      case contract::Type::number:
        numbers.push_back(contract::Decimal::parse(value.as_number().text));
        others &= static_cast<uint8_t>(~contract::kNumber);
        break;
      case contract::Type::string:
        texts.push_back(value.as_string());
        others &= static_cast<uint8_t>(~contract::kString);
        break;
      default:
        refuse(node, node.is_const ? "const" : "enum", "an array or object under `not`");
        return;
    }
  }
  if (others) choice.push_back({{}, others});
  if (booleans == 1 || booleans == 2) {
    choice.push_back({{}, contract::kBoolean, [booleans](Conjunction& c) {
                        c.booleans &= booleans;
                      }});
  }
  if (!texts.empty()) {
    choice.push_back({{}, contract::kString, [texts](Conjunction& c) {
                        c.string.excluded.insert(c.string.excluded.end(), texts.begin(),
                                                 texts.end());
                      }});
  }
  if (numbers.empty()) return;
  std::sort(numbers.begin(), numbers.end(),
            [](const auto& a, const auto& b) { return compare(a, b) < 0; });
  for (size_t i = 0; i <= numbers.size(); ++i) {
    choice.push_back({{}, contract::kNumber, [numbers, i](Conjunction& c) {
                        if (i > 0) c.number.at_least(numbers[i - 1], true);
                        if (i < numbers.size()) c.number.at_most(numbers[i], true);
                      }});
  }
}

void Expander::forbid_array(Choice& choice, const Subschema& node) {
  const contract::ArrayKeywords& rule = *node.array;
  const auto array = [&](auto edit) {
    choice.push_back({{}, contract::kArray, edit});
  };
  if (rule.unique) refuse(node, "uniqueItems", "uniqueItems under `not` is not enforced");
  if (rule.min_items > 0) {
    array([&](Conjunction& c) {
      c.array.max_items = std::min(c.array.max_items, rule.min_items - 1);
    });
  }
  if (rule.max_items) {
    array([&](Conjunction& c) {
      c.array.min_items = std::max(c.array.min_items, *rule.max_items + 1);
    });
  }
  for (size_t i = 0; i < rule.prefix.size(); ++i) {
    array([&rule, i](Conjunction& c) {
      c.array.at.emplace_back(i, no(rule.prefix[i]));
      c.array.min_items = std::max<uint64_t>(c.array.min_items, i + 1);
    });
  }
  if (rule.items != kNoNode) {
    array([&](Conjunction& c) {
      c.array.contains.push_back(
          {no(rule.items), rule.prefix.size(), 1, UINT64_MAX, node.pointer});
    });
  }
  if (rule.contains == kNoNode) return;
  if (rule.min_contains > 0) {
    array([&](Conjunction& c) {
      c.array.contains.push_back({yes(rule.contains), 0, 0, rule.min_contains - 1, node.pointer});
    });
  }
  if (rule.max_contains) {
    array([&](Conjunction& c) {
      c.array.contains.push_back(
          {yes(rule.contains), 0, *rule.max_contains + 1, UINT64_MAX, node.pointer});
    });
  }
}

void Expander::forbid_object(Choice& choice, const Subschema& node) {
  const contract::ObjectKeywords& rule = *node.object;
  const auto object = [&](Goal literals, auto edit) {
    choice.push_back({std::move(literals), contract::kObject, edit});
  };
  if (rule.names != kNoNode && normal({no(rule.names)})) {
    object({}, [&](Conjunction& c) {
      c.object.exists.push_back({.name = no(rule.names), .pointer = node.pointer});
    });
  }
  if (rule.min_properties > 0) {
    object({}, [&](Conjunction& c) {
      c.object.max_properties = std::min(c.object.max_properties, rule.min_properties - 1);
    });
  }
  if (rule.max_properties) {
    object({}, [&](Conjunction& c) {
      c.object.min_properties = std::max(c.object.min_properties, *rule.max_properties + 1);
    });
  }
  for (const std::string& key : rule.required) {
    object({}, [&key](Conjunction& c) { c.object.forbidden.push_back(key); });
  }
  for (const auto& property : rule.properties) {
    if (!normal({no(property.second)})) continue;
    object({}, [&property](Conjunction& c) {
      c.object.required.push_back(property.first);
      c.object.extra.emplace_back(property.first, no(property.second));
    });
  }
  for (size_t i = 0; i < rule.patterns.size(); ++i) {
    if (!normal({no(rule.patterns[i].second)})) continue;
    object({}, [&rule, &node, i](Conjunction& c) {
      c.object.exists.push_back({.source = &rule,
                                 .pattern = static_cast<int>(i),
                                 .literal = no(rule.patterns[i].second),
                                 .pointer = node.pointer});
    });
  }
  if (rule.additional != kNoNode && normal({no(rule.additional)})) {
    object({}, [&](Conjunction& c) {
      c.object.exists.push_back(
          {.source = &rule, .literal = no(rule.additional), .pointer = node.pointer});
    });
  }
  for (const auto& [key, needed] : rule.dependent_required) {
    for (const std::string& missing : needed) {
      object({}, [&key, &missing](Conjunction& c) {
        c.object.required.push_back(key);
        c.object.forbidden.push_back(missing);
      });
    }
  }
  for (const auto& entry : rule.dependent_schemas) {
    object({no(entry.second)}, [&entry](Conjunction& c) {
      c.object.required.push_back(entry.first);
    });
  }
}

void Expander::forbid_unevaluated(Choice& choice, NodeId id) {
  const Subschema& node = program_.at(id);
  const auto cases = contract::evaluations(program_, id);
  const bool items = node.array && node.array->unevaluated != kNoNode;
  const bool members = node.object && node.object->unevaluated != kNoNode;
  if (!cases) {
    const std::string keyword = members ? "unevaluatedProperties" : "unevaluatedItems";
    return refuse(node, keyword, keyword + " under `not`, beside too many branches");
  }
  for (const contract::Evaluation& one : *cases) {
    Goal literals;
    for (const auto& [child, holds] : one.literals) {
      literals.push_back(holds ? yes(child) : no(child));
    }
    const auto keys = [one](Conjunction& c) {
      for (const auto& [key, there] : one.keys) {
        (there ? c.object.required : c.object.forbidden).push_back(key);
      }
    };
    if (items && one.n_items != contract::Evaluation::kAllItems) {
      if (!one.contains.empty()) {
        return refuse(node, "unevaluatedItems", "unevaluatedItems beside contains, under `not`");
      }
      choice.push_back({literals, contract::kArray, [&node, one](Conjunction& c) {
                          c.array.contains.push_back({no(node.array->unevaluated), one.n_items, 1,
                                                      UINT64_MAX, node.pointer});
                        }});
    }
    if (members && std::count(one.objects.begin(), one.objects.end(), nullptr) == 0) {
      choice.push_back({literals, contract::kObject, [&node, one, keys](Conjunction& c) {
                          keys(c);
                          c.object.exists.push_back({.undeclared_by = one.objects,
                                                     .literal = no(node.object->unevaluated),
                                                     .pointer = node.pointer});
                        }});
    }
  }
}

}  // namespace consort::mask

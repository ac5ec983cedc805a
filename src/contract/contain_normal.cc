// Containment: rules prove, values refute, and everything else is unknown.
//
// The proof is coinductive: a pair of nodes under proof is assumed, which is sound because every
// step goes into the value. A refutation is a value, found near the edges of both schemas and then
// checked by the validator on both sides, so a false alarm is impossible.
//
// One file, because proof and search are two readings of the same rules and change together.
#include <algorithm>
#include <map>
#include <set>

#include "contract/contain_normal.h"
#include "contract/generate.h"
#include "contract/schema.h"
#include "contract/schema_ir.h"

namespace consort::contract {
namespace {

constexpr int kWorkMax = 60'000;         // Questions asked about pairs of nodes.
constexpr int kWitnessWorkMax = 20'000;  // Candidate values built.
constexpr size_t kSplitMax = 64;         // Cases one property or number range is split into.
constexpr int kSplitDepthMax = 4;

const Node& member(const ObjectRule& rule, const std::string& key) {
  const Property* found = rule.find(key);
  return found ? *found->node : *rule.additional;
}

// The most items an array of this rule can have: the first impossible item ends it.
std::optional<uint64_t> most_items(const ArrayRule& rule) {
  std::optional<uint64_t> most = rule.max_items;
  for (uint64_t i = 0; i <= rule.prefix.size(); ++i) {
    if (rule.item(i).is_empty && (!most || i < *most)) most = i;
  }
  return most;
}

std::optional<uint64_t> most_properties(const ObjectRule& rule) {
  if (!rule.additional->is_empty) return rule.max_properties;
  uint64_t n = 0;
  for (const Property& property : rule.properties) n += !property.node->is_empty;
  return rule.max_properties ? std::min(n, *rule.max_properties) : n;
}

uint64_t least_properties(const ObjectRule& rule) {
  uint64_t n = 0;
  for (const Property& property : rule.properties) n += property.required;
  return std::max(n, rule.min_properties);
}

class Prover {
 public:
  bool prove(const Node& p, const Node& c) {
    if (p.is_empty || c.is_any) return true;
    const auto key = std::make_pair(p.id, c.id);
    if (assumed_.count(key)) return true;
    if (false_.count(key)) return false;
    if (++work_ > kWorkMax) return false;
    const size_t mark = trail_.size();
    assumed_.insert(key);
    trail_.push_back(key);
    for (const Simple* simple : p.alternatives) {
      if (prove_simple(*simple, c, 0)) continue;
      while (trail_.size() > mark) {
        assumed_.erase(trail_.back());
        trail_.pop_back();
      }
      if (work_ <= kWorkMax) false_.insert(key);
      if (failed_at_.empty()) failed_at_ = c.pointer;
      return false;
    }
    return true;
  }

  bool out_of_work() const { return work_ > kWorkMax; }
  const std::string& failed_at() const { return failed_at_; }

 private:
  bool prove_simple(const Simple& p, const Node& c, int split_depth) {
    if (++work_ > kWorkMax) return false;
    if (p.values) {
      return std::all_of(p.values->begin(), p.values->end(),
                         [&](const Value& value) { return accepts(c, value); });
    }
    // A part that nothing inhabits needs no proof; the part's own node tells.
    if ((p.types & kNull) && !accepts(c, Value())) return false;
    if ((p.types & kBoolean) && !(accepts(c, Value(true)) && accepts(c, Value(false)))) {
      return false;
    }
    if ((p.types & kNumber) && !is_empty(p.number) && !numbers(p.number, c)) return false;
    if ((p.types & kString) && !strings(p.string, c)) return false;
    if ((p.types & kArray) && !arrays(p, c, split_depth)) return false;
    return !(p.types & kObject) || objects(p, c, split_depth);
  }

  static bool number_in(const NumberRule& p, const NumberRule& c) {
    if (c.min) {
      if (!p.min) return false;
      const int order = compare(p.min->value, c.min->value);
      if (order < 0 || (order == 0 && c.min->exclusive && !p.min->exclusive)) return false;
    }
    if (c.max) {
      if (!p.max) return false;
      const int order = compare(p.max->value, c.max->value);
      if (order > 0 || (order == 0 && c.max->exclusive && !p.max->exclusive)) return false;
    }
    return step_in(p, c);
  }
  static bool step_in(const NumberRule& p, const NumberRule& c) {
    return !c.step || (p.step && is_multiple(*p.step, *c.step).value_or(false));
  }

  // With a step, bounds move to the nearest multiple, so that (0, 10) and [1, 9] are alike.
  static NumberRule snapped(NumberRule rule) {
    if (!rule.step) return rule;
    if (rule.min) {
      if (auto first = next_multiple(rule.min->value, *rule.step, rule.min->exclusive)) {
        rule.min = Limit{*first, false};
      }
    }
    if (rule.max) {
      if (auto last = next_multiple(negate(rule.max->value), *rule.step, rule.max->exclusive)) {
        rule.max = Limit{negate(*last), false};
      }
    }
    return rule;
  }

  bool numbers(const NumberRule& rule, const Node& c) {
    const NumberRule p = snapped(rule);
    std::vector<const NumberRule*> ranges;
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kNumber) || simple->values) continue;
      if (number_in(p, simple->number)) return true;
      if (step_in(p, simple->number)) ranges.push_back(&simple->number);
    }
    if (covered(p, ranges)) return true;
    return few_numbers(p, c);
  }

  // Do these ranges together cover p's?
  static bool covered(NumberRule p, const std::vector<const NumberRule*>& ranges) {
    for (size_t round = 0; round <= ranges.size(); ++round) {
      bool advanced = false;
      for (const NumberRule* range : ranges) {
        if (range->min) {
          if (!p.min) continue;
          const int order = compare(range->min->value, p.min->value);
          if (order > 0 || (order == 0 && range->min->exclusive && !p.min->exclusive)) continue;
        }
        if (!range->max) return true;
        Limit next{range->max->value, !range->max->exclusive};
        if (p.min) {
          const int order = compare(next.value, p.min->value);
          if (order < 0 || (order == 0 && next.exclusive <= p.min->exclusive)) continue;
        }
        p.min = next;
        p = snapped(p);
        advanced = true;
        if (is_empty(p)) return true;
      }
      if (!advanced) return false;
    }
    return false;
  }

  bool few_numbers(const NumberRule& p, const Node& c) {
    if (!p.min || !p.max) return false;
    if (!p.step) {
      return compare(p.min->value, p.max->value) == 0 &&
             accepts(c, Value(Number{p.min->value.text()}));
    }
    std::optional<Decimal> value = p.min->value;
    for (size_t i = 0; i < kSplitMax && value; ++i) {
      if (compare(*value, p.max->value) > 0) return true;
      if (!accepts(c, Value(Number{value->text()}))) return false;
      value = add(*value, *p.step);
    }
    return false;
  }

  bool strings(const StringRule& p, const Node& c) {
    if (p.max_length && *p.max_length < p.min_length) return true;
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kString) || simple->values) continue;
      const StringRule& rule = simple->string;
      const bool lengths =
          p.min_length >= rule.min_length &&
          (!rule.max_length || (p.max_length && *p.max_length <= *rule.max_length));
      const bool patterns =
          std::all_of(rule.patterns.begin(), rule.patterns.end(), [&](const auto& wanted) {
            return std::any_of(p.patterns.begin(), p.patterns.end(), [&](const auto& had) {
              return had->text == wanted->text && had->keyword == wanted->keyword;
            });
          });
      if (lengths && patterns) return true;
    }
    auto rest = strings_left(p, c);
    return rest && rest->is_empty();
  }

  bool arrays(const Simple& p, const Node& c, int split_depth) {
    const ArrayRule& mine = p.array;
    const auto most = most_items(mine);
    if (most && *most < mine.min_items) return true;
    if (most && *most == 0) return accepts(c, Value(Array()));
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kArray) || simple->values) continue;
      if (array_in(mine, simple->array, most)) return true;
    }
    // One case per possible alternative of one of the first items that must be there.
    if (split_depth >= kSplitDepthMax || c.alternatives.size() < 2) return false;
    for (uint64_t i = 0; i < mine.min_items && i < mine.prefix.size(); ++i) {
      for (const Node* part : parts(mine.item(i))) {
        Simple& with = copy(p);
        with.types = kArray;
        with.array.prefix[i] = part;
        if (!prove_simple(with, c, split_depth + 1)) return false;
      }
      if (!parts(mine.item(i)).empty()) return true;
    }
    return false;
  }

  bool array_in(const ArrayRule& p, const ArrayRule& c, const std::optional<uint64_t>& most) {
    if (p.min_items < c.min_items) return false;
    if (c.max_items && (!most || *most > *c.max_items)) return false;
    const uint64_t n = std::max(p.prefix.size(), c.prefix.size()) + 1;
    for (uint64_t i = 0; i < n && (!most || i < *most); ++i) {
      if (!prove(p.item(i), c.item(i))) return false;
    }
    return true;
  }

  bool objects(const Simple& p, const Node& c, int split_depth) {
    const ObjectRule& mine = p.object;
    const auto most = most_properties(mine);
    if (most && *most < least_properties(mine)) return true;
    for (const Property& property : mine.properties) {
      if (property.required && property.node->is_empty) return true;
    }
    if (most && *most == 0) return accepts(c, Value(Object()));
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kObject) || simple->values) continue;
      if (object_in(mine, simple->object, most)) return true;
    }
    if (split_depth >= kSplitDepthMax || c.alternatives.size() < 2) return false;
    return split_object(p, c, split_depth);
  }

  bool object_in(const ObjectRule& p, const ObjectRule& c, const std::optional<uint64_t>& most) {
    if (least_properties(p) < c.min_properties) return false;
    if (c.max_properties && (!most || *most > *c.max_properties)) return false;
    for (const Property& property : c.properties) {
      const Property* had = p.find(property.key);
      if (property.required && !(had && had->required)) return false;
      if (!prove(member(p, property.key), *property.node)) return false;
    }
    for (const Property& property : p.properties) {
      if (!c.find(property.key) && !prove(*property.node, *c.additional)) return false;
    }
    return prove(*p.additional, *c.additional);
  }

  // Case by case on a property: one case per listed value or alternative, and for an optional one
  // whether it is there.
  bool split_object(const Simple& p, const Node& c, int split_depth) {
    for (size_t i = 0; i < p.object.properties.size(); ++i) {
      const Property& property = p.object.properties[i];
      bool mentioned = false;
      for (const Simple* simple : c.alternatives) {
        const Property* theirs = simple->object.find(property.key);
        mentioned |= theirs && !theirs->node->is_any;
      }
      if (!mentioned) continue;
      std::vector<const Node*> cases = parts(*property.node);
      if (cases.empty() && property.required) continue;
      if (cases.empty()) cases.push_back(property.node);
      bool all = true;
      for (const Node* part : cases) {
        Simple& with = copy(p);
        with.types = kObject;
        with.object.properties[i].node = part;
        with.object.properties[i].required = true;
        all = all && prove_simple(with, c, split_depth + 1);
      }
      if (all && !property.required) {
        Simple& without = copy(p);
        without.types = kObject;
        without.object.properties[i].node = &empty();
        all = prove_simple(without, c, split_depth + 1);
      }
      if (all) return true;
    }
    return false;
  }

  // `node` as several smaller nodes; empty if it is of one piece or of too many.
  std::vector<const Node*> parts(const Node& node) {
    auto found = parts_.find(&node);
    if (found != parts_.end()) return found->second;
    std::vector<Simple> pieces;
    for (const Simple* simple : node.alternatives) {
      if (simple->values) {
        for (const Value& value : *simple->values) {
          pieces.push_back(*simple);
          pieces.back().values = std::vector<Value>{value};
        }
        continue;
      }
      for (uint8_t type : {kNull, kBoolean, kNumber, kString, kArray, kObject}) {
        if (!(simple->types & type)) continue;
        pieces.push_back(*simple);
        pieces.back().types = simple->types & type;
        if (type == kBoolean) {
          pieces.back().values = std::vector<Value>{Value(true)};
          pieces.push_back(pieces.back());
          pieces.back().values = std::vector<Value>{Value(false)};
        }
      }
      if (pieces.size() > kSplitMax) break;
    }
    std::vector<const Node*> result;
    if (pieces.size() > 1 && pieces.size() <= kSplitMax) {
      for (Simple& piece : pieces) {
        Node& part = fresh_node();
        part.pointer = node.pointer;
        simples_.push_back(std::make_unique<Simple>(std::move(piece)));
        part.alternatives = {simples_.back().get()};
        result.push_back(&part);
      }
    }
    parts_.emplace(&node, result);
    return result;
  }

  Simple& copy(const Simple& simple) {
    simples_.push_back(std::make_unique<Simple>(simple));
    return *simples_.back();
  }
  Node& fresh_node() {
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->id = (size_t{1} << 32) + nodes_.size();  // Apart from the ids of both schemas.
    return *nodes_.back();
  }
  const Node& empty() {
    if (!empty_) {
      Node& node = fresh_node();
      node.is_empty = true;
      empty_ = &node;
    }
    return *empty_;
  }

 public:
  // Strings of `p` that no alternative of `c` accepts.
  static Result<Dfa> strings_left(const StringRule& p, const Node& c) {
    CONSORT_ASSIGN(Dfa rest, string_language(p));
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kString)) continue;
      if (simple->values) {
        std::vector<std::string> texts;
        for (const Value& value : *simple->values) {
          if (const std::string* text = value.get_string()) texts.push_back(*text);
        }
        CONSORT_ASSIGN(const Dfa listed, literal_strings(texts));
        CONSORT_ASSIGN(rest, subtract(rest, listed));
        continue;
      }
      CONSORT_ASSIGN(const Dfa language, string_language(simple->string));
      CONSORT_ASSIGN(rest, subtract(rest, language));
    }
    return rest;
  }

 private:
  int work_ = 0;
  std::set<std::pair<size_t, size_t>> assumed_, false_;
  std::vector<std::pair<size_t, size_t>> trail_;
  std::string failed_at_;
  std::vector<std::unique_ptr<Simple>> simples_;
  std::vector<std::unique_ptr<Node>> nodes_;
  const Node* empty_ = nullptr;
  std::map<const Node*, std::vector<const Node*>> parts_;
};

// Looks for a value of p outside c, edge by edge.
class WitnessSearch {
 public:
  explicit WitnessSearch(const Ir& producer) : generator_(producer) {}

  std::optional<Value> find(const Node& p, const Node& c, int depth = 0) {
    if (p.is_empty || c.is_any || depth > 10 || ++work_ > kWitnessWorkMax) return std::nullopt;
    const auto key = std::make_pair(p.id, c.id);
    if (!open_.insert(key).second) return std::nullopt;
    std::optional<Value> result;
    for (const Simple* simple : p.alternatives) {
      result = in_simple(*simple, c, depth);
      if (result) break;
    }
    open_.erase(key);
    return result;
  }

 private:
  std::optional<Value> in_simple(const Simple& p, const Node& c, int depth) {
    const auto good = [&](const Value& value) {
      return ++work_ <= kWitnessWorkMax && accepts(p, value) && !accepts(c, value);
    };
    if (p.values) {
      for (const Value& value : *p.values) {
        if (good(value)) return value;
      }
      return std::nullopt;
    }
    for (const Value& value : {Value(), Value(true), Value(false)}) {
      if (good(value)) return value;
    }
    if (p.types & kNumber) {
      std::vector<const NumberRule*> also;
      std::vector<Value> listed;
      for (const Simple* simple : c.alternatives) also.push_back(&simple->number);
      for (const Value& value : Generator::numbers(p.number, also)) {
        if (good(value)) return value;
      }
    }
    if (p.types & kString) {
      if (auto text = string(p.string, c); text && good(Value(*text))) return Value(*text);
    }
    if (p.types & kArray) {
      if (auto value = array(p.array, c, depth, good)) return value;
    }
    if (p.types & kObject) {
      if (auto value = object(p.object, c, depth, good)) return value;
    }
    return std::nullopt;
  }

  static std::optional<std::string> string(const StringRule& p, const Node& c) {
    if (auto rest = Prover::strings_left(p, c)) return shortest(*rest);
    // Too large for automata: lengths just outside those that c accepts.
    for (const Simple* simple : c.alternatives) {
      for (uint64_t length : {simple->string.min_length - 1, p.max_length.value_or(UINT64_MAX),
                              simple->string.max_length.value_or(0) + 1, p.min_length}) {
        if (length > (1u << 20)) continue;
        const std::string text(length, 'a');
        if (accepts(p, text)) return text;
      }
    }
    return std::nullopt;
  }

  template <typename Good>
  std::optional<Value> array(const ArrayRule& p, const Node& c, int depth, const Good& good) {
    std::set<uint64_t> lengths = {p.min_items, p.min_items + 1, p.prefix.size(),
                                  p.prefix.size() + 1};
    if (p.max_items) lengths.insert(*p.max_items);
    for (const Simple* simple : c.alternatives) {
      const ArrayRule& rule = simple->array;
      if (rule.min_items > 0) lengths.insert(rule.min_items - 1);
      lengths.insert({rule.min_items, rule.prefix.size() + 1});
      if (rule.max_items) lengths.insert({*rule.max_items, *rule.max_items + 1});
    }
    for (uint64_t length : lengths) {
      if (length < p.min_items || (p.max_items && length > *p.max_items) || length > 4096) continue;
      Array base;
      for (uint64_t i = 0; i < length; ++i) {
        auto item = generator_.smallest(p.item(i));
        if (!item) break;
        base.push_back(std::move(*item));
      }
      if (base.size() < length) continue;
      if (good(Value(base))) return Value(base);
      for (uint64_t i = 0; i < std::min<uint64_t>(length, p.prefix.size() + 8); ++i) {
        for (const Simple* simple : c.alternatives) {
          if (!(simple->types & kArray) || simple->values) continue;
          auto item = find(p.item(i), simple->array.item(i), depth + 1);
          if (!item) continue;
          Array changed = base;
          changed[i] = std::move(*item);
          if (good(Value(changed))) return Value(changed);
        }
      }
    }
    return std::nullopt;
  }

  template <typename Good>
  std::optional<Value> object(const ObjectRule& p, const Node& c, int depth, const Good& good) {
    Object least;
    Object most;
    for (const Property& property : p.properties) {
      auto value = generator_.smallest(*property.node);
      if (!value) {
        if (property.required) return std::nullopt;
        continue;
      }
      if (property.required) least.set(property.key, *value);
      most.set(property.key, std::move(*value));
    }
    std::vector<Object> bases = {fill(least, p), fill(most, p)};
    for (const Property& property : p.properties) {
      if (property.required || bases.size() > 40) continue;
      if (const Value* value = most.find(property.key)) {
        Object with = least;
        with.set(property.key, *value);
        bases.push_back(fill(with, p));
        Object without = most;
        without.erase(property.key);
        bases.push_back(fill(without, p));
      }
    }
    for (const Object& base : bases) {
      if (good(Value(base))) return Value(base);
    }
    if (auto value = undeclared(p, c, least, good)) return value;
    for (const Simple* simple : c.alternatives) {
      if (!(simple->types & kObject) || simple->values) continue;
      std::set<std::string> keys = {"extra"};
      for (const Property& property : p.properties) keys.insert(property.key);
      for (const Property& property : simple->object.properties) keys.insert(property.key);
      for (const std::string& key : keys) {
        auto value = find(member(p, key), member(simple->object, key), depth + 1);
        if (!value) continue;
        for (const Object& base : bases) {
          Object changed = base;
          changed.set(key, *value);
          if (good(Value(changed))) return Value(changed);
        }
      }
    }
    return std::nullopt;
  }

  // Adds undeclared keys until minProperties holds.
  Object fill(Object object, const ObjectRule& p) const {
    auto extra = generator_.smallest(*p.additional);
    for (size_t n = 0; extra && object.size() < p.min_properties && n < 256; ++n) {
      const std::string key = "k" + std::to_string(n);
      if (!p.find(key)) object.set(key, *extra);
    }
    return object;
  }

  // Keys that only the consumer knows, and counts past the consumer's.
  template <typename Good>
  std::optional<Value> undeclared(const ObjectRule& p, const Node& c, const Object& least,
                                  const Good& good) {
    auto extra = generator_.smallest(*p.additional);
    if (!extra) return std::nullopt;
    uint64_t most = 2;
    for (const Simple* simple : c.alternatives) {
      most = std::max(most, std::min<uint64_t>(simple->object.max_properties.value_or(0) + 1, 64));
      for (const Property& property : simple->object.properties) {
        Object with = least;
        if (!p.find(property.key)) with.set(property.key, *extra);
        if (good(Value(with))) return Value(with);
      }
    }
    Object grown = least;
    for (uint64_t n = 0; n <= most; ++n) {
      const std::string key = "k" + std::to_string(n);
      if (!p.find(key)) grown.set(key, *extra);
      if (good(Value(grown))) return Value(grown);
    }
    return std::nullopt;
  }

  Generator generator_;
  int work_ = 0;
  std::set<std::pair<size_t, size_t>> open_;
};

std::optional<Value> checked(const Schema& consumer, const Schema& producer,
                             std::optional<Value> value) {
  if (!value || !validate(producer, *value, 1).empty() || validate(consumer, *value, 1).empty()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

Containment contains_normal(const Schema& consumer, const Schema& producer) {
  Prover prover;
  if (prover.prove(producer.root(), consumer.root())) {
    return {Verdict::proved, std::nullopt, "every value of the producer is accepted"};
  }
  auto witness = checked(consumer, producer,
                         WitnessSearch(producer.ir()).find(producer.root(), consumer.root()));
  const Generator generator(producer.ir());
  Rng rng(1);
  constexpr int kSamples = 300;
  for (int i = 0; i < kSamples && !witness; ++i) {
    witness = checked(consumer, producer, generator.random(producer.root(), rng, 1 + i % 6));
  }
  if (witness) {
    const Violation violation = validate(consumer, *witness, 1)[0];
    std::string reason =
        violation.message + " (" + violation.keyword + " of " + consumer.id() + violation.schema +
        ", at " + (violation.instance.empty() ? "the value itself" : violation.instance) + ")";
    return {Verdict::refuted, std::move(witness), std::move(reason)};
  }
  return {Verdict::unknown, std::nullopt,
          prover.out_of_work()
              ? "neither proved nor refuted within " + std::to_string(kWorkMax) + " steps"
              : "no rule proves it and no counterexample was found; first open question at " +
                    prover.failed_at()};
}

}  // namespace consort::contract

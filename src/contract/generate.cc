#include "contract/generate.h"

#include <algorithm>
#include <limits>

#include "contract/program.h"
#include "contract/solve.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr int kNoValue = 1 << 20;
constexpr uint64_t kLengthMax = 1 << 20;  // Longest string or array that is made.

bool has_scalar(const Simple& simple) {
  if (simple.values) return !simple.values->empty();
  return (simple.types & (kNull | kBoolean)) ||
         ((simple.types & kNumber) && !is_empty(simple.number)) || (simple.types & kString);
}

std::string fresh_key(const ObjectRule& rule, const Object& object, size_t n) {
  for (;; ++n) {
    std::string key = "extra" + std::to_string(n);
    if (!rule.find(key) && !object.find(key)) return key;
  }
}

}  // namespace

Generator::Generator(const Ir& ir) : height_(ir.nodes.size(), kNoValue) {
  bool changed = true;
  while (changed) {
    changed = false;
    for (const auto& node : ir.nodes) {
      if (node->is_empty) continue;
      for (const Simple* simple : node->alternatives) {
        const int height = height_of(*simple);
        if (height < height_[node->id]) {
          height_[node->id] = height;
          changed = true;
        }
      }
    }
  }
}

int Generator::height_of(const Simple& simple) const {
  if (has_scalar(simple)) return 0;
  int best = kNoValue;
  if (simple.values) return best;
  if (simple.types & kArray) {
    const ArrayRule& rule = simple.array;
    int height = 0;
    const uint64_t last = std::min<uint64_t>(rule.min_items, rule.prefix.size() + 1);
    for (uint64_t i = 0; i < last; ++i) height = std::max(height, height_[rule.item(i).id]);
    if (!rule.max_items || *rule.max_items >= rule.min_items) best = std::min(best, height + 1);
  }
  if (simple.types & kObject) {
    const ObjectRule& rule = simple.object;
    int height = 0;
    std::vector<int> optional;
    uint64_t n_required = 0;
    for (const Property& property : rule.properties) {
      if (property.required) {
        height = std::max(height, height_[property.node->id]);
        ++n_required;
      } else {
        optional.push_back(height_[property.node->id]);
      }
    }
    uint64_t missing = rule.min_properties > n_required ? rule.min_properties - n_required : 0;
    std::sort(optional.begin(), optional.end());
    for (size_t i = 0; i < optional.size() && missing > 0; ++i) {
      const int candidate = std::min(optional[i], height_[rule.additional->id]);
      height = std::max(height, candidate);
      --missing;
    }
    if (missing > 0) height = std::max(height, height_[rule.additional->id]);
    const uint64_t max = rule.max_properties.value_or(std::numeric_limits<uint64_t>::max());
    if (n_required <= max && rule.min_properties <= max) best = std::min(best, height + 1);
  }
  return std::min(best, kNoValue);
}

std::optional<Value> Generator::smallest(const Node& node) const {
  return of_node(node, nullptr, 0);
}
std::optional<Value> Generator::random(const Node& node, Rng& rng, int depth) const {
  return of_node(node, &rng, depth);
}

std::optional<Value> Generator::of_node(const Node& node, Rng* rng, int depth) const {
  if (node.is_empty) return std::nullopt;
  const int limit = std::max(depth, height_[node.id]);
  std::vector<const Simple*> fitting;
  for (const Simple* simple : node.alternatives) {
    if (height_of(*simple) <= limit) fitting.push_back(simple);
  }
  if (fitting.empty()) return std::nullopt;
  const size_t first = rng ? rng->below(fitting.size()) : 0;
  for (size_t i = 0; i < fitting.size(); ++i) {
    auto value = of_simple(*fitting[(first + i) % fitting.size()], rng, limit);
    if (value) return value;
  }
  return std::nullopt;
}

std::optional<Value> Generator::of_simple(const Simple& simple, Rng* rng, int depth) const {
  if (simple.values) {
    if (simple.values->empty()) return std::nullopt;
    return (*simple.values)[rng ? rng->below(simple.values->size()) : 0];
  }
  std::vector<uint8_t> types;
  for (uint8_t type : {kNull, kBoolean, kNumber, kString, kArray, kObject}) {
    if (simple.types & type) types.push_back(type);
  }
  const size_t first = rng && !types.empty() ? rng->below(types.size()) : 0;
  for (size_t i = 0; i < types.size(); ++i) {
    switch (types[(first + i) % types.size()]) {
      case kNull:
        return Value();
      case kBoolean:
        return Value(rng ? rng->below(2) == 1 : true);
      case kNumber: {
        std::vector<Value> found = numbers(simple.number);
        if (!found.empty()) return found[rng ? rng->below(found.size()) : 0];
        break;
      }
      case kString: {
        auto text = string(simple.string, rng);
        if (text) return Value(std::move(*text));
        break;
      }
      case kArray:
        if (depth > 0) {
          if (auto value = array(simple.array, rng, depth - 1)) return value;
        }
        break;
      default:
        if (depth > 0) {
          if (auto value = object(simple.object, rng, depth - 1)) return value;
        }
        break;
    }
  }
  return std::nullopt;
}

std::vector<Value> Generator::numbers(const NumberRule& rule,
                                      const std::vector<const NumberRule*>& also) {
  std::vector<Decimal> bases = {Decimal{}};
  std::vector<Decimal> steps = {Decimal::from_int(1), Decimal::parse("0.5"),
                                Decimal::parse("0.000001")};
  const auto collect = [&](const NumberRule& from) {
    if (from.min) bases.push_back(from.min->value);
    if (from.max) bases.push_back(from.max->value);
    if (from.step) steps.push_back(*from.step);
  };
  collect(rule);
  for (const NumberRule* other : also) collect(*other);
  if (rule.min && rule.max) {
    if (auto sum = add(rule.min->value, rule.max->value)) {
      // The middle: half of the sum is five tenths of it.
      const std::string text = sum->text();
      if (text.find('e') == std::string::npos && text.size() < 18) {
        bases.push_back(Decimal::parse(std::to_string(std::stod(text) / 2)));
      }
    }
  }
  for (int n : {2, 3, 7, 10, 42, 100, 1999, -5, -1000}) bases.push_back(Decimal::from_int(n));
  bases.push_back(Decimal::parse("0.25"));
  bases.push_back(Decimal::parse("-2.5"));
  std::vector<Value> result;
  std::vector<Decimal> seen;
  const auto offer = [&](const Decimal& value) {
    if (!accepts(rule, value) || std::find(seen.begin(), seen.end(), value) != seen.end()) return;
    seen.push_back(value);
    result.push_back(Value(Number{value.text()}));
  };
  for (const Decimal& base : bases) {
    offer(base);
    for (const Decimal& step : steps) {
      if (auto up = add(base, step)) offer(*up);
      if (auto down = add(base, negate(step))) offer(*down);
    }
    if (rule.step) {
      if (auto up = next_multiple(base, *rule.step, false)) {
        offer(*up);
        if (auto next = add(*up, *rule.step)) offer(*next);
        if (auto down = add(*up, negate(*rule.step))) offer(*down);
      }
    }
  }
  return result;
}

namespace {

// Without patterns any characters do.
std::string free_string(const StringRule& rule, Rng* rng) {
  uint64_t length = rule.min_length;
  if (rng) {
    uint64_t most = rule.min_length + 12;
    if (rule.max_length) most = std::min(most, *rule.max_length);
    length += rng->below(most - rule.min_length + 1);
  }
  static constexpr std::string_view kCharacters[] = {"a",
                                                     "b",
                                                     "e",
                                                     "r",
                                                     "s",
                                                     "t",
                                                     " ",
                                                     "0",
                                                     "7",
                                                     "-",
                                                     "\"",
                                                     "\\",
                                                     "\n",
                                                     "/",
                                                     "\xC3\xA9",
                                                     "\xE2\x82\xAC",
                                                     "\xF0\x9F\x98\x80",
                                                     "Z",
                                                     "{",
                                                     ",",
                                                     "\x01"};
  std::string result;
  for (uint64_t i = 0; i < length; ++i) {
    result += kCharacters[rng ? rng->below(std::size(kCharacters)) : 0];
  }
  return result;
}

}  // namespace

std::optional<std::string> Generator::string(const StringRule& rule, Rng* rng) {
  if (rule.min_length > kLengthMax) return std::nullopt;
  if (rule.max_length && *rule.max_length < rule.min_length) return std::nullopt;
  if (rule.patterns.empty()) return free_string(rule, rng);
  const auto language = string_language(rule);
  if (!language || language->is_empty()) return std::nullopt;
  if (!rng) return shortest(*language);
  std::array<uint32_t, 256> weight;
  weight.fill(1);
  const std::vector<uint32_t> distance = distances(*language, weight);
  std::string result;
  uint32_t state = language->start;
  const size_t soft_max = 8 + rng->below(24);
  while (true) {
    if (language->accept[state] && (result.size() >= soft_max || rng->below(6) == 0)) return result;
    std::vector<std::pair<unsigned char, uint32_t>> live;
    for (int byte = 0; byte < 256; ++byte) {
      const uint32_t to = language->step(state, static_cast<unsigned char>(byte));
      if (to == Dfa::kDead) continue;
      if (result.size() >= soft_max && distance[to] >= distance[state]) continue;
      // Mostly printable characters.
      if ((byte < 0x20 || byte >= 0x7F) && rng->below(8) != 0 && !live.empty()) continue;
      live.emplace_back(static_cast<unsigned char>(byte), to);
    }
    if (live.empty()) return result;
    const auto& [byte, to] = live[rng->below(live.size())];
    result += static_cast<char>(byte);
    state = to;
  }
}

std::optional<Value> Generator::array(const ArrayRule& rule, Rng* rng, int depth) const {
  if (rule.min_items > kLengthMax) return std::nullopt;
  uint64_t length = rule.min_items;
  if (rng) length += rng->below(4);
  if (rule.max_items) length = std::min(length, *rule.max_items);
  if (length < rule.min_items) return std::nullopt;
  Array result;
  for (uint64_t i = 0; i < length; ++i) {
    auto item =
        height_[rule.item(i).id] <= depth ? of_node(rule.item(i), rng, depth) : std::nullopt;
    if (!item) {
      if (i >= rule.min_items) break;
      return std::nullopt;
    }
    result.push_back(std::move(*item));
  }
  return Value(std::move(result));
}

std::optional<Value> Generator::object(const ObjectRule& rule, Rng* rng, int depth) const {
  if (rule.min_properties > kLengthMax) return std::nullopt;
  const uint64_t max = rule.max_properties.value_or(std::numeric_limits<uint64_t>::max());
  uint64_t required_left = 0;
  for (const Property& property : rule.properties) required_left += property.required;
  uint64_t wanted = rule.min_properties;
  Object result;
  uint64_t n_optional = 0;
  for (const Property& property : rule.properties) n_optional += !property.required;
  for (const Property& property : rule.properties) {
    const bool room = result.size() + required_left < max;
    const bool needed = result.size() + required_left < wanted;
    bool take = property.required || (room && (needed || (rng && rng->below(3) > 0)));
    if (!property.required && height_[property.node->id] > depth) take = false;
    if (property.required) --required_left;
    if (!take) continue;
    auto member = of_node(*property.node, rng, depth);
    if (!member) {
      if (property.required) return std::nullopt;
      continue;
    }
    result.set(property.key, std::move(*member));
  }
  const bool extra_possible = height_[rule.additional->id] <= depth;
  if (rng && extra_possible && rng->below(4) == 0) wanted = std::max(wanted, result.size() + 1);
  while (result.size() < wanted && result.size() < max && extra_possible) {
    auto member = of_node(*rule.additional, rng, depth);
    if (!member) break;
    result.set(fresh_key(rule, result, result.size()), std::move(*member));
  }
  if (result.size() < rule.min_properties || result.size() > max) return std::nullopt;
  return Value(std::move(result));
}

namespace {

// Schemas without a normal form: the solver's values, each unlike those before.
Result<Value> solved_example(const Schema& schema, uint64_t seed) {
  constexpr uint64_t kDistinct = 16;
  Solver solver(schema.program(), schema.program());
  Goal goal;
  goal.literals = {literal(0, schema.program().root, true)};
  for (uint64_t i = 0; i < seed % kDistinct; ++i) {
    Outcome next = solver.solve(goal);
    if (next.answer != Answer::found) break;
    goal.excluded.push_back(std::move(next.value));
  }
  Outcome last = solver.solve(goal);
  if (last.answer == Answer::found) return std::move(last.value);
  if (!goal.excluded.empty()) return goal.excluded[seed % goal.excluded.size()];
  return fail(make_error(ErrorCode::not_found, 2105, "no example of the schema was found")
                  .at("#")
                  .got(schema.id())
                  .to_fix(last.answer == Answer::none ? "the schema accepts nothing: relax it"
                                                      : "relax it: " + solver.reason()));
}

}  // namespace

Result<Value> example(const Schema& schema, uint64_t seed) {
  if (schema.refusal()) return solved_example(schema, seed);
  const Generator generator(schema.ir());
  Rng rng(seed);
  constexpr int kTries = 20;
  for (int i = 0; i <= kTries; ++i) {
    auto value = i < kTries ? generator.random(schema.root(), rng, 6 - i / 4)
                            : generator.smallest(schema.root());
    if (value && validate(schema, *value, 1).empty()) return std::move(*value);
  }
  return fail(make_error(ErrorCode::not_found, 2105, "no example of the schema was found")
                  .at(schema.root().pointer)
                  .got(schema.id())
                  .to_fix(schema.root().is_empty ? "the schema accepts nothing: relax it"
                                                 : "relax lengths or patterns"));
}

}  // namespace consort::contract

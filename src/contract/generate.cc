// Random values of a schema: drawn from what its keywords ask for, then checked. What is hard to hit
// (`not`, exact oneOf, counted contains, ...) is drawn again, and in the end left to the solver.
#include <algorithm>

#include "base/rng.h"
#include "contract/program.h"
#include "contract/program_validate.h"
#include "contract/schema.h"
#include "contract/solve.h"

namespace consort::contract {
namespace {

constexpr uint64_t kLengthMax = 1 << 16;  // Longest string or array that is drawn.
constexpr int kDeepest = -12;             // Levels past the soft depth.
constexpr int kTries = 4;                 // Of one part of a value.
constexpr int kDrawsMax = 20'000;         // Parts of one value, tries included.

// All that the schemas of one place ask for, one branch of each alternative chosen.
struct Wanted {
  uint8_t types = kAllTypes;
  const std::vector<Value>* values = nullptr;
  std::vector<const NumberKeywords*> numbers;
  std::vector<const StringKeywords*> strings;
  std::vector<const ArrayKeywords*> arrays;
  std::vector<const ObjectKeywords*> objects;
};

class Sampler {
 public:
  Sampler(const Program& program, Rng& rng) : program_(program), rng_(rng) {}

  std::optional<Value> draw(const std::vector<NodeId>& nodes, int depth) {
    if (depth < kDeepest) return std::nullopt;
    for (int i = 0; i < kTries && ++draws_ < kDrawsMax; ++i) {
      Wanted wanted;
      for (const NodeId id : nodes) collect(id, wanted);
      auto value = of(wanted, depth);
      if (value && std::all_of(nodes.begin(), nodes.end(), [&](NodeId id) {
            return is_valid(program_, id, *value);
          })) {
        return value;
      }
    }
    return std::nullopt;
  }

 private:
  bool flip(uint64_t one_in) { return rng_.below(one_in) == 0; }

  void collect(NodeId id, Wanted& out) {
    const Subschema& node = program_.at(id);
    out.types &= node.is_false ? 0 : node.types;
    if (node.has_enum && (!out.values || node.values.size() < out.values->size())) {
      out.values = &node.values;
    }
    if (node.number) out.numbers.push_back(node.number.get());
    if (node.string) out.strings.push_back(node.string.get());
    if (node.array) out.arrays.push_back(node.array.get());
    if (node.object) out.objects.push_back(node.object.get());
    for (const NodeId one : {node.ref, node.dynamic_ref}) {
      if (one != kNoNode) collect(one, out);
    }
    for (const NodeId one : node.all_of) collect(one, out);
    for (const auto* list : {&node.any_of, &node.one_of}) {
      if (!list->empty()) collect((*list)[rng_.below(list->size())], out);
    }
    if (node.condition == kNoNode) return;
    const bool holds = flip(2);
    if (holds) collect(node.condition, out);
    const NodeId branch = holds ? node.then_branch : node.else_branch;
    if (branch != kNoNode) collect(branch, out);
  }

  std::optional<Value> of(const Wanted& wanted, int depth) {
    if (wanted.values) {
      if (wanted.values->empty()) return std::nullopt;
      return (*wanted.values)[rng_.below(wanted.values->size())];
    }
    std::vector<uint8_t> types;
    for (uint8_t type : {kNull, kBoolean, kNumber, kString, kArray, kObject}) {
      if (wanted.types & type) types.push_back(type);
    }
    const bool any_scalar = wanted.types & ~(kArray | kObject);
    if (depth <= 0 && any_scalar) {
      std::erase_if(types, [](uint8_t type) { return type == kArray || type == kObject; });
    }
    if (types.empty()) return std::nullopt;
    switch (types[rng_.below(types.size())]) {
      case kNull:
        return Value();
      case kBoolean:
        return Value(flip(2));
      case kNumber:
        return number(wanted);
      case kString:
        return string(wanted);
      case kArray:
        return array(wanted, depth - 1);
      default:
        return object(wanted, depth - 1);
    }
  }

  // One near the bounds, or a common one.
  std::optional<Value> number(const Wanted& wanted) {
    std::vector<Decimal> bases = {Decimal{}}, steps;
    for (const char* text : {"1", "0.5", "0.000001"}) steps.push_back(Decimal::parse(text));
    for (const char* text : {"2", "3", "7", "10", "42", "100", "1999", "-5", "-1000", "0.25", "-2.5"}) {
      bases.push_back(Decimal::parse(text));
    }
    for (const NumberKeywords* rule : wanted.numbers) {
      for (const auto* bound : {&rule->minimum, &rule->exclusive_minimum, &rule->maximum,
                                &rule->exclusive_maximum}) {
        if (*bound) bases.push_back(**bound);
      }
      if (rule->multiple_of) steps.push_back(*rule->multiple_of);
    }
    std::vector<Decimal> found;
    const auto offer = [&](const std::optional<Decimal>& value) {
      if (value && fits(wanted, *value)) found.push_back(*value);
    };
    for (const Decimal& base : bases) {
      offer(base);
      for (const Decimal& step : steps) {
        offer(add(base, step));
        offer(add(base, negate(step)));
        const auto up = next_multiple(base, step, false);
        offer(up);
        if (up) {
          offer(add(*up, step));
          offer(add(*up, negate(step)));
        }
      }
    }
    if (found.empty()) return std::nullopt;
    return Value(Number{found[rng_.below(found.size())].text()});
  }
  static bool fits(const Wanted& wanted, const Decimal& value) {
    if (!(wanted.types & (value.is_integer() ? kInteger : kFraction))) return false;
    return std::all_of(wanted.numbers.begin(), wanted.numbers.end(), [&](const auto* rule) {
      return !(rule->minimum && compare(value, *rule->minimum) < 0) &&
             !(rule->exclusive_minimum && compare(value, *rule->exclusive_minimum) <= 0) &&
             !(rule->maximum && compare(value, *rule->maximum) > 0) &&
             !(rule->exclusive_maximum && compare(value, *rule->exclusive_maximum) >= 0) &&
             !(rule->multiple_of && !is_multiple(value, *rule->multiple_of).value_or(false));
    });
  }

  std::optional<Value> string(const Wanted& wanted) {
    uint64_t min = 0, max = UINT64_MAX;
    std::vector<const Dfa*> languages;
    for (const StringKeywords* rule : wanted.strings) {
      min = std::max(min, rule->min_length);
      max = std::min(max, rule->max_length.value_or(UINT64_MAX));
      if (rule->pattern) languages.push_back(&rule->pattern->dfa);
      const Dfa* format = rule->format ? rule->format->emitted_language() : nullptr;
      if (format) languages.push_back(format);
    }
    if (min > max || min > kLengthMax) return std::nullopt;
    if (languages.empty()) return Value(free_string(min, max));
    Dfa language = *languages[0];
    for (size_t i = 1; i < languages.size(); ++i) {
      auto both = intersect(language, *languages[i]);
      if (!both) return std::nullopt;
      language = std::move(*both);
    }
    if (min > 0 || max != UINT64_MAX) {
      auto cut = with_length(language, min, max == UINT64_MAX ? std::nullopt : std::optional(max));
      if (!cut) return std::nullopt;
      language = std::move(*cut);
    }
    if (language.is_empty()) return std::nullopt;
    return Value(word(language));
  }
  std::string free_string(uint64_t min, uint64_t max) {
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
    const uint64_t length = min + rng_.below(std::min(max, min + 12) - min + 1);
    std::string result;
    for (uint64_t i = 0; i < length; ++i) result += kCharacters[rng_.below(std::size(kCharacters))];
    return result;
  }
  // A walk that, after a while, only goes nearer to the end. Mostly printable characters.
  std::string word(const Dfa& language) {
    std::array<uint32_t, 256> weight;
    weight.fill(1);
    const std::vector<uint32_t> distance = distances(language, weight);
    std::string result;
    uint32_t state = language.start;
    const size_t soft_max = 8 + rng_.below(24);
    while (true) {
      if (language.accept[state] && (result.size() >= soft_max || flip(6))) return result;
      std::vector<std::pair<unsigned char, uint32_t>> live;
      for (int byte = 0; byte < 256; ++byte) {
        const uint32_t to = language.step(state, static_cast<unsigned char>(byte));
        if (to == Dfa::kDead) continue;
        if (result.size() >= soft_max && distance[to] >= distance[state]) continue;
        if ((byte < 0x20 || byte >= 0x7F) && !flip(8) && !live.empty()) continue;
        live.emplace_back(static_cast<unsigned char>(byte), to);
      }
      if (live.empty()) return result;
      const auto& [byte, to] = live[rng_.below(live.size())];
      result += static_cast<char>(byte);
      state = to;
    }
  }

  std::optional<Value> array(const Wanted& wanted, int depth) {
    uint64_t min = 0, max = UINT64_MAX;
    for (const ArrayKeywords* rule : wanted.arrays) {
      min = std::max(min, rule->min_items);
      if (rule->contains != kNoNode) min = std::max(min, rule->min_contains);
      max = std::min(max, rule->max_items.value_or(UINT64_MAX));
    }
    if (min > max || min > kLengthMax) return std::nullopt;
    const uint64_t length = std::min(max, min + (depth > 0 ? rng_.below(4) : 0));
    Array result;
    for (uint64_t i = 0; i < length; ++i) {
      std::vector<NodeId> nodes;
      for (const ArrayKeywords* rule : wanted.arrays) {
        const NodeId item = i < rule->prefix.size() ? rule->prefix[i] : rule->items;
        if (item != kNoNode) nodes.push_back(item);
        if (rule->contains != kNoNode && i < rule->min_contains) nodes.push_back(rule->contains);
        if (item == kNoNode && rule->unevaluated != kNoNode) nodes.push_back(rule->unevaluated);
      }
      auto item = draw(nodes, depth);
      if (!item && result.size() >= min) break;
      if (!item) return std::nullopt;
      result.push_back(std::move(*item));
    }
    return Value(std::move(result));
  }

  std::vector<NodeId> member(const Wanted& wanted, const std::string& key) {
    std::vector<NodeId> nodes;
    for (const ObjectKeywords* rule : wanted.objects) {
      const size_t before = nodes.size();
      if (const NodeId id = rule->property(key); id != kNoNode) nodes.push_back(id);
      for (const auto& [pattern, id] : rule->patterns) {
        if (pattern->dfa.matches(key)) nodes.push_back(id);
      }
      if (nodes.size() == before && rule->additional != kNoNode) nodes.push_back(rule->additional);
    }
    return nodes;
  }

  std::optional<Value> object(const Wanted& wanted, int depth) {
    uint64_t min = 0, max = UINT64_MAX;
    std::vector<std::string> keys, required;
    const auto known = [&](const std::string& key) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    };
    for (const ObjectKeywords* rule : wanted.objects) {
      min = std::max(min, rule->min_properties);
      max = std::min(max, rule->max_properties.value_or(UINT64_MAX));
      for (const auto& [key, id] : rule->properties) known(key);
      required.insert(required.end(), rule->required.begin(), rule->required.end());
    }
    for (const std::string& key : required) known(key);
    if (min > kLengthMax) return std::nullopt;
    const auto is_required = [&](const std::string& key) {
      return std::find(required.begin(), required.end(), key) != required.end();
    };
    Object result;
    for (const std::string& key : keys) {
      const bool must = is_required(key);
      if (!must && (depth <= 0 || result.size() >= max || flip(3)) && keys.size() > min) continue;
      auto value = draw(member(wanted, key), depth);
      if (!value && must) return std::nullopt;
      if (!value) continue;
      result.set(key, std::move(*value));
      for (const ObjectKeywords* rule : wanted.objects) {
        for (const auto& [first, needed] : rule->dependent_required) {
          if (first == key) required.insert(required.end(), needed.begin(), needed.end());
        }
      }
    }
    const uint64_t more = depth > 0 && flip(4) ? 1 : 0;
    for (int i = 0; i < 8 && result.size() < std::min(max, std::max(min, result.size() + more)); ++i) {
      const std::string key = new_key(wanted);
      if (result.find(key)) continue;
      if (auto value = draw(member(wanted, key), depth)) result.set(key, std::move(*value));
    }
    return Value(std::move(result));
  }
  std::string new_key(const Wanted& wanted) {
    std::vector<const Dfa*> languages;
    for (const ObjectKeywords* rule : wanted.objects) {
      for (const auto& [pattern, id] : rule->patterns) languages.push_back(&pattern->dfa);
    }
    if (!languages.empty() && !flip(3)) {
      const Dfa& language = *languages[rng_.below(languages.size())];
      if (!language.is_empty()) return word(language);
    }
    return "extra" + std::to_string(rng_.below(50));
  }

  const Program& program_;
  Rng& rng_;
  int draws_ = 0;
};

// Where chance finds none: the solver's values, each unlike those before.
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
  Rng rng(seed);
  constexpr int kValuesTried = 8;
  for (int i = 0; i < kValuesTried; ++i) {
    auto value = Sampler(schema.program(), rng).draw({schema.program().root}, 6 - i);
    if (value && validate(schema, *value, 1).empty()) return std::move(*value);
  }
  return solved_example(schema, seed);
}

}  // namespace consort::contract

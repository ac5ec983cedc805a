// From goals to machines: every goal that can be reached becomes a node, before the first byte.
#include <algorithm>
#include <set>

#include "contract/utf8.h"
#include "mask/grammar.h"

namespace consort::mask {
namespace {

using contract::Dfa;

constexpr size_t kLiteralBytesMax = 4 << 20;  // Of all keys and enum values of a schema.
constexpr size_t kNodesMax = 50'000;
constexpr size_t kAlternativesMax = 96;   // Of one node.

Error limit(std::string message, std::string keyword, const std::string& pointer) {
  return make_error(ErrorCode::resource_exhausted, 2202, std::move(message))
      .at(pointer)
      .got(keyword);
}

std::string pointer_of(const Expander& expander, const Goal& goal) {
  return goal.empty() ? "#" : expander.program().at(goal[0] >> 1).pointer;
}

}  // namespace

Result<std::unique_ptr<Grammar>> Grammar::create(const contract::Program& program, bool closed,
                                                 const Vocabulary& vocabulary,
                                                 const MaskOptions& options) {
  if (options.digits_max < 1 || options.digits_max > NumberMachine::kDigitsMax ||
      options.depth_max < 0 || options.depth_max > 128 || options.whitespace_max < 0 ||
      options.whitespace_max > 200) {
    return fail(make_error(ErrorCode::invalid_argument, 2202, "mask option out of range")
                    .to_fix("keep digits_max within 1..17, depth_max within 0..128, "
                            "whitespace_max within 0..200"));
  }
  std::unique_ptr<Grammar> grammar(new Grammar());
  grammar->options_ = options;
  grammar->trie_ = &vocabulary.trie();
  grammar->expander_ = std::make_unique<Expander>(program, closed);
  grammar->root_ = grammar->node({program.root << 1});
  while (!grammar->waiting_.empty()) {
    const auto [goal, node] = std::move(grammar->waiting_.front());
    grammar->waiting_.pop_front();
    CONSORT_TRY(grammar->build(*node, goal));
    if (grammar->nodes_.size() > kNodesMax || grammar->literal_bytes_ > kLiteralBytesMax ||
        grammar->states_ > kStatesMax) {
      return fail(limit("more than " + std::to_string(kNodesMax) + " goals, " +
                            std::to_string(kLiteralBytesMax) + " bytes of keys and enum values, or " +
                            std::to_string(kStatesMax) + " automaton states",
                        "", pointer_of(*grammar->expander_, goal)));
    }
  }
  grammar->expander_.reset();
  grammar->machines_.clear();
  grammar->name_languages_.clear();
  grammar->by_goal_.clear();
  grammar->fill_costs();
  if (grammar->root_->cost[static_cast<size_t>(options.depth_max)] >= kInfinite) {
    return fail(make_error(ErrorCode::unsupported, 2203,
                           "no value of the schema fits the mask's options (" +
                               std::to_string(options.digits_max) + " digits, depth " +
                               std::to_string(options.depth_max) +
                               (closed ? ", declared keys only)" : ")"))
                    .at(program.at(program.root).pointer)
                    .to_fix("relax the schema, or declare the keys that minProperties counts on"));
  }
  return grammar;
}

const GrammarNode* Grammar::nothing() {
  static const GrammarNode* const none = [] {
    auto* node = new GrammarNode();
    node->cost.assign(256, kInfinite);
    return node;
  }();
  return none;
}

GrammarNode* Grammar::node(Goal goal) {
  auto normal = expander_->normal(std::move(goal));
  if (!normal) return const_cast<GrammarNode*>(nothing());
  auto [found, fresh] = by_goal_.emplace(std::move(*normal), nullptr);
  if (fresh) {
    found->second = &nodes_.emplace_back();
    waiting_.emplace_back(found->first, found->second);
  }
  return found->second;
}

std::shared_ptr<const StringMachine> Grammar::shared(StringMachine machine) {
  if (options_.any_spelling) machine.any_escape();
  const size_t hash = machine.hash();
  const auto [first, last] = machines_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    if (at->second->is_same(machine)) return at->second;
  }
  return machines_.emplace(hash, std::make_shared<const StringMachine>(std::move(machine)))->second;
}

Result<void> Grammar::build(GrammarNode& out, const Goal& goal) {
  CONSORT_ASSIGN(const std::vector<Conjunction> all, expander_->expand(goal));
  for (const Conjunction& each : all) {
    if (each.values) {
      for (const contract::Value* value : expander_->values(each)) add_constant(out, *value);
      continue;
    }
    CONSORT_TRY(build(out.alternatives.emplace_back(), each));
    if (each.types & contract::kObject) CONSORT_TRY(build_object(out, each));
  }
  if (out.alternatives.size() > kAlternativesMax) {
    return fail(limit("more than " + std::to_string(kAlternativesMax) +
                          " alternatives to follow side by side",
                      "", pointer_of(*expander_, goal)));
  }
  return {};
}

const GrammarNode* Grammar::constant(const contract::Value& value) {
  GrammarNode& result = nodes_.emplace_back();
  add_constant(result, value);
  return &result;
}

void Grammar::add_spelling(LiteralTrie& trie, const std::string& text, uint32_t literal) const {
  trie.add(text, literal, *trie_);
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!options_.any_spelling || std::all_of(text.begin(), text.end(), is_ascii)) return;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string escaped;
  const auto unit = [&](uint32_t code) {
    escaped += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) escaped += kHex[code >> shift & 15];
  };
  for (size_t at = 0; at < text.size();) {
    if (is_ascii(text[at])) {
      escaped += text[at++];
      continue;
    }
    uint32_t code = 0;
    at += static_cast<size_t>(std::max(1, contract::decode_utf8(text, at, &code)));
    if (code >= 0x10000) {
      unit(0xD800 + ((code - 0x10000) >> 10));
      unit(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      unit(code);
    }
  }
  trie.add(escaped, literal, *trie_);
}

// Scalars share a trie; arrays and objects are spelt like any other, blanks included.
void Grammar::add_constant(GrammarNode& out, const contract::Value& value) {
  if (const contract::Array* array = value.get_array()) {
    Alternative one;
    one.is_array = true;
    one.min_items = one.max_items = one.count_clip = array->size();
    for (const contract::Value& item : *array) one.prefix.push_back(constant(item));
    one.items = nothing();
    out.alternatives.push_back(std::move(one));
    return;
  }
  if (const contract::Object* object = value.get_object()) {
    auto members = std::make_unique<Members>();
    for (const auto& [name, member] : *object) {
      Members::Key key;
      key.text = contract::to_json(contract::Value(name)) + ":";
      key.node = constant(member);
      key.required = true;
      key.cost = trie_->spelling(key.text)[0];
      add_spelling(members->trie, key.text, static_cast<uint32_t>(members->keys.size()));
      members->keys.push_back(std::move(key));
    }
    (void)finish_members(*members, "");
    out.alternatives.emplace_back().members = std::move(members);
    return;
  }
  if (out.alternatives.empty() || !out.alternatives[0].literals) {
    out.alternatives.emplace(out.alternatives.begin())->literals =
        std::make_unique<LiteralTrie>();
  }
  LiteralTrie& literals = *out.alternatives[0].literals;
  const size_t before = literals.nodes.size();
  const std::string written = contract::to_json(value);
  add_spelling(literals, written, 0);
  if (const contract::Number* number = value.get_number()) {  // 2.0 may be written as 2 too.
    const auto plain = contract::Decimal::parse(number->text).plain(32);
    if (plain && *plain != written) literals.add(*plain, 0, *trie_);
    const contract::Program& program = expander_->program();
    if (options_.any_spelling && number->text.find_first_of(".eE") == std::string::npos &&
        program.at(program.root).dialect != contract::Dialect::draft4) {
      literals.add(written + ".0", 0, *trie_);
    }
  }
  literal_bytes_ += literals.nodes.size() - before;
}

Result<void> Grammar::build(Alternative& out, const Conjunction& all) {
  const auto literals = [&]() -> LiteralTrie& {
    if (!out.literals) out.literals = std::make_unique<LiteralTrie>();
    return *out.literals;
  };
  if (all.types & contract::kNull) literals().add("null", 0, *trie_);
  if (all.types & contract::kBoolean) {
    if (all.booleans & 1) literals().add("true", 1, *trie_);
    if (all.booleans & 2) literals().add("false", 2, *trie_);
  }
  if ((all.types & contract::kNumber) && !all.number.is_empty()) {
    NumberGoal goal = all.number;
    goal.integers = all.types & contract::kInteger;
    goal.fractions = all.types & contract::kFraction;
    CONSORT_ASSIGN(NumberMachine machine,
                   NumberMachine::create(goal, options_.digits_max, options_.any_spelling,
                                         pointer_of(*expander_, all.literals)));
    out.number = std::make_unique<NumberMachine>(std::move(machine));
  }
  if (all.types & contract::kString) CONSORT_TRY(build_string(out, all));
  if (all.types & contract::kArray) CONSORT_TRY(build_array(out, all));
  return {};
}

Result<void> Grammar::build_string(Alternative& out, const Conjunction& all) {
  const StringGoal& goal = all.string;
  if (goal.min_length > goal.max_length) return {};
  const auto max = goal.max_length == UINT64_MAX ? std::nullopt : std::optional(goal.max_length);
  if (goal.words.empty() && goal.excluded.empty()) {
    out.string = shared(StringMachine::free(*trie_, goal.min_length, max));
    return {};
  }
  const std::string pointer = pointer_of(*expander_, all.literals);
  const auto located = [&](auto result) -> Result<Dfa> {
    if (result) return std::move(*result);
    result.error().number = 2202;
    return fail(std::move(result).error().at(pointer).got("pattern"));
  };
  Dfa language = contract::any_string();
  bool any = true;
  for (const bool negated : {false, true}) {
    for (const Words& words : goal.words) {
      if (words.negated != negated) continue;
      if (any && !negated) {
        language = *words.dfa;
      } else {
        CONSORT_ASSIGN(language, located(negated ? contract::subtract(language, *words.dfa)
                                                 : contract::intersect(language, *words.dfa)));
      }
      any = false;
    }
  }
  if (!goal.excluded.empty()) {
    CONSORT_ASSIGN(const Dfa texts, located(contract::literal_strings(goal.excluded)));
    CONSORT_ASSIGN(language, located(contract::subtract(language, texts)));
  }
  if (goal.min_length > 0 || max) {
    auto counted = StringMachine::counted(language, *trie_, goal.min_length, max);
    if (counted) {
      states_ += language.n_states() * (goal.min_length + 1);
      if (!counted->dfa().is_empty()) out.string = shared(std::move(*counted));
      return {};
    }
    CONSORT_ASSIGN(language, located(contract::with_length(language, goal.min_length, max)));
  }
  states_ += language.n_states();
  if (!language.is_empty()) {
    out.string = shared(StringMachine::of(std::move(language), *trie_));
  }
  return {};
}

Result<void> Grammar::build_array(Alternative& out, const Conjunction& all) {
  const ArrayGoal& goal = all.array;
  if (goal.min_items > goal.max_items) return {};
  out.is_array = true;
  out.min_items = goal.min_items;
  out.max_items = goal.max_items;
  if (!goal.unique_at.empty() && goal.max_items > 1) {
    return fail(make_error(ErrorCode::unsupported, 2201, "uniqueItems is not enforced by masks")
                    .at(goal.unique_at)
                    .got("uniqueItems"));
  }
  const bool is_counted =
      std::any_of(goal.contains.begin(), goal.contains.end(),
                  [](const auto& one) { return one.min > 0 || one.max != UINT64_MAX; }) ||
      std::any_of(goal.rests.begin(), goal.rests.end(),
                  [](const auto& rest) { return !rest.unless.empty(); });
  if (is_counted) return build_plan(out, goal);
  const size_t n = std::min<uint64_t>(goal.prefix_size(), goal.max_items);
  for (size_t i = 0; i < n; ++i) out.prefix.push_back(node(goal.item(i)));
  out.items = node(goal.item(goal.prefix_size()));
  out.count_clip = std::max<uint64_t>(
      {n, goal.min_items, goal.max_items == UINT64_MAX ? 0 : goal.max_items, 1});
  return {};
}

}  // namespace consort::mask

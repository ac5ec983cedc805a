// One walk for both answers: `is_valid` stops at the first violation and builds no text.
#include "contract/program_validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr uint64_t kRememberAfter = 10'000;  // Evaluations.
constexpr size_t kUniqueLinear = 12;

std::string shown(const Value& value) { return cut_utf8(to_json(value), 80); }

// Where in the value the walk is; text is made only for a violation.
struct Path {
  const Path* parent = nullptr;
  const std::string* key = nullptr;
  size_t index = 0;
  std::string text() const {
    if (!parent) return "";
    return key ? pointer_child(parent->text(), *key) : pointer_child(parent->text(), index);
  }
};

// Which members or items of one value are evaluated, as unevaluated* means it.
using Evaluated = std::vector<bool>;

class Walk {
 public:
  Walk(const Program& program, size_t max) : program_(program), max_(max) {}

  bool check(NodeId id, const Value& value, const Path& at) {
    if (++depth_ > kEvaluationDepthMax) {
      --depth_;
      add(program_.at(id), "depth", at, [] { return std::string("nested too deeply"); });
      return false;
    }
    const bool quiet = violations_.size() >= max_;
    const bool remembers = ++work_ > kRememberAfter && n_temporaries_ == 0;
    if (remembers) {
      const auto found = remembered_.find({id, &value});
      // Where violations are still wanted, a failure is walked again.
      if (found != remembered_.end() && (found->second || quiet)) {
        --depth_;
        return found->second;
      }
    }
    const bool result = evaluate(program_.at(id), id, value, at);
    if (remembers) remembered_.emplace(std::pair(id, &value), result);
    --depth_;
    return result;
  }

  std::vector<Violation> take() { return std::move(violations_); }

 private:
  // Nothing is written below this: only yes or no is asked.
  bool holds(NodeId id, const Value& value) {
    const size_t max = max_;
    max_ = 0;
    const bool result = check(id, value, Path());
    max_ = max;
    return result;
  }

  template <typename Message>
  bool add(const Subschema& node, std::string_view keyword, const Path& at, Message message) {
    if (violations_.size() < max_) {
      std::string place = node.pointer;
      if (keyword != "false") place += "/" + std::string(keyword);
      violations_.push_back({at.text(), std::move(place), std::string(keyword), message()});
    }
    return false;
  }

  // False once nothing more can change the answer.
  bool goes_on(bool ok) const { return ok || violations_.size() < max_; }

  bool evaluate(const Subschema& node, NodeId id, const Value& value, const Path& at) {
    if (node.is_false) {
      return add(node, "false", at, [&] { return "nothing is allowed here, got " + shown(value); });
    }
    bool ok = types_and_values(node, value, at);
    if (!goes_on(ok)) return false;
    switch (value.type()) {
      case Type::number:
        if (node.number) ok &= number(node, value, at);
        break;
      case Type::string:
        if (node.string) ok &= string(node, value.as_string(), value, at);
        break;
      case Type::array:
        if (node.array) ok &= array(node, value.as_array(), at);
        break;
      case Type::object:
        if (node.object) ok &= object(node, value, at);
        break;
      default:
        break;
    }
    if (!goes_on(ok)) return false;
    if (node.has_in_place()) ok &= in_place(node, value, at);
    if (!goes_on(ok)) return false;
    if (node.has_unevaluated()) ok &= unevaluated(node, id, value, at);
    return ok;
  }

  bool types_and_values(const Subschema& node, const Value& value, const Path& at) {
    bool ok = true;
    if (node.types != kAllTypes && !type_fits(node, value)) {
      ok = add(node, "type", at, [&] {
        return "expected " + types_text(node.types) + ", got " + kind(value);
      });
    }
    if (node.has_enum && ok &&
        std::find(node.values.begin(), node.values.end(), value) == node.values.end()) {
      ok = add(node, node.is_const ? "const" : "enum", at, [&] {
        return shown(value) + " is not " + (node.is_const ? "" : "one of ") + listed(node.values);
      });
    }
    return ok;
  }

  // draft-04 tells 1.0 from 1.
  static bool type_fits(const Subschema& node, const Value& value) {
    if (!(node.types & type_bit(value))) return false;
    if (node.dialect != Dialect::draft4 || !value.is_number()) return true;
    return (node.types & kFraction) ||
           value.as_number().text.find_first_of(".eE") == std::string::npos;
  }

  static std::string types_text(uint8_t types) {
    std::string out;
    const auto append = [&](std::string_view text) {
      out += (out.empty() ? "" : " or ") + std::string(text);
    };
    if (types & kNull) append("null");
    if (types & kBoolean) append("boolean");
    if ((types & kNumber) == kNumber) {
      append("number");
    } else if (types & kInteger) {
      append("integer");
    }
    if (types & kString) append("string");
    if (types & kArray) append("array");
    if (types & kObject) append("object");
    return out;
  }

  static std::string kind(const Value& value) {
    std::string result(name(value.type()));
    if (value.is_number() && value.as_number().is_integer()) result = "integer";
    return result + (value.is_null() ? "" : " " + shown(value));
  }

  static std::string listed(const std::vector<Value>& values) {
    std::string result;
    for (const Value& value : values) {
      if (result.size() > 160) return result + ", ...";
      result += (result.empty() ? "" : ", ") + shown(value);
    }
    return result.empty() ? "anything" : result;
  }

  bool number(const Subschema& node, const Value& value, const Path& at) {
    const NumberKeywords& rule = *node.number;
    const Decimal number = Decimal::parse(value.as_number().text);
    bool ok = true;
    const auto bound = [&](const std::optional<Decimal>& limit, std::string_view keyword, int sign,
                           bool exclusive, const char* words) {
      if (!limit) return;
      const int order = compare(number, *limit) * sign;
      if (order > 0 || (order == 0 && !exclusive)) return;
      ok = add(node, keyword, at,
               [&] { return shown(value) + " is not " + words + " " + limit->text(); });
    };
    bound(rule.minimum, "minimum", 1, false, ">=");
    bound(rule.exclusive_minimum, node.dialect == Dialect::draft4 ? "minimum" : "exclusiveMinimum",
          1, true, ">");
    bound(rule.maximum, "maximum", -1, false, "<=");
    bound(rule.exclusive_maximum, node.dialect == Dialect::draft4 ? "maximum" : "exclusiveMaximum",
          -1, true, "<");
    if (rule.multiple_of && !is_multiple(number, *rule.multiple_of).value_or(false)) {
      ok = add(node, "multipleOf", at, [&] {
        return shown(value) + " is not a multiple of " + rule.multiple_of->text();
      });
    }
    return ok;
  }

  bool string(const Subschema& node, const std::string& text, const Value& value, const Path& at) {
    const StringKeywords& rule = *node.string;
    bool ok = true;
    // Code points are at most as many as bytes, and at least a quarter of them.
    if (text.size() / 4 < rule.min_length || (rule.max_length && text.size() > *rule.max_length)) {
      const uint64_t length = count_code_points(text);
      if (length < rule.min_length) {
        ok = add(node, "minLength", at, [&] {
          return "string of " + std::to_string(length) + " characters, at least " +
                 std::to_string(rule.min_length) + " needed";
        });
      }
      if (rule.max_length && length > *rule.max_length) {
        ok = add(node, "maxLength", at, [&] {
          return "string of " + std::to_string(length) + " characters, at most " +
                 std::to_string(*rule.max_length) + " allowed";
        });
      }
    }
    if (rule.pattern && !rule.pattern->dfa.matches(text)) {
      ok = add(node, "pattern", at,
               [&] { return shown(value) + " does not match " + rule.pattern->text; });
    }
    if (rule.format && !rule.format->accepts(text)) {
      ok = add(node, "format", at,
               [&] { return shown(value) + " is not a " + std::string(rule.format->name); });
    }
    return ok;
  }

  bool count(const Subschema& node, size_t size, uint64_t min, const std::optional<uint64_t>& max,
             std::string_view min_keyword, std::string_view max_keyword, const Path& at) {
    bool ok = true;
    if (size < min) {
      ok = add(node, min_keyword, at, [&] {
        return std::to_string(size) + " there, at least " + std::to_string(min) + " needed";
      });
    }
    if (max && size > *max) {
      ok = add(node, max_keyword, at, [&] {
        return std::to_string(size) + " there, at most " + std::to_string(*max) + " allowed";
      });
    }
    return ok;
  }

  bool array(const Subschema& node, const Array& array, const Path& at) {
    const ArrayKeywords& rule = *node.array;
    bool ok = count(node, array.size(), rule.min_items, rule.max_items, "minItems", "maxItems", at);
    for (size_t i = 0; i < array.size() && goes_on(ok); ++i) {
      const NodeId item = i < rule.prefix.size() ? rule.prefix[i] : rule.items;
      if (item == kNoNode) break;
      ok &= check(item, array[i], Path{&at, nullptr, i});
    }
    if (!goes_on(ok)) return false;
    if (rule.unique && !is_unique(array)) {
      ok = add(node, "uniqueItems", at, [] { return std::string("two items are equal"); });
    }
    if (rule.contains != kNoNode && goes_on(ok)) {
      size_t n = 0;
      for (const Value& item : array) {
        n += holds(rule.contains, item);
        if (!rule.max_contains && n >= rule.min_contains) break;
      }
      if (n < rule.min_contains || (rule.max_contains && n > *rule.max_contains)) {
        const bool few = n < rule.min_contains;
        const char* keyword = !few ? "maxContains" : rule.min_contains == 1 ? "contains" : "minContains";
        ok = add(node, keyword, at, [&] {
          return std::to_string(n) + " items match `contains`, " +
                 (few ? "at least " + std::to_string(rule.min_contains)
                      : "at most " + std::to_string(*rule.max_contains)) +
                 " needed";
        });
      }
    }
    return ok;
  }

  static bool is_unique(const Array& array) {
    if (array.size() <= kUniqueLinear) {
      for (size_t i = 0; i < array.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (array[i] == array[j]) return false;
        }
      }
      return true;
    }
    // Equal values have equal sketches; those with equal sketches are compared.
    std::unordered_map<std::string, std::vector<const Value*>> seen;
    for (const Value& item : array) {
      std::vector<const Value*>& same = seen[sketch(item)];
      for (const Value* other : same) {
        if (*other == item) return false;
      }
      same.push_back(&item);
    }
    return true;
  }

  // Members in any order and numbers in any spelling give the same text.
  static std::string sketch(const Value& value) {
    if (const Number* number = value.get_number()) return Decimal::parse(number->text).text();
    return canonical_json(value);
  }

  bool object(const Subschema& node, const Value& value, const Path& at) {
    const ObjectKeywords& rule = *node.object;
    const Object& object = value.as_object();
    bool ok = count(node, object.size(), rule.min_properties, rule.max_properties, "minProperties",
                    "maxProperties", at);
    const auto need = [&](const std::string& key, std::string_view keyword) {
      if (object.find(key)) return;
      ok = add(node, keyword, at, [&] { return "key '" + cut_utf8(key, 80) + "' is missing"; });
    };
    for (const std::string& key : rule.required) need(key, "required");
    for (const auto& [key, others] : rule.dependent_required) {
      if (!object.find(key)) continue;
      for (const std::string& other : others) need(other, "dependentRequired");
    }
    if (!goes_on(ok)) return false;
    const bool every_key = rule.names != kNoNode || rule.additional != kNoNode ||
                           !rule.patterns.empty() || !rule.properties.empty();
    if (!every_key) return ok;
    for (const auto& [key, member] : object) {
      const Path below{&at, &key, 0};
      ok &= one_member(node, key, member, below);
      if (!goes_on(ok)) return false;
    }
    return ok;
  }

  bool one_member(const Subschema& node, const std::string& key, const Value& member,
                  const Path& below) {
    const ObjectKeywords& rule = *node.object;
    bool ok = true, declared = false;
    if (rule.names != kNoNode) {
      ++n_temporaries_;
      ok &= check(rule.names, Value(key), below);
      --n_temporaries_;
    }
    if (const NodeId property = rule.property(key); property != kNoNode) {
      declared = true;
      ok &= check(property, member, below);
    }
    for (const auto& [pattern, child] : rule.patterns) {
      if (!pattern->dfa.matches(key)) continue;
      declared = true;
      ok &= check(child, member, below);
    }
    if (declared || rule.additional == kNoNode) return ok;
    if (program_.at(rule.additional).is_false) {
      return add(node, "additionalProperties", below,
                 [&] { return "key '" + cut_utf8(key, 80) + "' is not declared"; });
    }
    return check(rule.additional, member, below) && ok;
  }

  bool in_place(const Subschema& node, const Value& value, const Path& at) {
    bool ok = true;
    const auto apply = [&](NodeId id) {
      if (id != kNoNode && goes_on(ok)) ok &= check(id, value, at);
    };
    apply(node.ref);
    apply(node.dynamic_ref);
    for (NodeId child : node.all_of) apply(child);
    if (node.condition != kNoNode && goes_on(ok)) {
      apply(holds(node.condition, value) ? node.then_branch : node.else_branch);
    }
    if (node.object && value.is_object()) {
      for (const auto& [key, child] : node.object->dependent_schemas) {
        if (value.find(key)) apply(child);
      }
    }
    if (!goes_on(ok)) return false;
    if (node.negated != kNoNode && holds(node.negated, value)) {
      ok = add(node, "not", at, [&] { return shown(value) + " fits what `not` excludes"; });
    }
    if (!node.any_of.empty() && goes_on(ok)) ok &= any_of(node, value, at);
    if (!node.one_of.empty() && goes_on(ok)) ok &= one_of(node, value, at);
    return ok;
  }

  // The branch's own violations are told only when there is one branch whose type fits.
  bool any_of(const Subschema& node, const Value& value, const Path& at) {
    NodeId nearest = kNoNode;
    size_t n_near = 0;
    for (NodeId branch : node.any_of) {
      if (holds(branch, value)) return true;
      const Subschema* target = &program_.at(branch);
      while (target->ref != kNoNode && target->types == kAllTypes) target = &program_.at(target->ref);
      if (!target->is_false && (target->types & type_bit(value))) {
        nearest = branch;
        ++n_near;
      }
    }
    add(node, "anyOf", at, [&] {
      return shown(value) + " fits none of the " + std::to_string(node.any_of.size()) +
             " alternatives";
    });
    if (n_near == 1 && violations_.size() < max_) check(nearest, value, at);
    return false;
  }

  bool one_of(const Subschema& node, const Value& value, const Path& at) {
    size_t n_fit = 0;
    for (NodeId branch : node.one_of) {
      n_fit += holds(branch, value);
      if (n_fit > 1 && max_ == 0) return false;
    }
    if (n_fit == 1) return true;
    return add(node, "oneOf", at, [&] {
      return shown(value) + " fits " + std::to_string(n_fit) + " of the " +
             std::to_string(node.one_of.size()) + " alternatives, exactly one is needed";
    });
  }

  // unevaluatedItems and unevaluatedProperties: what no successful schema in place spoke of.
  bool unevaluated(const Subschema& node, NodeId id, const Value& value, const Path& at) {
    bool ok = true;
    if (node.array && node.array->unevaluated != kNoNode && value.is_array()) {
      const Array& array = value.as_array();
      Evaluated seen(array.size());
      std::set<NodeId> visited;
      collect(id, value, seen, true, visited);
      for (size_t i = 0; i < array.size() && goes_on(ok); ++i) {
        if (!seen[i]) ok &= check(node.array->unevaluated, array[i], Path{&at, nullptr, i});
      }
    }
    if (node.object && node.object->unevaluated != kNoNode && value.is_object()) {
      const Object& object = value.as_object();
      Evaluated seen(object.size());
      std::set<NodeId> visited;
      collect(id, value, seen, true, visited);
      size_t i = 0;
      for (const auto& [key, member] : object) {
        if (!seen[i++] && goes_on(ok)) {
          ok &= check(node.object->unevaluated, member, Path{&at, &key, 0});
        }
      }
    }
    return ok;
  }

  // Adds what `id`, which holds for `value`, evaluates. `own`: leave its own unevaluated* out.
  // A node that was visited has said what it evaluates.
  void collect(NodeId id, const Value& value, Evaluated& seen, bool own,
               std::set<NodeId>& visited) {
    if (!own && !visited.insert(id).second) return;
    const Subschema& node = program_.at(id);
    if (node.array && value.is_array()) collect_items(node, value.as_array(), seen, own);
    if (node.object && value.is_object()) collect_members(node, value.as_object(), seen, own);
    const auto follow = [&](NodeId child) {
      if (child != kNoNode) collect(child, value, seen, false, visited);
    };
    const auto follow_if = [&](NodeId child) {
      if (holds(child, value)) follow(child);
    };
    follow(node.ref);
    follow(node.dynamic_ref);
    for (NodeId child : node.all_of) follow(child);
    for (NodeId child : node.any_of) follow_if(child);
    for (NodeId child : node.one_of) follow_if(child);
    if (node.condition != kNoNode) {
      const bool yes = holds(node.condition, value);
      if (yes) follow(node.condition);
      follow(yes ? node.then_branch : node.else_branch);
    }
    if (node.object && value.is_object()) {
      for (const auto& [key, child] : node.object->dependent_schemas) {
        if (value.find(key)) follow(child);
      }
    }
  }

  void collect_items(const Subschema& node, const Array& array, Evaluated& seen, bool own) {
    const ArrayKeywords& rule = *node.array;
    const bool all = rule.items != kNoNode || (!own && rule.unevaluated != kNoNode);
    // Only 2020-12 counts what `contains` matched.
    const bool by_contains =
        rule.contains != kNoNode && node.dialect == Dialect::draft2020_12;
    for (size_t i = 0; i < array.size(); ++i) {
      if (all || i < rule.prefix.size() || (by_contains && holds(rule.contains, array[i]))) {
        seen[i] = true;
      }
    }
  }

  void collect_members(const Subschema& node, const Object& object, Evaluated& seen, bool own) {
    const ObjectKeywords& rule = *node.object;
    const bool all = rule.additional != kNoNode || (!own && rule.unevaluated != kNoNode);
    size_t i = 0;
    for (const auto& [key, member] : object) {
      const bool known =
          all || rule.property(key) != kNoNode ||
          std::any_of(rule.patterns.begin(), rule.patterns.end(),
                      [&, k = std::string_view(key)](const auto& p) { return p.first->dfa.matches(k); });
      if (known) seen[i] = true;
      ++i;
    }
  }

  const Program& program_;
  size_t max_;
  int depth_ = 0;
  uint64_t work_ = 0;
  int n_temporaries_ = 0;  // Within a value whose address does not stay: nothing is remembered.
  std::vector<Violation> violations_;
  std::map<std::pair<NodeId, const Value*>, bool> remembered_;
};

}  // namespace

bool is_valid(const Program& program, NodeId node, const Value& value) {
  return Walk(program, 0).check(node, value, Path());
}
bool is_valid(const Program& program, const Value& value) {
  return is_valid(program, program.root, value);
}

std::vector<Violation> validate(const Program& program, const Value& value, size_t max) {
  Walk walk(program, std::max<size_t>(max, 1));
  walk.check(program.root, value, Path());
  return walk.take();
}

}  // namespace consort::contract

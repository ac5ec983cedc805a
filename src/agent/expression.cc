#include "agent/expression.h"

#include <cctype>
#include <limits>

#include "agent/suggest.h"

namespace consort::agent {
namespace {

using contract::Value;

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool name_char(char c) { return name_start(c) || std::isdigit(static_cast<unsigned char>(c)); }

// Recursive descent, bounded by kExpressionDepthMax.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Expression> parse() {
    CONSORT_ASSIGN(Expression e, either(0));
    skip();
    if (at_ < text_.size()) return error("unexpected text after the expression");
    e.text = std::string(text_);
    return e;
  }

 private:
  tl::unexpected<Error> error(std::string message) const {
    return fail(make_error(ErrorCode::invalid_argument, 6101, std::move(message))
                    .at("column " + std::to_string(at_ + 1))
                    .got(text_));
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool eat(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  bool eat_word(std::string_view word) {
    skip();
    if (text_.substr(at_, word.size()) != word) return false;
    size_t end = at_ + word.size();
    if (end < text_.size() && name_char(text_[end])) return false;
    at_ = end;
    return true;
  }
  std::string_view slice(size_t begin) const { return text_.substr(begin, at_ - begin); }

  static Expression join(Expression::Op op, Expression a, Expression b) {
    Expression e;
    e.op = op;
    e.operands.push_back(std::move(a));
    e.operands.push_back(std::move(b));
    return e;
  }

  Result<Expression> either(int depth) {
    if (depth > kExpressionDepthMax) return error("expression is nested too deeply");
    CONSORT_ASSIGN(Expression left, both(depth));
    while (eat_word("or")) {
      CONSORT_ASSIGN(Expression right, both(depth));
      left = join(Expression::Op::either, std::move(left), std::move(right));
    }
    return left;
  }

  Result<Expression> both(int depth) {
    CONSORT_ASSIGN(Expression left, negation(depth));
    while (eat_word("and")) {
      CONSORT_ASSIGN(Expression right, negation(depth));
      left = join(Expression::Op::both, std::move(left), std::move(right));
    }
    return left;
  }

  Result<Expression> negation(int depth) {
    if (depth > kExpressionDepthMax) return error("expression is nested too deeply");
    if (!eat_word("not")) return comparison(depth);
    CONSORT_ASSIGN(Expression operand, negation(depth + 1));
    Expression e;
    e.op = Expression::Op::negate;
    e.operands.push_back(std::move(operand));
    return e;
  }

  Result<Expression> comparison(int depth) {
    CONSORT_ASSIGN(Expression left, value(depth));
    static constexpr std::pair<std::string_view, Expression::Op> kOps[] = {
        {"==", Expression::Op::eq}, {"!=", Expression::Op::ne}, {"<=", Expression::Op::le},
        {">=", Expression::Op::ge}, {"<", Expression::Op::lt},  {">", Expression::Op::gt}};
    for (auto [token, op] : kOps) {
      if (!eat(token)) continue;
      CONSORT_ASSIGN(Expression right, value(depth));
      return join(op, std::move(left), std::move(right));
    }
    return left;
  }

  Result<Expression> value(int depth) {
    skip();
    if (at_ >= text_.size()) return error("expression ends too soon");
    if (eat("(")) {
      CONSORT_ASSIGN(Expression e, either(depth + 1));
      if (!eat(")")) return error("missing )");
      return e;
    }
    char c = text_[at_];
    if (c == '"' || c == '-' || std::isdigit(static_cast<unsigned char>(c))) return literal();
    for (std::string_view word : {"true", "false", "null"}) {
      if (eat_word(word)) return constant(word);
    }
    if (!name_start(c)) return error("expected a name, a literal or (");
    return path();
  }

  Result<Expression> constant(std::string_view json) {
    CONSORT_ASSIGN(Value v, contract::parse_json(json));
    Expression e;
    e.op = Expression::Op::literal;
    e.literal = std::move(v);
    return e;
  }

  Result<Expression> literal() {
    size_t begin = at_;
    if (text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      if (at_ >= text_.size()) return error("string is not closed");
      ++at_;
    } else {
      ++at_;
      while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                    text_[at_] == '.' || text_[at_] == '+' || text_[at_] == '-')) {
        ++at_;
      }
    }
    auto parsed = constant(slice(begin));
    if (!parsed) return error("not a JSON literal");
    return parsed;
  }

  Result<Expression> path() {
    Expression e;
    e.op = Expression::Op::path;
    size_t begin = at_;
    while (at_ < text_.size() && name_char(text_[at_])) ++at_;
    e.root = std::string(slice(begin));
    while (at_ < text_.size()) {
      if (text_[at_] == '.') {
        size_t member = ++at_;
        while (at_ < text_.size() && name_char(text_[at_])) ++at_;
        if (at_ == member) return error("expected a member name after .");
        e.steps.push_back({PathStep::Kind::member, std::string(slice(member)), 0});
      } else if (text_[at_] == '[') {
        ++at_;
        if (eat("*")) {
          e.steps.push_back({PathStep::Kind::each, "", 0});
        } else {
          size_t digits = at_;
          while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
          if (at_ == digits || at_ - digits > 9) return error("expected an index or * in []");
          e.steps.push_back({PathStep::Kind::index, "", std::stoll(std::string(slice(digits)))});
        }
        if (!eat("]")) return error("missing ]");
      } else {
        break;
      }
    }
    return e;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Value walk(const Value& from, const std::vector<PathStep>& steps, size_t at) {
  const Value* v = &from;
  for (; at < steps.size(); ++at) {
    const PathStep& step = steps[at];
    if (step.kind == PathStep::Kind::member) {
      v = v->find(step.member);
    } else {
      const contract::Array* array = v->get_array();
      if (array == nullptr) return {};
      if (step.kind == PathStep::Kind::each) {
        contract::Array out;
        out.reserve(array->size());
        for (const Value& item : *array) out.push_back(walk(item, steps, at + 1));
        return out;
      }
      v = static_cast<size_t>(step.index) < array->size() ? &(*array)[step.index] : nullptr;
    }
    if (v == nullptr) return {};
  }
  return *v;
}

// -2 when the two cannot be ordered.
int order(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare(a.as_number(), b.as_number());
  if (a.is_string() && b.is_string()) return a.as_string().compare(b.as_string());
  return -2;
}

// Follows "$ref" at the top of a schema; bounded, so a loop of references ends.
const Value* resolve(const Value* schema, const Value& definitions) {
  for (int hops = 0; schema != nullptr && hops < 32; ++hops) {
    const Value* ref = schema->find("$ref");
    if (ref == nullptr || !ref->is_string()) return schema;
    std::string_view name = ref->as_string();
    if (name.substr(0, 8) == "#/$defs/") name.remove_prefix(8);
    schema = definitions.find(name);
  }
  return schema;
}

}  // namespace

std::set<std::string> Expression::roots() const {
  std::set<std::string> out;
  if (op == Op::path) out.insert(root);
  for (const Expression& e : operands) out.merge(e.roots());
  return out;
}

bool Expression::fans_out() const {
  for (const PathStep& s : steps) {
    if (s.kind == PathStep::Kind::each) return true;
  }
  return false;
}

Result<Expression> parse_expression(std::string_view text) { return Parser(text).parse(); }

bool truthy(const Value& value) {
  switch (value.type()) {
    case contract::Type::null: return false;
    case contract::Type::boolean: return value.as_bool();
    case contract::Type::number: return value.as_number().as_double() != 0;
    case contract::Type::string: return !value.as_string().empty();
    case contract::Type::array: return !value.as_array().empty();
    case contract::Type::object: return !value.as_object().empty();
  }
  return false;
}

Value evaluate(const Expression& e, const Lookup& lookup) {
  using Op = Expression::Op;
  auto operand = [&](size_t i) { return evaluate(e.operands[i], lookup); };
  switch (e.op) {
    case Op::literal: return e.literal;
    case Op::path: {
      const Value* root = lookup(e.root);
      return root == nullptr ? Value() : walk(*root, e.steps, 0);
    }
    case Op::both: return truthy(operand(0)) && truthy(operand(1));
    case Op::either: return truthy(operand(0)) || truthy(operand(1));
    case Op::negate: return !truthy(operand(0));
    case Op::eq: return operand(0) == operand(1);
    case Op::ne: return !(operand(0) == operand(1));
    default: break;
  }
  int c = order(operand(0), operand(1));
  if (c == -2) return false;
  switch (e.op) {
    case Op::lt: return c < 0;
    case Op::le: return c <= 0;
    case Op::gt: return c > 0;
    default: return c >= 0;
  }
}

namespace {

Result<Value> path_schema(const Value* schema, const std::vector<PathStep>& steps, size_t at,
                          const std::string& text, const Value& definitions) {
  for (; at < steps.size(); ++at) {
    const Value* here = resolve(schema, definitions);
    if (here == nullptr) break;
    const PathStep& step = steps[at];
    if (step.kind == PathStep::Kind::member) {
      const Value* properties = here->find("properties");
      const Value* member = properties == nullptr ? nullptr : properties->find(step.member);
      if (member == nullptr) {
        std::vector<std::string> known;
        if (properties != nullptr && properties->is_object()) {
          for (const auto& [key, unused] : properties->as_object()) known.push_back(key);
        }
        return fail(make_error(ErrorCode::invalid_argument, 6102,
                               "'" + text + "': the value has no member '" + step.member + "'")
                        .got(step.member)
                        .to_fix(did_you_mean(step.member, known)));
      }
      schema = member;
      continue;
    }
    const Value* items = here->find("items");
    if (items == nullptr) {
      return fail(make_error(ErrorCode::invalid_argument, 6103,
                             "'" + text + "': " + (step.kind == PathStep::Kind::each ? "[*]" : "[n]") +
                                 " on a value that is not a list of one type"));
    }
    if (step.kind == PathStep::Kind::each) {
      CONSORT_ASSIGN(Value inner, path_schema(items, steps, at + 1, text, definitions));
      return Value::object({{"type", "array"}, {"items", std::move(inner)}});
    }
    schema = items;
  }
  return schema == nullptr ? Value(true) : *schema;
}

}  // namespace

Result<Value> schema_of(const Expression& e, const SchemaLookup& roots, const Value& definitions) {
  if (e.op == Expression::Op::path) {
    const Value* root = roots(e.root);
    if (root == nullptr) {
      return fail(make_error(ErrorCode::not_found, 6201, "nothing is named '" + e.root + "'").got(e.root));
    }
    return path_schema(root, e.steps, 0, e.text.empty() ? e.root : e.text, definitions);
  }
  if (e.op == Expression::Op::literal) return Value::object({{"const", e.literal}});
  for (const Expression& operand : e.operands) {
    CONSORT_TRY(schema_of(operand, roots, definitions));
  }
  return Value::object({{"type", "boolean"}});
}

}  // namespace consort::agent

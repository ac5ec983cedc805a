#include "model/template_expressions.h"

#include <charconv>

namespace consort::model::jinja {
namespace {

constexpr int kHeightMax = 160;

}  // namespace

ExpressionPtr ExpressionParser::make(Expression::Kind kind, size_t at, std::string text) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->at = at;
  made->text = std::move(text);
  return made;
}

Result<ExpressionPtr> ExpressionParser::finish(ExpressionPtr made) const {
  int height = 0;
  for (const auto& part : made->parts)
    if (part) height = std::max(height, part->height);
  for (const auto& [name, part] : made->named) height = std::max(height, part->height);
  made->height = height + 1;
  if (made->height > kHeightMax) return fail(too_deep(made->at));
  return made;
}

Result<ExpressionPtr> ExpressionParser::tuple(bool conditional) {
  const size_t at = peek().at;
  CONSORT_ASSIGN(ExpressionPtr first, conditional ? expression() : any_of());
  if (!is_op(",")) return first;
  ExpressionPtr out = make(Expression::list, at, "tuple");
  out->parts.push_back(std::move(first));
  while (skip_op(",")) {
    if (peek().kind == Token::output_end || peek().kind == Token::block_end) break;
    CONSORT_ASSIGN(ExpressionPtr part, expression());
    out->parts.push_back(std::move(part));
  }
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::expression() {
  const DepthGuard guard(depth_);
  if (depth_ > limits_.depth_max) return fail(too_deep(peek().at));
  const size_t at = peek().at;
  CONSORT_ASSIGN(ExpressionPtr value, any_of());
  while (skip_word("if")) {
    ExpressionPtr out = make(Expression::conditional, at);
    out->parts.push_back(std::move(value));
    CONSORT_ASSIGN(ExpressionPtr condition, any_of());
    out->parts.push_back(std::move(condition));
    ExpressionPtr otherwise;
    if (skip_word("else")) {
      CONSORT_ASSIGN(otherwise, expression());
    }
    out->parts.push_back(std::move(otherwise));
    CONSORT_ASSIGN(value, finish(std::move(out)));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::joined(Expression::Kind kind, std::string_view op,
                                               Rule rule) {
  const size_t at = peek().at;
  CONSORT_ASSIGN(ExpressionPtr first, (this->*rule)());
  if (!is_op(op) && !is_word(op)) return first;
  ExpressionPtr out = make(kind, at);
  out->parts.push_back(std::move(first));
  while (skip_op(op) || skip_word(op)) {
    CONSORT_ASSIGN(ExpressionPtr part, (this->*rule)());
    out->parts.push_back(std::move(part));
  }
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::not_() {
  const size_t at = peek().at;
  bool negated = false;
  size_t n = 0;
  for (; is_word("not"); ++n) {
    take();
    negated = !negated;
  }
  CONSORT_ASSIGN(ExpressionPtr value, comparison());
  if (n == 0) return value;
  ExpressionPtr out = make(Expression::not_, at);
  out->negated = negated;
  out->parts.push_back(std::move(value));
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  const size_t at = peek().at;
  CONSORT_ASSIGN(ExpressionPtr first, sum());
  ExpressionPtr out;
  while (true) {
    char op = '\0';
    static constexpr std::pair<std::string_view, char> kOps[] = {
        {"==", '='}, {"!=", '!'}, {"<", '<'}, {">", '>'}, {"<=", 'l'}, {">=", 'g'}};
    for (const auto& [text, code] : kOps)
      if (is_op(text)) op = code;
    if (op != '\0')
      take();
    else if (skip_word("in"))
      op = 'i';
    else if (is_word("not") && is_word("in", 1))
      take(), take(), op = 'n';
    else
      break;
    if (!out) {
      out = make(Expression::comparison, at);
      out->parts.push_back(std::move(first));
    }
    out->text += op;
    CONSORT_ASSIGN(ExpressionPtr part, sum());
    out->parts.push_back(std::move(part));
  }
  if (!out) return first;
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::math(
    std::initializer_list<std::pair<std::string_view, char>> ops, Rule rule) {
  const size_t at = peek().at;
  CONSORT_ASSIGN(ExpressionPtr first, (this->*rule)());
  ExpressionPtr out;
  while (true) {
    char op = '\0';
    for (const auto& [text, code] : ops)
      if (is_op(text)) op = code;
    if (op == '\0') break;
    take();
    if (!out) {
      out = make(Expression::math, at);
      out->parts.push_back(std::move(first));
    }
    out->text += op;
    CONSORT_ASSIGN(ExpressionPtr part, (this->*rule)());
    out->parts.push_back(std::move(part));
  }
  if (!out) return first;
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::product() {
  return math({{"*", '*'}, {"/", '/'}, {"//", 'f'}, {"%", '%'}}, &ExpressionParser::power);
}

Result<ExpressionPtr> ExpressionParser::signed_(bool with_filters) {
  const DepthGuard guard(depth_);
  if (depth_ > limits_.depth_max) return fail(too_deep(peek().at));
  const size_t at = peek().at;
  ExpressionPtr value;
  if (skip_op("-")) {
    value = make(Expression::negate, at);
    CONSORT_ASSIGN(ExpressionPtr part, signed_(false));
    value->parts.push_back(std::move(part));
    CONSORT_ASSIGN(value, finish(std::move(value)));
  } else if (skip_op("+")) {
    CONSORT_ASSIGN(value, signed_(false));
  } else {
    CONSORT_ASSIGN(value, primary());
    CONSORT_ASSIGN(value, postfix(std::move(value)));
  }
  return with_filters ? filters(std::move(value)) : Result<ExpressionPtr>(std::move(value));
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token& token = take();
  ExpressionPtr out = make(Expression::literal, token.at);
  switch (token.kind) {
    case Token::name:
      if (token.text == "true" || token.text == "True")
        out->value = TValue::of(true);
      else if (token.text == "false" || token.text == "False")
        out->value = TValue::of(false);
      else if (token.text == "none" || token.text == "None")
        out->value = TValue::none();
      else
        out->kind = Expression::name, out->text = token.text;
      return out;
    case Token::string: {
      std::string text = token.text;
      while (peek().kind == Token::string) text += take().text;  // Adjacent strings join.
      out->value = TValue::of(std::move(text));
      return out;
    }
    case Token::integer: {
      int64_t value = 0;
      const auto [end, code] =
          std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
      if (code != std::errc()) return fail(error(token, "an integer beyond 64 bits"));
      out->value = TValue::of(value);
      return out;
    }
    case Token::real: {
      double value = 0;
      const auto [end, code] =
          std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
      if (code != std::errc()) return fail(error(token, "a number beyond the range of a double"));
      out->value = TValue::of(value);
      return out;
    }
    case Token::op:
      if (token.text == "(") return parenthesis(token.at);
      if (token.text == "[") return list(token.at);
      if (token.text == "{") return dict(token.at);
      [[fallthrough]];
    default:
      return fail(error(token, "an expression is expected here"));
  }
}

Result<ExpressionPtr> ExpressionParser::parenthesis(size_t at) {
  ExpressionPtr out = make(Expression::list, at, "tuple");
  bool comma = false;
  while (!is_op(")")) {
    CONSORT_ASSIGN(ExpressionPtr part, expression());
    out->parts.push_back(std::move(part));
    if (!skip_op(",")) break;
    comma = true;
  }
  CONSORT_TRY(need_op(")"));
  if (out->parts.size() == 1 && !comma) return std::move(out->parts[0]);
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::list(size_t at) {
  ExpressionPtr out = make(Expression::list, at);
  while (!is_op("]")) {
    CONSORT_ASSIGN(ExpressionPtr part, expression());
    out->parts.push_back(std::move(part));
    if (!skip_op(",")) break;
  }
  CONSORT_TRY(need_op("]"));
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::dict(size_t at) {
  ExpressionPtr out = make(Expression::dict, at);
  while (!is_op("}")) {
    CONSORT_ASSIGN(ExpressionPtr key, expression());
    out->parts.push_back(std::move(key));
    CONSORT_TRY(need_op(":"));
    CONSORT_ASSIGN(ExpressionPtr value, expression());
    out->parts.push_back(std::move(value));
    if (!skip_op(",")) break;
  }
  CONSORT_TRY(need_op("}"));
  return finish(std::move(out));
}

Result<void> ExpressionParser::arguments(Expression& out) {
  while (!is_op(")")) {
    if (peek().kind == Token::name && is_op("=", 1)) {
      std::string name = take().text;
      take();
      CONSORT_ASSIGN(ExpressionPtr value, expression());
      out.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (is_op("*") || is_op("**")) return fail(unsupported(peek(), "spread arguments"));
      if (!out.named.empty())
        return fail(error(peek(), "an argument without a name follows one with"));
      CONSORT_ASSIGN(ExpressionPtr value, expression());
      out.parts.push_back(std::move(value));
    }
    if (!skip_op(",")) break;
  }
  return need_op(")");
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr value) {
  while (true) {
    const size_t at = peek().at;
    if (skip_op(".")) {
      ExpressionPtr out = make(Expression::attribute, at);
      if (peek().kind == Token::integer) {
        out->kind = Expression::index;
        CONSORT_ASSIGN(ExpressionPtr key, primary());
        out->parts.push_back(std::move(value));
        out->parts.push_back(std::move(key));
      } else {
        CONSORT_ASSIGN(out->text, need_name());
        out->parts.push_back(std::move(value));
      }
      CONSORT_ASSIGN(value, finish(std::move(out)));
    } else if (skip_op("[")) {
      CONSORT_ASSIGN(value, subscript(at, std::move(value)));
    } else if (skip_op("(")) {
      ExpressionPtr out = make(Expression::call, at);
      out->parts.push_back(std::move(value));
      CONSORT_TRY(arguments(*out));
      CONSORT_ASSIGN(value, finish(std::move(out)));
    } else {
      return value;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::subscript(size_t at, ExpressionPtr value) {
  ExpressionPtr out = make(Expression::index, at);
  out->parts.push_back(std::move(value));
  ExpressionPtr part;
  if (!is_op(":")) {
    CONSORT_ASSIGN(part, expression());
  }
  out->parts.push_back(std::move(part));
  while (skip_op(":") && out->parts.size() < 4) {
    out->kind = Expression::slice;
    ExpressionPtr bound;
    if (!is_op(":") && !is_op("]")) {
      CONSORT_ASSIGN(bound, expression());
    }
    out->parts.push_back(std::move(bound));
  }
  CONSORT_TRY(need_op("]"));
  if (out->kind == Expression::slice) out->parts.resize(4);
  return finish(std::move(out));
}

Result<ExpressionPtr> ExpressionParser::filters(ExpressionPtr value) {
  while (true) {
    const Token& token = peek();
    if (skip_op("|")) {
      ExpressionPtr out = make(Expression::filter, token.at);
      const Token& name = peek();
      CONSORT_ASSIGN(out->text, need_name());
      if (!is_filter(out->text))
        return fail(unsupported(name, "a filter that is not implemented")
                        .to_fix("see docs/formats/template.md"));
      out->parts.push_back(std::move(value));
      if (skip_op("(")) CONSORT_TRY(arguments(*out));
      CONSORT_ASSIGN(value, finish(std::move(out)));
    } else if (is_word("is")) {
      CONSORT_ASSIGN(value, test(std::move(value)));
    } else if (is_op("(")) {
      return fail(error(token, "a call is not expected here"));
    } else {
      return value;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr value) {
  const size_t at = take().at;
  ExpressionPtr out = make(Expression::test, at);
  out->negated = skip_word("not");
  out->parts.push_back(std::move(value));
  const Token& name = peek();
  CONSORT_ASSIGN(out->text, need_name());
  if (!is_test(out->text))
    return fail(
        unsupported(name, "a test that is not implemented").to_fix("see docs/formats/template.md"));
  if (skip_op("(")) {
    CONSORT_TRY(arguments(*out));
  } else {
    const Token& next = peek();
    const bool value_starts =
        next.kind == Token::string || next.kind == Token::integer || next.kind == Token::real ||
        (next.kind == Token::op && (next.text == "[" || next.text == "{")) ||
        (next.kind == Token::name && next.text != "else" && next.text != "or" &&
         next.text != "and" && next.text != "is" && next.text != "if" && next.text != "not" &&
         next.text != "in" && next.text != "recursive");
    if (value_starts) {
      CONSORT_ASSIGN(ExpressionPtr argument, primary());
      CONSORT_ASSIGN(argument, postfix(std::move(argument)));
      out->parts.push_back(std::move(argument));
    }
  }
  return finish(std::move(out));
}

}  // namespace consort::model::jinja

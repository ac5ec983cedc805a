// The parser of a template's expressions: a cursor over tokens and the rules of Jinja 2's grammar
// (precedence: or, and, not, comparison, + -, ~, * / // %, **, unary, postfix, filter and test).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/template_ast.h"
#include "model/template_lexer.h"

namespace consort::model::jinja {

using ExpressionPtr = std::unique_ptr<Expression>;

class ExpressionParser {
 protected:
  ExpressionParser(std::vector<Token> tokens, std::string_view source, std::string_view name,
                   const TemplateLimits& limits)
      : tokens_(std::move(tokens)), source_(source), name_(name), limits_(limits) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_op(std::string_view op, size_t ahead = 0) const {
    return peek(ahead).kind == Token::op && peek(ahead).text == op;
  }
  bool is_word(std::string_view word, size_t ahead = 0) const {
    return peek(ahead).kind == Token::name && peek(ahead).text == word;
  }
  bool skip_op(std::string_view op) { return is_op(op) ? (take(), true) : false; }
  bool skip_word(std::string_view word) { return is_word(word) ? (take(), true) : false; }

  Error error(const Token& token, std::string message) const {
    Error error = make_error(ErrorCode::invalid_argument, 3401, std::move(message))
                      .at(place(name_, source_, token.at));
    return token.text.empty() ? error : std::move(error).got(token.text);
  }
  Error unsupported(const Token& token, std::string message) const {
    return make_error(ErrorCode::unsupported, 3402, std::move(message))
        .at(place(name_, source_, token.at))
        .got(token.text);
  }
  Error too_deep(size_t at) const {
    return make_error(ErrorCode::resource_exhausted, 3405,
                      fmt::format("nested deeper than {} levels", limits_.depth_max))
        .at(place(name_, source_, at))
        .to_fix("simplify the template");
  }
  Result<void> need_op(std::string_view op) {
    if (!skip_op(op)) return fail(error(peek(), fmt::format("'{}' is expected here", op)));
    return {};
  }
  Result<std::string> need_name() {
    if (peek().kind != Token::name) return fail(error(peek(), "a name is expected here"));
    return take().text;
  }
  Result<void> need_block_end() {
    if (peek().kind != Token::block_end)
      return fail(error(peek(), "the end of the tag, '%}', is expected here"));
    take();
    return {};
  }

  struct DepthGuard {
    explicit DepthGuard(int& depth) : depth(depth) { ++depth; }
    ~DepthGuard() { --depth; }
    int& depth;
  };

  // "a, b" without parentheses is a list.
  Result<ExpressionPtr> tuple(bool conditional = true);
  Result<ExpressionPtr> expression();

  const TemplateLimits& limits() const { return limits_; }
  int depth_ = 0;

 private:
  ExpressionPtr make(Expression::Kind kind, size_t at, std::string text = "") const;
  Result<ExpressionPtr> finish(ExpressionPtr made) const;
  using Rule = Result<ExpressionPtr> (ExpressionParser::*)();
  // One or more `rule` joined by `op` (a word or an operator).
  Result<ExpressionPtr> joined(Expression::Kind kind, std::string_view op, Rule rule);
  Result<ExpressionPtr> any_of() {
    return joined(Expression::any_of, "or", &ExpressionParser::all_of);
  }
  Result<ExpressionPtr> all_of() {
    return joined(Expression::all_of, "and", &ExpressionParser::not_);
  }
  Result<ExpressionPtr> concat() {
    return joined(Expression::concat, "~", &ExpressionParser::product);
  }
  Result<ExpressionPtr> not_();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> math(std::initializer_list<std::pair<std::string_view, char>> ops,
                             Rule rule);
  Result<ExpressionPtr> sum() { return math({{"+", '+'}, {"-", '-'}}, &ExpressionParser::concat); }
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power() { return math({{"**", 'p'}}, &ExpressionParser::unary); }
  Result<ExpressionPtr> unary() { return signed_(true); }
  Result<ExpressionPtr> signed_(bool with_filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> parenthesis(size_t at);
  Result<ExpressionPtr> list(size_t at);
  Result<ExpressionPtr> dict(size_t at);    // Parts: key, value, key, value ...
  Result<void> arguments(Expression& out);  // After "(".
  Result<ExpressionPtr> postfix(ExpressionPtr value);
  Result<ExpressionPtr> subscript(size_t at, ExpressionPtr value);
  Result<ExpressionPtr> filters(ExpressionPtr value);
  Result<ExpressionPtr> test(ExpressionPtr value);

  std::vector<Token> tokens_;
  std::string_view source_, name_;
  const TemplateLimits& limits_;
  size_t at_ = 0;
};

}  // namespace consort::model::jinja

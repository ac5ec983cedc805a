// Recursive descent over a template's tags and text; expressions in template_expressions.h.
#include <fmt/format.h>

#include <algorithm>

#include "model/template_expressions.h"

namespace consort::model::jinja {
namespace {

using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

class Parser : private ExpressionParser {
 public:
  Parser(std::vector<Token> tokens, std::string_view source, std::string_view name,
         const TemplateLimits& limits)
      : ExpressionParser(std::move(tokens), source, name, limits) {}

  Result<Body> run() {
    CONSORT_ASSIGN(Body body, statements({}));
    if (peek().kind != Token::end) return fail(error(peek(), "an end tag without its beginning"));
    return body;
  }

 private:
  // Until a tag whose word is one of `ends` (not consumed), or the end.
  Result<Body> statements(std::vector<std::string_view> ends) {
    const DepthGuard guard(depth_);
    if (depth_ > limits().depth_max) return fail(too_deep(peek().at));
    Body body;
    while (true) {
      const Token& token = peek();
      if (token.kind == Token::end) {
        if (!ends.empty()) return fail(error(token, fmt::format("'{}' is missing", ends.back())));
        return body;
      }
      auto statement = std::make_unique<Statement>();
      statement->at = token.at;
      if (token.kind == Token::plain) {
        statement->text_ = take().text;
        body.push_back(std::move(statement));
        continue;
      }
      if (token.kind == Token::output_begin) {
        take();
        statement->kind = Statement::output;
        CONSORT_ASSIGN(statement->expression, tuple());
        if (peek().kind != Token::output_end) return fail(error(peek(), "'}}' is expected here"));
        take();
        body.push_back(std::move(statement));
        continue;
      }
      const std::string& word = peek(1).text;
      if (peek(1).kind == Token::name && std::find(ends.begin(), ends.end(), word) != ends.end())
        return body;
      take();
      CONSORT_TRY(block(*statement));
      body.push_back(std::move(statement));
    }
  }

  // The tag's opening is consumed, and the word that ends a body.
  Result<void> end_tag(std::string_view word) {
    take();
    if (!skip_word(word)) return fail(error(peek(), fmt::format("'{}' is expected here", word)));
    return need_block_end();
  }

  Result<void> block(Statement& out) {
    const Token& word = peek();
    if (word.kind != Token::name) return fail(error(word, "the name of a tag is expected here"));
    if (skip_word("for")) return for_block(out);
    if (skip_word("if")) return if_block(out);
    if (skip_word("set")) return set_block(out);
    if (skip_word("macro")) return macro_block(out);
    if (skip_word("generation")) {  // Marks what an assistant wrote; changes nothing.
      out.kind = Statement::scope;
      CONSORT_TRY(need_block_end());
      CONSORT_ASSIGN(out.body, statements({"endgeneration"}));
      return end_tag("endgeneration");
    }
    if (is_word("break") || is_word("continue")) {
      if (loops_ == 0) return fail(error(word, "this tag stands outside of a loop"));
      out.kind = take().text == "break" ? Statement::break_ : Statement::continue_;
      return need_block_end();
    }
    for (std::string_view known : {"block", "extends", "include", "import", "from", "call",
                                   "filter", "with", "autoescape", "do", "trans"})
      if (is_word(known))
        return fail(unsupported(word, "this tag of Jinja").to_fix("write the template without it"));
    return fail(error(word, "no such tag"));
  }

  Result<void> targets(std::vector<std::string>& names) {
    const bool parenthesis = skip_op("(");
    do {
      if (names.empty() || peek().kind == Token::name) {
        CONSORT_ASSIGN(std::string name, need_name());
        names.push_back(std::move(name));
      }
    } while (skip_op(","));
    if (parenthesis) return need_op(")");
    return {};
  }

  Result<void> for_block(Statement& out) {
    out.kind = Statement::for_;
    CONSORT_TRY(targets(out.names));
    if (!skip_word("in")) return fail(error(peek(), "'in' is expected here"));
    CONSORT_ASSIGN(out.expression, tuple(false));
    if (skip_word("if")) {
      CONSORT_ASSIGN(out.condition, expression());
    }
    if (is_word("recursive"))
      return fail(unsupported(peek(), "a recursive loop").to_fix("use a macro"));
    CONSORT_TRY(need_block_end());
    ++loops_;
    CONSORT_ASSIGN(out.body, statements({"else", "endfor"}));
    --loops_;
    if (is_word("else", 1)) {
      CONSORT_TRY(end_tag("else"));
      CONSORT_ASSIGN(out.otherwise, statements({"endfor"}));
    }
    return end_tag("endfor");
  }

  Result<void> if_block(Statement& out) {
    out.kind = Statement::if_;
    while (true) {
      Statement::Branch branch;
      CONSORT_ASSIGN(branch.condition, tuple());
      CONSORT_TRY(need_block_end());
      CONSORT_ASSIGN(branch.body, statements({"elif", "else", "endif"}));
      out.branches.push_back(std::move(branch));
      if (!is_word("elif", 1)) break;
      take();
      take();
    }
    if (is_word("else", 1)) {
      CONSORT_TRY(end_tag("else"));
      Statement::Branch branch;
      CONSORT_ASSIGN(branch.body, statements({"endif"}));
      out.branches.push_back(std::move(branch));
    }
    return end_tag("endif");
  }

  Result<void> set_block(Statement& out) {
    out.kind = Statement::set;
    CONSORT_TRY(targets(out.names));
    if (out.names.size() == 1 && skip_op(".")) {
      CONSORT_ASSIGN(out.member, need_name());
    }
    if (skip_op("=")) {
      CONSORT_ASSIGN(out.expression, tuple());
      return need_block_end();
    }
    if (is_op("|")) return fail(unsupported(peek(), "a filter on a set block"));
    if (out.names.size() != 1 || !out.member.empty())
      return fail(error(peek(), "'=' is expected here"));
    out.kind = Statement::set_block;
    CONSORT_TRY(need_block_end());
    CONSORT_ASSIGN(out.body, statements({"endset"}));
    return end_tag("endset");
  }

  Result<void> macro_block(Statement& out) {
    out.kind = Statement::macro;
    CONSORT_ASSIGN(out.text_, need_name());
    CONSORT_TRY(need_op("("));
    while (!is_op(")")) {
      CONSORT_ASSIGN(std::string name, need_name());
      out.names.push_back(std::move(name));
      if (skip_op("=")) {
        CONSORT_ASSIGN(ExpressionPtr value, expression());
        out.defaults.push_back(std::move(value));
      } else if (!out.defaults.empty()) {
        return fail(error(peek(), "a parameter without default follows one with"));
      }
      if (!skip_op(",")) break;
    }
    CONSORT_TRY(need_op(")"));
    CONSORT_TRY(need_block_end());
    const int loops = std::exchange(loops_, 0);
    CONSORT_ASSIGN(out.body, statements({"endmacro"}));
    loops_ = loops;
    return end_tag("endmacro");
  }

  int loops_ = 0;
};

}  // namespace

std::string place(std::string_view name, std::string_view source, size_t at) {
  const std::string_view before = source.substr(0, at);
  const size_t line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  return fmt::format("{}:{}:{}", name, line,
                     at - (newline == std::string_view::npos ? 0 : newline + 1) + 1);
}

Result<std::vector<std::unique_ptr<Statement>>> parse_template(std::string_view source,
                                                               std::string_view name,
                                                               const TemplateLimits& limits) {
  CONSORT_ASSIGN(std::vector<Token> tokens, tokenize(source, name));
  return Parser(std::move(tokens), source, name, limits).run();
}

}  // namespace consort::model::jinja

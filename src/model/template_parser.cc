// Lexer and recursive-descent parser. The grammar follows Jinja 2's own parser (precedence: or,
// and, not, comparison,
// + -, ~, * / // %, **, unary, postfix, filter and test).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "model/template_ast.h"

namespace consort::model::jinja {
namespace {

constexpr int kHeightMax = 160;

struct Token {
  enum Kind {
    plain,
    block_begin,
    block_end,
    output_begin,
    output_end,
    name,
    string,
    integer,
    real,
    op,
    end
  };
  Kind kind = end;
  size_t at = 0;
  std::string text;
};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name) : source_(source), name_(name) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) CONSORT_TRY(next_piece());
    flush(source_.size());
    // Jinja drops one newline at the end of the source.
    if (!tokens_.empty() && tokens_.back().kind == Token::plain && source_.ends_with('\n') &&
        tokens_.back().text.ends_with('\n'))
      tokens_.back().text.pop_back();
    tokens_.push_back({Token::end, source_.size(), ""});
    return std::move(tokens_);
  }

 private:
  Error error(size_t at, std::string message) const {
    return make_error(ErrorCode::invalid_argument, 3401, std::move(message))
        .at(place(name_, source_, at));
  }
  void flush(size_t until) {
    std::string text(source_.substr(text_start_, until > text_start_ ? until - text_start_ : 0));
    if (!text.empty()) tokens_.push_back({Token::plain, text_start_, std::move(text)});
  }
  // Ends the text before a tag at `at`: '-' strips all blanks, lstrip those since the line's start.
  void end_text(size_t at, char mark, bool lstrip) {
    size_t until = at;
    if (mark == '-') {
      while (until > text_start_ && is_space(source_[until - 1])) --until;
    } else if (lstrip && mark != '+') {
      size_t i = until;
      while (i > text_start_ && (source_[i - 1] == ' ' || source_[i - 1] == '\t')) --i;
      if (i == 0 || source_[i - 1] == '\n') until = i;
    }
    flush(until);
  }
  // After a tag that ended before `at_`.
  void begin_text(char mark, bool trim) {
    if (mark == '-') {
      while (at_ < source_.size() && is_space(source_[at_])) ++at_;
    } else if (trim && mark != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    text_start_ = at_;
  }
  char mark_at(size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
  }

  Result<void> next_piece() {
    const size_t open = source_.find('{', at_);
    if (open == std::string_view::npos || open + 1 >= source_.size()) {
      at_ = source_.size();
      return {};
    }
    const char kind = source_[open + 1];
    if (kind != '%' && kind != '{' && kind != '#') {
      at_ = open + 1;
      return {};
    }
    const char mark = mark_at(open + 2);
    end_text(open, mark, kind != '{');
    at_ = open + 2 + (mark != '\0' ? 1 : 0);
    if (kind == '#') return comment(open);
    tokens_.push_back({kind == '%' ? Token::block_begin : Token::output_begin, open, ""});
    if (kind == '%') {
      bool raw = false;
      CONSORT_ASSIGN(raw, raw_block(open));
      if (raw) return {};
    }
    return tag(open, kind);
  }

  Result<void> comment(size_t open) {
    const size_t close = source_.find("#}", at_);
    if (close == std::string_view::npos) return fail(error(open, "a comment without '#}'"));
    const char mark = close > at_ ? mark_at(close - 1) : '\0';
    at_ = close + 2;
    begin_text(mark, true);
    return {};
  }

  // {% raw %} ... {% endraw %}: its text as it stands.
  Result<bool> raw_block(size_t open) {
    size_t i = at_;
    const auto word = [&](std::string_view wanted) {
      while (i < source_.size() && is_space(source_[i])) ++i;
      if (source_.substr(i, wanted.size()) != wanted) return false;
      i += wanted.size();
      return true;
    };
    if (!word("raw") || (i < source_.size() && is_name(source_[i]))) return false;
    char mark = '\0';
    while (i < source_.size() && is_space(source_[i])) ++i;
    if ((mark = mark_at(i)) != '\0') ++i;
    if (!word("%}")) return false;
    tokens_.pop_back();
    at_ = i;
    begin_text(mark, true);
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string_view::npos; tag += 2) {
      i = tag + 2;
      const char before = mark_at(i);
      if (before != '\0') ++i;
      if (!word("endraw")) continue;
      while (i < source_.size() && is_space(source_[i])) ++i;
      const char after = mark_at(i);
      if (after != '\0') ++i;
      if (!word("%}")) continue;
      end_text(tag, before, true);
      at_ = i;
      begin_text(after, true);
      return true;
    }
    return fail(error(open, "'raw' without 'endraw'"));
  }

  Result<void> tag(size_t open, char kind) {
    const char closing = kind == '%' ? '%' : '}';
    int depth = 0;  // Of brackets: '}}' inside a dictionary does not end the tag.
    while (true) {
      while (at_ < source_.size() && is_space(source_[at_])) ++at_;
      if (at_ >= source_.size())
        return fail(error(open, kind == '%' ? "a tag without '%}'" : "an expression without '}}'"));
      const char c = source_[at_];
      const char mark = mark_at(at_);
      const size_t close = mark != '\0' ? at_ + 1 : at_;
      if (depth == 0 && close + 1 < source_.size() && source_[close] == closing &&
          source_[close + 1] == '}') {
        tokens_.push_back({kind == '%' ? Token::block_end : Token::output_end, at_, ""});
        at_ = close + 2;
        begin_text(mark, kind == '%');
        return {};
      }
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') --depth;
      CONSORT_TRY(token());
    }
  }

  Result<void> token() {
    const size_t start = at_;
    const char c = source_[at_];
    if (is_name_start(c)) {
      while (at_ < source_.size() && is_name(source_[at_])) ++at_;
      tokens_.push_back({Token::name, start, std::string(source_.substr(start, at_ - start))});
      return {};
    }
    if (is_digit(c)) return number();
    if (c == '"' || c == '\'') return string(c);
    for (std::string_view op : {"**", "//", "==", "!=", "<=", ">="}) {
      if (source_.substr(at_, 2) == op) {
        at_ += 2;
        tokens_.push_back({Token::op, start, std::string(op)});
        return {};
      }
    }
    if (std::string_view("+-*/%~<>=()[]{}|.,:").find(c) == std::string_view::npos)
      return fail(error(start, "a character that no expression has").got(std::string_view(&c, 1)));
    ++at_;
    tokens_.push_back({Token::op, start, std::string(1, c)});
    return {};
  }

  Result<void> number() {
    const size_t start = at_;
    bool real = false;
    const auto digits = [&] {
      while (at_ < source_.size() && (is_digit(source_[at_]) || source_[at_] == '_')) ++at_;
    };
    digits();
    if (at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1])) {
      real = true;
      ++at_;
      digits();
    }
    if (at_ < source_.size() && (source_[at_] == 'e' || source_[at_] == 'E')) {
      size_t i = at_ + 1;
      if (i < source_.size() && (source_[i] == '+' || source_[i] == '-')) ++i;
      if (i < source_.size() && is_digit(source_[i])) {
        real = true;
        at_ = i;
        digits();
      }
    }
    std::string text(source_.substr(start, at_ - start));
    std::erase(text, '_');
    tokens_.push_back({real ? Token::real : Token::integer, start, std::move(text)});
    return {};
  }

  Result<void> string(char quote) {
    const size_t start = at_++;
    std::string text;
    while (at_ < source_.size() && source_[at_] != quote) {
      char c = source_[at_++];
      if (c != '\\' || at_ >= source_.size()) {
        text += c;
        continue;
      }
      c = source_[at_++];
      switch (c) {
        case 'n':
          text += '\n';
          break;
        case 't':
          text += '\t';
          break;
        case 'r':
          text += '\r';
          break;
        case '\\':
        case '\'':
        case '"':
          text += c;
          break;
        case '\n':
          break;
        case 'u':
        case 'x':
        case 'U':
        case 'N':
        case '0':
        case 'a':
        case 'b':
        case 'f':
        case 'v':
          return fail(make_error(ErrorCode::unsupported, 3402, "this escape in a string")
                          .at(place(name_, source_, at_ - 2))
                          .got(source_.substr(at_ - 2, 2))
                          .to_fix("write the character itself"));
        default:
          text += '\\';
          text += c;
      }
    }
    if (at_ >= source_.size()) return fail(error(start, "a string without its closing quote"));
    ++at_;
    tokens_.push_back({Token::string, start, std::move(text)});
    return {};
  }

  std::string_view source_, name_;
  size_t at_ = 0, text_start_ = 0;
  std::vector<Token> tokens_;
};

using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view source, std::string_view name,
         const TemplateLimits& limits)
      : tokens_(std::move(tokens)), source_(source), name_(name), limits_(limits) {}

  Result<Body> run() {
    CONSORT_ASSIGN(Body body, statements({}));
    if (peek().kind != Token::end) return fail(error(peek(), "an end tag without its beginning"));
    return body;
  }

 private:
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

  // Until a tag whose word is one of `ends` (not consumed), or the end.
  Result<Body> statements(std::vector<std::string_view> ends) {
    const DepthGuard guard(depth_);
    if (depth_ > limits_.depth_max) return fail(too_deep(peek().at));
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

  // --- Expressions ---
  ExpressionPtr make(Expression::Kind kind, size_t at, std::string text = "") const {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->at = at;
    made->text = std::move(text);
    return made;
  }
  Result<ExpressionPtr> finish(ExpressionPtr made) const {
    int height = 0;
    for (const auto& part : made->parts)
      if (part) height = std::max(height, part->height);
    for (const auto& [name, part] : made->named) height = std::max(height, part->height);
    made->height = height + 1;
    if (made->height > kHeightMax) return fail(too_deep(made->at));
    return made;
  }

  // "a, b" without parentheses is a list.
  Result<ExpressionPtr> tuple(bool conditional = true) {
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

  Result<ExpressionPtr> expression() {
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

  using Rule = Result<ExpressionPtr> (Parser::*)();
  // One or more `rule` joined by `op` (a word or an operator).
  Result<ExpressionPtr> joined(Expression::Kind kind, std::string_view op, Rule rule) {
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
  Result<ExpressionPtr> any_of() { return joined(Expression::any_of, "or", &Parser::all_of); }
  Result<ExpressionPtr> all_of() { return joined(Expression::all_of, "and", &Parser::not_); }
  Result<ExpressionPtr> concat() { return joined(Expression::concat, "~", &Parser::product); }

  Result<ExpressionPtr> not_() {
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

  Result<ExpressionPtr> comparison() {
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

  Result<ExpressionPtr> math(std::initializer_list<std::pair<std::string_view, char>> ops,
                             Rule rule) {
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
  Result<ExpressionPtr> sum() { return math({{"+", '+'}, {"-", '-'}}, &Parser::concat); }
  Result<ExpressionPtr> product() {
    return math({{"*", '*'}, {"/", '/'}, {"//", 'f'}, {"%", '%'}}, &Parser::power);
  }
  Result<ExpressionPtr> power() { return math({{"**", 'p'}}, &Parser::unary); }
  Result<ExpressionPtr> unary() { return signed_(true); }

  Result<ExpressionPtr> signed_(bool with_filters) {
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

  Result<ExpressionPtr> primary() {
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

  Result<ExpressionPtr> parenthesis(size_t at) {
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
  Result<ExpressionPtr> list(size_t at) {
    ExpressionPtr out = make(Expression::list, at);
    while (!is_op("]")) {
      CONSORT_ASSIGN(ExpressionPtr part, expression());
      out->parts.push_back(std::move(part));
      if (!skip_op(",")) break;
    }
    CONSORT_TRY(need_op("]"));
    return finish(std::move(out));
  }
  Result<ExpressionPtr> dict(size_t at) {  // Parts: key, value, key, value ...
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

  Result<void> arguments(Expression& out) {  // After "(".
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

  Result<ExpressionPtr> postfix(ExpressionPtr value) {
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

  Result<ExpressionPtr> subscript(size_t at, ExpressionPtr value) {
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

  Result<ExpressionPtr> filters(ExpressionPtr value) {
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

  Result<ExpressionPtr> test(ExpressionPtr value) {
    const size_t at = take().at;
    ExpressionPtr out = make(Expression::test, at);
    out->negated = skip_word("not");
    out->parts.push_back(std::move(value));
    const Token& name = peek();
    CONSORT_ASSIGN(out->text, need_name());
    if (!is_test(out->text))
      return fail(unsupported(name, "a test that is not implemented")
                      .to_fix("see docs/formats/template.md"));
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

  std::vector<Token> tokens_;
  std::string_view source_, name_;
  const TemplateLimits& limits_;
  size_t at_ = 0;
  int depth_ = 0;
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
  CONSORT_ASSIGN(std::vector<Token> tokens, Lexer(source, name).run());
  return Parser(std::move(tokens), source, name, limits).run();
}

}  // namespace consort::model::jinja

#include "model/template_lexer.h"

#include <algorithm>

#include "model/template_ast.h"

namespace consort::model::jinja {
namespace {

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

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view name) {
  return Lexer(source, name).run();
}

}  // namespace consort::model::jinja

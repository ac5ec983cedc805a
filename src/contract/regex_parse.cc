// Pattern text -> syntax tree.
#include <algorithm>

#include "contract/regex_tree.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr int kGroupDepthMax = 100;
constexpr uint32_t kRepeatMax = 10'000;

TreePtr leaf(Tree::Kind kind) {
  auto tree = std::make_shared<Tree>();
  tree->kind = kind;
  return tree;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<TreePtr> parse() {
    CONSORT_ASSIGN(TreePtr tree, alternatives(0));
    if (at_ < text_.size()) return fail(malformed("unmatched ')'"));
    return tree;
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  bool take(char c) { return take(std::string_view(&c, 1)); }

  Error malformed(std::string_view what) const {
    return make_error(ErrorCode::invalid_argument, 2102,
                      "malformed pattern: " + std::string(what) + " at byte " + std::to_string(at_))
        .got(cut_utf8(text_, 200))
        .to_fix("write an ECMA-262 regular expression");
  }
  Error outside(std::string_view what) const {
    return make_error(ErrorCode::unsupported, 2101,
                      "pattern uses " + std::string(what) + ", which is not a regular language")
        .got(cut_utf8(text_, 200))
        .to_fix("rewrite the pattern without it");
  }

  Result<TreePtr> alternatives(int depth) {
    if (depth > kGroupDepthMax) return fail(malformed("groups nested too deeply"));
    auto result = std::make_shared<Tree>();
    result->kind = Tree::Kind::alternate;
    do {
      CONSORT_ASSIGN(TreePtr part, sequence(depth));
      result->parts.push_back(std::move(part));
    } while (take('|'));
    return result->parts.size() == 1 ? result->parts[0] : TreePtr(result);
  }

  Result<TreePtr> sequence(int depth) {
    auto result = std::make_shared<Tree>();
    result->kind = Tree::Kind::concat;
    while (!done() && peek() != '|' && peek() != ')') {
      CONSORT_ASSIGN(TreePtr part, atom(depth));
      CONSORT_ASSIGN(part, repeated(std::move(part)));
      result->parts.push_back(std::move(part));
    }
    return TreePtr(result);
  }

  Result<TreePtr> repeated(TreePtr part) {
    uint32_t min = 0;
    std::optional<uint32_t> max;
    if (take('*')) {
    } else if (take('+')) {
      min = 1;
    } else if (take('?')) {
      max = 1;
    } else if (peek() == '{') {
      ++at_;
      const auto low = count();
      if (!low) return fail(malformed("expected a count after '{'"));
      min = *low;
      max = min;
      if (take(',')) max = count();
      if (!take('}')) return fail(malformed("expected '}'"));
      if (max && *max < min) return fail(malformed("counts out of order"));
      if (std::max(min, max.value_or(0)) > kRepeatMax) return fail(malformed("count too large"));
    } else {
      return part;
    }
    if (part->kind == Tree::Kind::at_start || part->kind == Tree::Kind::at_end) {
      return fail(malformed("an anchor cannot be repeated"));
    }
    take('?');  // A lazy quantifier matches the same language.
    if (!done() && (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')) {
      return fail(malformed("nothing to repeat"));
    }
    auto result = std::make_shared<Tree>();
    result->kind = Tree::Kind::repeat;
    result->parts.push_back(std::move(part));
    result->min = min;
    result->max = max;
    return TreePtr(result);
  }

  std::optional<uint32_t> count() {
    const size_t first = at_;
    uint32_t result = 0;
    while (peek() >= '0' && peek() <= '9') {
      result = std::min<uint32_t>(result * 10 + static_cast<uint32_t>(peek() - '0'), 1'000'000);
      ++at_;
    }
    return at_ > first ? std::optional(result) : std::nullopt;
  }

  Result<TreePtr> atom(int depth) {
    const char c = peek();
    switch (c) {
      case '^':
        ++at_;
        return leaf(Tree::Kind::at_start);
      case '$':
        ++at_;
        return leaf(Tree::Kind::at_end);
      case '.': {
        ++at_;
        return set_of(CodeSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement());
      }
      case '(':
        return group(depth);
      case '[':
        return bracket();
      case '\\': {
        if (take("\\b")) return fail(outside("the word boundary \\b"));
        if (take("\\B")) return fail(outside("the word boundary \\B"));
        if (at_ + 1 < text_.size() && text_[at_ + 1] >= '1' && text_[at_ + 1] <= '9') {
          return fail(outside("a back reference"));
        }
        if (take("\\k")) return fail(outside("a back reference"));
        CodeSet set;
        CONSORT_ASSIGN(auto single, escape(set));
        if (single) set.add(*single, *single);
        return set_of(set);
      }
      case '*':
      case '+':
      case '?':
        return fail(malformed("nothing to repeat"));
      case '{':
      case '}':
      case ']':
        // Unicode mode of ECMA-262 wants these escaped.
        return fail(malformed("unescaped bracket"));
      default: {
        CONSORT_ASSIGN(uint32_t code, character());
        return set_of(CodeSet{{code, code}});
      }
    }
  }

  Result<TreePtr> group(int depth) {
    ++at_;
    if (take("?=") || take("?!")) return fail(outside("look-ahead"));
    if (take("?<=") || take("?<!")) return fail(outside("look-behind"));
    if (take("?<")) {
      const size_t close = text_.find('>', at_);
      if (close == std::string_view::npos || close == at_) {
        return fail(malformed("group name without '>'"));
      }
      at_ = close + 1;
    } else if (!take("?:") && peek() == '?') {
      return fail(malformed("unknown kind of group"));
    }
    CONSORT_ASSIGN(TreePtr inner, alternatives(depth + 1));
    if (!take(')')) return fail(malformed("missing ')'"));
    return inner;
  }

  Result<uint32_t> character() {
    uint32_t code = 0;
    const int length = decode_utf8(text_, at_, &code);
    if (length == 0) return fail(malformed("ill-formed UTF-8"));
    at_ += static_cast<size_t>(length);
    return code;
  }

  // One escape: a code point, or nullopt when a class was added to `set`.
  Result<std::optional<uint32_t>> escape(CodeSet& set) {
    ++at_;
    if (done()) return fail(malformed("nothing after '\\'"));
    const CodeSet digits = {{'0', '9'}};
    const CodeSet word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    CONSORT_ASSIGN(const uint32_t c, character());
    switch (c) {
      case 'd':
        set.add(digits);
        return std::nullopt;
      case 'D':
        set.add(digits.complement());
        return std::nullopt;
      case 'w':
        set.add(word);
        return std::nullopt;
      case 'W':
        set.add(word.complement());
        return std::nullopt;
      case 's':
        set.add(white_space());
        return std::nullopt;
      case 'S':
        set.add(white_space().complement());
        return std::nullopt;
      case 'p':
      case 'P': {
        const size_t close = text_.find('}', at_);
        if (!take('{') || close == std::string_view::npos) {
          return fail(malformed("expected {property} after \\p"));
        }
        const std::string_view property = text_.substr(at_, close - at_);
        at_ = close + 1;
        auto found = unicode_property(property);
        if (!found) {
          return fail(make_error(ErrorCode::unsupported, 2101,
                                 "pattern uses the Unicode property '" + std::string(property) +
                                     "', only general categories are supported")
                          .got(cut_utf8(text_, 200))
                          .to_fix("list the characters as ranges"));
        }
        set.add(c == 'P' ? found->complement() : *found);
        return std::nullopt;
      }
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'v':
        return '\v';
      case 'f':
        return '\f';
      case 'r':
        return '\r';
      case '0':
        if (peek() >= '0' && peek() <= '9') return fail(malformed("octal escape"));
        return 0;
      case 'c': {
        const char letter = peek();
        if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))) {
          return fail(malformed("expected a letter after \\c"));
        }
        ++at_;
        return static_cast<uint32_t>(letter) % 32;
      }
      case 'x':
        return hex(2);
      case 'u':
        return unicode_escape();
      default:
        break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9')) {
      return fail(malformed("unknown escape"));
    }
    return c;
  }

  Result<std::optional<uint32_t>> hex(int digits) {
    uint32_t result = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const int value = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0) return fail(malformed("expected a hexadecimal digit"));
      result = result << 4 | static_cast<uint32_t>(value);
      ++at_;
    }
    return result;
  }

  Result<std::optional<uint32_t>> unicode_escape() {
    if (take('{')) {
      uint32_t result = 0;
      const size_t first = at_;
      while (peek() != '}') {
        CONSORT_ASSIGN(auto digit, hex(1));
        result = result << 4 | *digit;
        if (result > 0x10FFFF) return fail(malformed("code point past U+10FFFF"));
      }
      if (at_ == first) return fail(malformed("expected a hexadecimal digit"));
      ++at_;
      return result;
    }
    CONSORT_ASSIGN(auto unit, hex(4));
    if (*unit >= 0xD800 && *unit < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const size_t back = at_;
      at_ += 2;
      auto low = hex(4);
      if (low && **low >= 0xDC00 && **low < 0xE000) {
        return 0x10000 + ((*unit - 0xD800) << 10) + (**low - 0xDC00);
      }
      at_ = back;
    }
    return unit;
  }

  Result<TreePtr> bracket() {
    ++at_;
    const bool inverted = take('^');
    CodeSet set;
    while (!take(']')) {
      if (done()) return fail(malformed("missing ']'"));
      CONSORT_ASSIGN(auto first, class_atom(set));
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        CONSORT_ASSIGN(auto last, class_atom(set));
        if (!first || !last) return fail(malformed("a class cannot end a range"));
        if (*last < *first) return fail(malformed("range out of order"));
        set.add(*first, *last);
      } else if (first) {
        set.add(*first, *first);
      }
    }
    return set_of(inverted ? set.complement() : set);
  }

  Result<std::optional<uint32_t>> class_atom(CodeSet& set) {
    if (done()) return fail(malformed("missing ']'"));
    if (take("\\b")) return '\b';
    if (peek() == '\\') return escape(set);
    CONSORT_ASSIGN(uint32_t code, character());
    return code;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

TreePtr set_of(const CodeSet& set) {
  auto tree = std::make_shared<Tree>();
  tree->kind = Tree::Kind::set;
  tree->set = set.ranges();
  return tree;
}

Result<TreePtr> parse_pattern(std::string_view pattern) { return Parser(pattern).parse(); }

}  // namespace consort::contract

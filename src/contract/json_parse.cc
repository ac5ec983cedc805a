// A strict JSON reader without recursion: open containers live on an explicit stack.
//
// Own code rather than a library: the text of a number must survive, duplicate keys must be
// refused, and every error needs a line and a column.
#include <algorithm>

#include "contract/json.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr int kDepthLimit = 4096;  // Destroying and copying a value recurse to its depth.

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Parser {
 public:
  Parser(std::string_view text, const ParseLimits& limits)
      : text_(text),
        depth_max_(std::min(limits.depth_max, kDepthLimit)),
        allow_duplicate_keys_(limits.allow_duplicate_keys) {}

  Result<Value> parse() {
    skip_blanks();
    while (true) {
      CONSORT_ASSIGN(bool opened, value());
      if (opened) continue;  // An element or a first member comes next.
      CONSORT_ASSIGN(bool more, close_finished());
      if (!more) break;
    }
    skip_blanks();
    if (at_ < text_.size()) return fail(syntax("text after the end of the value"));
    return std::move(done_);
  }

 private:
  struct Frame {
    bool is_object = false;
    Array array;
    Object object;
    std::string key;
  };

  // Reads a scalar or an opening bracket. True if a container was opened and its first element is
  // next; false if `done_` holds a finished value.
  Result<bool> value() {
    if (at_ >= text_.size()) return fail(syntax("unexpected end of text"));
    switch (text_[at_]) {
      case '{':
        return open(true);
      case '[':
        return open(false);
      case '"': {
        std::string text;
        CONSORT_TRY(string(text));
        done_ = Value(std::move(text));
        return false;
      }
      case 't':
        return literal("true", Value(true));
      case 'f':
        return literal("false", Value(false));
      case 'n':
        return literal("null", Value());
      default:
        return number();
    }
  }

  Result<bool> open(bool is_object) {
    if (static_cast<int>(stack_.size()) >= depth_max_) {
      return fail(make_error(ErrorCode::resource_exhausted, 2002,
                             "JSON nested deeper than " + std::to_string(depth_max_))
                      .at(place(at_))
                      .to_fix("flatten the value or raise the limit depth_max"));
    }
    ++at_;
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == (is_object ? '}' : ']')) {
      ++at_;
      done_ = is_object ? Value(Object()) : Value(Array());
      return false;
    }
    stack_.emplace_back().is_object = is_object;
    if (is_object) CONSORT_TRY(key());
    return true;
  }

  // Puts `done_` into the innermost container; closes what ends here. False when all is closed.
  Result<bool> close_finished() {
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      if (frame.is_object) {
        frame.object.set(std::move(frame.key), std::move(done_));
      } else {
        frame.array.push_back(std::move(done_));
      }
      skip_blanks();
      const char close = frame.is_object ? '}' : ']';
      if (at_ >= text_.size()) return fail(syntax("unexpected end of text"));
      if (text_[at_] == ',') {
        ++at_;
        skip_blanks();
        if (frame.is_object) CONSORT_TRY(key());
        return true;
      }
      if (text_[at_] != close) {
        return fail(syntax(frame.is_object ? "expected ',' or '}'" : "expected ',' or ']'"));
      }
      ++at_;
      done_ = frame.is_object ? Value(std::move(frame.object)) : Value(std::move(frame.array));
      stack_.pop_back();
    }
    return false;
  }

  Result<void> key() {
    Frame& frame = stack_.back();
    const size_t start = at_;
    if (at_ >= text_.size() || text_[at_] != '"') return fail(syntax("expected a key in quotes"));
    frame.key.clear();
    CONSORT_TRY(string(frame.key));
    if (!allow_duplicate_keys_ && frame.object.find(frame.key)) {
      return fail(make_error(ErrorCode::invalid_argument, 2003, "duplicate key in JSON object")
                      .at(place(start))
                      .got(cut_utf8(frame.key, 200))
                      .to_fix("keep one of them"));
    }
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != ':') return fail(syntax("expected ':'"));
    ++at_;
    skip_blanks();
    return {};
  }

  Result<bool> literal(std::string_view word, Value value) {
    if (text_.substr(at_, word.size()) != word) return fail(syntax("expected a value"));
    at_ += word.size();
    done_ = std::move(value);
    return false;
  }

  Result<bool> number() {
    const size_t start = at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      return at_ > first;
    };
    const auto take = [&](char c) {
      if (at_ >= text_.size() || text_[at_] != c) return false;
      ++at_;
      return true;
    };
    take('-');
    if (!take('0') && !digits()) {
      return fail(syntax(at_ == start ? "expected a value" : "expected a digit"));
    }
    if (take('.') && !digits()) return fail(syntax("expected a digit after '.'"));
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return fail(syntax("expected a digit in the exponent"));
    }
    done_ = Value(Number{std::string(text_.substr(start, at_ - start))});
    return false;
  }

  Result<void> string(std::string& out) {
    ++at_;
    while (true) {
      const size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20) {
        ++at_;
      }
      out.append(text_.substr(plain, at_ - plain));
      if (at_ >= text_.size()) return fail(syntax("string without closing quote"));
      if (text_[at_] == '"') {
        ++at_;
        return {};
      }
      if (text_[at_] != '\\') return fail(syntax("control character in a string"));
      CONSORT_TRY(escape(out));
    }
  }

  Result<void> escape(std::string& out) {
    const size_t start = at_++;
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    if (const size_t found = kNames.find(c); c != '\0' && found != std::string_view::npos) {
      out += kMeaning[found];
      return {};
    }
    uint32_t unit = 0;
    if (c != 'u' || !hex4(unit)) {
      at_ = start;
      return fail(syntax("unknown escape in a string"));
    }
    if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      uint32_t low = 0;
      if (hex4(low) && low >= 0xDC00 && low < 0xE000) {
        append_utf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        return {};
      }
    }
    if (unit >= 0xD800 && unit < 0xE000) {
      at_ = start;
      return fail(syntax("half of a surrogate pair in a string"));
    }
    append_utf8(out, unit);
    return {};
  }

  bool hex4(uint32_t& unit) {
    unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = at_ < text_.size() ? hex_value(text_[at_]) : -1;
      if (digit < 0) return false;
      unit = unit << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  std::string place(size_t at) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t newline = before.rfind('\n');
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    return std::to_string(line) + ":" + std::to_string(count_code_points(before.substr(start)) + 1);
  }

  Error syntax(std::string message) const {
    return make_error(ErrorCode::invalid_argument, 2001, "not JSON: " + message)
        .at(place(std::min(at_, text_.size())))
        .got(cut_utf8(text_.substr(std::min(at_, text_.size())), 40))
        .to_fix("correct the text at this place");
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_max_;
  bool allow_duplicate_keys_;
  std::vector<Frame> stack_;
  Value done_;
};

}  // namespace

Result<Value> parse_json(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 2002,
                           "JSON of " + std::to_string(text.size()) + " bytes, limit " +
                               std::to_string(limits.bytes_max))
                    .at("1:1")
                    .to_fix("split the value or raise the limit bytes_max"));
  }
  if (const size_t bad = find_ill_formed(text); bad != std::string_view::npos) {
    const std::string_view before = text.substr(0, bad);
    const size_t newline = before.rfind('\n');
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(text[bad]);
    return fail(make_error(ErrorCode::invalid_argument, 2001, "not JSON: ill-formed UTF-8")
                    .at(std::to_string(line) + ":" +
                        std::to_string(count_code_points(before.substr(start)) + 1))
                    .got(std::string("byte 0x") + kHex[byte >> 4] + kHex[byte & 15])
                    .to_fix("save the text as UTF-8"));
  }
  return Parser(text, limits).parse();
}

}  // namespace consort::contract

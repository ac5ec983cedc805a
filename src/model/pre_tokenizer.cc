#include "model/pre_tokenizer.h"

namespace consort::model {
namespace {

// Code points [begin, end) with the class of each; past the end nothing matches.
class Cursor {
 public:
  Cursor(const std::vector<uint32_t>& text, const std::vector<CharClass>& classes, size_t begin,
         size_t end)
      : text_(text), classes_(classes), begin_(begin), end_(end) {}
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  bool inside(size_t at) const { return at < end_; }
  uint32_t at(size_t at) const { return at < end_ ? text_[at] : 0xffffffff; }
  bool is(size_t at, CharClass wanted) const { return at < end_ && classes_[at] == wanted; }
  size_t run(size_t at, CharClass wanted) const {
    while (is(at, wanted)) ++at;
    return at;
  }

 private:
  const std::vector<uint32_t>& text_;
  const std::vector<CharClass>& classes_;
  size_t begin_, end_;
};

// End of a contraction that starts at `at` ('s 't 'm 'd 're 've 'll), or `at`.
size_t contraction(const Cursor& text, size_t at, bool any_case) {
  if (text.at(at) != '\'') return at;
  const auto letter = [&](size_t i) {
    const uint32_t c = text.at(i);
    return any_case && text.inside(i) ? to_lower(c) : c;
  };
  const uint32_t first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
      (first == 'l' && second == 'l'))
    return at + 3;
  return at;
}

// End of the blanks from `at` as \s+(?!\S)|\s+ takes them: all but the last when something follows.
size_t blanks(const Cursor& text, size_t at) {
  const size_t end = text.run(at, CharClass::whitespace);
  return end > at + 1 && text.inside(end) ? end - 1 : end;
}

size_t next_gpt2(const Cursor& text, size_t at) {
  if (const size_t end = contraction(text, at, false); end > at) return end;
  const size_t body = text.at(at) == ' ' ? at + 1 : at;
  for (const CharClass kind : {CharClass::letter, CharClass::number, CharClass::other})
    if (text.is(body, kind)) return text.run(body, kind);
  return blanks(text, at);
}

size_t next_llama3(const Cursor& text, size_t at, size_t digits_max) {
  if (const size_t end = contraction(text, at, true); end > at) return end;
  const auto is_newline = [&](size_t i) { return text.at(i) == '\r' || text.at(i) == '\n'; };
  if (text.is(at, CharClass::letter)) return text.run(at, CharClass::letter);
  if (!is_newline(at) && !text.is(at, CharClass::number) && text.is(at + 1, CharClass::letter))
    return text.run(at + 1, CharClass::letter);
  if (text.is(at, CharClass::number)) {
    size_t end = at;
    while (end - at < digits_max && text.is(end, CharClass::number)) ++end;
    return end;
  }
  const size_t body = text.at(at) == ' ' ? at + 1 : at;
  if (text.is(body, CharClass::other)) {
    size_t end = text.run(body, CharClass::other);
    while (is_newline(end)) ++end;
    return end;
  }
  // \s*[\r\n]+ reaches to the last newline of the blanks.
  size_t last_newline = 0;
  for (size_t i = at; text.is(i, CharClass::whitespace); ++i)
    if (is_newline(i)) last_newline = i + 1;
  return last_newline > 0 ? last_newline : blanks(text, at);
}

void split(PreTokenizer kind, const Cursor& text, std::vector<uint32_t>& out) {
  for (size_t at = text.begin(); at < text.end();) {
    size_t end = at;
    switch (kind) {
      case PreTokenizer::gpt2:
      case PreTokenizer::smollm:
        end = next_gpt2(text, at);
        break;
      case PreTokenizer::llama3:
        end = next_llama3(text, at, 3);
        break;
      case PreTokenizer::qwen2:
        end = next_llama3(text, at, 1);
        break;
    }
    out.push_back(static_cast<uint32_t>(end - at));
    at = end;
  }
}

}  // namespace

std::optional<PreTokenizer> pre_tokenizer_of(std::string_view name) {
  if (name == "gpt-2" || name == "gpt2" || name == "mpt" || name == "olmo")
    return PreTokenizer::gpt2;
  if (name == "smollm" || name == "starcoder" || name == "refact" || name == "command-r")
    return PreTokenizer::smollm;
  if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") return PreTokenizer::llama3;
  if (name == "qwen2" || name == "deepseek-r1-qwen") return PreTokenizer::qwen2;
  return std::nullopt;
}

std::vector<uint32_t> pre_tokenize(PreTokenizer kind, const std::vector<uint32_t>& code_points) {
  std::vector<CharClass> classes(code_points.size());
  for (size_t i = 0; i < code_points.size(); ++i) classes[i] = char_class(code_points[i]);
  std::vector<uint32_t> lengths;
  if (kind != PreTokenizer::smollm) {
    split(kind, Cursor(code_points, classes, 0, code_points.size()), lengths);
    return lengths;
  }
  // What stands between two digits is split as if it were the whole text.
  size_t start = 0;
  for (size_t i = 0; i <= code_points.size(); ++i) {
    if (i < code_points.size() && classes[i] != CharClass::number) continue;
    split(kind, Cursor(code_points, classes, start, i), lengths);
    if (i < code_points.size()) lengths.push_back(1);
    start = i + 1;
  }
  return lengths;
}

}  // namespace consort::model

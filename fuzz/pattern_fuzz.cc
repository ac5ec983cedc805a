// First line: a pattern; second: a text. compile_pattern refuses, or gives an automaton that agrees
// with a backtracking matcher over the same syntax tree, and whose algebra holds: a shortest word
// matches, nothing lies in a language and outside it, lengths cut off what they say.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "contract/dfa.h"
#include "contract/regex.h"
#include "contract/regex_tree.h"
#include "contract/utf8.h"

namespace {

using namespace consort::contract;

// Backtracking with counted steps, so that it shares nothing with the automata.
class Backtracker {
 public:
  explicit Backtracker(std::string_view text) : text_(text) {}

  // Is the pattern found anywhere? Nothing once the steps are used up.
  std::optional<bool> found(const Tree& tree) {
    for (size_t from = 0; from <= text_.size(); ++from) {
      if (from < text_.size() && (static_cast<unsigned char>(text_[from]) & 0xC0) == 0x80) continue;
      if (match(tree, from, [](size_t) { return true; })) return true;
      if (steps_ > kStepsMax) return std::nullopt;
    }
    return false;
  }

 private:
  using Then = std::function<bool(size_t)>;
  static constexpr int kStepsMax = 20'000;
  static constexpr int kDepthMax = 300;

  bool match(const Tree& tree, size_t at, const Then& then) {
    if (++steps_ > kStepsMax) return false;
    if (++depth_ > kDepthMax) {
      steps_ = kStepsMax + 1;
      --depth_;
      return false;
    }
    const bool result = one(tree, at, then);
    --depth_;
    return result;
  }
  bool one(const Tree& tree, size_t at, const Then& then) {
    switch (tree.kind) {
      case Tree::Kind::empty:
        return then(at);
      case Tree::Kind::at_start:
        return at == 0 && then(at);
      case Tree::Kind::at_end:
        return at == text_.size() && then(at);
      case Tree::Kind::set: {
        uint32_t code = 0;
        const int length = at < text_.size() ? decode_utf8(text_, at, &code) : 0;
        if (length == 0) return false;
        for (const CodeRange& range : tree.set) {
          if (range.first <= code && code <= range.last) {
            return then(at + static_cast<size_t>(length));
          }
        }
        return false;
      }
      case Tree::Kind::concat:
        return in_row(tree, 0, at, then);
      case Tree::Kind::alternate:
        return std::any_of(tree.parts.begin(), tree.parts.end(),
                           [&](const TreePtr& part) { return match(*part, at, then); });
      case Tree::Kind::repeat:
        return again(tree, 0, at, then);
    }
    return false;
  }
  bool in_row(const Tree& tree, size_t part, size_t at, const Then& then) {
    if (part == tree.parts.size()) return then(at);
    return match(*tree.parts[part], at, [&](size_t next) { return in_row(tree, part + 1, next, then); });
  }
  bool again(const Tree& tree, uint32_t count, size_t at, const Then& then) {
    if (count >= tree.min && then(at)) return true;
    if (tree.max && count >= *tree.max) return false;
    return match(*tree.parts[0], at, [&](size_t next) {
      // An empty round past `min` leads nowhere new.
      if (next == at && count >= tree.min) return false;
      return again(tree, count + 1, next, then);
    });
  }

  std::string_view text_;
  int steps_ = 0, depth_ = 0;
};

bool is_utf8(std::string_view text) { return find_ill_formed(text) == std::string_view::npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 512) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t newline = all.find('\n');
  const std::string_view pattern = all.substr(0, newline);
  const std::string_view text = newline == std::string_view::npos ? "" : all.substr(newline + 1);
  const auto language = compile_pattern(pattern);
  if (!language) return 0;
  const auto word = shortest(*language);
  CONSORT_CHECK(word.has_value() == !language->is_empty());
  if (word) CONSORT_CHECK(language->matches(*word) && is_utf8(*word));
  const auto outside = subtract(any_string(), *language);
  if (outside) {
    const auto other = shortest(*outside);
    if (other) CONSORT_CHECK(!language->matches(*other));
    if (is_utf8(text)) CONSORT_CHECK(language->matches(text) != outside->matches(text));
    const auto both = intersect(*language, *outside);
    CONSORT_CHECK(!both || both->is_empty());
  }
  if (const auto cut = with_length(*language, 1, 3)) {
    if (const auto one = shortest(*cut)) {
      const uint64_t length = count_code_points(*one);
      CONSORT_CHECK(language->matches(*one) && length >= 1 && length <= 3);
    }
  }
  const auto tree = parse_pattern(pattern);
  CONSORT_CHECK(tree.has_value());
  if (!is_utf8(text) || text.size() > 64) return 0;
  const auto expected = Backtracker(text).found(**tree);
  if (expected) CONSORT_CHECK(language->matches(text) == *expected);
  return 0;
}

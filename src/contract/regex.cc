// Pattern text -> syntax tree -> byte NFA (Thompson) -> DFA (subset construction).
#include "contract/regex.h"

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>

#include "contract/code_set.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr int kGroupDepthMax = 100;
constexpr uint32_t kRepeatMax = 10'000;
constexpr size_t kNfaStatesMax = 400'000;
constexpr size_t kWorkMax = 60'000'000;  // NFA states visited by the subset construction.

struct Tree;
using TreePtr = std::shared_ptr<const Tree>;

struct Tree {
  enum class Kind { empty, set, concat, alternate, repeat, at_start, at_end } kind = Kind::empty;
  std::vector<CodeRange> set;
  std::vector<TreePtr> parts;
  uint32_t min = 0;
  std::optional<uint32_t> max;
};

TreePtr leaf(Tree::Kind kind) {
  auto tree = std::make_shared<Tree>();
  tree->kind = kind;
  return tree;
}

TreePtr set_of(const CodeSet& set) {
  auto tree = std::make_shared<Tree>();
  tree->kind = Tree::Kind::set;
  tree->set = set.ranges();
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

struct ByteEdge {
  uint8_t first = 0;
  uint8_t last = 0;
  uint32_t to = UINT32_MAX;
};

struct NfaState {
  enum class Kind : uint8_t { split, range, table, at_start, at_end, match } kind = Kind::split;
  uint8_t first = 0;
  uint8_t last = 0;
  uint32_t to = UINT32_MAX;
  uint32_t other = UINT32_MAX;  // Second branch of a split.
  std::vector<ByteEdge> edges;  // Of a table: disjoint, sorted.
};

// Builds states back to front: each function takes the state that follows and returns the entry.
class NfaBuilder {
 public:
  bool overflow() const { return states_.size() > kNfaStatesMax; }
  std::vector<NfaState> take() { return std::move(states_); }

  uint32_t add(NfaState state) {
    if (!overflow()) states_.push_back(state);
    return static_cast<uint32_t>(states_.size() - 1);
  }
  uint32_t match() { return add({.kind = NfaState::Kind::match}); }
  uint32_t split(uint32_t a, uint32_t b) {
    return add({.kind = NfaState::Kind::split, .to = a, .other = b});
  }
  // Any number of `set`, then `next`.
  uint32_t loop(const Tree& tree, uint32_t next) {
    const uint32_t head = split(UINT32_MAX, next);
    const uint32_t body = build(tree, head);
    if (!overflow()) states_[head].to = body;
    return head;
  }

  uint32_t build(const Tree& tree, uint32_t next) {
    if (overflow()) return next;
    switch (tree.kind) {
      case Tree::Kind::empty:
        return next;
      case Tree::Kind::set:
        return set(tree.set, next);
      case Tree::Kind::concat:
        for (auto part = tree.parts.rbegin(); part != tree.parts.rend(); ++part) {
          next = build(**part, next);
        }
        return next;
      case Tree::Kind::alternate: {
        uint32_t result = UINT32_MAX;
        for (const TreePtr& part : tree.parts) {
          const uint32_t entry = build(*part, next);
          result = result == UINT32_MAX ? entry : split(result, entry);
        }
        return result;
      }
      case Tree::Kind::repeat: {
        const Tree& part = *tree.parts[0];
        if (!tree.max) {
          next = loop(part, next);
        } else {
          const uint32_t end = next;
          for (uint32_t i = tree.min; i < *tree.max && !overflow(); ++i) {
            next = split(build(part, next), end);
          }
        }
        for (uint32_t i = 0; i < tree.min && !overflow(); ++i) next = build(part, next);
        return next;
      }
      case Tree::Kind::at_start:
        return add({.kind = NfaState::Kind::at_start, .to = next});
      case Tree::Kind::at_end:
        return add({.kind = NfaState::Kind::at_end, .to = next});
    }
    return next;
  }

 private:
  uint32_t set(const std::vector<CodeRange>& ranges, uint32_t next) {
    if (ranges.empty()) {
      return add({.kind = NfaState::Kind::range, .first = 1, .last = 0, .to = next});
    }
    if (ranges.size() > 1 || ranges[0].last >= 0x80) return embed(set_dfa(ranges), next);
    return sequences(ranges, next);
  }

  // The set as one deterministic automaton: large classes then cost one state at a time.
  const Dfa& set_dfa(const std::vector<CodeRange>& ranges);

  uint32_t embed(const Dfa& dfa, uint32_t next) {
    // Accepting states are ends: no character is the beginning of another.
    std::vector<uint32_t> ids(dfa.n_states());
    for (uint32_t s = 0; s < dfa.n_states(); ++s) {
      ids[s] = dfa.accept[s] ? next : add({.kind = NfaState::Kind::table});
    }
    if (overflow()) return next;
    for (uint32_t s = 0; s < dfa.n_states(); ++s) {
      if (dfa.accept[s]) continue;
      std::vector<ByteEdge>& edges = states_[ids[s]].edges;
      for (unsigned byte = 0; byte < 256; ++byte) {
        const uint32_t to = dfa.step(s, static_cast<unsigned char>(byte));
        if (to == Dfa::kDead) continue;
        if (!edges.empty() && edges.back().to == ids[to] && edges.back().last + 1u == byte) {
          edges.back().last = static_cast<uint8_t>(byte);
        } else {
          edges.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), ids[to]});
        }
      }
    }
    return ids[dfa.start];
  }

 public:
  // The set as alternatives of byte sequences.
  uint32_t sequences(const std::vector<CodeRange>& ranges, uint32_t next) {
    suffixes_.clear();
    uint32_t result = UINT32_MAX;
    for (const CodeRange& range : ranges) {
      constexpr uint32_t kEnds[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
      uint32_t first = range.first;
      for (uint32_t end : kEnds) {
        if (first > range.last) break;
        if (first > end) continue;
        const uint32_t last = std::min(range.last, end);
        std::string low;
        std::string high;
        append_utf8(low, first);
        append_utf8(high, last);
        result = bytes(low, high, 0, next, result);
        first = last + 1;
      }
    }
    return result;
  }

 private:
  // Adds alternatives for all sequences from `low` to `high` (same length) from byte `at` on.
  uint32_t bytes(std::string low, std::string high, size_t at, uint32_t next, uint32_t others) {
    const auto byte = [](const std::string& s, size_t i) { return static_cast<uint8_t>(s[i]); };
    const auto join = [&](uint32_t entry) {
      return others == UINT32_MAX ? entry : split(entry, others);
    };
    const size_t size = low.size();
    const auto is_all = [&](char c, const std::string& s) {
      return std::all_of(s.begin() + static_cast<long>(at) + 1, s.end(),
                         [&](char x) { return x == c; });
    };
    if (at + 1 == size || (is_all('\x80', low) && is_all('\xBF', high))) {
      uint32_t tail = next;
      for (size_t i = size - 1; i > at; --i) tail = shared_range(0x80, 0xBF, tail);
      return join(add({.kind = NfaState::Kind::range,
                       .first = byte(low, at),
                       .last = byte(high, at),
                       .to = tail}));
    }
    if (byte(low, at) == byte(high, at)) {
      const uint32_t rest = bytes(low, high, at + 1, next, UINT32_MAX);
      return join(add({.kind = NfaState::Kind::range,
                       .first = byte(low, at),
                       .last = byte(low, at),
                       .to = rest}));
    }
    // Cut off the ragged low end, the ragged high end, and take the middle whole.
    std::string cut = low;
    std::fill(cut.begin() + static_cast<long>(at) + 1, cut.end(), '\xBF');
    others = bytes(low, cut, at, next, others);
    std::string start = high;
    std::fill(start.begin() + static_cast<long>(at) + 1, start.end(), '\x80');
    if (byte(low, at) + 1 < byte(high, at)) {
      std::string mid_low = start;
      std::string mid_high = cut;
      mid_low[at] = static_cast<char>(byte(low, at) + 1);
      mid_high[at] = static_cast<char>(byte(high, at) - 1);
      others = bytes(mid_low, mid_high, at, next, others);
    }
    return bytes(start, high, at, next, others);
  }

  uint32_t shared_range(uint8_t first, uint8_t last, uint32_t to) {
    auto [found, fresh] = suffixes_.emplace(to, 0);
    if (fresh) {
      found->second = add({.kind = NfaState::Kind::range, .first = first, .last = last, .to = to});
    }
    return found->second;
  }

  std::vector<NfaState> states_;
  std::map<std::vector<std::pair<uint32_t, uint32_t>>, Dfa> set_dfas_;
  std::map<uint32_t, uint32_t> suffixes_;  // Within one set: full continuation ranges by target.
};

class Determiniser {
 public:
  explicit Determiniser(const std::vector<NfaState>& nfa) : nfa_(nfa), mark_(nfa.size(), 0) {}

  Result<Dfa> run(uint32_t entry) {
    classes();
    std::vector<uint32_t> first = closure({entry}, true);
    // The start state alone may pass '^', so it keeps an identity of its own.
    first.push_back(UINT32_MAX);
    state_of(std::move(first));
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (sets_.size() > kDfaStatesMax || work_ > kWorkMax) return fail(too_large());
      std::vector<uint32_t> set = *sets_[i];
      const bool is_start = !set.empty() && set.back() == UINT32_MAX;
      if (is_start) set.pop_back();
      dfa_.accept.push_back(accepts(set, is_start));
      for (unsigned char byte : sample_) {
        std::vector<uint32_t> moved;
        for (uint32_t s : set) {
          const NfaState& state = nfa_[s];
          if (state.kind == NfaState::Kind::range && byte >= state.first && byte <= state.last) {
            moved.push_back(state.to);
          } else if (state.kind == NfaState::Kind::table) {
            const auto edge =
                std::lower_bound(state.edges.begin(), state.edges.end(), byte,
                                 [](const ByteEdge& e, unsigned char b) { return e.last < b; });
            if (edge != state.edges.end() && edge->first <= byte) moved.push_back(edge->to);
          }
        }
        work_ += set.size() + 1;
        if (moved.empty()) {
          dfa_.next.push_back(Dfa::kDead);
        } else {
          dfa_.next.push_back(state_of(closure(std::move(moved), false)));
        }
      }
    }
    return minimise(std::move(dfa_));
  }

 private:
  static Error too_large() {
    return make_error(ErrorCode::resource_exhausted, 2104,
                      "pattern needs too many automaton states")
        .to_fix("simplify the pattern or lower its counts");
  }

  void classes() {
    std::array<bool, 257> boundary{};
    for (const NfaState& state : nfa_) {
      for (const ByteEdge& edge : state.edges) {
        boundary[edge.first] = true;
        boundary[size_t{edge.last} + 1] = true;
      }
      if (state.kind != NfaState::Kind::range || state.first > state.last) continue;
      boundary[state.first] = true;
      boundary[size_t{state.last} + 1] = true;
    }
    uint32_t id = 0;
    for (int byte = 0; byte < 256; ++byte) {
      if (byte > 0 && boundary[static_cast<size_t>(byte)]) ++id;
      if (sample_.size() == id) sample_.push_back(static_cast<unsigned char>(byte));
      dfa_.class_of[static_cast<size_t>(byte)] = static_cast<uint8_t>(id);
    }
    dfa_.n_classes = id + 1;
  }

  // The states that consume, reachable without consuming; '^' is passed only `at_start`.
  std::vector<uint32_t> closure(std::vector<uint32_t> work, bool at_start) {
    ++generation_;
    std::vector<uint32_t> result;
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      if (s == UINT32_MAX || mark_[s] == generation_) continue;
      mark_[s] = generation_;
      ++work_;
      const NfaState& state = nfa_[s];
      if (state.kind == NfaState::Kind::split) {
        work.push_back(state.to);
        work.push_back(state.other);
      } else if (state.kind == NfaState::Kind::at_start) {
        if (at_start) work.push_back(state.to);
      } else {
        result.push_back(s);
      }
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  bool accepts(const std::vector<uint32_t>& set, bool at_start) {
    ++generation_;
    std::vector<uint32_t> work = set;
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      if (s == UINT32_MAX || mark_[s] == generation_) continue;
      mark_[s] = generation_;
      const NfaState& state = nfa_[s];
      if (state.kind == NfaState::Kind::match) return true;
      if (state.kind == NfaState::Kind::split) {
        work.push_back(state.to);
        work.push_back(state.other);
      } else if (state.kind == NfaState::Kind::at_end ||
                 (state.kind == NfaState::Kind::at_start && at_start)) {
        work.push_back(state.to);
      }
    }
    return false;
  }

  uint32_t state_of(std::vector<uint32_t> set) {
    auto [found, fresh] = ids_.emplace(std::move(set), static_cast<uint32_t>(sets_.size()));
    if (fresh) sets_.push_back(&found->first);
    return found->second;
  }

  const std::vector<NfaState>& nfa_;
  std::vector<uint64_t> mark_;
  uint64_t generation_ = 0;
  size_t work_ = 0;
  std::vector<unsigned char> sample_;
  std::map<std::vector<uint32_t>, uint32_t> ids_;
  std::vector<const std::vector<uint32_t>*> sets_;
  Dfa dfa_;
};

const Dfa& NfaBuilder::set_dfa(const std::vector<CodeRange>& ranges) {
  std::vector<std::pair<uint32_t, uint32_t>> key;
  for (const CodeRange& range : ranges) key.emplace_back(range.first, range.last);
  auto [found, fresh] = set_dfas_.try_emplace(std::move(key));
  if (fresh) {
    NfaBuilder builder;
    const uint32_t entry = builder.sequences(ranges, builder.match());
    const std::vector<NfaState> nfa = builder.take();
    auto dfa = Determiniser(nfa).run(entry);
    CONSORT_CHECK(dfa.has_value());  // At most a few thousand states: there are only 1,114,112.
    found->second = std::move(*dfa);
  }
  return found->second;
}

}  // namespace

Result<Dfa> compile_pattern(std::string_view pattern) {
  CONSORT_ASSIGN(TreePtr tree, Parser(pattern).parse());
  const TreePtr any = set_of(CodeSet{{0, 0x10FFFF}});
  NfaBuilder builder;
  const uint32_t after = builder.loop(*any, builder.match());
  const uint32_t found = builder.build(*tree, after);
  const uint32_t entry = builder.loop(*any, found);
  if (builder.overflow()) {
    return fail(make_error(ErrorCode::resource_exhausted, 2104, "pattern is too large")
                    .got(cut_utf8(pattern, 200))
                    .to_fix("lower its counts"));
  }
  const std::vector<NfaState> nfa = builder.take();
  auto dfa = Determiniser(nfa).run(entry);
  if (!dfa) return fail(std::move(dfa).error().got(cut_utf8(pattern, 200)));
  return dfa;
}

}  // namespace consort::contract

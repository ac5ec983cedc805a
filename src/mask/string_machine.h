// The inside of a JSON string, byte by byte: raw UTF-8 and escapes drive an automaton over the
// decoded text, and the fewest bytes to the closing quote are always known. Internal to this
// folder.
//
// Escapes: the short ones; \uXXXX for any character but surrogates where there is no pattern, and
// for ASCII where there is one (everything else can be written raw). `any_escape` adds the rest:
// surrogate pairs, and every character in strings with a pattern.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contract/dfa.h"
#include "mask/trie.h"

namespace consort::mask {

struct StringState {
  uint32_t state = 0;     // Of the automaton.
  uint32_t min_left = 0;  // Code points still needed; only without a pattern.
  uint32_t max_left = 0;  // Code points still possible; kNoLimit when unbounded.
  uint32_t hex = 0;       // The digits of \u so far; above 16 bits, the high surrogate before it.
  // 0 none, 1 after '\', 2 to 5 after \u and 0 to 3 digits; after a high surrogate 6, 7 after '\',
  // 8 to 11 after \u and 0 to 3 digits.
  uint8_t escape = 0;
  bool operator==(const StringState&) const = default;
};

class StringMachine {
 public:
  static constexpr uint32_t kNoLimit = UINT32_MAX;

  static StringMachine free(const Vocabulary::Trie& trie, uint64_t min,
                            std::optional<uint64_t> max);
  // The strings of `language` of so many characters, counted beside the automaton. Nullopt where
  // that is not exact: from some state the lengths of what may follow have gaps.
  static std::optional<StringMachine> counted(const contract::Dfa& language,
                                              const Vocabulary::Trie& trie, uint64_t min,
                                              std::optional<uint64_t> max);
  // The strings of `language`.
  static StringMachine of(contract::Dfa language, const Vocabulary::Trie& trie);

  void any_escape() { any_escape_ = true; }
  bool is_same(const StringMachine& other) const;
  size_t hash() const;  // Of what `is_same` compares, roughly.

  bool is_free() const { return free_; }
  StringState start() const { return start_; }
  // Bytes to and including the closing quote; kInfinite when there is no way.
  int cost(const StringState& state) const;
  bool may_close(const StringState& state) const;
  // One byte inside the string (not a closing quote); false leaves `state` unspecified.
  bool step(StringState& state, uint8_t byte, std::string* decoded = nullptr) const;
  // For keys: a language in which every string is written without escapes.
  static StringMachine raw(contract::Dfa language, const Vocabulary::Trie& trie);
  // Bytes to the cheapest end that is none of `rests`, the quote included; kInfinite if there is
  // none. `rests`: sorted, distinct. Raw machines only.
  int cost_new(uint32_t state, std::span<const std::string_view> rests) const;
  // Bytes of the shortest strings, one by one, quotes excluded; at most `n`, fewer if there are no
  // more or finding them takes too long. Raw machines only.
  std::vector<int> shortest_lengths(size_t n) const;
  // No state costs more than this, escapes under way included; kInfinite if lengths are limited.
  int cost_most() const { return cost_most_; }
  const contract::Dfa& dfa() const { return dfa_; }
  bool is_live(uint32_t state) const { return distance_[state] != contract::Dfa::kDead; }
  // Can the automaton's state, with so many characters needed and possible, still come to an end?
  bool is_live(const StringState& state) const {
    if (state.state == contract::Dfa::kDead || !is_live(state.state)) return false;
    if (!counted_) return true;
    const Lengths& lengths = lengths_[state.state];
    return lengths.shortest <= state.max_left && lengths.longest >= state.min_left;
  }
  bool is_counted() const { return counted_; }
  // Every state but the first may end, or go on as long as one likes: then lengths bind by number.
  bool ends_anywhere() const { return ends_anywhere_; }
  // Between two characters of a string without pattern?
  bool is_between(const StringState& state) const {
    return free_ && state.escape == 0 && state.state == dfa_.start;
  }
  bool is_raw() const { return raw_; }

 private:
  bool feed(StringState& state, uint32_t code_point, std::string* decoded) const;
  bool feed_byte(StringState& state, uint8_t byte) const;
  int state_cost(uint32_t state) const;
  void set_cost_most();
  bool find_lengths();
  int counted_cost(const StringState& state) const;
  int escape_cost(const StringState& state) const;
  bool is_alive(StringState after, uint32_t state, uint32_t first, uint32_t last) const;
  bool step_unicode(StringState& state, uint8_t byte, std::string* decoded) const;

  contract::Dfa dfa_;
  std::vector<uint32_t> distance_;
  bool free_ = false;
  struct Lengths {  // Characters to an end: every number between is possible too.
    uint32_t shortest = 0;
    uint32_t longest = 0;  // kNoLimit if there is no end to it.
  };
  std::vector<Lengths> lengths_;  // [n_states], if counted.
  // [n][state]: bytes to an end in exactly n characters, or in the shortest if that is more.
  std::vector<std::vector<uint32_t>> exactly_;
  bool counted_ = false;
  bool ends_anywhere_ = false;
  bool raw_ = false;
  bool any_escape_ = false;
  int cost_most_ = 0;
  std::array<bool, 256> plain_{};  // Raw: bytes that may be written.
  StringState start_;
};

}  // namespace consort::mask

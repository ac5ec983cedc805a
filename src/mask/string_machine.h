// The inside of a JSON string, byte by byte: raw UTF-8 and escapes drive an automaton over the
// decoded text, and the fewest bytes to the closing quote are always known. Internal to this
// folder.
//
// Escapes: the short ones; \uXXXX for any character but surrogates where there is no pattern, and
// for ASCII where there is one (everything else can be written raw).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "contract/dfa.h"
#include "mask/trie.h"

namespace consort::mask {

struct StringState {
  uint32_t state = 0;     // Of the automaton.
  uint32_t min_left = 0;  // Code points still needed; only without a pattern.
  uint32_t max_left = 0;  // Code points still possible; kNoLimit when unbounded.
  uint16_t hex = 0;       // The digits of \u so far.
  uint8_t escape = 0;     // 0 none, 1 after '\', 2 to 5 after \u and 0 to 3 digits.
  bool operator==(const StringState&) const = default;
};

class StringMachine {
 public:
  static constexpr uint32_t kNoLimit = UINT32_MAX;

  static StringMachine free(const Vocabulary::Trie& trie, uint64_t min,
                            std::optional<uint64_t> max);
  // The strings of `language`.
  static StringMachine of(contract::Dfa language, const Vocabulary::Trie& trie);

  bool is_free() const { return free_; }
  StringState start() const { return start_; }
  // Bytes to and including the closing quote; kInfinite when there is no way.
  int cost(const StringState& state) const;
  bool may_close(const StringState& state) const;
  // One byte inside the string (not a closing quote); false leaves `state` unspecified.
  bool step(StringState& state, uint8_t byte, std::string* decoded = nullptr) const;
  // For keys: a language in which every string is written without escapes.
  static StringMachine raw(contract::Dfa language, const Vocabulary::Trie& trie);
  // Bytes to the `n`th cheapest string that continues `text` and that `is_used` does not know, the
  // quote included; kInfinite if there are fewer, or finding them takes too long.
  int cost_unused(const StringState& state, const std::string& text, size_t n,
                  const std::function<bool(const std::string&)>& is_used) const;
  bool is_raw() const { return raw_; }

 private:
  bool feed(StringState& state, uint32_t code_point, std::string* decoded) const;
  bool feed_byte(StringState& state, uint8_t byte) const;
  int state_cost(uint32_t state) const;
  int escape_cost(const StringState& state) const;

  contract::Dfa dfa_;
  std::vector<uint32_t> distance_;
  bool free_ = false;
  bool raw_ = false;
  StringState start_;
};

}  // namespace consort::mask

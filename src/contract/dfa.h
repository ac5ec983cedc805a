// Dfa: a deterministic automaton over the UTF-8 bytes of a string. Patterns, formats and lengths
// all become one, so that "fits both", "fits this but not that" and "the shortest that fits" are
// exact.
//
// States from which nothing is accepted are removed: a transition is either live or kDead. Every
// language here is a set of well-formed UTF-8 strings.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::contract {

struct Dfa {
  static constexpr uint32_t kDead = UINT32_MAX;

  std::array<uint8_t, 256> class_of{};  // Bytes that no state tells apart share a class.
  uint32_t n_classes = 1;
  std::vector<uint32_t> next;   // [n_states, n_classes]
  std::vector<uint8_t> accept;  // [n_states]; empty when the language is empty.
  uint32_t start = 0;

  size_t n_states() const { return accept.size(); }
  bool is_empty() const { return accept.empty(); }
  uint32_t step(uint32_t state, unsigned char byte) const {
    return next[size_t{state} * n_classes + class_of[byte]];
  }
  bool matches(std::string_view text) const;
};

// All take the limit on states of the result; error 2104 past it.
inline constexpr size_t kDfaStatesMax = 60'000;

// All well-formed UTF-8 strings.
Dfa any_string();
Dfa empty_language();
// Exactly these strings.
Result<Dfa> literal_strings(const std::vector<std::string>& texts);
Result<Dfa> intersect(const Dfa& a, const Dfa& b);
// In `a` and not in `b`.
Result<Dfa> subtract(const Dfa& a, const Dfa& b);
// Restricts to lengths in code points, `max` included; nullopt = no upper end.
Result<Dfa> with_length(const Dfa& a, uint64_t min, std::optional<uint64_t> max);
// Fewest bytes to acceptance from every state, where byte b costs weight[b].
std::vector<uint32_t> distances(const Dfa& dfa, const std::array<uint32_t, 256>& weight);
// A shortest accepted string; prefers printable ASCII. Nullopt when the language is empty.
std::optional<std::string> shortest(const Dfa& dfa);
// Drops dead and unreachable states and merges equal ones.
Dfa minimise(Dfa dfa);

}  // namespace consort::contract

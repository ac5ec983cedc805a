// The vocabulary as a byte trie in preorder, and what can be known of a token without any schema.
// Internal to this folder.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "contract/dfa.h"
#include "mask/mask.h"

namespace consort::mask {

using Bits = std::vector<uint64_t>;

inline constexpr int kInfinite = 1 << 29;  // A cost that no budget meets.
inline int plus(int a, int b) { return a >= kInfinite || b >= kInfinite ? kInfinite : a + b; }

struct Vocabulary::Trie {
  // Node 0 is the root. The children of i are i + 1, end[i + 1], ... below end[i].
  std::vector<uint8_t> byte;
  std::vector<uint32_t> end;
  std::vector<uint32_t> token_begin;  // [n_nodes + 1] into `tokens`: those spelt by the path.
  std::vector<int32_t> tokens;
  std::vector<uint8_t> has_quote;  // Does a path through this node contain '"'?
  std::array<bool, 256> single{};  // Is this byte a token?
  size_t n_words = 0;              // Of a mask.

  // Tokens that stay inside a string without pattern when they start between two characters.
  // `characters` counts a begun escape too; `extra` is what ends the begun character, in bytes.
  struct Interior {
    uint32_t characters = 0;
    int extra = 0;
    std::vector<int32_t> tokens;  // Or, if there are many, `bits`.
    Bits bits;
  };
  std::vector<Interior> interior;
  Bits interior_all;
  uint32_t interior_characters_max = 0;
  int interior_extra_max = 0;
  contract::Dfa any;               // any_string(), and from each state
  std::vector<uint32_t> any_cost;  // the bytes to the end of the character; kDead if impossible.

  // Fewest tokens that spell text[i..] for every i; [text.size() + 1].
  std::vector<int> spelling(std::string_view text) const;
};

}  // namespace consort::mask

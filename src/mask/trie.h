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

// Texts of tokens. Node 0 is the root; the children of i are i + 1, end[i + 1], ... below end[i].
struct ByteTrie {
  std::vector<uint8_t> byte;
  std::vector<uint32_t> end;
  std::vector<uint8_t> depth;         // Bytes of the path.
  std::vector<uint32_t> token_begin;  // [n_nodes + 1] into `tokens`: those spelt by the path.
  std::vector<int32_t> tokens;
  std::vector<int32_t> token_at;  // The one token of the node; -1 if none, -2 if there are more.
};

struct Vocabulary::Trie : ByteTrie {
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
  std::vector<int32_t> escaped;  // Tokens with a backslash.
  // [n]: tokens that stay in, of n characters at most that begin in them.
  static constexpr size_t kCharactersMax = 64;
  std::vector<Bits> at_most;
  uint32_t interior_characters_max = 0;
  int interior_extra_max = 0;
  contract::Dfa any;               // any_string(), and from each state
  std::vector<uint32_t> any_cost;  // the bytes to the end of the character; kDead if impossible.

  // Tokens of a few bytes out of one alphabet, and a trie of all others: where an automaton takes
  // whatever the alphabet spells, only the others need be looked at.
  struct Slice {
    static constexpr int kLengthMax = 12;
    std::vector<uint8_t> alphabet;
    Bits bits;
    ByteTrie others;
  };
  std::vector<Slice> slices;  // The widest first.

  // Tokens with a quote that closes a string which the token began inside of, between two
  // characters: what comes before the quote (nodes of `leaving`, a trie as this one) and what comes
  // after it (`suffixes`; the first is empty).
  struct Leaver {
    uint32_t suffix = 0;
    uint32_t characters = 0;  // Before the quote.
    int32_t token = 0;
    uint16_t quote = 0;     // Where in the token it is.
    bool is_plain = false;  // No escape before it.
  };
  struct Leaving {
    std::vector<uint8_t> byte;
    std::vector<uint32_t> end;
    std::vector<std::vector<Leaver>> here;
  };
  struct Suffixes {
    std::vector<uint8_t> byte;
    std::vector<uint32_t> end;
    std::vector<int32_t> id;  // Of the suffix that ends here; -1 if none does.
    uint32_t count = 0;
  };
  Leaving leaving;
  Suffixes suffixes;
  std::vector<Leaver> leavers;  // All of `leaving` that stay in a string without pattern.

  // Fewest tokens that spell text[i..] for every i; [text.size() + 1].
  std::vector<int> spelling(std::string_view text) const;
};

}  // namespace consort::mask

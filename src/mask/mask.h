// Token masks: contract x tokenizer -> which tokens may come next.
//
// A token is allowed if and only if the bytes so far, with it, begin a value in emitted form
// (docs/formats/contract.md) and the cheapest end of that value fits in the tokens that are left.
// No dead end, no truncated value. What cannot be enforced is refused by `compile`, never dropped.
//
// The cheapest end is counted so that it can always be walked: keys, enum values and literals in
// the fewest tokens that spell them, everything else one byte a token. So a budget below
// `shortest_tokens` is refused although some luckier spelling might have fitted.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contract/schema.h"

namespace consort::mask {

// What the tokens are, as bytes. Immutable; one per tokenizer.
class Vocabulary final {
 public:
  // `pieces[i]` = the bytes of token i; empty for special tokens, which a mask never allows.
  // Error 2205 if a printable ASCII character is not itself a token (then closing cannot be
  // promised), or an end token is out of range.
  static Result<std::shared_ptr<const Vocabulary>> create(std::vector<std::string> pieces,
                                                          std::vector<int32_t> end_tokens);
  ~Vocabulary();
  size_t size() const { return pieces_.size(); }
  const std::string& piece(int32_t token) const { return pieces_[token]; }
  const std::vector<int32_t>& end_tokens() const { return end_tokens_; }
  struct Trie;
  const Trie& trie() const { return *trie_; }

 private:
  Vocabulary();
  std::vector<std::string> pieces_;
  std::vector<int32_t> end_tokens_;
  std::unique_ptr<Trie> trie_;
};

struct MaskOptions {
  int whitespace_max = 1;  // Consecutive blanks between tokens of the value. 0 = compact JSON only.
  bool newlines = false;   // A line feed is a blank too.
  int digits_max = 17;     // Of one number, at most 17.
  int depth_max = 32;      // Arrays and objects inside one another, at most 128.
  // Keys that no `properties` declares may be written, if the schema accepts them: each new.
  bool open = false;
  // Values as others write them, not only as a model should: exponents, -0 and 1.0 for integers,
  // more digits than digits_max where nothing depends on them, surrogate pairs and other escapes in
  // strings and keys, blanks around the value. For judging texts that exist.
  bool any_spelling = false;
  bool any_order = false;  // Declared keys in any order, not the author's.
  bool operator==(const MaskOptions&) const = default;
};

// Compiled contract for one vocabulary. Immutable, shared.
class CompiledMask;
// Errors: 2201 cannot be enforced (place = JSON Pointer), 2202 limit, 2203 no value fits (the
// schema accepts nothing, or nothing within the options).
Result<std::shared_ptr<const CompiledMask>> compile(std::shared_ptr<const contract::Schema> schema,
                                                    std::shared_ptr<const Vocabulary> vocabulary,
                                                    const MaskOptions& options = {});
// Whether `compile` would refuse the schema whatever the vocabulary: asked when an agent is loaded.
Result<void> enforceable(const contract::Schema& schema, const MaskOptions& options = {});
// Upper bound on the tokens of the cheapest value, end token included.
int shortest_tokens(const CompiledMask& mask);
// What it holds now, the vocabulary aside. It grows while matchers find token sets, up to a bound.
uint64_t resident_bytes(const CompiledMask& mask);

// One sequence's position. Copy to fork. One thread at a time.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const CompiledMask> mask);
  Matcher(const Matcher&);
  Matcher& operator=(const Matcher&);
  ~Matcher();

  // Bit t of word t/64 = token t may come next, such that the value can still be closed, end token
  // included, within `tokens_left` tokens (this one counted). All zero only after the end token.
  // `out` has (vocabulary.size() + 63) / 64 words. Error 2203 if the value cannot be closed within
  // `tokens_left`; it always can when `shortest_tokens` fitted at the start and allowed tokens were
  // committed, one for each of `tokens_left`.
  Result<void> allowed(int tokens_left, std::span<uint64_t> out) const;
  // Advances. Error 2204 if the token was not allowed.
  Result<void> commit(int32_t token);
  bool value_complete() const;  // The bytes so far are a complete value; the end token is allowed.
  bool ended() const;           // The end token was committed.
  // Upper bound on the tokens that closing takes from here, end token included; 0 once ended.
  int tokens_to_close() const;
  // Bytes which are forced from here, whatever the model would like; empty if there is a choice.
  std::string forced_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace consort::mask

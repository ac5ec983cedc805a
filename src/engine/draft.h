// Drafter: guesses the next tokens of a sequence from what it has read and written already.
//
// Prompt look-up (Saxena 2023): where the last few tokens stood before, what followed them then is
// proposed. A guess costs rows of a step, never a bit of the output; the drafter proposes more
// while guesses are right and nearly nothing where they are not.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace consort::engine {

// One sequence's. One thread at a time.
class Drafter final {
 public:
  // At most `n_max` tokens that may follow `tokens` (the whole sequence so far, which only ever
  // grows between calls).
  std::span<const int32_t> propose(std::span<const int32_t> tokens, int n_max);
  // What became of the last proposal.
  void learn(int drafted, int accepted);

 private:
  static constexpr size_t kGram = 3;
  int length() const;
  std::unordered_map<uint64_t, uint32_t> last_;  // Of a gram: where what followed it begins.
  size_t n_known_ = 0;                           // Grams that end before this token are in `last_`.
  std::vector<int32_t> draft_;
  double rate_ = 0.5;  // Accepted of drafted, the recent past weighing most.
  int silent_ = 0;     // Chances let pass since drafting was found useless.
};

}  // namespace consort::engine

#include "mask/accepts.h"

#include <chrono>

namespace consort::mask {
namespace {

using Clock = std::chrono::steady_clock;

bool has(std::span<const uint64_t> bits, int32_t token) {
  return bits[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1;
}

}  // namespace

Acceptance accepts(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                   std::span<const int32_t> tokens, bool count_forced) {
  constexpr int kTokensLeft = 1 << 28;
  Acceptance result;
  Matcher matcher(mask);
  std::vector<uint64_t> bits((vocabulary.size() + 63) / 64);
  int64_t at = 0;
  int64_t forced_to = 0;
  for (size_t i = 0; i <= tokens.size(); ++i) {
    const bool is_end = i == tokens.size();
    const int32_t token = is_end ? vocabulary.end_tokens()[0] : tokens[i];
    if (count_forced && !is_end && at >= forced_to) {
      forced_to = at + static_cast<int64_t>(matcher.forced_bytes().size());
    }
    const auto started = Clock::now();
    const bool allowed = matcher.allowed(kTokensLeft, bits).has_value() && has(bits, token);
    const bool committed = allowed && matcher.commit(token).has_value();
    result.mask_us.push_back(
        std::chrono::duration<float, std::micro>(Clock::now() - started).count());
    if (!committed) {
      result.rejected_at_byte = at;
      return result;
    }
    if (is_end) break;
    ++result.n_tokens;
    at += static_cast<int64_t>(vocabulary.piece(token).size());
    result.n_forced += at <= forced_to;
  }
  result.accepted = matcher.ended();
  return result;
}

}  // namespace consort::mask

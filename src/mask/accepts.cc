#include "mask/accepts.h"

#include <chrono>
#include <ctime>

namespace consort::mask {
namespace {

using Clock = std::chrono::steady_clock;

// Microseconds since any moment.
double now(bool cpu_time) {
  if (!cpu_time) {
    return std::chrono::duration<double, std::micro>(Clock::now().time_since_epoch()).count();
  }
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e6 + double(time.tv_nsec) / 1e3;
}

bool has(std::span<const uint64_t> bits, int32_t token) {
  return bits[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1;
}

}  // namespace

Acceptance accepts(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                   std::span<const int32_t> tokens, const AcceptOptions& options) {
  constexpr int kTokensLeft = 1 << 28;
  Acceptance result;
  Matcher matcher(mask);
  std::vector<uint64_t> bits((vocabulary.size() + 63) / 64);
  int64_t at = 0;
  int64_t forced_to = 0;
  for (size_t i = 0; i <= tokens.size(); ++i) {
    const bool is_end = i == tokens.size();
    const int32_t token = is_end ? vocabulary.end_tokens()[0] : tokens[i];
    if (options.count_forced && !is_end && at >= forced_to) {
      forced_to = at + static_cast<int64_t>(matcher.forced_bytes().size());
    }
    const double started = now(options.cpu_time);
    const bool allowed = matcher.allowed(kTokensLeft, bits).has_value() && has(bits, token);
    const bool committed = allowed && matcher.commit(token).has_value();
    result.mask_us.push_back(static_cast<float>(now(options.cpu_time) - started));
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

#include "run/attempt.h"

#include <algorithm>

#include "base/sha256.h"

namespace consort::run {

std::optional<AttemptPlan> plan_attempt(const agent::ComponentSpec& spec, int attempt) {
  if (attempt <= 1) return AttemptPlan{spec.name, false};
  int left = attempt - 1;
  for (const agent::Recovery& recovery : spec.on_violation) {
    using Kind = agent::Recovery::Kind;
    int n = recovery.kind == Kind::retry ? std::max(recovery.times, 0) : 1;
    if (left <= n) {
      return AttemptPlan{recovery.kind == Kind::escalate ? recovery.component : spec.name,
                         recovery.kind == Kind::repair};
    }
    left -= n;
  }
  return std::nullopt;
}

uint64_t attempt_seed(uint64_t run_seed, std::string_view step, int attempt) {
  std::string text = hex64(run_seed);
  text.append("/").append(step).append("/").append(std::to_string(attempt));
  Digest digest = sha256(text);
  uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | digest.bytes[static_cast<size_t>(i)];
  return out;
}

std::string nested_prefix(std::string_view step, int attempt) {
  std::string out(step);
  if (attempt > 1) out.append("~").append(std::to_string(attempt));
  return out.append("/");
}

std::string hex64(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) out[i] = kDigits[value & 15];
  return out;
}

}  // namespace consort::run

// Attempts: which component a step tries next, and with what seed. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/definition.h"

namespace consort::run {

struct AttemptPlan {
  std::string component;  // The step's own, or one that `escalate` names.
  bool repair = false;    // Told what was wrong with the attempt before.
};

// Attempt 1 is the step's own component; then on_violation in order: repair is one attempt (of a nested
// agent plainly another: it has no way to be told), {retry: n} are n, {escalate: c} is one by c. std::nullopt: there is no such attempt, and the failure is
// final.
std::optional<AttemptPlan> plan_attempt(const agent::ComponentSpec& spec, int attempt);

// First 64 bits, big-endian, of SHA-256("<seed, 16 hex digits>/<step>/<attempt>"): the same in
// every process and whatever else runs.
uint64_t attempt_seed(uint64_t run_seed, std::string_view step, int attempt);

// What the steps of a nested agent are named after: "verdict/", or "verdict~2/" for a second attempt.
std::string nested_prefix(std::string_view step, int attempt);

std::string hex64(uint64_t value);  // 16 lower-case digits.

}  // namespace consort::run

#include "mask/string_machine.h"

#include <algorithm>

#include "contract/utf8.h"

namespace consort::mask {
namespace {

constexpr std::string_view kShortNames = "\"\\/bfnrt";
constexpr std::string_view kShortMeaning = "\"\\/\b\f\n\r\t";

int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What each decoded byte costs when written into a JSON string, in single-byte tokens.
std::array<uint32_t, 256> written_bytes(const Vocabulary::Trie& trie) {
  std::array<uint32_t, 256> weight;
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (byte == '"' || byte == '\\') {
      weight[byte] = 2;
    } else if (byte < 0x20) {
      weight[byte] = kShortMeaning.find(c) != std::string_view::npos ? 2 : 6;
    } else {
      weight[byte] = trie.single[byte] ? 1 : byte == 0x7F ? 6 : contract::Dfa::kDead;
    }
  }
  return weight;
}

uint32_t clipped(uint64_t count) {
  return static_cast<uint32_t>(std::min<uint64_t>(count, StringMachine::kNoLimit - 1));
}

}  // namespace

StringMachine StringMachine::free(const Vocabulary::Trie& trie, uint64_t min,
                                  std::optional<uint64_t> max) {
  StringMachine result;
  result.free_ = true;
  result.dfa_ = trie.any;
  result.distance_ = trie.any_cost;
  result.start_.state = result.dfa_.start;
  result.start_.min_left = clipped(min);
  result.start_.max_left = max ? clipped(*max) : kNoLimit;
  result.set_cost_most();
  if (min > 0) result.cost_most_ = plus(result.cost_most_, static_cast<int>(std::min<uint64_t>(min, kInfinite)));
  return result;
}

StringMachine StringMachine::of(contract::Dfa language, const Vocabulary::Trie& trie) {
  StringMachine result;
  result.dfa_ = std::move(language);
  if (!result.dfa_.is_empty()) {
    result.distance_ = contract::distances(result.dfa_, written_bytes(trie));
  }
  result.start_.state = result.dfa_.start;
  result.start_.max_left = kNoLimit;
  result.set_cost_most();
  return result;
}

StringMachine StringMachine::raw(contract::Dfa language, const Vocabulary::Trie& trie) {
  StringMachine result;
  result.raw_ = true;
  result.dfa_ = std::move(language);
  for (size_t byte = 0x20; byte < 256; ++byte) {
    result.plain_[byte] = byte != '"' && byte != '\\' && trie.single[byte];
  }
  if (!result.dfa_.is_empty()) {
    std::array<uint32_t, 256> weight;
    for (size_t byte = 0; byte < 256; ++byte) {
      weight[byte] = result.plain_[byte] ? 1 : contract::Dfa::kDead;
    }
    result.distance_ = contract::distances(result.dfa_, weight);
  }
  result.start_.state = result.dfa_.start;
  result.start_.max_left = kNoLimit;
  result.set_cost_most();
  return result;
}

void StringMachine::set_cost_most() {
  uint32_t most = 0;
  for (const uint32_t distance : distance_) {
    if (distance != contract::Dfa::kDead) most = std::max(most, distance);
  }
  constexpr int kEscape = 12;  // Two \uXXXX.
  cost_most_ = static_cast<int>(most) + kEscape + 1;
}

int StringMachine::cost_new(uint32_t state, std::span<const std::string_view> rests) const {
  if (state_cost(state) >= kInfinite) return kInfinite;
  if (dfa_.accept[state] && (rests.empty() || !rests[0].empty())) return 1;
  std::array<bool, 256> taken{};
  for (const std::string_view rest : rests) {
    if (!rest.empty()) taken[static_cast<uint8_t>(rest[0])] = true;
  }
  int best = kInfinite;
  for (size_t byte = 0x20; byte < 256; ++byte) {
    if (taken[byte] || !plain_[byte]) continue;
    const uint32_t next = dfa_.step(state, static_cast<uint8_t>(byte));
    if (next != contract::Dfa::kDead) best = std::min(best, plus(state_cost(next), 2));
  }
  constexpr size_t kLongest = 1'000;  // Past it, no new end is promised.
  for (size_t i = 0; i < rests.size();) {
    if (rests[i].empty()) {
      ++i;
      continue;
    }
    const char first = rests[i][0];
    std::vector<std::string_view> tails;
    bool is_short = true;
    for (; i < rests.size() && !rests[i].empty() && rests[i][0] == first; ++i) {
      tails.push_back(rests[i].substr(1));
      is_short &= rests[i].size() <= kLongest;
    }
    const uint32_t next = dfa_.step(state, static_cast<uint8_t>(first));
    if (!plain_[static_cast<uint8_t>(first)]) continue;
    if (next == contract::Dfa::kDead || plus(state_cost(next), 2) >= best || !is_short) continue;
    best = std::min(best, plus(cost_new(next, tails), 1));
  }
  return best;
}

std::vector<int> StringMachine::shortest_lengths(size_t n) const {
  constexpr size_t kWorkMax = 1'000'000;
  constexpr int kLengthMax = 256;
  std::vector<int> result;
  if (dfa_.is_empty() || state_cost(dfa_.start) >= kInfinite) return result;
  std::vector<uint32_t> bytes_of(dfa_.n_classes, 0);
  for (size_t byte = 0x20; byte < 256; ++byte) {
    bytes_of[dfa_.class_of[byte]] += plain_[byte];
  }
  // How many texts of one length lead to each state; more than n are as good as n.
  std::vector<uint64_t> ways(dfa_.n_states(), 0);
  ways[dfa_.start] = 1;
  size_t work = 0;
  for (int length = 0; length <= kLengthMax; ++length) {
    std::vector<uint64_t> next(ways.size(), 0);
    bool any = false;
    for (size_t state = 0; state < ways.size(); ++state) {
      if (ways[state] == 0) continue;
      if (dfa_.accept[state]) {
        for (uint64_t i = 0; i < ways[state] && result.size() < n; ++i) result.push_back(length);
      }
      for (size_t c = 0; c < dfa_.n_classes; ++c) {
        const uint32_t to = dfa_.next[state * dfa_.n_classes + c];
        if (to == contract::Dfa::kDead || bytes_of[c] == 0 || !is_live(to)) continue;
        next[to] = std::min<uint64_t>(n, next[to] + ways[state] * bytes_of[c]);
        any = true;
      }
    }
    work += ways.size() * dfa_.n_classes;
    if (result.size() >= n || !any || work > kWorkMax) break;
    ways = std::move(next);
  }
  return result;
}

int StringMachine::state_cost(uint32_t state) const {
  if (state >= distance_.size()) return kInfinite;
  return distance_[state] == contract::Dfa::kDead ? kInfinite : static_cast<int>(distance_[state]);
}

int StringMachine::cost(const StringState& state) const {
  if (state.escape != 0) return escape_cost(state);
  if (free_) {
    if (state.max_left < state.min_left) return kInfinite;
    return plus(plus(state_cost(state.state),
                     static_cast<int>(std::min<uint32_t>(state.min_left, kInfinite))),
                1);
  }
  return plus(state_cost(state.state), 1);
}

int StringMachine::escape_cost(const StringState& state) const {
  const int digits_left = state.escape == 1 ? 0 : 6 - state.escape;
  if (free_) {
    if (state.max_left == 0) return kInfinite;
    const uint32_t after = state.min_left > 0 ? state.min_left - 1 : 0;
    return (state.escape == 1 ? 1 : digits_left) + static_cast<int>(after) + 1;
  }
  int best = kInfinite;
  const auto offer = [&](uint32_t code_point, int bytes) {
    const uint32_t to = dfa_.step(state.state, static_cast<uint8_t>(code_point));
    if (to != contract::Dfa::kDead) best = std::min(best, plus(state_cost(to), bytes + 1));
  };
  if (state.escape == 1) {
    for (char c : kShortMeaning) offer(static_cast<uint8_t>(c), 1);
    for (uint32_t code = 0; code < 0x80; ++code) offer(code, 5);
    return best;
  }
  const uint32_t first = uint32_t{state.hex} << (4 * digits_left);
  const uint32_t last = first + (1u << (4 * digits_left)) - 1;
  for (uint32_t code = first; code <= std::min(last, 0x7Fu); ++code) offer(code, digits_left);
  return best;
}

bool StringMachine::may_close(const StringState& state) const {
  return state.escape == 0 && state.min_left == 0 && state.state < dfa_.accept.size() &&
         dfa_.accept[state.state];
}

bool StringMachine::feed_byte(StringState& state, uint8_t byte) const {
  if ((byte & 0xC0) != 0x80) {
    if (state.max_left == 0) return false;
    if (state.max_left != kNoLimit) --state.max_left;
    if (state.min_left > 0) --state.min_left;
  }
  state.state = dfa_.step(state.state, byte);
  return state.state != contract::Dfa::kDead && state_cost(state.state) < kInfinite;
}

bool StringMachine::feed(StringState& state, uint32_t code_point, std::string* decoded) const {
  if (!free_ && code_point >= 0x80) return false;
  std::string bytes;
  contract::append_utf8(bytes, code_point);
  if (decoded) *decoded += bytes;
  state.escape = 0;
  state.hex = 0;
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](char c) { return feed_byte(state, static_cast<uint8_t>(c)); });
}

bool StringMachine::step(StringState& state, uint8_t byte, std::string* decoded) const {
  if (state.escape == 0) {
    if (byte == '\\') {
      if (raw_) return false;
      // Only between characters: a DFA in mid-character has no way to go on by an ASCII one.
      state.escape = 1;
      if (free_ && state.state != dfa_.start) return false;
      return cost(state) < kInfinite;
    }
    if (byte < 0x20 || byte == '"') return false;
    if (decoded) *decoded += static_cast<char>(byte);
    return feed_byte(state, byte);
  }
  if (state.escape == 1) {
    if (byte == 'u') {
      state.escape = 2;
      return cost(state) < kInfinite;
    }
    const size_t found = kShortNames.find(static_cast<char>(byte));
    return found != std::string_view::npos &&
           feed(state, static_cast<uint8_t>(kShortMeaning[found]), decoded);
  }
  const int digit = hex_value(byte);
  if (digit < 0) return false;
  if (state.escape == 3 && state.hex == 0xD && digit >= 8) return false;  // Surrogates.
  state.hex = static_cast<uint16_t>(state.hex << 4 | digit);
  if (state.escape == 5) return feed(state, state.hex, decoded);
  ++state.escape;
  return cost(state) < kInfinite;
}

}  // namespace consort::mask

#include "mask/string_machine.h"

#include <algorithm>
#include <functional>

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

bool StringMachine::is_same(const StringMachine& other) const {
  return free_ == other.free_ && raw_ == other.raw_ && any_escape_ == other.any_escape_ &&
         counted_ == other.counted_ && start_ == other.start_ && dfa_.accept == other.dfa_.accept &&
         dfa_.class_of == other.dfa_.class_of && dfa_.next == other.dfa_.next;
}

size_t StringMachine::hash() const {
  size_t result = dfa_.n_states() * 31 + dfa_.n_classes;
  for (const size_t part : {size_t{start_.min_left}, size_t{start_.max_left}, size_t{free_},
                            size_t{raw_}, dfa_.next.empty() ? 0 : size_t{dfa_.next.back()}}) {
    result = result * 1'000'003 + part;
  }
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

// What lengths follow every state, and is there no gap in them? A state's lengths are those of its
// successors, one more by each byte that begins a character.
bool StringMachine::find_lengths() {
  const size_t n = dfa_.n_states();
  std::array<uint8_t, 256> kinds{};  // Of a class of bytes: 1 begins a character, 2 continues one.
  for (size_t byte = 0; byte < 256; ++byte) {
    kinds[dfa_.class_of[byte]] |= (byte & 0xC0) == 0x80 ? 2 : 1;
  }
  constexpr size_t kWorkMax = 4'000'000;
  if (n * dfa_.n_classes > kWorkMax / 20) return false;
  const auto each = [&](size_t state, const auto& visit) {  // (to, characters)
    for (size_t c = 0; c < dfa_.n_classes; ++c) {
      const uint32_t to = dfa_.next[state * dfa_.n_classes + c];
      if (to == contract::Dfa::kDead || !is_live(to)) continue;
      if (kinds[c] & 1) visit(to, 1u);
      if (kinds[c] & 2) visit(to, 0u);
    }
  };
  lengths_.assign(n, {kNoLimit, 0});
  size_t work = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t state = n; state-- > 0;) {
      uint32_t best = dfa_.accept[state] ? 0 : kNoLimit;
      each(state, [&](uint32_t to, uint32_t characters) {
        if (lengths_[to].shortest != kNoLimit) best = std::min(best, lengths_[to].shortest + characters);
      });
      if (best < lengths_[state].shortest) {
        lengths_[state].shortest = best;
        changed = true;
      }
    }
    if ((work += n * dfa_.n_classes) > kWorkMax) return false;
  }
  // Longest: past n characters there is a cycle.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t state = n; state-- > 0;) {
      uint32_t most = lengths_[state].longest;
      each(state, [&](uint32_t to, uint32_t characters) {
        const uint32_t longest = lengths_[to].longest;
        const bool is_endless = longest == kNoLimit || (to == state && characters > 0);
        most = std::max(most, is_endless ? kNoLimit : longest + characters);
      });
      if (most != kNoLimit && most > n) most = kNoLimit;
      if (most > lengths_[state].longest) {
        lengths_[state].longest = most;
        changed = true;
      }
    }
    if ((work += n * dfa_.n_classes) > kWorkMax) return false;
  }
  std::vector<std::pair<uint32_t, uint32_t>> parts;
  for (size_t state = 0; state < n; ++state) {
    if (!is_live(static_cast<uint32_t>(state))) continue;
    parts.clear();
    if (dfa_.accept[state]) parts.emplace_back(0, 0);
    each(state, [&](uint32_t to, uint32_t characters) {
      const Lengths& l = lengths_[to];
      parts.emplace_back(l.shortest + characters,
                         l.longest == kNoLimit ? kNoLimit : l.longest + characters);
    });
    std::sort(parts.begin(), parts.end());
    uint64_t covered = lengths_[state].shortest;
    for (const auto& [from, to] : parts) {
      if (from > covered + 1) return false;
      covered = std::max<uint64_t>(covered, to);
    }
  }
  return true;
}

std::optional<StringMachine> StringMachine::counted(const contract::Dfa& language,
                                                    const Vocabulary::Trie& trie, uint64_t min,
                                                    std::optional<uint64_t> max) {
  constexpr size_t kCostsMax = 100'000;
  if (language.is_empty() || min * language.n_states() > kCostsMax) return std::nullopt;
  StringMachine result = of(language, trie);
  if (!result.is_live(result.dfa_.start) || !result.find_lengths()) return std::nullopt;
  result.counted_ = true;
  result.start_.min_left = clipped(min);
  result.start_.max_left = max ? clipped(*max) : kNoLimit;
  const contract::Dfa& dfa = result.dfa_;
  const size_t n = dfa.n_states();
  const auto weight = written_bytes(trie);
  // The dearest byte of a class that begins a character, or continues one, is not needed: the least.
  std::array<uint32_t, 256> lead, more;
  lead.fill(contract::Dfa::kDead);
  more.fill(contract::Dfa::kDead);
  for (size_t byte = 0; byte < 256; ++byte) {
    uint32_t& least = (byte & 0xC0) == 0x80 ? more[dfa.class_of[byte]] : lead[dfa.class_of[byte]];
    least = std::min(least, weight[byte]);
  }
  uint32_t most = 0;
  std::vector<uint32_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return result.lengths_[a].shortest < result.lengths_[b].shortest;
  });
  for (uint64_t count = 0; count <= min; ++count) {
    std::vector<uint32_t> costs(n, contract::Dfa::kDead);
    // Steps that continue a character, and those to the shortest end, stay in the row: by passes.
    for (bool changed = true; changed;) {
      changed = false;
      for (const uint32_t state : order) {
        const Lengths& lengths = result.lengths_[state];
        if (lengths.shortest == kNoLimit) continue;
        const uint64_t exactly = std::max<uint64_t>(count, lengths.shortest);
        if (exactly > lengths.longest) continue;
        uint32_t best = exactly == 0 && dfa.accept[state] ? 0 : contract::Dfa::kDead;
        for (size_t c = 0; c < dfa.n_classes; ++c) {
          const uint32_t to = dfa.next[state * dfa.n_classes + c];
          if (to == contract::Dfa::kDead || result.lengths_[to].shortest == kNoLimit) continue;
          const auto offer = [&](uint32_t bytes, uint64_t left, const std::vector<uint32_t>& row) {
            if (bytes == contract::Dfa::kDead || row[to] == contract::Dfa::kDead) return;
            if (std::max<uint64_t>(left, result.lengths_[to].shortest) != left) return;
            best = std::min(best, bytes + row[to]);
          };
          // [left] of the next state is in the row of that count, or in any lower one if it is its
          // shortest.
          if (exactly > 0) {
            const uint64_t left = exactly - 1;
            offer(lead[c], left, left >= count ? costs : result.exactly_[left]);
          }
          offer(more[c], exactly, costs);
        }
        if (best < costs[state]) {
          costs[state] = best;
          changed = true;
        }
      }
    }
    for (const uint32_t cost : costs) most = cost == contract::Dfa::kDead ? most : std::max(most, cost);
    result.exactly_.push_back(std::move(costs));
  }
  result.cost_most_ = static_cast<int>(most) + 13;
  result.ends_anywhere_ = true;
  const bool returns = std::find(dfa.next.begin(), dfa.next.end(), dfa.start) != dfa.next.end();
  for (size_t state = 0; state < n; ++state) {
    const Lengths& lengths = result.lengths_[state];
    if ((state == dfa.start && !returns) || lengths.shortest == kNoLimit) continue;
    result.ends_anywhere_ &= lengths.shortest == 0 && lengths.longest == kNoLimit;
  }
  if (!result.is_live(result.start_)) {  // Nothing is that long.
    result.dfa_ = contract::empty_language();
    result.distance_.clear();
  }
  return result;
}

int StringMachine::counted_cost(const StringState& state) const {
  if (!is_live(state)) return kInfinite;
  const uint32_t cost = exactly_[state.min_left][state.state];
  return cost == contract::Dfa::kDead ? kInfinite : static_cast<int>(cost);
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
  return plus(counted_ ? counted_cost(state) : state_cost(state.state), 1);
}

namespace {

// Bytes from inside an escape to its end, at least.
int escape_bytes(const StringState& state) {
  if (state.escape == 1) return 1;
  if (state.escape >= 6) return 12 - state.escape;
  const uint32_t digits = state.escape - 2u;
  const bool high = digits >= 2 && state.hex >> (4 * (digits - 2)) >= 0xD8 &&
                    state.hex >> (4 * (digits - 2)) <= 0xDB;
  return 6 - state.escape + (high ? 6 : 0);
}

// The code points that the digits of an escape may still come to.
std::pair<uint32_t, uint32_t> code_points(const StringState& state) {
  if (state.escape >= 6) {
    const uint32_t base = 0x10000 + (((state.hex >> 16) - 0xD800) << 10);
    const int left = state.escape < 8 ? 16 : 4 * (12 - state.escape);
    const uint32_t first = left >= 16 ? 0 : (state.hex & 0xFFFF) << left;
    const uint32_t last = first + (left >= 16 ? 0xFFFF : (1u << left) - 1);
    return {base + std::max(first, 0xDC00u) - 0xDC00, base + std::min(last, 0xDFFFu) - 0xDC00};
  }
  const int left = 4 * (6 - state.escape);
  const uint32_t first = state.hex << left;
  const uint32_t last = first + (1u << left) - 1;
  if (escape_bytes(state) > 6 - state.escape) {
    return {0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 0x3FF};
  }
  return {first, last};
}

}  // namespace

// Does a character of the range keep the automaton alive? Byte by byte, whole branches at once.
bool StringMachine::is_alive(StringState after, uint32_t state, uint32_t first,
                             uint32_t last) const {
  struct Length {
    uint32_t from, to, n_more, mark;
  };
  constexpr Length kLengths[] = {
      {0, 0x7F, 0, 0}, {0x80, 0x7FF, 1, 0xC0}, {0x800, 0xFFFF, 2, 0xE0}, {0x10000, 0x10FFFF, 3, 0xF0}};
  // `prefix` are the bits so far; the characters below it are [prefix << 6n, ...].
  const std::function<bool(uint32_t, uint32_t, uint32_t)> below =
      [&](uint32_t at, uint32_t prefix, uint32_t n_more) {
        after.state = at;
        if (!is_live(after)) return false;
        if (n_more == 0) return true;
        for (uint32_t bits = 0; bits < 64; ++bits) {
          const uint32_t next = prefix << 6 | bits;
          const uint32_t low = next << (6 * (n_more - 1));
          const uint32_t high = low + (1u << (6 * (n_more - 1))) - 1;
          if (high < first || low > last) continue;
          const uint32_t to = dfa_.step(at, static_cast<uint8_t>(0x80 | bits));
          if (to != contract::Dfa::kDead && below(to, next, n_more - 1)) return true;
        }
        return false;
      };
  for (const Length& length : kLengths) {
    const uint32_t from = std::max(first, length.from) >> (6 * length.n_more);
    const uint32_t to = std::min(last, length.to) >> (6 * length.n_more);
    if (std::max(first, length.from) > std::min(last, length.to)) continue;
    for (uint32_t lead = from; lead <= to; ++lead) {
      const uint32_t next = dfa_.step(state, static_cast<uint8_t>(length.mark | lead));
      if (next != contract::Dfa::kDead && below(next, lead, length.n_more)) return true;
    }
  }
  return false;
}

int StringMachine::escape_cost(const StringState& state) const {
  const int bytes = escape_bytes(state);
  if (free_) {
    if (state.max_left == 0) return kInfinite;
    const uint32_t after = state.min_left > 0 ? state.min_left - 1 : 0;
    return bytes + static_cast<int>(after) + 1;
  }
  int best = kInfinite;
  if (state.max_left == 0) return kInfinite;
  StringState after = state;
  if (after.max_left != kNoLimit) --after.max_left;
  if (after.min_left > 0) --after.min_left;
  const auto offer = [&](uint32_t code_point, int more) {
    after.state = dfa_.step(state.state, static_cast<uint8_t>(code_point));
    if (after.state == contract::Dfa::kDead) return;
    best = std::min(best, plus(counted_ ? counted_cost(after) : state_cost(after.state), more + 1));
  };
  if (state.escape == 1) {
    for (char c : kShortMeaning) offer(static_cast<uint8_t>(c), 1);
    for (uint32_t code = 0; code < 0x80; ++code) offer(code, 5);
    if (best < kInfinite || !any_escape_) return best;
    return is_alive(after, state.state, 0, 0x10FFFF) ? 11 + cost_most_ : kInfinite;
  }
  const auto [first, last] = code_points(state);
  for (uint32_t code = first; code <= std::min(last, 0x7Fu); ++code) offer(code, bytes);
  if (best < kInfinite || !any_escape_) return best;
  // No digit yet, or the one that surrogates begin with: those too, which take six bytes more.
  const bool pairs = state.escape == 2 || (state.escape == 3 && state.hex == 0xD);
  if (is_alive(after, state.state, first, last)) return bytes + cost_most_;
  return pairs && is_alive(after, state.state, 0x10000, 0x10FFFF) ? bytes + 6 + cost_most_ : kInfinite;
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
  return is_live(state);
}

bool StringMachine::feed(StringState& state, uint32_t code_point, std::string* decoded) const {
  if (!free_ && !any_escape_ && code_point >= 0x80) return false;
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
  return step_unicode(state, byte, decoded);
}

bool StringMachine::step_unicode(StringState& state, uint8_t byte, std::string* decoded) const {
  if (state.escape == 6 || state.escape == 7) {  // The second half of a pair must follow.
    if (byte != (state.escape == 6 ? '\\' : 'u')) return false;
    ++state.escape;
    return true;
  }
  const int digit = hex_value(byte);
  if (digit < 0) return false;
  if (state.escape == 3 && state.hex == 0xD && digit >= (any_escape_ ? 12 : 8)) return false;
  if (state.escape == 8 && digit != 0xD) return false;
  if (state.escape == 9 && digit < 12) return false;
  const uint32_t high = state.hex & 0xFFFF0000;
  state.hex = high | ((state.hex << 4 | static_cast<uint32_t>(digit)) & 0xFFFF);
  if (state.escape == 5 && state.hex >= 0xD800 && state.hex <= 0xDBFF) {
    state.hex <<= 16;
    state.escape = 6;
    return cost(state) < kInfinite;
  }
  if (state.escape == 5) return feed(state, state.hex, decoded);
  if (state.escape == 11) return feed(state, code_points({.hex = state.hex, .escape = 12}).first, decoded);
  ++state.escape;
  return cost(state) < kInfinite;
}

}  // namespace consort::mask

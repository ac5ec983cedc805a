#include "contract/dfa.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>
#include <utility>

namespace consort::contract {
namespace {

bool is_continuation(unsigned byte) { return (byte & 0xC0) == 0x80; }

Error too_large() {
  return make_error(ErrorCode::resource_exhausted, 2104,
                    "a pattern with its lengths needs more than " + std::to_string(kDfaStatesMax) +
                        " automaton states")
      .to_fix("simplify the pattern, or lower its counts or maxLength");
}

// Classes of bytes that neither automaton tells apart.
uint32_t common_classes(const Dfa& a, const Dfa& b, std::array<uint8_t, 256>& class_of,
                        std::vector<unsigned char>& sample) {
  std::map<std::pair<int, int>, int> ids;
  for (int byte = 0; byte < 256; ++byte) {
    const auto key = std::make_pair(int{a.class_of[byte]}, int{b.class_of[byte]});
    auto [found, fresh] = ids.emplace(key, static_cast<int>(ids.size()));
    if (fresh) sample.push_back(static_cast<unsigned char>(byte));
    class_of[byte] = static_cast<uint8_t>(found->second);
  }
  return static_cast<uint32_t>(sample.size());
}

enum class Op { intersect, subtract };

Result<Dfa> product(const Dfa& a, const Dfa& b, Op op) {
  if (a.is_empty()) return empty_language();
  if (b.is_empty()) return op == Op::subtract ? a : empty_language();
  Dfa result;
  std::vector<unsigned char> sample;
  result.n_classes = common_classes(a, b, result.class_of, sample);
  std::unordered_map<uint64_t, uint32_t> ids;
  std::vector<std::pair<uint32_t, uint32_t>> states;
  const auto state_of = [&](uint32_t x, uint32_t y) {
    auto [found, fresh] = ids.emplace(uint64_t{x} << 32 | y, static_cast<uint32_t>(states.size()));
    if (fresh) states.emplace_back(x, y);
    return found->second;
  };
  state_of(a.start, b.start);
  for (size_t i = 0; i < states.size(); ++i) {
    if (states.size() > kDfaStatesMax) return fail(too_large());
    const auto [x, y] = states[i];
    const bool in_b = y != Dfa::kDead && b.accept[y];
    result.accept.push_back(a.accept[x] && (op == Op::intersect ? in_b : !in_b));
    for (unsigned char byte : sample) {
      const uint32_t nx = a.step(x, byte);
      const uint32_t ny = y == Dfa::kDead ? Dfa::kDead : b.step(y, byte);
      const bool dead = nx == Dfa::kDead || (op == Op::intersect && ny == Dfa::kDead);
      result.next.push_back(dead ? Dfa::kDead : state_of(nx, ny));
    }
  }
  return minimise(std::move(result));
}

std::vector<uint8_t> co_reachable(const Dfa& dfa) {
  std::vector<std::vector<uint32_t>> sources(dfa.n_states());
  for (uint32_t s = 0; s < dfa.n_states(); ++s) {
    for (uint32_t c = 0; c < dfa.n_classes; ++c) {
      const uint32_t to = dfa.next[size_t{s} * dfa.n_classes + c];
      if (to != Dfa::kDead) sources[to].push_back(s);
    }
  }
  std::vector<uint8_t> live(dfa.n_states());
  std::vector<uint32_t> work;
  for (uint32_t s = 0; s < dfa.n_states(); ++s) {
    if (dfa.accept[s]) {
      live[s] = 1;
      work.push_back(s);
    }
  }
  while (!work.empty()) {
    const uint32_t s = work.back();
    work.pop_back();
    for (uint32_t from : sources[s]) {
      if (!live[from]) {
        live[from] = 1;
        work.push_back(from);
      }
    }
  }
  return live;
}

// Keeps live states reachable from the start, renumbered in order of discovery.
Dfa trim(const Dfa& dfa) {
  if (dfa.is_empty()) return empty_language();
  const std::vector<uint8_t> live = co_reachable(dfa);
  if (!live[dfa.start]) return empty_language();
  Dfa result;
  result.class_of = dfa.class_of;
  result.n_classes = dfa.n_classes;
  std::vector<uint32_t> id(dfa.n_states(), Dfa::kDead);
  std::vector<uint32_t> order = {dfa.start};
  id[dfa.start] = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    result.accept.push_back(dfa.accept[order[i]]);
    for (uint32_t c = 0; c < dfa.n_classes; ++c) {
      const uint32_t to = dfa.next[size_t{order[i]} * dfa.n_classes + c];
      if (to == Dfa::kDead || !live[to]) {
        result.next.push_back(Dfa::kDead);
        continue;
      }
      if (id[to] == Dfa::kDead) {
        id[to] = static_cast<uint32_t>(order.size());
        order.push_back(to);
      }
      result.next.push_back(id[to]);
    }
  }
  return result;
}

// Hopcroft's partition refinement, for automata whose missing transitions are dead. Blocks are
// numbered by their first state. O(transitions x log states).
class Refinement {
 public:
  explicit Refinement(const Dfa& dfa) : dfa_(dfa), block_of_(dfa.n_states()) {
    const size_t n = dfa.n_states();
    for (uint8_t accepting : {1, 0}) {
      const auto first = static_cast<uint32_t>(members_.size());
      for (uint32_t s = 0; s < n; ++s) {
        if ((dfa.accept[s] != 0) == (accepting != 0)) members_.push_back(s);
      }
      if (members_.size() > first) add_block(first, static_cast<uint32_t>(members_.size()));
    }
    place_.resize(n);
    for (uint32_t i = 0; i < n; ++i) place_[members_[i]] = i;
    collect_sources();
  }

  std::vector<uint32_t> run() {
    std::vector<std::vector<uint32_t>> by_class(dfa_.n_classes);
    while (!work_.empty()) {
      const uint32_t splitter = work_.back();
      work_.pop_back();
      waits_[splitter] = 0;
      // Taken whole before anything is split: the splitter may be split itself.
      for (uint32_t i = first_[splitter]; i < end_[splitter]; ++i) {
        for (uint32_t e = offset_[members_[i]]; e < offset_[members_[i] + 1]; ++e) {
          by_class[sources_[e].second].push_back(sources_[e].first);
        }
      }
      for (std::vector<uint32_t>& sources : by_class) {
        split_by(sources);
        sources.clear();
      }
    }
    std::vector<uint32_t> number(first_.size(), UINT32_MAX);
    uint32_t next = 0;
    for (uint32_t& block : block_of_) {
      if (number[block] == UINT32_MAX) number[block] = next++;
      block = number[block];
    }
    return std::move(block_of_);
  }

 private:
  uint32_t add_block(uint32_t first, uint32_t end) {
    const auto id = static_cast<uint32_t>(first_.size());
    first_.push_back(first);
    end_.push_back(end);
    n_marked_.push_back(0);
    for (uint32_t i = first; i < end; ++i) block_of_[members_[i]] = id;
    waits_.push_back(1);
    work_.push_back(id);
    return id;
  }

  void collect_sources() {
    offset_.assign(dfa_.n_states() + 1, 0);
    for (uint32_t to : dfa_.next) {
      if (to != Dfa::kDead) ++offset_[to + 1];
    }
    for (size_t s = 0; s < dfa_.n_states(); ++s) offset_[s + 1] += offset_[s];
    sources_.resize(offset_.back());
    std::vector<uint32_t> at(offset_.begin(), offset_.end() - 1);
    for (uint32_t s = 0; s < dfa_.n_states(); ++s) {
      for (uint32_t c = 0; c < dfa_.n_classes; ++c) {
        const uint32_t to = dfa_.next[size_t{s} * dfa_.n_classes + c];
        if (to != Dfa::kDead) sources_[at[to]++] = {s, c};
      }
    }
  }

  // Parts every block into its states that are among `sources`, and the others.
  void split_by(const std::vector<uint32_t>& sources) {
    touched_.clear();
    for (uint32_t s : sources) {
      const uint32_t block = block_of_[s];
      if (n_marked_[block] == 0) touched_.push_back(block);
      const uint32_t to = first_[block] + n_marked_[block]++;
      std::swap(members_[place_[s]], members_[to]);
      place_[members_[place_[s]]] = place_[s];
      place_[s] = to;
    }
    for (uint32_t block : touched_) {
      const uint32_t n = std::exchange(n_marked_[block], 0);
      const uint32_t first = first_[block], size = end_[block] - first;
      if (n == size) continue;
      first_[block] = first + n;
      // Both wait if the whole did; else the smaller one is enough.
      const bool waits = waits_[block] != 0;
      const uint32_t fresh = add_block(first, first + n);
      if (waits || n <= size - n) continue;
      work_.pop_back();
      waits_[fresh] = 0;
      work_.push_back(block);
      waits_[block] = 1;
    }
  }

  const Dfa& dfa_;
  std::vector<uint32_t> block_of_, members_, place_;  // A block's members stand side by side.
  std::vector<uint32_t> first_, end_, n_marked_;      // Of a block.
  std::vector<uint8_t> waits_;
  std::vector<uint32_t> work_, touched_;
  std::vector<uint32_t> offset_;                      // Of a state's part of `sources_`.
  std::vector<std::pair<uint32_t, uint32_t>> sources_;  // (from, class)
};

// Merges byte classes with equal columns.
void merge_classes(Dfa& dfa) {
  std::map<std::vector<uint32_t>, uint32_t> ids;
  std::vector<uint32_t> kept;
  std::vector<uint32_t> id_of(dfa.n_classes);
  std::vector<uint32_t> column(dfa.n_states());
  for (uint32_t c = 0; c < dfa.n_classes; ++c) {
    for (size_t s = 0; s < dfa.n_states(); ++s) column[s] = dfa.next[s * dfa.n_classes + c];
    auto [found, fresh] = ids.emplace(column, static_cast<uint32_t>(ids.size()));
    if (fresh) kept.push_back(c);
    id_of[c] = found->second;
  }
  if (kept.size() == dfa.n_classes) return;
  std::vector<uint32_t> next;
  next.reserve(dfa.n_states() * kept.size());
  for (size_t s = 0; s < dfa.n_states(); ++s) {
    for (uint32_t c : kept) next.push_back(dfa.next[s * dfa.n_classes + c]);
  }
  for (uint8_t& c : dfa.class_of) c = static_cast<uint8_t>(id_of[c]);
  dfa.next = std::move(next);
  dfa.n_classes = static_cast<uint32_t>(kept.size());
}

}  // namespace

bool Dfa::matches(std::string_view text) const {
  if (is_empty()) return false;
  uint32_t state = start;
  for (char c : text) {
    state = step(state, static_cast<unsigned char>(c));
    if (state == kDead) return false;
  }
  return accept[state];
}

Dfa empty_language() {
  Dfa result;
  result.start = 0;
  return result;
}

Dfa any_string() {
  // States: 0 between characters, then what is still to come. RFC 3629 section 4.
  enum : uint8_t { kAscii, kLow, kMid, kHigh, kLead2, kE0, kLead3, kED, kF0, kLead4, kF4, kBad };
  Dfa dfa;
  for (int byte = 0; byte < 256; ++byte) {
    uint8_t c = kBad;
    if (byte < 0x80) {
      c = kAscii;
    } else if (byte < 0x90) {
      c = kLow;
    } else if (byte < 0xA0) {
      c = kMid;
    } else if (byte < 0xC0) {
      c = kHigh;
    } else if (byte >= 0xC2 && byte < 0xE0) {
      c = kLead2;
    } else if (byte == 0xE0) {
      c = kE0;
    } else if (byte == 0xED) {
      c = kED;
    } else if (byte >= 0xE1 && byte < 0xF0) {
      c = kLead3;
    } else if (byte == 0xF0) {
      c = kF0;
    } else if (byte > 0xF0 && byte < 0xF4) {
      c = kLead4;
    } else if (byte == 0xF4) {
      c = kF4;
    }
    dfa.class_of[byte] = c;
  }
  dfa.n_classes = kBad + 1;
  dfa.accept = {1, 0, 0, 0, 0, 0, 0, 0};
  dfa.next.assign(8 * dfa.n_classes, Dfa::kDead);
  const auto edge = [&](uint32_t from, uint8_t on, uint32_t to) {
    dfa.next[from * dfa.n_classes + on] = to;
  };
  edge(0, kAscii, 0);
  edge(0, kLead2, 1);
  edge(0, kE0, 3);
  edge(0, kLead3, 2);
  edge(0, kED, 4);
  edge(0, kF0, 5);
  edge(0, kLead4, 6);
  edge(0, kF4, 7);
  for (uint8_t c : {kLow, kMid, kHigh}) {
    edge(1, c, 0);
    edge(2, c, 1);
    edge(6, c, 2);
  }
  edge(3, kHigh, 1);
  edge(4, kLow, 1);
  edge(4, kMid, 1);
  edge(5, kMid, 2);
  edge(5, kHigh, 2);
  edge(7, kLow, 2);
  return dfa;
}

Result<Dfa> literal_strings(const std::vector<std::string>& texts) {
  Dfa dfa;
  dfa.n_classes = 256;
  for (int byte = 0; byte < 256; ++byte) dfa.class_of[byte] = static_cast<uint8_t>(byte);
  const auto add_state = [&] {
    dfa.next.insert(dfa.next.end(), 256, Dfa::kDead);
    dfa.accept.push_back(0);
    return static_cast<uint32_t>(dfa.accept.size() - 1);
  };
  add_state();
  for (const std::string& text : texts) {
    uint32_t state = 0;
    for (char c : text) {
      const size_t at = size_t{state} * 256 + static_cast<unsigned char>(c);
      if (dfa.next[at] == Dfa::kDead) {
        if (dfa.n_states() >= kDfaStatesMax) return fail(too_large());
        const uint32_t fresh = add_state();
        dfa.next[at] = fresh;
      }
      state = dfa.next[at];
    }
    dfa.accept[state] = 1;
  }
  return minimise(std::move(dfa));
}

Result<Dfa> intersect(const Dfa& a, const Dfa& b) { return product(a, b, Op::intersect); }
Result<Dfa> subtract(const Dfa& a, const Dfa& b) { return product(a, b, Op::subtract); }

Result<Dfa> with_length(const Dfa& a, uint64_t min, std::optional<uint64_t> max) {
  if (a.is_empty() || (min == 0 && !max)) return a;
  if (max && *max < min) return empty_language();
  // Without an upper end, counts past `min` are alike.
  const uint64_t cap = max ? *max : min;
  Dfa result;
  // Split classes so that continuation bytes, which do not count, are apart.
  Dfa split;
  split.n_classes = 2;
  for (int byte = 0; byte < 256; ++byte) split.class_of[byte] = is_continuation(byte);
  std::vector<unsigned char> sample;
  result.n_classes = common_classes(a, split, result.class_of, sample);
  std::unordered_map<uint64_t, uint32_t> ids;
  std::vector<std::pair<uint32_t, uint64_t>> states;
  const auto state_of = [&](uint32_t x, uint64_t count) {
    auto [found, fresh] =
        ids.emplace(uint64_t{x} << 40 ^ count, static_cast<uint32_t>(states.size()));
    if (fresh) states.emplace_back(x, count);
    return found->second;
  };
  if (cap >= uint64_t{1} << 40) return fail(too_large());
  state_of(a.start, 0);
  for (size_t i = 0; i < states.size(); ++i) {
    if (states.size() > kDfaStatesMax) return fail(too_large());
    const auto [x, count] = states[i];
    result.accept.push_back(a.accept[x] && count >= min);
    for (unsigned char byte : sample) {
      const uint32_t nx = a.step(x, byte);
      uint64_t n = count + (is_continuation(byte) ? 0 : 1);
      if (!max) n = std::min(n, cap);
      result.next.push_back(nx == Dfa::kDead || n > cap ? Dfa::kDead : state_of(nx, n));
    }
  }
  return minimise(std::move(result));
}

std::vector<uint32_t> distances(const Dfa& dfa, const std::array<uint32_t, 256>& weight) {
  std::vector<uint32_t> class_weight(dfa.n_classes, Dfa::kDead);
  for (int byte = 0; byte < 256; ++byte) {
    uint32_t& best = class_weight[dfa.class_of[byte]];
    best = std::min(best, weight[byte]);
  }
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> sources(dfa.n_states());
  for (uint32_t s = 0; s < dfa.n_states(); ++s) {
    for (uint32_t c = 0; c < dfa.n_classes; ++c) {
      const uint32_t to = dfa.next[size_t{s} * dfa.n_classes + c];
      if (to != Dfa::kDead && class_weight[c] != Dfa::kDead) {
        sources[to].emplace_back(s, class_weight[c]);
      }
    }
  }
  std::vector<uint32_t> distance(dfa.n_states(), Dfa::kDead);
  using Item = std::pair<uint32_t, uint32_t>;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
  for (uint32_t s = 0; s < dfa.n_states(); ++s) {
    if (!dfa.accept[s]) continue;
    distance[s] = 0;
    queue.emplace(0, s);
  }
  while (!queue.empty()) {
    const auto [d, s] = queue.top();
    queue.pop();
    if (d != distance[s]) continue;
    for (const auto& [from, w] : sources[s]) {
      if (d + w < distance[from]) {
        distance[from] = d + w;
        queue.emplace(d + w, from);
      }
    }
  }
  return distance;
}

std::optional<std::string> shortest(const Dfa& dfa) {
  if (dfa.is_empty()) return std::nullopt;
  std::array<uint32_t, 256> weight;
  for (int byte = 0; byte < 256; ++byte) {
    const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    weight[byte] = letter ? 10 : byte >= 0x20 && byte < 0x7F ? 11 : byte >= 0x80 ? 14 : 40;
  }
  const std::vector<uint32_t> distance = distances(dfa, weight);
  std::string result;
  uint32_t state = dfa.start;
  while (distance[state] > 0) {
    for (int i = 0; i < 256; ++i) {
      const int byte = (i + 'a') & 255;
      const uint32_t to = dfa.step(state, static_cast<unsigned char>(byte));
      if (to != Dfa::kDead && distance[to] != Dfa::kDead &&
          distance[to] + weight[byte] == distance[state]) {
        result += static_cast<char>(byte);
        state = to;
        break;
      }
    }
  }
  return result;
}

Dfa minimise(Dfa dfa) {
  Dfa trimmed = trim(dfa);
  if (trimmed.is_empty()) return trimmed;
  merge_classes(trimmed);
  const std::vector<uint32_t> block = Refinement(trimmed).run();
  Dfa result;
  result.class_of = trimmed.class_of;
  result.n_classes = trimmed.n_classes;
  const uint32_t n_blocks = *std::max_element(block.begin(), block.end()) + 1;
  result.accept.assign(n_blocks, 0);
  result.next.assign(size_t{n_blocks} * result.n_classes, Dfa::kDead);
  result.start = block[trimmed.start];
  for (size_t s = 0; s < trimmed.n_states(); ++s) {
    result.accept[block[s]] = trimmed.accept[s];
    for (uint32_t c = 0; c < result.n_classes; ++c) {
      const uint32_t to = trimmed.next[s * result.n_classes + c];
      result.next[size_t{block[s]} * result.n_classes + c] = to == Dfa::kDead ? to : block[to];
    }
  }
  merge_classes(result);
  return result;
}

}  // namespace consort::contract

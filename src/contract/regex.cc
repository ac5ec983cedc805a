// Syntax tree of a pattern -> byte NFA (Thompson) -> DFA (subset construction).
#include "contract/regex.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "contract/code_set.h"
#include "contract/regex_tree.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

constexpr size_t kTextMax = 1 << 16;
constexpr size_t kNfaStatesMax = 400'000;
constexpr uint64_t kWorkPerNfaState = 8;

// Subsets of NFA states, by their members.
struct SubsetHash {
  size_t operator()(const std::vector<uint32_t>& set) const {
    uint64_t hash = set.size();
    for (uint32_t s : set) hash = (hash ^ s) * 0x9E3779B97F4A7C15ull, hash ^= hash >> 29;
    return hash;
  }
};

struct ByteEdge {
  uint8_t first = 0;
  uint8_t last = 0;
  uint32_t to = UINT32_MAX;
};

struct NfaState {
  enum class Kind : uint8_t { split, range, table, at_start, at_end, match } kind = Kind::split;
  uint8_t first = 0;
  uint8_t last = 0;
  uint32_t to = UINT32_MAX;
  uint32_t other = UINT32_MAX;  // Second branch of a split.
  std::vector<ByteEdge> edges;  // Of a table: disjoint, sorted.
};

// Builds states back to front: each function takes the state that follows and returns the entry.
class NfaBuilder {
 public:
  explicit NfaBuilder(uint64_t& work_left) : work_left_(work_left) {}
  bool overflow() const {
    return states_.size() > kNfaStatesMax || states_.size() * kWorkPerNfaState > work_left_;
  }
  std::vector<NfaState> take() { return std::move(states_); }

  uint32_t add(NfaState state) {
    if (!overflow()) states_.push_back(state);
    return static_cast<uint32_t>(states_.size() - 1);
  }
  uint32_t match() { return add({.kind = NfaState::Kind::match}); }
  uint32_t split(uint32_t a, uint32_t b) {
    return add({.kind = NfaState::Kind::split, .to = a, .other = b});
  }
  // Any number of `set`, then `next`.
  uint32_t loop(const Tree& tree, uint32_t next) {
    const uint32_t head = split(UINT32_MAX, next);
    const uint32_t body = build(tree, head);
    if (!overflow()) states_[head].to = body;
    return head;
  }

  uint32_t build(const Tree& tree, uint32_t next) {
    if (overflow()) return next;
    switch (tree.kind) {
      case Tree::Kind::empty:
        return next;
      case Tree::Kind::set:
        return set(tree.set, next);
      case Tree::Kind::concat:
        for (auto part = tree.parts.rbegin(); part != tree.parts.rend(); ++part) {
          next = build(**part, next);
        }
        return next;
      case Tree::Kind::alternate: {
        uint32_t result = UINT32_MAX;
        for (const TreePtr& part : tree.parts) {
          const uint32_t entry = build(*part, next);
          result = result == UINT32_MAX ? entry : split(result, entry);
        }
        return result;
      }
      case Tree::Kind::repeat: {
        const Tree& part = *tree.parts[0];
        if (!tree.max) {
          next = loop(part, next);
        } else {
          const uint32_t end = next;
          for (uint32_t i = tree.min; i < *tree.max && !overflow(); ++i) {
            next = split(build(part, next), end);
          }
        }
        for (uint32_t i = 0; i < tree.min && !overflow(); ++i) next = build(part, next);
        return next;
      }
      case Tree::Kind::at_start:
        return add({.kind = NfaState::Kind::at_start, .to = next});
      case Tree::Kind::at_end:
        return add({.kind = NfaState::Kind::at_end, .to = next});
    }
    return next;
  }

 private:
  uint32_t set(const std::vector<CodeRange>& ranges, uint32_t next) {
    if (ranges.empty()) {
      return add({.kind = NfaState::Kind::range, .first = 1, .last = 0, .to = next});
    }
    if (ranges.size() > 1 || ranges[0].last >= 0x80) return embed(set_dfa(ranges), next);
    return sequences(ranges, next);
  }

  // The set as one deterministic automaton: large classes then cost one state at a time.
  const Dfa& set_dfa(const std::vector<CodeRange>& ranges);

  uint32_t embed(const Dfa& dfa, uint32_t next) {
    // Accepting states are ends: no character is the beginning of another.
    std::vector<uint32_t> ids(dfa.n_states());
    for (uint32_t s = 0; s < dfa.n_states(); ++s) {
      ids[s] = dfa.accept[s] ? next : add({.kind = NfaState::Kind::table});
    }
    if (overflow()) return next;
    for (uint32_t s = 0; s < dfa.n_states(); ++s) {
      if (dfa.accept[s]) continue;
      std::vector<ByteEdge>& edges = states_[ids[s]].edges;
      for (unsigned byte = 0; byte < 256; ++byte) {
        const uint32_t to = dfa.step(s, static_cast<unsigned char>(byte));
        if (to == Dfa::kDead) continue;
        if (!edges.empty() && edges.back().to == ids[to] && edges.back().last + 1u == byte) {
          edges.back().last = static_cast<uint8_t>(byte);
        } else {
          edges.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), ids[to]});
        }
      }
    }
    return ids[dfa.start];
  }

 public:
  // The set as alternatives of byte sequences.
  uint32_t sequences(const std::vector<CodeRange>& ranges, uint32_t next) {
    suffixes_.clear();
    uint32_t result = UINT32_MAX;
    for (const CodeRange& range : ranges) {
      constexpr uint32_t kEnds[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
      uint32_t first = range.first;
      for (uint32_t end : kEnds) {
        if (first > range.last) break;
        if (first > end) continue;
        const uint32_t last = std::min(range.last, end);
        std::string low;
        std::string high;
        append_utf8(low, first);
        append_utf8(high, last);
        result = bytes(low, high, 0, next, result);
        first = last + 1;
      }
    }
    return result;
  }

 private:
  // Adds alternatives for all sequences from `low` to `high` (same length) from byte `at` on.
  uint32_t bytes(std::string low, std::string high, size_t at, uint32_t next, uint32_t others) {
    const auto byte = [](const std::string& s, size_t i) { return static_cast<uint8_t>(s[i]); };
    const auto join = [&](uint32_t entry) {
      return others == UINT32_MAX ? entry : split(entry, others);
    };
    const size_t size = low.size();
    const auto is_all = [&](char c, const std::string& s) {
      return std::all_of(s.begin() + static_cast<long>(at) + 1, s.end(),
                         [&](char x) { return x == c; });
    };
    if (at + 1 == size || (is_all('\x80', low) && is_all('\xBF', high))) {
      uint32_t tail = next;
      for (size_t i = size - 1; i > at; --i) tail = shared_range(0x80, 0xBF, tail);
      return join(add({.kind = NfaState::Kind::range,
                       .first = byte(low, at),
                       .last = byte(high, at),
                       .to = tail}));
    }
    if (byte(low, at) == byte(high, at)) {
      const uint32_t rest = bytes(low, high, at + 1, next, UINT32_MAX);
      return join(add({.kind = NfaState::Kind::range,
                       .first = byte(low, at),
                       .last = byte(low, at),
                       .to = rest}));
    }
    // Cut off the ragged low end, the ragged high end, and take the middle whole.
    std::string cut = low;
    std::fill(cut.begin() + static_cast<long>(at) + 1, cut.end(), '\xBF');
    others = bytes(low, cut, at, next, others);
    std::string start = high;
    std::fill(start.begin() + static_cast<long>(at) + 1, start.end(), '\x80');
    if (byte(low, at) + 1 < byte(high, at)) {
      std::string mid_low = start;
      std::string mid_high = cut;
      mid_low[at] = static_cast<char>(byte(low, at) + 1);
      mid_high[at] = static_cast<char>(byte(high, at) - 1);
      others = bytes(mid_low, mid_high, at, next, others);
    }
    return bytes(start, high, at, next, others);
  }

  uint32_t shared_range(uint8_t first, uint8_t last, uint32_t to) {
    auto [found, fresh] = suffixes_.emplace(to, 0);
    if (fresh) {
      found->second = add({.kind = NfaState::Kind::range, .first = first, .last = last, .to = to});
    }
    return found->second;
  }

  uint64_t& work_left_;
  std::vector<NfaState> states_;
  std::map<std::vector<std::pair<uint32_t, uint32_t>>, Dfa> set_dfas_;
  std::map<uint32_t, uint32_t> suffixes_;  // Within one set: full continuation ranges by target.
};

class Determiniser {
 public:
  Determiniser(const std::vector<NfaState>& nfa, uint64_t& work_left)
      : nfa_(nfa), work_left_(work_left), mark_(nfa.size(), 0) {}

  Result<Dfa> run(uint32_t entry) {
    classes();
    std::vector<uint32_t> entries = {entry};
    std::vector<uint32_t> first = closure(entries, true);
    // The start state alone may pass '^', so it keeps an identity of its own.
    first.push_back(UINT32_MAX);
    state_of(first);
    std::vector<uint32_t> moved;
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (sets_.size() > kDfaStatesMax || work_ > work_left_) {
        work_left_ -= std::min(work_, work_left_);
        return fail(too_large());
      }
      std::vector<uint32_t> set = *sets_[i];
      const bool is_start = !set.empty() && set.back() == UINT32_MAX;
      if (is_start) set.pop_back();
      dfa_.accept.push_back(accepts(set, is_start));
      for (unsigned char byte : sample_) {
        moved.clear();
        for (uint32_t s : set) {
          const NfaState& state = nfa_[s];
          if (state.kind == NfaState::Kind::range && byte >= state.first && byte <= state.last) {
            moved.push_back(state.to);
          } else if (state.kind == NfaState::Kind::table) {
            const auto edge =
                std::lower_bound(state.edges.begin(), state.edges.end(), byte,
                                 [](const ByteEdge& e, unsigned char b) { return e.last < b; });
            if (edge != state.edges.end() && edge->first <= byte) moved.push_back(edge->to);
          }
        }
        work_ += set.size() + (moved.empty() ? 1 : 8);
        if (moved.empty()) {
          dfa_.next.push_back(Dfa::kDead);
        } else {
          dfa_.next.push_back(state_of(closure(moved, false)));
        }
      }
    }
    work_ += dfa_.next.size();
    work_left_ -= std::min(work_, work_left_);
    return minimise(std::move(dfa_));
  }

 private:
  static Error too_large() {
    return make_error(ErrorCode::resource_exhausted, 2104,
                      "pattern needs too many automaton states")
        .to_fix("simplify the pattern or lower its counts");
  }

  void classes() {
    std::array<bool, 257> boundary{};
    for (const NfaState& state : nfa_) {
      for (const ByteEdge& edge : state.edges) {
        boundary[edge.first] = true;
        boundary[size_t{edge.last} + 1] = true;
      }
      if (state.kind != NfaState::Kind::range || state.first > state.last) continue;
      boundary[state.first] = true;
      boundary[size_t{state.last} + 1] = true;
    }
    uint32_t id = 0;
    for (int byte = 0; byte < 256; ++byte) {
      if (byte > 0 && boundary[static_cast<size_t>(byte)]) ++id;
      if (sample_.size() == id) sample_.push_back(static_cast<unsigned char>(byte));
      dfa_.class_of[static_cast<size_t>(byte)] = static_cast<uint8_t>(id);
    }
    dfa_.n_classes = id + 1;
  }

  // The states that consume, reachable without consuming; '^' is passed only `at_start`.
  // `work` is used up; the result is overwritten by the next call.
  std::vector<uint32_t>& closure(std::vector<uint32_t>& work, bool at_start) {
    ++generation_;
    std::vector<uint32_t>& result = closure_;
    result.clear();
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      if (s == UINT32_MAX || mark_[s] == generation_) continue;
      mark_[s] = generation_;
      ++work_;
      const NfaState& state = nfa_[s];
      if (state.kind == NfaState::Kind::split) {
        work.push_back(state.to);
        work.push_back(state.other);
      } else if (state.kind == NfaState::Kind::at_start) {
        if (at_start) work.push_back(state.to);
      } else {
        result.push_back(s);
      }
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  bool accepts(const std::vector<uint32_t>& set, bool at_start) {
    ++generation_;
    std::vector<uint32_t> work = set;
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      if (s == UINT32_MAX || mark_[s] == generation_) continue;
      mark_[s] = generation_;
      const NfaState& state = nfa_[s];
      if (state.kind == NfaState::Kind::match) return true;
      if (state.kind == NfaState::Kind::split) {
        work.push_back(state.to);
        work.push_back(state.other);
      } else if (state.kind == NfaState::Kind::at_end ||
                 (state.kind == NfaState::Kind::at_start && at_start)) {
        work.push_back(state.to);
      }
    }
    return false;
  }

  uint32_t state_of(const std::vector<uint32_t>& set) {
    auto [found, fresh] = ids_.try_emplace(set, static_cast<uint32_t>(sets_.size()));
    if (fresh) sets_.push_back(&found->first);
    return found->second;
  }

  const std::vector<NfaState>& nfa_;
  uint64_t& work_left_;
  std::vector<uint64_t> mark_;
  uint64_t generation_ = 0;
  uint64_t work_ = 0;
  std::vector<uint32_t> closure_;
  std::vector<unsigned char> sample_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, SubsetHash> ids_;
  std::vector<const std::vector<uint32_t>*> sets_;
  Dfa dfa_;
};

const Dfa& NfaBuilder::set_dfa(const std::vector<CodeRange>& ranges) {
  std::vector<std::pair<uint32_t, uint32_t>> key;
  for (const CodeRange& range : ranges) key.emplace_back(range.first, range.last);
  auto [found, fresh] = set_dfas_.try_emplace(std::move(key));
  if (fresh) {
    // At most a few thousand states, since there are only 1,114,112 characters: never refused itself.
    uint64_t unlimited = UINT64_MAX;
    NfaBuilder builder(unlimited);
    const uint32_t entry = builder.sequences(ranges, builder.match());
    const std::vector<NfaState> nfa = builder.take();
    auto dfa = Determiniser(nfa, unlimited).run(entry);
    CONSORT_CHECK(dfa.has_value());
    work_left_ -= std::min(work_left_, UINT64_MAX - unlimited);
    found->second = std::move(*dfa);
  }
  return found->second;
}

}  // namespace

Result<Dfa> compile_pattern(std::string_view pattern) {
  uint64_t work = kPatternWorkMax;
  return compile_pattern(pattern, work);
}

Result<Dfa> compile_pattern(std::string_view pattern, uint64_t& work_left) {
  if (pattern.size() > kTextMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 2104, "pattern is longer than 65,536 bytes")
                    .got(cut_utf8(pattern, 200))
                    .to_fix("shorten it"));
  }
  CONSORT_ASSIGN(TreePtr tree, parse_pattern(pattern));
  const TreePtr any = set_of(CodeSet{{0, 0x10FFFF}});
  NfaBuilder builder(work_left);
  const uint32_t after = builder.loop(*any, builder.match());
  const uint32_t found = builder.build(*tree, after);
  const uint32_t entry = builder.loop(*any, found);
  if (builder.overflow()) {
    return fail(make_error(ErrorCode::resource_exhausted, 2104, "pattern is too large")
                    .got(cut_utf8(pattern, 200))
                    .to_fix("lower its counts"));
  }
  const std::vector<NfaState> nfa = builder.take();
  work_left -= nfa.size() * kWorkPerNfaState;
  auto dfa = Determiniser(nfa, work_left).run(entry);
  if (!dfa) return fail(std::move(dfa).error().got(cut_utf8(pattern, 200)));
  return dfa;
}

}  // namespace consort::contract

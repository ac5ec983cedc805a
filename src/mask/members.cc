// The members of an object: which keys may come, and what finishing takes.
#include <algorithm>
#include <bit>

#include "contract/dfa.h"
#include "mask/grammar.h"

namespace consort::mask {
namespace {

constexpr uint64_t kNewKeysMax = 64;  // Undeclared keys that minProperties may ask for.
constexpr size_t kLengthsMax = 512;   // New keys of one language that may be counted on.

// How many further characters make a text new, if `n` texts that continue it are taken: each
// character has 93 ways at least.
int characters_to_new(size_t n) {
  int result = 0;
  for (; n > 0; n /= 93) ++result;
  return result;
}

bool is_taken(const Members::Extra& extra, const Names& seen, const std::string& key) {
  return std::binary_search(extra.reserved.begin(), extra.reserved.end(), key) ||
         std::find(seen.begin(), seen.end(), key) != seen.end();
}

}  // namespace

std::vector<std::string_view> Grammar::taken(const Members::Extra& extra, const Names& seen,
                                             std::string_view prefix) {
  std::vector<std::string_view> result;
  const auto& reserved = extra.reserved;
  auto at = std::lower_bound(reserved.begin(), reserved.end(), prefix);
  for (; at != reserved.end() && at->starts_with(prefix); ++at) result.push_back(*at);
  const size_t sorted = result.size();
  for (const std::string& key : seen) {
    if (key.starts_with(prefix)) result.push_back(key);
  }
  if (result.size() > sorted) std::sort(result.begin(), result.end());
  return result;
}

Result<void> Grammar::finish_members(Members& members, const std::string& pointer) const {
  std::sort(members.reserved.begin(), members.reserved.end());
  const size_t n = members.keys.size();
  members.any_order = options_.any_order;
  members.next_required.assign(n + 1, static_cast<uint32_t>(n));
  for (size_t i = n; i-- > 0;) {
    members.n_required += members.keys[i].required;
    members.next_required[i] =
        members.keys[i].required ? static_cast<uint32_t>(i) : members.next_required[i + 1];
  }
  for (Members::Extra& extra : members.extras) {
    for (const std::string& key : members.reserved) {
      if (extra.key->is_free() || extra.key->dfa().matches(key)) extra.reserved.push_back(key);
    }
  }
  if (members.witnesses != 0 || members.min > members.n_required) {
    for (Members::Extra& extra : members.extras) {
      if (!extra.key->is_free()) extra.lengths = extra.key->shortest_lengths(kLengthsMax);
    }
  }
  if (!members.extras.empty() && members.min > n + kNewKeysMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 2202,
                           "minProperties asks for more than " + std::to_string(kNewKeysMax) +
                               " undeclared keys")
                    .at(pointer)
                    .got("minProperties"));
  }
  return {};
}

void Grammar::fill_required(Members& members, size_t depth) const {
  int64_t cost = 0;
  for (const Members::Key& key : members.keys) {
    if (key.required) cost += plus(key.cost, key.node->cost[depth]) + 1;
  }
  members.required_cost.push_back(cost);
}

Written Grammar::begin(const Members& members, int depth) {
  Written written;
  written.n_missing = members.n_required;
  written.missing_cost = members.required_cost[static_cast<size_t>(depth)];
  return written;
}

Written Grammar::with(const Members& members, Written written, size_t key, int depth) {
  const Members::Key& one = members.keys[key];
  ++written.count;
  written.position = static_cast<uint32_t>(key) + 1;
  if (one.required) {
    --written.n_missing;
    written.missing_cost -= plus(one.cost, one.node->cost[static_cast<size_t>(depth)]) + 1;
  }
  return written;
}

bool Grammar::may_close_object(const Members& members, const Written& written) {
  return written.n_missing == 0 && (members.witnesses & ~written.witnessed) == 0 &&
         written.count >= members.min && written.count <= members.max;
}

int Grammar::finish_object(const Members& members, const Written& written, size_t skip,
                           const Names& seen, size_t n_coming, int depth) const {
  const auto at = static_cast<size_t>(depth);
  int64_t total = written.missing_cost + 1;
  uint64_t coming = written.n_missing;
  if (members.witnesses & ~written.witnessed) {
    const auto [n, cost] = witnesses_cost(members, written, seen, n_coming, at);
    coming += n;
    total += cost;
  }
  if (written.count + coming > members.max || members.min > members.max) return kInfinite;
  if (written.count + coming < members.min) {
    uint64_t needed = members.min - written.count - coming;
    std::vector<int> optional;
    for (size_t i = 0; i < members.keys.size(); ++i) {
      const Members::Key& key = members.keys[i];
      if (key.required || i == skip || members.is_used(written, i)) continue;
      const int cost = plus(key.cost, key.node->cost[at]);
      if (cost < kInfinite) optional.push_back(cost + 1);
    }
    std::sort(optional.begin(), optional.end());
    coming += needed;
    for (size_t i = 0; i < optional.size() && needed > 0; ++i, --needed) total += optional[i];
    if (needed > 0) total += new_keys_cost(members, 0, needed, seen, n_coming + 1, at);
  }
  if (written.count == 0 && coming > 0) --total;  // No comma before the first.
  return total >= kInfinite ? kInfinite : static_cast<int>(total);
}

// Members for all witnesses that are missing: how many of them, and what they take. One key may
// stand for several; fewer are taken where there is no room for more.
std::pair<uint64_t, int> Grammar::witnesses_cost(const Members& members, const Written& written,
                                                 const Names& seen, size_t n_coming,
                                                 size_t depth) const {
  const uint32_t missing = members.witnesses & ~written.witnessed;
  const uint64_t used = written.count + written.n_missing;
  const uint64_t room = members.max < used ? 0 : members.max - used;
  const auto n_most = static_cast<size_t>(std::min<uint64_t>(std::popcount(missing), room));
  // cost[n][set]: the cheapest n members that stand for the set.
  std::vector<std::vector<int>> cost(n_most + 1, std::vector<int>(missing + 1, kInfinite));
  cost[0][0] = 0;
  std::map<uint32_t, int> member_cost;
  for (const Members::Extra& extra : members.extras) {
    const uint32_t stands_for = extra.witness & missing;
    if (stands_for == 0 || member_cost.contains(stands_for)) continue;
    member_cost[stands_for] =
        new_keys_cost(members, stands_for, 1, seen, n_coming + n_most - 1, depth);
  }
  std::pair<uint64_t, int> best = {0, kInfinite};
  for (size_t n = 0; n < n_most; ++n) {
    for (uint32_t set = 0; set <= missing; ++set) {
      if (cost[n][set] >= kInfinite) continue;
      for (const auto& [stands_for, each] : member_cost) {
        int& to = cost[n + 1][set | stands_for];
        to = std::min(to, plus(cost[n][set], each));
      }
    }
    if (cost[n + 1][missing] < best.second) best = {n + 1, cost[n + 1][missing]};
  }
  return best;
}

// `n` members more, with keys of one kind, a comma before each.
int Grammar::new_keys_cost(const Members& members, uint32_t witness, uint64_t n, const Names& seen,
                           size_t n_coming, size_t depth) const {
  int best = kInfinite;
  for (const Members::Extra& extra : members.extras) {
    if (witness & ~extra.witness) continue;
    int key = kInfinite;
    if (extra.key->is_free()) {
      key = 1 + characters_to_new(members.reserved.size() + seen.size() + n_coming + n);
    } else {
      // Of so many strings of the language, `n` at least are new.
      const auto in = [&](const std::string& text) { return extra.key->dfa().matches(text); };
      const size_t used = extra.reserved.size() +
                          static_cast<size_t>(std::count_if(seen.begin(), seen.end(), in));
      const size_t at = used + n_coming + n - 1;
      if (at < extra.lengths.size()) key = extra.lengths[at] + 1;
    }
    const int each = plus(plus(key, 3), extra.node->cost[depth]);  // Quote, colon, comma.
    if (each < kInfinite / static_cast<int>(n)) best = std::min(best, each * static_cast<int>(n));
  }
  return best;
}

int Grammar::key_cost(const Members::Extra& extra, const StringState& state,
                      const std::string& text, const Names& seen) const {
  const int plain = extra.key->cost(state);
  if (plain >= kInfinite) return plain;
  std::vector<std::string_view> rests = taken(extra, seen, text);
  const size_t n = rests.size();
  if (n == 0) return plain;
  if (!extra.key->is_free()) {
    for (std::string_view& rest : rests) rest.remove_prefix(text.size());
    return extra.key->cost_new(state.state, rests);
  }
  const bool between = extra.key->may_close(state);
  if (!between) return plus(plain, 1 + characters_to_new(n));
  return is_taken(extra, seen, text) ? plus(plain, 1 + characters_to_new(n / 93)) : plain;
}

}  // namespace consort::mask

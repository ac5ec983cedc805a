// The members of an object: which keys may come, and what finishing takes.
#include <algorithm>

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

bool is_taken(const Members& members, const Names& seen, const std::string& key) {
  return std::binary_search(members.reserved.begin(), members.reserved.end(), key) ||
         std::find(seen.begin(), seen.end(), key) != seen.end();
}

}  // namespace

std::vector<std::string_view> Grammar::taken(const Members& members, const Names& seen,
                                             std::string_view prefix) {
  std::vector<std::string_view> result;
  const auto& reserved = members.reserved;
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
  if (members.needs_witness || members.min > members.n_required) {
    for (Members::Extra& extra : members.extras) {
      if (!extra.key.is_free()) extra.lengths = extra.key.shortest_lengths(kLengthsMax);
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
  return written.n_missing == 0 && (written.witnessed || !members.needs_witness) &&
         written.count >= members.min && written.count <= members.max;
}

int Grammar::finish_object(const Members& members, const Written& written, size_t skip,
                           const Names& seen, size_t n_coming, int depth) const {
  const auto at = static_cast<size_t>(depth);
  int64_t total = written.missing_cost + 1;
  uint64_t coming = written.n_missing;
  if (members.needs_witness && !written.witnessed) {
    ++coming;
    total += new_keys_cost(members, true, 1, seen, n_coming, at);
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
    if (needed > 0) total += new_keys_cost(members, false, needed, seen, n_coming + 1, at);
  }
  if (written.count == 0 && coming > 0) --total;  // No comma before the first.
  return total >= kInfinite ? kInfinite : static_cast<int>(total);
}

// `n` members more, with keys of one kind, a comma before each.
int Grammar::new_keys_cost(const Members& members, bool witness, uint64_t n, const Names& seen,
                           size_t n_coming, size_t depth) const {
  int best = kInfinite;
  for (const Members::Extra& extra : members.extras) {
    if (witness && !extra.is_witness) continue;
    int key = kInfinite;
    if (extra.key.is_free()) {
      key = 1 + characters_to_new(members.reserved.size() + seen.size() + n_coming + n);
    } else {
      // Of so many strings of the language, `n` at least are new.
      const auto in = [&](const std::string& text) { return extra.key.dfa().matches(text); };
      const auto used = static_cast<size_t>(
          std::count_if(members.reserved.begin(), members.reserved.end(), in) +
          std::count_if(seen.begin(), seen.end(), in));
      const size_t at = used + n_coming + n - 1;
      if (at < extra.lengths.size()) key = extra.lengths[at] + 1;
    }
    const int each = plus(plus(key, 3), extra.node->cost[depth]);  // Quote, colon, comma.
    if (each < kInfinite / static_cast<int>(n)) best = std::min(best, each * static_cast<int>(n));
  }
  return best;
}

int Grammar::key_cost(const Members& members, const Members::Extra& extra,
                      const StringState& state, const std::string& text, const Names& seen) const {
  const int plain = extra.key.cost(state);
  if (plain >= kInfinite) return plain;
  std::vector<std::string_view> rests = taken(members, seen, text);
  const size_t n = rests.size();
  if (n == 0) return plain;
  if (!extra.key.is_free()) {
    for (std::string_view& rest : rests) rest.remove_prefix(text.size());
    return extra.key.cost_new(state.state, rests);
  }
  const bool between = extra.key.may_close(state);
  if (!between) return plus(plain, 1 + characters_to_new(n));
  return is_taken(members, seen, text) ? plus(plain, 1 + characters_to_new(n / 93)) : plain;
}

}  // namespace consort::mask

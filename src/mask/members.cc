// The members of an object: which keys may come, and what finishing takes.
#include <algorithm>

#include "contract/dfa.h"
#include "mask/grammar.h"

namespace consort::mask {
namespace {

constexpr uint64_t kNewKeysMax = 64;  // Undeclared keys that minProperties may ask for.

// How many further characters make a text new, if `n` texts that continue it are taken: each
// character has 93 ways at least.
int characters_to_new(size_t n) {
  int result = 0;
  for (; n > 0; n /= 93) ++result;
  return result;
}

size_t n_taken(const Members& members, const Names& seen, const std::string& prefix) {
  size_t n = 0;
  const auto& reserved = members.reserved;
  auto at = std::lower_bound(reserved.begin(), reserved.end(), prefix);
  for (; at != reserved.end() && at->starts_with(prefix); ++at) ++n;
  for (const std::string& key : seen) n += key.starts_with(prefix);
  return n;
}

bool is_taken(const Members& members, const Names& seen, const std::string& key) {
  return std::binary_search(members.reserved.begin(), members.reserved.end(), key) ||
         std::find(seen.begin(), seen.end(), key) != seen.end();
}

}  // namespace

Result<void> Grammar::build_object(Alternative& out, const contract::ObjectRule& rule,
                                   const Vocabulary::Trie& trie) {
  out.members = std::make_unique<Members>();
  Members& members = *out.members;
  for (const contract::Property& property : rule.properties) {
    members.reserved.push_back(property.key);
    if (property.node->is_empty && !property.required) continue;
    Members::Key& key = members.keys.emplace_back();
    key.text = contract::to_json(contract::Value(property.key)) + ":";
    key.node = nodes_[property.node->id].get();
    key.required = property.required;
    key.cost = trie.spelling(key.text)[0];
  }
  if (options_.open && rule.additional && !rule.additional->is_empty) {
    members.extras.push_back(
        {StringMachine::free(trie, 0, std::nullopt), nodes_[rule.additional->id].get()});
  }
  members.min = rule.min_properties;
  members.max = rule.max_properties.value_or(UINT64_MAX);
  for (uint32_t i = 0; i < members.keys.size(); ++i) {
    members.trie.add(members.keys[i].text, i, trie);
  }
  return finish_members(members, out.simple->pointer);
}

Result<void> Grammar::finish_members(Members& members, const std::string& pointer) const {
  std::sort(members.reserved.begin(), members.reserved.end());
  const size_t n = members.keys.size();
  members.n_required.assign(n + 1, 0);
  members.next_required.assign(n + 1, static_cast<uint32_t>(n));
  for (size_t i = n; i-- > 0;) {
    members.n_required[i] = members.n_required[i + 1] + members.keys[i].required;
    members.next_required[i] =
        members.keys[i].required ? static_cast<uint32_t>(i) : members.next_required[i + 1];
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
  const size_t n = members.keys.size();
  std::vector<int64_t> cost(n + 1, 0);
  for (size_t i = n; i-- > 0;) {
    const Members::Key& key = members.keys[i];
    cost[i] = cost[i + 1];
    if (key.required) cost[i] += plus(key.cost, key.node->cost[depth]) + 1;
  }
  members.required_cost.push_back(std::move(cost));
}

bool Grammar::may_close_object(const Members& members, size_t position, uint64_t count) {
  return members.n_required[position] == 0 && count >= members.min && count <= members.max;
}

int Grammar::finish_object(const Members& members, size_t position, uint64_t count,
                           const Names& seen, size_t n_coming, int depth) const {
  const auto at = static_cast<size_t>(depth);
  int64_t total = members.required_cost[at][position] + 1;
  uint64_t coming = members.n_required[position];
  if (count + coming > members.max) return kInfinite;
  if (count + coming < members.min) {
    uint64_t needed = members.min - count - coming;
    std::vector<int> optional;
    for (size_t i = position; i < members.keys.size(); ++i) {
      const Members::Key& key = members.keys[i];
      const int cost = plus(key.cost, key.node->cost[at]);
      if (!key.required && cost < kInfinite) optional.push_back(cost + 1);
    }
    std::sort(optional.begin(), optional.end());
    coming += needed;
    for (size_t i = 0; i < optional.size() && needed > 0; ++i, --needed) total += optional[i];
    if (needed > 0) total += new_keys_cost(members, needed, seen, n_coming, at);
    if (members.min > members.max) return kInfinite;
  }
  if (count == 0 && coming > 0) --total;  // No comma before the first.
  return total >= kInfinite ? kInfinite : static_cast<int>(total);
}

// `n` members more, with keys of one kind, a comma before each.
int Grammar::new_keys_cost(const Members& members, uint64_t n, const Names& seen, size_t n_coming,
                           size_t depth) const {
  int best = kInfinite;
  for (const Members::Extra& extra : members.extras) {
    int key = kInfinite;
    if (extra.key.is_free()) {
      key = 1 + characters_to_new(members.reserved.size() + seen.size() + n_coming + n);
    } else {
      key = extra.key.cost_unused(
          extra.key.start(), "", n + n_coming,
          [&](const std::string& text) { return is_taken(members, seen, text); });
    }
    const int each = plus(plus(key, 3), extra.node->cost[depth]);  // Quote, colon, comma.
    if (each < kInfinite / static_cast<int>(n)) best = std::min(best, each * static_cast<int>(n));
  }
  return best;
}

int Grammar::key_cost(const Members& members, const Members::Extra& extra, const StringState& state,
                      const std::string& text, const Names& seen) const {
  const int plain = extra.key.cost(state);
  if (plain >= kInfinite) return plain;
  const size_t n = n_taken(members, seen, text);
  if (n == 0) return plain;
  if (!extra.key.is_free()) {
    return extra.key.cost_unused(state, text, 1, [&](const std::string& candidate) {
      return is_taken(members, seen, candidate);
    });
  }
  const bool between = extra.key.may_close(state);
  if (!between) return plus(plain, 1 + characters_to_new(n));
  return is_taken(members, seen, text) ? plus(plain, 1 + characters_to_new(n / 93)) : plain;
}

}  // namespace consort::mask

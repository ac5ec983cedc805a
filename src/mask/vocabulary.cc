#include <algorithm>
#include <map>
#include <numeric>

#include "mask/string_machine.h"
#include "mask/trie.h"

namespace consort::mask {
namespace {

using Trie = Vocabulary::Trie;

template <typename Keep>
void build_nodes(ByteTrie& trie, const std::vector<std::string>& pieces, Keep keep) {
  std::vector<int32_t> order;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].empty() && keep(i)) order.push_back(static_cast<int32_t>(i));
  }
  const auto piece = [&](int32_t token) -> const std::string& {
    return pieces[static_cast<size_t>(token)];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return piece(a) < piece(b); });
  std::vector<uint32_t> path = {0};
  trie.byte = {0};
  trie.end = {0};
  std::vector<std::vector<int32_t>> tokens(1);
  std::string_view previous;
  for (int32_t token : order) {
    const std::string& text = piece(token);
    size_t common = 0;
    while (common < previous.size() && common < text.size() && previous[common] == text[common]) {
      ++common;
    }
    while (path.size() > common + 1) {
      trie.end[path.back()] = static_cast<uint32_t>(trie.byte.size());
      path.pop_back();
    }
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(trie.byte.size()));
      trie.byte.push_back(static_cast<uint8_t>(text[i]));
      trie.end.push_back(0);
      tokens.emplace_back();
    }
    tokens[path.back()].push_back(token);
    previous = text;
  }
  for (uint32_t node : path) trie.end[node] = static_cast<uint32_t>(trie.byte.size());
  trie.token_begin.push_back(0);
  for (const auto& list : tokens) {
    trie.tokens.insert(trie.tokens.end(), list.begin(), list.end());
    trie.token_begin.push_back(static_cast<uint32_t>(trie.tokens.size()));
  }
  trie.token_at.assign(trie.byte.size(), -1);
  trie.depth.assign(trie.byte.size(), 0);
  for (size_t i = 0; i < trie.byte.size(); ++i) {
    const uint32_t n = trie.token_begin[i + 1] - trie.token_begin[i];
    if (n > 0) trie.token_at[i] = n == 1 ? trie.tokens[trie.token_begin[i]] : -2;
    for (size_t child = i + 1; child < trie.end[i]; child = trie.end[child]) {
      trie.depth[child] = static_cast<uint8_t>(std::min<int>(trie.depth[i] + 1, 255));
    }
  }
}

void build_slices(Trie& trie, const std::vector<std::string>& pieces) {
  const auto slice = [&](const auto& has) {
    Trie::Slice& one = trie.slices.emplace_back();
    std::array<bool, 256> in{};
    for (int byte = 0; byte < 256; ++byte) {
      if (!has(byte)) continue;
      in[static_cast<size_t>(byte)] = true;
      one.alphabet.push_back(static_cast<uint8_t>(byte));
    }
    one.bits.assign(trie.n_words, 0);
    build_nodes(one.others, pieces, [&](size_t token) {
      const std::string& text = pieces[token];
      const bool inside = text.size() <= Trie::Slice::kLengthMax &&
                          std::all_of(text.begin(), text.end(),
                                      [&](char c) { return in[static_cast<uint8_t>(c)]; });
      if (inside) one.bits[token / 64] |= uint64_t{1} << (token % 64);
      return !inside;
    });
  };
  const auto lower = [](int b) { return b >= 'a' && b <= 'z'; };
  const auto upper = [](int b) { return b >= 'A' && b <= 'Z'; };
  const auto digit = [](int b) { return b >= '0' && b <= '9'; };
  slice([](int b) { return b >= 0x20 && b < 0x7F && b != '"' && b != '\\'; });
  slice([&](int b) { return lower(b) || upper(b) || digit(b); });
  slice([&](int b) { return lower(b) || digit(b); });
  slice([&](int b) { return lower(b); });
}

void build_interior(Trie& trie, const std::vector<std::string>& pieces) {
  const StringMachine free = StringMachine::free(trie, 0, std::nullopt);
  std::map<std::pair<uint32_t, int>, std::vector<int32_t>> groups;
  trie.interior_all.assign(trie.n_words, 0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].empty()) continue;
    if (pieces[i].find('\\') != std::string::npos) trie.escaped.push_back(static_cast<int32_t>(i));
    StringState state = free.start();
    // Count down from far above what one token can hold.
    constexpr uint32_t kMany = 1 << 30;
    state.max_left = kMany;
    bool inside = true;
    for (char c : pieces[i]) {
      inside =
          inside && !(c == '"' && state.escape == 0) && free.step(state, static_cast<uint8_t>(c));
    }
    if (!inside) continue;
    const uint32_t characters = kMany - state.max_left + (state.escape != 0);
    const int extra = free.cost(state) - 1;  // Without the closing quote.
    groups[{characters, extra}].push_back(static_cast<int32_t>(i));
    trie.interior_all[i / 64] |= uint64_t{1} << (i % 64);
    trie.interior_characters_max = std::max(trie.interior_characters_max, characters);
    trie.interior_extra_max = std::max(trie.interior_extra_max, extra);
  }
  for (auto& [key, tokens] : groups) {
    Trie::Interior& group = trie.interior.emplace_back();
    group.characters = key.first;
    group.extra = key.second;
    if (tokens.size() > trie.n_words / 2) {
      group.bits.assign(trie.n_words, 0);
      for (int32_t t : tokens) {
        group.bits[static_cast<size_t>(t) / 64] |= uint64_t{1} << (static_cast<size_t>(t) % 64);
      }
    } else {
      group.tokens = std::move(tokens);
    }
  }
}

// A preorder trie of sorted, distinct texts; `visit(node, index)` at the node where each one ends.
template <typename Visit>
void build_preorder(const std::vector<std::string>& texts, std::vector<uint8_t>& byte,
                    std::vector<uint32_t>& end, Visit visit) {
  byte = {0};
  end = {0};
  std::vector<uint32_t> path = {0};
  std::string_view previous;
  for (size_t index = 0; index < texts.size(); ++index) {
    const std::string& text = texts[index];
    const auto common = static_cast<size_t>(
        std::mismatch(previous.begin(), previous.end(), text.begin(), text.end()).first -
        previous.begin());
    for (; path.size() > common + 1; path.pop_back()) {
      end[path.back()] = static_cast<uint32_t>(byte.size());
    }
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(byte.size()));
      byte.push_back(static_cast<uint8_t>(text[i]));
      end.push_back(0);
    }
    visit(path.back(), index);
    previous = text;
  }
  for (const uint32_t node : path) end[node] = static_cast<uint32_t>(byte.size());
}

void build_leaving(Trie& trie, const std::vector<std::string>& pieces) {
  const StringMachine free = StringMachine::free(trie, 0, std::nullopt);
  struct Parts {
    std::string prefix, suffix;
    int32_t token;
    uint32_t characters;
    bool is_text;  // The prefix alone is whole characters.
  };
  std::vector<Parts> all;
  std::map<std::string, uint32_t> suffixes = {{"", 0}};
  std::map<std::string, std::vector<Trie::Leaver>> prefixes;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& text = pieces[i];
    size_t quote = 0;
    while (quote < text.size() && text[quote] != '"') quote += text[quote] == '\\' ? 2 : 1;
    if (quote >= text.size()) continue;
    StringState state = free.start();
    constexpr uint32_t kMany = 1 << 30;
    state.max_left = kMany;
    bool inside = true;
    for (size_t at = 0; at < quote; ++at) {
      inside = inside && free.step(state, static_cast<uint8_t>(text[at]));
    }
    inside = inside && free.may_close(state);
    all.push_back({text.substr(0, quote), text.substr(quote + 1), static_cast<int32_t>(i),
                   kMany - state.max_left, inside});
    suffixes.emplace(all.back().suffix, 0);
  }
  std::vector<std::string> texts;
  for (auto& [text, id] : suffixes) {
    id = static_cast<uint32_t>(texts.size());
    texts.push_back(text);
  }
  build_preorder(texts, trie.suffixes.byte, trie.suffixes.end, [&](uint32_t node, size_t index) {
    trie.suffixes.id.resize(node + 1, -1);
    trie.suffixes.id[node] = static_cast<int32_t>(index);
  });
  trie.suffixes.id.resize(trie.suffixes.byte.size(), -1);
  trie.suffixes.count = static_cast<uint32_t>(texts.size());
  for (const Parts& one : all) {
    const Trie::Leaver leaver{suffixes[one.suffix], one.characters, one.token,
                              static_cast<uint16_t>(one.prefix.size()),
                              one.prefix.find('\\') == std::string::npos};
    prefixes[one.prefix].push_back(leaver);
    if (one.is_text) trie.leavers.push_back(leaver);
  }
  texts.clear();
  for (const auto& one : prefixes) texts.push_back(one.first);
  build_preorder(texts, trie.leaving.byte, trie.leaving.end, [&](uint32_t node, size_t index) {
    trie.leaving.here.resize(node + 1);
    trie.leaving.here[node] = prefixes[texts[index]];
  });
  trie.leaving.here.resize(trie.leaving.byte.size());
}

void build_at_most(Trie& trie, const std::vector<std::string>& pieces) {
  const StringMachine free = StringMachine::free(trie, 0, std::nullopt);
  constexpr uint32_t kMany = 1 << 30;
  trie.at_most.assign(Trie::kCharactersMax, Bits(trie.n_words, 0));
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& text = pieces[i];
    size_t from = 0;  // After what ends a character begun before.
    while (from < text.size() && (static_cast<uint8_t>(text[from]) & 0xC0) == 0x80) ++from;
    StringState state = free.start();
    state.max_left = kMany;
    bool inside = !text.empty();
    for (size_t at = from; at < text.size(); ++at) {
      inside = inside && !(text[at] == '"' && state.escape == 0) &&
               free.step(state, static_cast<uint8_t>(text[at]));
    }
    if (!inside) continue;
    const size_t characters = kMany - state.max_left + (state.escape != 0);
    for (size_t n = characters; n < trie.at_most.size(); ++n) {
      trie.at_most[n][i / 64] |= uint64_t{1} << (i % 64);
    }
  }
}

Error unusable(std::string message) {
  return make_error(ErrorCode::unsupported, 2205, std::move(message))
      .to_fix("use a model with a byte-level tokenizer");
}

}  // namespace

std::vector<int> Vocabulary::Trie::spelling(std::string_view text) const {
  std::vector<int> cost(text.size() + 1, kInfinite);
  cost[text.size()] = 0;
  for (size_t i = text.size(); i-- > 0;) {
    uint32_t node = 0;
    for (size_t j = i; j < text.size(); ++j) {
      uint32_t child = node + 1;
      while (child < end[node] && byte[child] != static_cast<uint8_t>(text[j])) child = end[child];
      if (child >= end[node]) break;
      node = child;
      if (token_begin[node + 1] > token_begin[node])
        cost[i] = std::min(cost[i], plus(cost[j + 1], 1));
    }
  }
  return cost;
}

Vocabulary::Vocabulary() = default;
Vocabulary::~Vocabulary() = default;

Result<std::shared_ptr<const Vocabulary>> Vocabulary::create(std::vector<std::string> pieces,
                                                             std::vector<int32_t> end_tokens) {
  std::shared_ptr<Vocabulary> result(new Vocabulary());
  auto trie = std::make_unique<Trie>();
  for (const std::string& piece : pieces) {
    if (piece.size() == 1) trie->single[static_cast<unsigned char>(piece[0])] = true;
  }
  for (int byte = 0x20; byte < 0x7F; ++byte) {
    if (trie->single[static_cast<size_t>(byte)]) continue;
    return fail(unusable("the vocabulary has no token for the character '" +
                         std::string(1, static_cast<char>(byte)) + "' alone"));
  }
  if (end_tokens.empty()) return fail(unusable("the vocabulary has no end token"));
  for (int32_t token : end_tokens) {
    if (token < 0 || static_cast<size_t>(token) >= pieces.size()) {
      return fail(unusable("end token " + std::to_string(token) + " is outside the vocabulary"));
    }
    pieces[static_cast<size_t>(token)].clear();
  }
  trie->n_words = (pieces.size() + 63) / 64;
  build_nodes(*trie, pieces, [](size_t) { return true; });
  build_slices(*trie, pieces);
  trie->any = contract::any_string();
  std::array<uint32_t, 256> weight;
  for (size_t byte = 0; byte < 256; ++byte) {
    weight[byte] = trie->single[byte] ? 1 : contract::Dfa::kDead;
  }
  trie->any_cost = contract::distances(trie->any, weight);
  build_interior(*trie, pieces);
  build_leaving(*trie, pieces);
  build_at_most(*trie, pieces);
  result->pieces_ = std::move(pieces);
  result->end_tokens_ = std::move(end_tokens);
  result->trie_ = std::move(trie);
  return std::shared_ptr<const Vocabulary>(std::move(result));
}

}  // namespace consort::mask

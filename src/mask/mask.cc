#include "mask/mask.h"

#include <algorithm>

#include "mask/compiled.h"

namespace consort::mask {

struct Matcher::State {
  std::shared_ptr<const CompiledMask> mask;
  Positions positions;
  bool ended = false;

  int cost() const {
    return mask->stepper().cheapest(positions);
  }
  bool complete() const {
    return std::any_of(positions.begin(), positions.end(), [&](const Position& position) {
      return mask->stepper().complete(position);
    });
  }
  // The positions after `byte`; empty if it does not fit.
  Positions after(const Positions& before, uint8_t byte) const {
    Positions result;
    for (const Position& position : before) mask->stepper().step(position, byte, result);
    mask->stepper().tidy(result);
    return result;
  }
};

Result<std::shared_ptr<const CompiledMask>> compile(std::shared_ptr<const contract::Schema> schema,
                                                    std::shared_ptr<const Vocabulary> vocabulary,
                                                    const MaskOptions& options) {
  const std::string context = "mask of " + schema->id();
  auto grammar = Grammar::create(schema->program(), schema->is_closed() || !options.open, *vocabulary, options);
  if (!grammar) return fail(std::move(grammar).error().with_context(context));
  return std::make_shared<const CompiledMask>(std::move(schema), std::move(vocabulary),
                                              std::move(*grammar));
}

Result<void> enforceable(const contract::Schema& schema, const MaskOptions& options) {
  static const std::shared_ptr<const Vocabulary> bytes = [] {
    std::vector<std::string> pieces;
    for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
    pieces.emplace_back();
    return Vocabulary::create(std::move(pieces), {256}).value();
  }();
  auto grammar =
      Grammar::create(schema.program(), schema.is_closed() || !options.open, *bytes, options);
  if (!grammar) return fail(std::move(grammar).error().with_context("mask of " + schema.id()));
  return {};
}

int shortest_tokens(const CompiledMask& mask) { return mask.shortest(); }
uint64_t resident_bytes(const CompiledMask& mask) { return mask.bytes(); }

Matcher::Matcher(std::shared_ptr<const CompiledMask> mask) : state_(std::make_unique<State>()) {
  state_->positions.push_back(mask->stepper().start());
  state_->mask = std::move(mask);
}
Matcher::Matcher(const Matcher& other) : state_(std::make_unique<State>(*other.state_)) {}
Matcher& Matcher::operator=(const Matcher& other) {
  if (this != &other) *state_ = *other.state_;
  return *this;
}
Matcher::~Matcher() = default;

Result<void> Matcher::allowed(int tokens_left, std::span<uint64_t> out) const {
  const Vocabulary& vocabulary = state_->mask->vocabulary();
  if (out.size() < vocabulary.trie().n_words) {
    return fail(ErrorCode::invalid_argument, 2202, "mask of fewer bits than the vocabulary has");
  }
  std::fill(out.begin(), out.end(), 0);
  if (state_->ended) return {};
  const int needed = plus(state_->cost(), 1);
  if (needed > tokens_left) {
    return fail(
        make_error(ErrorCode::resource_exhausted, 2203,
                   "the value cannot be closed within " + std::to_string(tokens_left) + " tokens")
            .to_fix("raise max_tokens by " + std::to_string(needed - tokens_left)));
  }
  // After the token: its cost to finish, and the end token.
  for (const Position& position : state_->positions) {
    state_->mask->allow(position, tokens_left - 2, out);
  }
  if (state_->complete()) {
    for (int32_t token : vocabulary.end_tokens()) {
      out[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
    }
  }
  return {};
}

Result<void> Matcher::commit(int32_t token) {
  const Vocabulary& vocabulary = state_->mask->vocabulary();
  const auto refused = [&](std::string message) {
    return make_error(ErrorCode::failed_precondition, 2204, std::move(message))
        .got(std::to_string(token))
        .to_fix("commit only tokens that the mask allows");
  };
  if (token < 0 || static_cast<size_t>(token) >= vocabulary.size() || state_->ended) {
    return fail(refused("token outside the vocabulary, or after the end"));
  }
  const auto& ends = vocabulary.end_tokens();
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    if (!state_->complete()) return fail(refused("end token inside a value"));
    state_->ended = true;
    return {};
  }
  const std::string& piece = vocabulary.piece(token);
  if (piece.empty()) return fail(refused("special token inside a value"));
  Positions positions = state_->positions;
  for (char c : piece) {
    positions = state_->after(positions, static_cast<uint8_t>(c));
    if (positions.empty()) return fail(refused("token that the contract does not allow here"));
  }
  state_->positions = std::move(positions);
  return {};
}

bool Matcher::value_complete() const { return !state_->ended && state_->complete(); }
bool Matcher::ended() const { return state_->ended; }
int Matcher::tokens_to_close() const { return state_->ended ? 0 : plus(state_->cost(), 1); }

std::string Matcher::forced_bytes() const {
  constexpr size_t kForcedMax = 4096;
  std::string result;
  if (state_->ended) return result;
  State at = *state_;
  while (result.size() < kForcedMax && !at.complete()) {
    Positions only;
    int byte = -1;
    for (int candidate = 0; candidate < 256; ++candidate) {
      Positions next = at.after(at.positions, static_cast<uint8_t>(candidate));
      if (next.empty()) continue;
      if (byte >= 0) return result;
      byte = candidate;
      only = std::move(next);
    }
    if (byte < 0) return result;
    result += static_cast<char>(byte);
    at.positions = std::move(only);
  }
  return result;
}

}  // namespace consort::mask

// What a sequence writes: chosen from logits, forced by its contract, or guessed and found right.
#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/state.h"

namespace consort::engine {
namespace {

// The longest end of `text` that could still become one of `stops`.
size_t held_back(std::string_view text, const std::vector<std::string>& stops) {
  size_t most = 0;
  for (const std::string& stop : stops) {
    for (size_t n = std::min(stop.size() - 1, text.size()); n > most; --n) {
      if (text.ends_with(std::string_view(stop).substr(0, n))) most = n;
    }
  }
  return most;
}

bool has(const std::vector<uint64_t>& set, int32_t token) {
  return (set[static_cast<size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

template <typename Body>  // Stops when body returns false.
void each_token(const std::vector<uint64_t>& set, Body&& body) {
  for (size_t word = 0; word < set.size(); ++word) {
    for (uint64_t bits = set[word]; bits != 0; bits &= bits - 1) {
      if (!body(static_cast<int32_t>(word * 64) + std::countr_zero(bits))) return;
    }
  }
}

// Whether all of them begin with the same byte: else nothing can be forced.
bool begin_alike(const std::vector<uint64_t>& set, const model::Tokenizer& tokenizer) {
  int byte = -1;
  bool alike = true;
  each_token(set, [&](int32_t t) {
    const std::string_view piece = tokenizer.piece(t);
    const int first = piece.empty() ? 256 : static_cast<uint8_t>(piece[0]);
    if (byte < 0) byte = first;
    return alike = first == byte;
  });
  return alike;
}

}  // namespace

void Engine::State::begin_generation(Sequence& s) {
  Task& task = *s.task;
  const GenerateRequest& request = *task.request;
  task.generation.cached_tokens = s.n_past;
  s.sampler.emplace(request.sampling);
  if (request.speculate) s.drafter.emplace();
  if (request.digest_logits) s.digest = std::make_unique<Sha256>();
  if (task.matcher) write_forced(s);
}

// What may come next, and whether it is forced: one token is left, or nothing but ways to end, or
// the bytes are fixed and the tokenizer's own next token spells them without reaching beyond.
// `spelled` keeps that spelling while it lasts.
Result<Next> Engine::State::find_next(Sequence& s, const mask::Matcher& matcher, int tokens_left,
                                      std::vector<int32_t>* spelled) {
  const LoadedModel& model = *s.task->model;
  const model::Tokenizer& tokenizer = *model.tokenizer;
  Next next;
  next.allowed.resize((static_cast<size_t>(model.info.n_vocab) + 63) / 64);
  CONSORT_TRY(matcher.allowed(tokens_left, next.allowed));
  int n = 0;
  for (const uint64_t word : next.allowed) n += std::popcount(word);
  if (n == 0) {
    return fail(make_error(ErrorCode::internal, 4112, "the mask allows no token"));
  }
  const std::vector<int32_t>& ends = tokenizer.end_tokens();
  const auto n_ends =
      std::count_if(ends.begin(), ends.end(), [&](int32_t t) { return has(next.allowed, t); });
  if (n == 1 || n == n_ends) {
    each_token(next.allowed, [&](int32_t t) {
      next.forced = t;
      return false;
    });
    return next;
  }
  next.n_panels = model::count_panels(next.allowed);
  if (n_ends > 0 || !begin_alike(next.allowed, tokenizer)) {
    spelled->clear();
    return next;
  }
  const std::string bytes = matcher.forced_bytes();
  if (bytes.empty()) return next;
  size_t n_spelled = 0;
  for (const int32_t t : *spelled) n_spelled += tokenizer.piece(t).size();
  if (n_spelled != bytes.size()) {
    Result<std::vector<int32_t>> tokens = tokenizer.encode(bytes);
    spelled->clear();
    if (!tokens) return next;
    std::string again;
    for (const int32_t t : *tokens) again += tokenizer.piece(t);
    if (again != bytes) return next;  // A tokenizer that adds a blank of its own.
    spelled->assign(tokens->rbegin(), tokens->rend());
  }
  // A token that reaches past what is forced would spell it otherwise: then the model decides.
  bool reaches_past = false;
  each_token(next.allowed, [&](int32_t t) {
    reaches_past = tokenizer.piece(t).size() > bytes.size();
    return !reaches_past;
  });
  if (!reaches_past && has(next.allowed, spelled->back())) {
    next.forced = spelled->back();
    spelled->pop_back();
  }
  return next;
}

// Writes what the contract forces from here, then leaves what may follow in next[0].
void Engine::State::write_forced(Sequence& s) {
  Task& task = *s.task;
  while (!s.finished) {
    const int tokens_left =
        task.request->max_tokens - static_cast<int>(task.generation.tokens.size());
    Result<Next> next = find_next(s, *task.matcher, tokens_left, &s.spelled);
    if (!next) {
      finish(s, std::move(next).error());
      return;
    }
    if (next->forced < 0) {
      s.next.clear();
      s.next.push_back(std::move(*next));
      return;
    }
    ++task.generation.forced_tokens;
    if (!write(s, next->forced)) return;
  }
}

// Proposes tokens for this step's spare rows, those that the contract allows.
void Engine::State::draft(Sequence& s, int n_max) {
  Task& task = *s.task;
  n_max = std::min(n_max,
                   task.request->max_tokens - static_cast<int>(task.generation.tokens.size()) - 1);
  const std::span<const int32_t> tokens = s.drafter->propose(s.tokens, n_max);
  const std::vector<int32_t>& ends = task.model->tokenizer->end_tokens();
  if (!task.matcher) {
    for (const int32_t t : tokens) {
      if (std::find(ends.begin(), ends.end(), t) != ends.end()) return;
      s.draft.push_back(t);
    }
    return;
  }
  s.next.resize(1);
  mask::Matcher matcher = *task.matcher;
  std::vector<int32_t> spelled = s.spelled;
  int tokens_left = task.request->max_tokens - static_cast<int>(task.generation.tokens.size());
  for (const int32_t t : tokens) {
    const Next& at = s.next.back();
    if (std::find(ends.begin(), ends.end(), t) != ends.end() || !has(at.allowed, t)) return;
    if (at.forced >= 0 && at.forced != t) return;
    if (!matcher.commit(t) || matcher.ended()) return;
    Result<Next> next = find_next(s, matcher, --tokens_left, &spelled);
    if (!next) return;
    s.next.push_back(std::move(*next));
    s.draft.push_back(t);
  }
}

// The token after a row. Rows of a draft are read while the draft is right.
void Engine::State::choose(Sequence& s, const OutputRow& row, std::span<const float> logits) {
  if (row.index != s.next_row) return;
  Task& task = *s.task;
  int32_t token = -1;
  const Next* next = nullptr;
  if (task.matcher) {
    next = &s.next[static_cast<size_t>(row.index)];
    token = next->forced;
  }
  if (token >= 0) {
    ++task.generation.forced_tokens;
  } else {
    const std::span<const uint64_t> allowed =
        next != nullptr ? std::span<const uint64_t>(next->allowed) : std::span<const uint64_t>();
    token = s.sampler->choose(logits, allowed);
    if (s.digest) {
      const auto add = [&](int32_t t) {
        uint8_t bytes[8];
        std::memcpy(bytes, &t, 4);
        std::memcpy(bytes + 4, &logits[static_cast<size_t>(t)], 4);
        s.digest->update(bytes);
        return true;
      };
      if (next != nullptr) {
        each_token(next->allowed, add);
      } else {
        for (int32_t t = 0; t < task.model->info.n_vocab; ++t) add(t);
      }
    }
  }
  const auto index = static_cast<size_t>(row.index);
  const bool right = index < s.draft.size() && s.draft[index] == token;
  const bool goes_on = write(s, token);
  if (right && goes_on) {
    ++s.n_past;
    ++s.next_row;
    return;
  }
  s.next_row = -1;
  if (!s.draft.empty()) {
    const auto n_drafted = static_cast<int>(s.draft.size());
    task.generation.drafted_tokens += n_drafted;
    task.generation.accepted_tokens += row.index;
    if (s.drafter) s.drafter->learn(n_drafted, row.index);
  }
  if (goes_on && task.matcher) write_forced(s);
}

// Commits a token to the contract and to the text; false when the generation is over.
bool Engine::State::write(Sequence& s, int32_t token) {
  if (s.task->matcher) {
    if (Result<void> moved = s.task->matcher->commit(token); !moved) {
      finish(s, std::move(moved).error());
      return false;
    }
  }
  return accept(s, token);
}

bool Engine::State::accept(Sequence& s, int32_t token) {
  Task& task = *s.task;
  Generation& g = task.generation;
  if (g.tokens.empty() && g.first_token_ms == 0) {
    g.first_token_ms = milliseconds(clock.monotonic() - task.submitted);
  }
  const std::vector<int32_t>& ends = task.model->tokenizer->end_tokens();
  const bool ended = std::find(ends.begin(), ends.end(), token) != ends.end() ||
                     (task.matcher && task.matcher->ended());
  bool stopped = ended;
  if (!ended) {
    s.tokens.push_back(token);
    g.tokens.push_back(token);
    if (!task.model->tokenizer->is_special(token))
      g.text += s.utf8.push(task.model->tokenizer->piece(token));
    for (const std::string& stop : task.request->stop) {
      const size_t at = g.text.find(stop, s.emitted);
      if (at != std::string::npos) {
        g.text.resize(at);
        stopped = true;
      }
    }
  }
  const bool full = static_cast<int>(g.tokens.size()) >= task.request->max_tokens;
  const bool over = stopped || (full && !task.matcher);
  if (over && (ended || full)) g.text += stopped && !ended ? "" : s.utf8.finish();
  const size_t ready = over ? g.text.size()
                            : g.text.size() - held_back(std::string_view(g.text).substr(s.emitted),
                                                        task.request->stop);
  if (task.request->on_text && ready > s.emitted) {
    task.request->on_text(std::string_view(g.text).substr(s.emitted, ready - s.emitted));
  }
  s.emitted = std::max(s.emitted, ready);
  if (!over) return true;
  g.finish = stopped ? FinishReason::stop : FinishReason::length;
  g.decode_ms = s.prompt_read ? milliseconds(clock.monotonic() - s.first_logits) : 0;
  if (s.digest) g.logits_digest = s.digest->finish();
  finish(s, std::nullopt);
  return false;
}

}  // namespace consort::engine

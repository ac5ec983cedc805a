// One step: rows of many sequences through the model together, then what their logits decide.
#include <algorithm>
#include <cmath>

#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

constexpr int kPromptRowsMin = 8;                     // Of a step that somebody waits for.
constexpr int kPromptRowsUnknown = 32;                // Until the speed is known.
constexpr double kBesideMs = 8;                       // A step of an owner with much work, while
constexpr auto kLightAway = std::chrono::seconds(1);  // one with little was here so lately.
constexpr int kDraftersMax = 4;  // Past so many decoding rows a step is not free for more.
constexpr int kDraftRows = 16;   // Of one step.

}  // namespace

void add_segments(std::span<const int32_t> tokens, int position, std::span<uint8_t* const> pages,
                  const LoadedAdapter* adapter, int from, int n_outputs,
                  std::vector<model::Segment>* out) {
  const auto n = static_cast<int>(tokens.size());
  const int n_base = adapter == nullptr ? n : std::clamp(from - position, 0, n);
  if (n_base > 0) {
    out->push_back({.tokens = tokens.first(static_cast<size_t>(n_base)),
                    .position = position,
                    .pages = pages,
                    .adapter = nullptr,
                    .n_outputs = std::max(0, n_outputs - (n - n_base))});
  }
  if (n_base < n) {
    out->push_back({.tokens = tokens.subspan(static_cast<size_t>(n_base)),
                    .position = position + n_base,
                    .pages = pages,
                    .adapter = adapter->weights.get(),
                    .n_outputs = std::min(n_outputs, n - n_base)});
  }
}

// How many rows of prompts a step takes that somebody waits for, beside the next tokens.
int Engine::State::prompt_rows(const LoadedModel& model, int n_next) const {
  const Forecast& forecast = model.forecast;
  if (!forecast.known() || forecast.prompt_row_ms() <= 0) return kPromptRowsUnknown;
  const double ms = options.step_ms_max - forecast.step_ms(0, n_next);
  return static_cast<int>(
      std::clamp<double>(ms / forecast.prompt_row_ms(), kPromptRowsMin, kPromptRows));
}

// Rows for all next tokens, then for prompts, the urgent first, then the oldest. Where owners with
// much work meet one with little, they get what is left of `neighbour_share`, in turn.
std::vector<Engine::State::Share> Engine::State::share_step(LoadedModel& model, int* n_decoding) {
  std::vector<Sequence*> members;
  for (Sequence& s : active) {
    if (s.finished || s.task->model.get() != &model) continue;
    if (s.task->kind == Task::Kind::embed || s.task->kind == Task::Kind::adopt) continue;
    if (static_cast<int>(s.tokens.size()) == s.n_past) continue;  // A score past its prompt.
    members.push_back(&s);
    if (s.prompt_read) ++*n_decoding;
  }
  const auto tokens_of = [&](const Sequence* s) {
    const auto at = outstanding.find(s->task->service.owner);
    return at == outstanding.end() ? 0.0 : at->second;
  };
  const Sequence* least = nullptr;
  for (const Sequence* s : members) {
    if (least == nullptr || tokens_of(s) < tokens_of(least)) least = s;
  }
  const auto is_heavy = [&](const Sequence* s) {
    return s->task->service.owner != least->task->service.owner &&
           s->task->service.priority <= least->task->service.priority &&
           heavier(tokens_of(s), tokens_of(least));
  };
  std::stable_sort(members.begin(), members.end(), [](const Sequence* a, const Sequence* b) {
    if (a->prompt_read != b->prompt_read) return a->prompt_read;
    return a->task->service.priority > b->task->service.priority;
  });
  std::vector<Share> out;
  std::vector<Sequence*> heavy;
  int rows_left = *n_decoding > 0 ? INT32_MAX : kPromptRows;
  int n_next = 0, n_prompt = 0;
  for (Sequence* s : members) {
    if (is_heavy(s)) {
      heavy.push_back(s);
      continue;
    }
    const int pending = static_cast<int>(s->tokens.size()) - s->n_past;
    if (pending == 1 && s->prompt_read) {
      out.push_back({s, 1, true});
      ++n_next;
      continue;
    }
    if (rows_left == INT32_MAX) rows_left = prompt_rows(model, n_next);
    const int n = std::min(pending, rows_left);
    if (n == 0) continue;
    rows_left -= n;
    n_prompt += n;
    out.push_back({s, n, true});
  }
  const Nanoseconds now = clock.monotonic();
  const Forecast& forecast = model.forecast;
  double ms_left = HUGE_VAL;  // For next tokens and prompts of those with much work.
  if (!heavy.empty() && !out.empty()) {
    light_owner = out.front().sequence->task->service.owner;
    light_served = now;
    // Kept from step to step: a row may cost more than one step's part.
    neighbour_ms += options.neighbour_share * forecast.step_ms(n_prompt, n_next);
    ms_left = neighbour_ms;
  } else if (heavy.empty() && light_served && now - *light_served < kLightAway &&
             std::none_of(out.begin(), out.end(), [&](const Share& share) {
               return share.sequence->task->service.owner == light_owner;
             })) {
    // The owner with little work may be back at any moment: it should find short steps.
    for (const Share& share : out) heavy.push_back(share.sequence);
    out.clear();
    ms_left = std::max(0.0, kBesideMs - forecast.fixed_ms());
  }
  const bool beside_light = !heavy.empty() && !out.empty();
  const double ms_given = ms_left;
  std::stable_sort(heavy.begin(), heavy.end(), [](const Sequence* a, const Sequence* b) {
    return a->last_step < b->last_step;
  });
  for (Sequence* s : heavy) {
    const int pending = static_cast<int>(s->tokens.size()) - s->n_past;
    const bool next = pending == 1 && s->prompt_read;
    const double row_ms = std::max(1e-3, next ? forecast.next_row_ms() : forecast.prompt_row_ms());
    const int n = static_cast<int>(std::min<double>(pending, std::max(0.0, ms_left / row_ms)));
    if (n == 0 && (beside_light || s != heavy.front())) break;
    out.push_back({s, std::max(1, n), false});
    ms_left -= row_ms * std::max(1, n);
  }
  if (beside_light) neighbour_ms -= ms_given - ms_left;
  return out;
}

// Makes the step smaller until its scratch has room: the smallest has, since admission.
void Engine::State::fit_scratch(LoadedModel& model, std::vector<Share>* shares) {
  for (;;) {
    Scratch wanted;
    bool guesses = false;
    for (const auto& [s, n, may_guess] : *shares) {
      const bool drafts = may_guess && s->prompt_read && s->drafter;
      guesses = guesses || drafts;
      wanted.rows += n;
      wanted.positions = std::max(wanted.positions, s->n_past + n + (drafts ? kDraftRows : 0));
      wanted.n_logits += s->task->kind == Task::Kind::rows ? n : 1;
      wanted.masked = wanted.masked || s->task->matcher.has_value();
    }
    if (guesses && shares->size() <= kDraftersMax) {
      wanted.rows += kDraftRows;
      wanted.n_logits += kDraftRows;
    }
    wanted.n_logits = std::min(wanted.n_logits, kLogitsRows);
    if (grow_scratch(model, wanted)) return;
    Share& last = shares->back();
    if (guesses) {
      for (Share& share : *shares) share.may_guess = false;
    } else if (shares->size() > 1) {
      shares->resize((shares->size() + 1) / 2);
    } else if (last.n_rows > 1) {
      last.n_rows = (last.n_rows + 1) / 2;
    } else {
      return;
    }
  }
}

// One pass over the model's weights for all its sequences.
void Engine::State::step(LoadedModel& model) {
  int n_decoding = 0;
  std::vector<Share> shares = share_step(model, &n_decoding);
  if (shares.empty()) return;
  fit_scratch(model, &shares);
  const auto n_next =
      static_cast<int>(std::count_if(shares.begin(), shares.end(), [](const Share& share) {
        return share.may_guess && share.sequence->prompt_read;
      }));
  int drafts_left = n_next <= kDraftersMax ? kDraftRows : 0;
  std::vector<Sequence*> taken;
  for (const auto& [s, n, may_guess] : shares) {
    const int pending = static_cast<int>(s->tokens.size()) - s->n_past;
    s->draft.clear();
    if (may_guess && s->prompt_read && n == pending && s->drafter && drafts_left > 0) {
      draft(*s, std::max(1, drafts_left / n_next));
      drafts_left -= static_cast<int>(s->draft.size());
    }
    if (!ensure_pages(*s, s->n_past + n + static_cast<int>(s->draft.size()))) {
      finish(*s, budget_spent(budget, model.pages->page_bytes()));
      continue;
    }
    s->row_tokens.assign(s->tokens.begin() + s->n_past, s->tokens.begin() + s->n_past + n);
    s->row_tokens.insert(s->row_tokens.end(), s->draft.begin(), s->draft.end());
    s->next_row = 0;
    s->last_step = stats.steps + 1;
    taken.push_back(s);
  }
  if (taken.empty()) return;
  // The masked last, and rows under the same adapter side by side: its weights are read once for them.
  std::stable_sort(taken.begin(), taken.end(), [](const Sequence* a, const Sequence* b) {
    const bool masked[] = {a->task->matcher.has_value(), b->task->matcher.has_value()};
    if (masked[0] != masked[1]) return masked[1];
    return std::less<>()(a->task->adapter.get(), b->task->adapter.get());
  });
  std::vector<model::Segment> segments;
  std::vector<OutputRow> outputs;
  int n_rows = 0;
  for (Sequence* s : taken) {
    const auto n = static_cast<int>(s->row_tokens.size());
    const auto n_draft = static_cast<int>(s->draft.size());
    const bool ends = s->n_past + n - n_draft == static_cast<int>(s->tokens.size());
    int n_outputs = ends ? 1 + n_draft : 0;
    if (s->task->kind == Task::Kind::rows) n_outputs = n;
    if (s->task->kind == Task::Kind::keep) n_outputs = 0;
    add_segments(s->row_tokens, s->n_past, s->page_data, s->task->adapter.get(), s->task->from,
                 n_outputs, &segments);
    for (int i = 0; i < n_outputs; ++i) {
      outputs.push_back({.sequence = s,
                         .row = static_cast<int>(outputs.size()),
                         .index = i,
                         .position = s->n_past + n - n_outputs + i});
    }
    n_rows += n;
  }
  const Nanoseconds start = clock.monotonic();
  model.decoder_runner->forward(segments);
  for (Sequence* s : taken) {
    s->n_past += static_cast<int>(s->row_tokens.size() - s->draft.size());
    if (s->prompt_read) ++s->task->generation.steps;
    if (!s->prompt_read && s->n_past >= static_cast<int>(s->task->prompt.size())) prompt_done(*s);
  }
  read_outputs(model, outputs);
  const double ms = milliseconds(clock.monotonic() - start);
  const auto n_outputs = static_cast<int>(outputs.size());
  std::lock_guard lock(mutex);
  ++n_done;
  model.forecast.observe_step(n_rows - n_outputs, n_outputs, ms);
  ++stats.steps;
  stats.rows += static_cast<uint64_t>(n_rows);
  if (n_decoding > 0) stats.step_ms_max = std::max(stats.step_ms_max, ms);
}

// Logits of the step's outputs, some rows at a time, in order. A masked row whose contract allows
// little is computed for that alone; a forced one not at all.
void Engine::State::read_outputs(LoadedModel& model, std::span<const OutputRow> rows) {
  const auto n_vocab = static_cast<size_t>(model.info.n_vocab);
  const int few = model.decoder->output().n_panels() / 2;
  uint64_t n_full = 0, n_masked = 0, n_skipped = 0;
  enum class Way { full, masked, skipped };
  const auto way = [&](const OutputRow& r) {
    const Sequence& s = *r.sequence;
    if (!s.task->matcher || static_cast<size_t>(r.index) >= s.next.size()) return Way::full;
    const Next& next = s.next[static_cast<size_t>(r.index)];
    if (next.forced >= 0) return Way::skipped;
    return next.n_panels < few ? Way::masked : Way::full;
  };
  std::vector<model::HeadRow> masked;
  for (size_t i = 0; i < rows.size();) {
    masked.clear();
    int first = -1, n = 0;
    size_t end = i;
    for (; end < rows.size(); ++end) {
      const Way w = way(rows[end]);
      if (w == Way::full) {
        if (n == kLogitsRows || (n > 0 && first + n != rows[end].row)) break;
        if (n++ == 0) first = rows[end].row;
      } else if (w == Way::masked) {
        if (masked.size() == kLogitsRows) break;
        if (model.sparse.empty()) model.sparse.resize(kLogitsRows * n_vocab);
        masked.push_back(
            {.row = rows[end].row,
             .wanted = rows[end].sequence->next[static_cast<size_t>(rows[end].index)].allowed,
             .out = model.sparse.data() + masked.size() * n_vocab});
      } else {
        ++n_skipped;
      }
    }
    if (!masked.empty()) model.decoder_runner->logits_of(masked);
    const std::span<const float> logits =
        n > 0 ? model.decoder_runner->logits(first, n) : std::span<float>();
    size_t full_at = 0, masked_at = 0;
    for (; i < end; ++i) {
      // A row's `next` may be gone once an earlier row of its sequence has decided: `way` is asked
      // before that.
      const OutputRow& r = rows[i];
      std::span<const float> row;
      if (masked_at < masked.size() && masked[masked_at].row == r.row) {
        row = {masked[masked_at++].out, n_vocab};
      } else if (n > 0 && r.row >= first && r.row < first + n) {
        row = logits.subspan(full_at++ * n_vocab, n_vocab);
      }
      read_logits(r, row);
    }
    n_full += static_cast<uint64_t>(n);
    n_masked += masked.size();
  }
  std::lock_guard lock(mutex);
  stats.head_rows_full += n_full;
  stats.head_rows_masked += n_masked;
  stats.head_rows_skipped += n_skipped;
}

void Engine::State::prompt_done(Sequence& s) {
  s.prompt_read = true;
  s.first_logits = clock.monotonic();
  Task& task = *s.task;
  if (task.kind == Task::Kind::rows) return;
  share_prefix(s);
  if (task.kind == Task::Kind::generate) {
    task.generation.prefill_ms = milliseconds(s.first_logits - s.admitted);
  }
  if (task.kind == Task::Kind::keep) {
    const auto n = task.prompt.size() / kPageTokens;
    Result<void> kept = task.on_pages(std::span(s.pages).first(n));
    finish(s, kept ? std::nullopt : std::optional<Error>(std::move(kept).error()));
  }
}

void Engine::State::read_logits(const OutputRow& row, std::span<const float> logits) {
  Sequence& s = *row.sequence;
  if (s.finished) return;
  Task& task = *s.task;
  switch (task.kind) {
    case Task::Kind::rows:
      task.on_row(row.position, logits);
      if (row.position + 1 == static_cast<int>(s.tokens.size())) finish(s, std::nullopt);
      break;
    case Task::Kind::score: {
      // Stems without tokens of their own begin with the prompt's last logits.
      double total = 0;
      for (Stem& stem : task.stems) {
        if (!stem.tokens.empty()) continue;
        if (total == 0) {
          total = kernels.log_sum_exp(logits.data(), static_cast<int>(logits.size()));
        }
        for (size_t i = 0; i < stem.options.size(); ++i) {
          stem.scores[i].log_prob = logits[static_cast<size_t>(stem.options[i][0])] - total;
        }
      }
      break;
    }
    case Task::Kind::generate:
      choose(s, row, logits);
      break;
    default:
      break;
  }
}

}  // namespace consort::engine

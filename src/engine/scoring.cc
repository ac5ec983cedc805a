// Scores of options behind one prompt, answers to many questions about one state, embeddings.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

constexpr int kEmbedTokens = 1024;  // Of one step.
constexpr int kStemRows = 512;      // Likewise.

// Of the prompt and its longest stem: what a step of stems sees.
int positions_of(const Task& task) {
  size_t longest = 0;
  for (const Stem& stem : task.stems) longest = std::max(longest, stem.tokens.size());
  return static_cast<int>(task.prompt.size() + longest);
}

}  // namespace

// Pages that one call of score_some took; all go back at its end.
struct Engine::State::Taken {
  explicit Taken(LoadedModel& m) : model(m) {}
  ~Taken() {
    for (Page* page : pages) model.pages->release(page);
  }
  // The pages of `data` up to `n_past`, the last of them copied if it is not full, and room for `n`
  // more tokens; empty when there is no room left.
  std::vector<uint8_t*> behind(Engine::State& state, std::span<uint8_t* const> data, int n_past,
                               int n) {
    const auto n_shared = static_cast<size_t>(n_past / kPageTokens);
    std::vector<uint8_t*> out(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n_shared));
    for (int i = pages_for(n_past + n) - static_cast<int>(n_shared); i > 0; --i) {
      Page* page = state.take_page(model);
      if (page == nullptr) return {};
      pages.push_back(page);
      out.push_back(page->data);
    }
    if (n_past % kPageTokens != 0 && n > 0) {
      std::memcpy(out[n_shared], data[n_shared], model.pages->page_bytes());
    }
    return out;
  }
  LoadedModel& model;
  std::vector<Page*> pages;
};

// A group of stems read together, then their options. A step of its own for the engine's thread:
// with others decoding, groups are small.
void Engine::State::score_some(Sequence& s) {
  Task& task = *s.task;
  const bool others = std::any_of(active.begin(), active.end(), [&](const Sequence& other) {
    return &other != &s && !other.finished;
  });
  int rows_max = others ? prompt_rows(*task.model, 0) : kStemRows;
  if (!grow_scratch(*task.model, {.rows = rows_max, .positions = positions_of(task)})) {
    rows_max = task.model->scratch.rows;  // Admission took care of the longest stem.
  }
  std::vector<StemPages> group;
  Taken taken(*task.model);
  int rows = 0;
  while (s.next_stem < task.stems.size() && group.size() < kStemsTogether) {
    Stem& stem = task.stems[s.next_stem];
    const auto n = static_cast<int>(stem.tokens.size());
    if (!group.empty() && rows + n > rows_max) break;
    StemPages pages{.stem = &stem, .n_past = s.n_past + n, .data = s.page_data};
    if (n > 0) {
      pages.data = taken.behind(*this, s.page_data, s.n_past, n);
      if (pages.data.empty()) {
        finish(s, budget_spent(budget, s.task->model->pages->page_bytes()));
        return;
      }
    }
    group.push_back(std::move(pages));
    rows += n;
    ++s.next_stem;
  }
  if (rows > 0) read_stems(s, group);
  if (!score_options(s, group)) return;
  if (s.next_stem == task.stems.size()) {
    task.total_ms = milliseconds(clock.monotonic() - task.submitted);
    finish(s, std::nullopt);
  }
}

// The stems' tokens, and the options' first tokens from the logits after them.
void Engine::State::read_stems(Sequence& s, std::span<const StemPages> group) {
  Task& task = *s.task;
  LoadedModel& model = *task.model;
  std::vector<model::Segment> segments;
  for (const StemPages& pages : group) {
    add_segments(pages.stem->tokens, s.n_past, pages.data, task.adapter.get(), pages.stem->from, 1,
                 &segments);
  }
  model.decoder_runner->forward(segments);
  const auto n_vocab = static_cast<size_t>(model.info.n_vocab);
  for (size_t first = 0; first < group.size(); first += kLogitsRows) {
    const size_t n = std::min<size_t>(kLogitsRows, group.size() - first);
    const std::span<const float> logits =
        model.decoder_runner->logits(static_cast<int>(first), static_cast<int>(n));
    std::vector<float> totals(n);
    pool.parallel_for(static_cast<int>(n), [&](int i) {
      totals[static_cast<size_t>(i)] = kernels.log_sum_exp(
          logits.data() + static_cast<size_t>(i) * n_vocab, static_cast<int>(n_vocab));
    });
    for (size_t i = 0; i < n; ++i) {
      Stem& stem = *group[first + i].stem;
      for (size_t k = 0; k < stem.options.size(); ++k) {
        const float logit = logits[i * n_vocab + static_cast<size_t>(stem.options[k][0])];
        stem.scores[k].log_prob = static_cast<double>(logit) - static_cast<double>(totals[i]);
      }
    }
  }
}

// The options' other tokens, each option behind its own copy of the last page. False when pages ran
// out and the sequence has failed.
bool Engine::State::score_options(Sequence& s, std::span<const StemPages> group) {
  Task& task = *s.task;
  LoadedModel& model = *task.model;
  const auto n_vocab = static_cast<size_t>(model.info.n_vocab);
  struct Option {
    const StemPages* pages;
    size_t index;
  };
  std::vector<Option> options;
  for (const StemPages& pages : group) {
    for (size_t i = 0; i < pages.stem->options.size(); ++i) {
      if (pages.stem->options[i].size() > 1) options.push_back({&pages, i});
    }
  }
  for (size_t at = 0; at < options.size();) {
    Taken taken(model);
    std::vector<std::vector<uint8_t*>> data;
    std::vector<std::pair<Option, size_t>> targets;  // And the index of the token to score.
    std::vector<Option> members;
    for (; at < options.size(); ++at) {
      const auto& tokens = options[at].pages->stem->options[options[at].index];
      const size_t n = tokens.size() - 1;
      if (!members.empty() &&
          (targets.size() + n > kScoreRows || members.size() == kOptionsTogether))
        break;
      data.push_back(taken.behind(*this, options[at].pages->data, options[at].pages->n_past,
                                  static_cast<int>(n)));
      if (data.back().empty()) {
        finish(s, budget_spent(budget, s.task->model->pages->page_bytes()));
        return false;
      }
      members.push_back(options[at]);
      for (size_t i = 1; i <= n; ++i) targets.emplace_back(options[at], i);
    }
    std::vector<model::Segment> segments;
    for (size_t i = 0; i < members.size(); ++i) {
      const auto& [pages, index] = members[i];
      const auto& tokens = pages->stem->options[index];
      const size_t n = tokens.size() - 1;
      add_segments(std::span(tokens).first(n), pages->n_past, data[i], task.adapter.get(),
                   pages->stem->from, static_cast<int>(n), &segments);
    }
    model.decoder_runner->forward(segments);
    for (size_t first = 0; first < targets.size(); first += kLogitsRows) {
      const size_t n = std::min<size_t>(kLogitsRows, targets.size() - first);
      const std::span<const float> logits =
          model.decoder_runner->logits(static_cast<int>(first), static_cast<int>(n));
      std::vector<double> gains(n);
      pool.parallel_for(static_cast<int>(n), [&](int i) {
        const auto& [option, index] = targets[first + static_cast<size_t>(i)];
        const float* row = logits.data() + static_cast<size_t>(i) * n_vocab;
        const int32_t token = option.pages->stem->options[option.index][index];
        gains[static_cast<size_t>(i)] =
            static_cast<double>(row[token]) -
            static_cast<double>(kernels.log_sum_exp(row, static_cast<int>(n_vocab)));
      });
      for (size_t i = 0; i < n; ++i) {
        const Option& option = targets[first + i].first;
        option.pages->stem->scores[option.index].log_prob += gains[i];
      }
    }
  }
  return true;
}

void Engine::State::embed_some(Sequence& s) {
  Task& task = *s.task;
  const bool pairs = !task.n_first.empty();
  std::vector<std::vector<int32_t>> batch;
  std::vector<model::TextPair> pair_batch;
  const size_t first = s.next_text;
  size_t tokens = 0;
  while (s.next_text < s.order.size()) {
    const size_t index = s.order[s.next_text];
    std::vector<int32_t>& ids = task.texts[index];
    if (tokens > 0 && tokens + ids.size() > kEmbedTokens) break;
    tokens += ids.size();
    if (pairs) {
      pair_batch.push_back({.ids = std::move(ids), .n_first = task.n_first[index]});
    } else {
      batch.push_back(std::move(ids));
    }
    ++s.next_text;
  }
  if (task.adapter && !task.adapter->runner) {
    task.adapter->runner =
        std::make_unique<model::EncoderRunner>(*task.adapter->encoder, pool, kernels);
  }
  model::EncoderRunner& runner =
      task.adapter ? *task.adapter->runner : *task.model->encoder_runner;
  std::vector<std::vector<float>> vectors = !pairs            ? runner.run(batch)
                                            : task.classifier ? runner.score(pair_batch)
                                                              : runner.run(pair_batch);
  for (size_t i = 0; i < vectors.size(); ++i)
    task.vectors[s.order[first + i]] = std::move(vectors[i]);
  if (s.next_text == s.order.size()) finish(s, std::nullopt);
}

}  // namespace consort::engine

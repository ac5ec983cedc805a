// The engine's inside: loaded models, tasks, and the one thread that runs steps.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/thread_pool.h"
#include "engine/draft.h"
#include "engine/engine.h"
#include "engine/fair_queue.h"
#include "engine/forecast.h"
#include "engine/mask_cache.h"
#include "engine/next_use.h"
#include "engine/pages.h"
#include "engine/sampler.h"
#include "model/chat_format.h"
#include "model/adapter_file.h"
#include "model/decoder.h"
#include "model/decoder_head.h"
#include "model/encoder.h"
#include "model/tokenizer.h"

namespace consort::engine {

struct LoadedAdapter {
  uint64_t id = 0;  // Never used again in this process: keys of the prefix tree.
  AdapterInfo info;
  std::unique_ptr<const model::DecoderAdapter> weights;  // Of a decoder, or
  std::unique_ptr<const model::Encoder> encoder;         // of an encoder: its base with it merged,
  std::optional<model::AdapterHead> head;                // and what its vectors say.
  mutable std::unique_ptr<model::EncoderRunner> runner;  // Of the engine's thread.
  std::vector<int32_t> invocation;  // Empty: acts from the first token on.
};

// What a model's steps may be like within its scratch.
struct Scratch {
  int rows = 0, positions = 0;
  int n_logits = 0;     // Logits rows computed at a time.
  bool masked = false;  // Some of them for few tokens.
};

struct LoadedModel {
  LoadedModel(ByteBudget& b) : budget(b) {}
  ~LoadedModel() { budget.remove(charged); }
  ByteBudget& budget;
  uint64_t charged = 0;                               // Weights, adapters and scratch.
  uint64_t scratch_charged = 0;                       // Of it.
  Scratch scratch;                                    // What that is for.
  uint64_t kv_bytes = 0, kv_idle = 0, kv_behind = 0;  // As published, under the mutex.
  ModelInfo info;
  int n_head = 0, n_head_kv = 0;
  std::unique_ptr<const model::Decoder> decoder;  // Or
  std::unique_ptr<const model::Encoder> encoder;
  std::unique_ptr<const model::Tokenizer> tokenizer;
  std::unique_ptr<const model::ChatFormat> chat;       // Null when the file has none.
  std::shared_ptr<const mask::Vocabulary> vocabulary;  // Made at the first masked request.
  std::map<std::string, std::shared_ptr<const LoadedAdapter>, std::less<>> adapters;
  // Of the engine's thread.
  std::unique_ptr<model::DecoderRunner> decoder_runner;
  std::unique_ptr<model::EncoderRunner> encoder_runner;
  std::unique_ptr<PagePool> pages;
  std::unique_ptr<PrefixTree> prefixes;
  std::vector<float> probe;  // Logits of the base on what adapters are tried with; under the mutex.
  Forecast forecast;         // Written by the engine's thread under the mutex.
  std::vector<float> sparse;  // Logits of masked rows, [rows, n_vocab], few of them written.
};

// What was loaded once: enough to load it again.
struct KnownAdapter {
  std::filesystem::path path;
  AdapterInfo info;
  uint64_t id = 0;
  uint64_t used = 0;
};
struct KnownModel {
  std::filesystem::path path;
  ModelInfo info;
  uint64_t used = 0;
  std::shared_ptr<const mask::Vocabulary> vocabulary;  // Survives eviction, so that masks do.
  std::map<std::string, KnownAdapter, std::less<>> adapters;
};

// How far a load may go to find room.
struct RoomRule {
  size_t spares = 0;     // Nothing goes that a graph asks for in fewer steps; 0: all idle may.
  bool prefixes = true;  // Known prefixes and masks may go.
};

// One question of `score` or `decide`: what follows the shared prompt, and its options.
struct Stem {
  std::vector<int32_t> tokens;  // Empty for `score`: the prompt's own last logits serve.
  int from = 0;                 // Where the adapter acts, in positions of the whole text.
  std::vector<std::vector<int32_t>> options;
  std::vector<Score> scores;
};

// One caller's request, alive on the caller's stack until `done`.
struct Task {
  enum class Kind { generate, score, rows, embed, keep, adopt };
  Kind kind = Kind::generate;
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const LoadedAdapter> adapter;
  int from = 0;  // Position from which the adapter acts.
  std::stop_token stop_token;
  std::optional<Nanoseconds> deadline;
  Service service;
  std::vector<int32_t> prompt;
  Nanoseconds submitted{};
  double told_ms = 0;  // How long it was expected to take.

  // generate
  const GenerateRequest* request = nullptr;
  std::optional<mask::Matcher> matcher;
  Generation generation;
  // score: `score` has one stem, `decide` one a question.
  std::vector<Stem> stems;
  int cached_tokens = 0;
  double total_ms = 0;
  // rows: logits after each position, [n_vocab], as they come, on the engine's thread.
  std::function<void(int position, std::span<const float> logits)> on_row;
  // keep: the prompt's full pages, handed over while they are held. adopt: pages from a file.
  std::function<Result<void>(std::span<Page* const> pages)> on_pages;
  std::span<uint8_t> mapped;
  std::shared_ptr<const void> mapping;
  // embed
  std::vector<std::vector<int32_t>> texts;
  std::vector<int> n_first;  // Of pairs: ids of the first text. Empty: single texts.
  bool classifier = false;   // Of pairs: the model's own classifier is asked, not for vectors.
  std::vector<std::vector<float>> vectors;

  std::optional<Error> error;
  bool done = false;   // Under State::mutex; and
  bool aside = false;  // its model and adapter were let go of, for those before it.

  Work work() const;  // At most; a score's options and an encoder's texts count as read.
  Acting acting() const { return {adapter ? adapter->id : 0, from}; }
};

// What a contract allows at one place of the output.
struct Next {
  std::vector<uint64_t> allowed;
  int n_panels = 0;     // Of the head, that hold an allowed token.
  int32_t forced = -1;  // The only token to write here, whatever the model would say.
};

// A task that holds pages and takes part in steps.
struct Sequence {
  Task* task = nullptr;
  std::vector<int32_t> tokens;  // Prompt and what was generated.
  int n_past = 0;               // Of tokens: their keys and values are in pages.
  std::vector<Page*> pages;
  std::vector<uint8_t*> page_data;
  int n_reserved = 0;  // Pages it may still take.
  bool prompt_read = false;
  Nanoseconds admitted{};
  Nanoseconds first_logits{};
  bool finished = false;
  uint64_t last_step = 0;  // The step that it last took part in.
  // generate
  std::optional<Sampler> sampler;
  std::optional<Drafter> drafter;
  std::unique_ptr<Sha256> digest;
  model::Utf8Stream utf8;
  size_t emitted = 0;               // Bytes of the text that on_text has seen.
  std::vector<int32_t> draft;       // Proposed for this step.
  std::vector<int32_t> row_tokens;  // Of this step: what was accepted but not read, and the draft.
  int next_row = 0;                 // Of the step's rows: which decides next; -1 = none any more.
  // Masked: what may follow `tokens`, then what may follow each token of the draft.
  std::vector<Next> next;
  std::vector<int32_t> spelled;  // Forced text in the tokenizer's own tokens, last first.
  // score
  size_t next_stem = 0;
  // embed
  std::vector<size_t> order;  // Texts by length, longest last.
  size_t next_text = 0;
};

// A stem that has been read: the pages of prompt and stem.
struct StemPages {
  Stem* stem = nullptr;
  int n_past = 0;
  std::vector<uint8_t*> data;
};

// An output row of a step, to be read by its sequence.
struct OutputRow {
  Sequence* sequence;
  int row;       // Of the runner's outputs.
  int index;     // Among its sequence's rows of this step.
  int position;  // Of the token that it follows.
};

constexpr int kPromptRows = 256;  // Of one step, when nobody waits for a next token.
constexpr int kLogitsRows = 32;   // Logits rows computed at a time.
constexpr int kStemsTogether = 32;
constexpr int kOptionsTogether = 24;  // Of one step, and
constexpr int kScoreRows = 64;        // no more rows, unless one option is longer.

inline int pages_for(int n_tokens) {
  return (n_tokens + tensor::kPageTokens - 1) / tensor::kPageTokens;
}
inline double milliseconds(Nanoseconds d) { return static_cast<double>(d.count()) * 1e-6; }
// 4101; `bytes` were asked for.
Error budget_spent(const ByteBudget& budget, uint64_t bytes);
Error over_budget(const ByteBudget& budget, std::string_view what, uint64_t bytes);
Error invalid_request(std::string message, std::string_view value, std::string fix);  // 4108
// Messages as the model's own chat template writes them, ready for its answer.
Result<std::string> render_chat(const LoadedModel& model, std::span<const Message> messages);
// Tokens of a request's prompt, and its text.
Result<std::vector<int32_t>> read_prompt(const LoadedModel& model,
                                         const std::vector<Message>& messages,
                                         const std::optional<std::string>& prompt,
                                         std::string* rendered);
// 4107 when it does not fit the context.
Result<void> check_length(const LoadedModel& model, size_t prompt, size_t more);
// Where in the prompt the adapter begins to act: 4116 when its invocation is not there.
Result<int> acts_from(const LoadedAdapter* adapter, std::span<const int32_t> prompt);
// Rows of one text for a step, cut where its adapter begins to act.
void add_segments(std::span<const int32_t> tokens, int position, std::span<uint8_t* const> pages,
                  const LoadedAdapter* adapter, int from, int n_outputs,
                  std::vector<model::Segment>* out);

struct Engine::State {
  State(const EngineOptions& o, const Clock& c, const tensor::Kernels& k)
      : options(o),
        clock(c),
        kernels(k),
        budget(o.memory_bytes_max),
        masks(o.mask_bytes_max, budget),
        pool(o.n_threads) {}

  // Blocks until the engine's thread has finished the task. Its model and adapter may be other
  // objects then, of the same content.
  Result<void> submit(Task& task);
  Result<void> wait_for(Task& task);
  // Reads again what was evicted; waits for room while others work.
  Result<std::shared_ptr<LoadedModel>> find_model(std::string_view name);
  Result<std::shared_ptr<LoadedModel>> find_decoder(std::string_view name);
  Result<std::shared_ptr<const LoadedAdapter>> find_adapter(
      const std::shared_ptr<LoadedModel>& model, std::string_view name);

  // Residency (residency.cc).
  // Bytes added to the budget for what is being read; given back when it comes to nothing.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(State* state, uint64_t bytes) : state_(state), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Reservation() {
      if (state_ != nullptr) shrink(0);
    }
    void shrink(uint64_t bytes);
    uint64_t keep_locked();  // They are charged to what was read, which is resident now.

   private:
    State* state_ = nullptr;
    uint64_t bytes_ = 0;
  };
  Result<Reservation> reserve(uint64_t bytes, std::string_view what, RoomRule rule);
  bool evict_model_or_adapter(RoomRule rule, bool expected);
  void give_back_pages();
  Result<std::shared_ptr<LoadedModel>> bring_model(std::string_view name, RoomRule rule);
  Result<std::shared_ptr<const LoadedAdapter>> bring_adapter(
      const std::shared_ptr<LoadedModel>& model, std::string_view name, RoomRule rule);
  // Repeats `bring` while it lacks room and others work.
  template <typename Bring>
  auto bring_patiently(Bring&& bring) -> decltype(bring());
  void loader_main();

  Result<void> read_rows(std::string_view model, std::string_view adapter,
                         std::span<const int32_t> tokens, std::stop_token stop,
                         std::function<void(int, std::span<const float>)> on_row);

  // The engine's thread.
  void thread_main();
  void fail_all();
  void count_pages_locked();
  uint64_t bytes_behind(const LoadedModel& model) const;
  // Admission.
  void admit();
  enum class Admitted { taken, waits, no_room };
  Admitted try_admit(Task& task);
  bool make_room(LoadedModel& model, int n_pages, const Scratch& scratch);
  bool set_aside(const Task& first);
  uint64_t promised_bytes() const;
  uint64_t scratch_growth(const LoadedModel& model, const Scratch& wanted) const;
  void charge_scratch(LoadedModel& model, const Scratch& wanted, uint64_t growth);
  bool grow_scratch(LoadedModel& model, const Scratch& wanted);
  void ready(LoadedModel& model);  // Its runner, pages and prefixes.
  std::optional<Error> interruption(const Task& task) const;
  std::optional<Error> too_late(const Task& task) const;
  // Steps.
  void step(LoadedModel& model);
  int prompt_rows(const LoadedModel& model, int n_next) const;
  // Who takes part in a step, and with how many rows.
  struct Share {
    Sequence* sequence;
    int n_rows;
    bool may_guess;  // Draft, too.
  };
  std::vector<Share> share_step(LoadedModel& model, int* n_decoding);
  void fit_scratch(LoadedModel& model, std::vector<Share>* shares);
  void publish_work();
  void read_outputs(LoadedModel& model, std::span<const OutputRow> rows);
  void read_logits(const OutputRow& row, std::span<const float> logits);
  void prompt_done(Sequence& s);
  // Generation.
  void begin_generation(Sequence& s);
  void draft(Sequence& s, int n_max);
  void choose(Sequence& s, const OutputRow& row, std::span<const float> logits);
  void write_forced(Sequence& s);
  Result<Next> find_next(Sequence& s, const mask::Matcher& matcher, int tokens_left,
                         std::vector<int32_t>* spelled);
  bool write(Sequence& s, int32_t token);
  bool accept(Sequence& s, int32_t token);
  // Scores, embeddings, sessions.
  void score_some(Sequence& s);
  void read_stems(Sequence& s, std::span<const StemPages> group);
  bool score_options(Sequence& s, std::span<const StemPages> group);
  void adopt_pages(Sequence& s);
  void embed_some(Sequence& s);
  // Pages.
  Page* take_page(LoadedModel& model);
  bool ensure_pages(Sequence& s, int n_tokens);
  void share_prefix(Sequence& s);
  struct Taken;  // Pages for one call.
  void finish(Sequence& s, std::optional<Error> error);
  void complete(Task& task);

  const EngineOptions options;
  const Clock& clock;
  const tensor::Kernels& kernels;
  ByteBudget budget;
  MaskCache masks;
  ThreadPool pool;  // Used by the engine's thread alone.

  std::mutex loading;  // One load at a time; before `mutex`.
  mutable std::mutex mutex;
  std::condition_variable wake;      // The engine's thread: new task, or stop.
  std::condition_variable finished;  // Callers.
  FairQueue queue;
  std::map<std::string, std::shared_ptr<LoadedModel>, std::less<>> models;  // Resident.
  std::map<std::string, KnownModel, std::less<>> known;
  NextUses next_uses;
  uint64_t now = 0;           // Counts uses.
  uint64_t n_done = 0;        // Steps and requests: whether others work.
  uint64_t bytes_wanted = 0;  // The engine's thread is to give back pages for so many.
  uint64_t bytes_loading = 0;  // Reserved.
  bool look_ahead = false;     // The loader has something to look at; and
  bool looking = false;        // is reading.
  std::condition_variable look;
  uint64_t next_adapter_id = 1;
  // Models and adapters to be forgotten by the engine's thread.
  std::vector<std::pair<std::shared_ptr<LoadedModel>, uint64_t>> forgotten;
  bool forget_prefixes = false;
  bool stopping = false;
  EngineStats stats;

  std::list<Sequence> active;
  // Of the engine's thread: tokens outstanding by owner when the step began, and the owner that was
  // last served before another with much more to do.
  std::map<std::string, double> outstanding;
  std::string light_owner;
  std::optional<Nanoseconds> light_served;
  double neighbour_ms = 0;  // What the others may still add to its steps.
  int n_stalled = 0;        // Times in a row that nothing ran and nothing could begin.
  std::thread thread;
  std::thread loader;
};

// Who lacks room tries so often, so far apart, while nobody else gets a step further.
constexpr int kTriesMax = 400;
constexpr auto kBetweenTries = std::chrono::milliseconds(5);

template <typename Bring>
auto Engine::State::bring_patiently(Bring&& bring) -> decltype(bring()) {
  uint64_t seen = 0;
  bool alone = false;
  for (int tries = 0;; ++tries) {
    auto brought = bring();
    if (brought || brought.error().number != 4101) return brought;
    std::unique_lock lock(mutex);
    if (n_done != seen) tries = 0;
    seen = n_done;
    const bool others = !queue.empty() || stats.n_active > 0 || bytes_loading > 0 || looking ||
                        std::any_of(models.begin(), models.end(),
                                    [](const auto& m) { return m.second.use_count() > 1; });
    // Those who held the room when it was looked for may have gone since: once more.
    if ((!others && alone) || tries == kTriesMax || stopping) return brought;
    alone = !others;
    if (alone) continue;
    // A caller lets go of its model some time after it was told: that wakes nobody.
    finished.wait_for(lock, kBetweenTries);
  }
}

}  // namespace consort::engine

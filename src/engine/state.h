// The engine's inside: loaded models, tasks, and the one thread that runs steps.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/pages.h"
#include "engine/sampler.h"
#include "model/chat_template.h"
#include "model/decoder.h"
#include "model/encoder.h"
#include "model/tokenizer.h"

namespace consort::engine {

struct LoadedAdapter {
  uint64_t id = 0;  // Never used again in this process: keys of the prefix tree.
  AdapterInfo info;
  std::unique_ptr<const model::DecoderAdapter> weights;
};

struct LoadedModel {
  LoadedModel(ByteBudget& b) : budget(b) {}
  ~LoadedModel() { budget.remove(charged); }
  ByteBudget& budget;
  uint64_t charged = 0;
  ModelInfo info;
  int n_head = 0, n_head_kv = 0;
  std::unique_ptr<const model::Decoder> decoder;  // Or
  std::unique_ptr<const model::Encoder> encoder;
  std::unique_ptr<const model::Tokenizer> tokenizer;
  std::unique_ptr<const model::ChatTemplate> chat_template;  // Null when the file has none.
  std::vector<std::string> control_texts;                    // "<|im_end|>" and its like.
  std::shared_ptr<const mask::Vocabulary> vocabulary;        // Made at the first masked request.
  std::map<std::string, std::shared_ptr<const LoadedAdapter>, std::less<>> adapters;
  // Of the engine's thread.
  std::unique_ptr<model::DecoderRunner> decoder_runner;
  std::unique_ptr<model::EncoderRunner> encoder_runner;
  std::unique_ptr<PagePool> pages;
  std::unique_ptr<PrefixTree> prefixes;
};

// One caller's request, alive on the caller's stack until `done`.
struct Task {
  enum class Kind { generate, score, logits, embed };
  Kind kind = Kind::generate;
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const LoadedAdapter> adapter;
  std::stop_token stop_token;
  std::optional<Nanoseconds> deadline;
  std::vector<int32_t> prompt;
  Nanoseconds submitted{};

  // generate
  const GenerateRequest* request = nullptr;
  std::optional<mask::Matcher> matcher;
  Generation generation;
  // score
  std::vector<std::vector<int32_t>> continuations;
  Scores scores;
  // logits
  std::vector<float> logits;
  // embed
  std::vector<std::vector<int32_t>> texts;
  std::vector<std::vector<float>> vectors;

  std::optional<Error> error;
  bool done = false;  // Under State::mutex.
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
  // generate
  std::optional<Sampler> sampler;
  model::Utf8Stream utf8;
  size_t emitted = 0;  // Bytes of the text that on_text has seen.
  std::vector<uint64_t> allowed;
  // score
  size_t next_continuation = 0;
  // embed
  std::vector<size_t> order;  // Texts by length, longest last.
  size_t next_text = 0;
  bool finished = false;
};

constexpr int kScoreRows = 64;  // Continuation rows of one step.

inline int pages_for(int n_tokens) {
  return (n_tokens + tensor::kPageTokens - 1) / tensor::kPageTokens;
}
Error budget_spent(const ByteBudget& budget);                                         // 4101
Error invalid_request(std::string message, std::string_view value, std::string fix);  // 4108
// Messages as the model's own chat template writes them, ready for its answer.
Result<std::string> render_chat(const LoadedModel& model, std::span<const Message> messages);

struct Engine::State {
  State(const EngineOptions& o, const Clock& c, const tensor::Kernels& k)
      : options(o), clock(c), kernels(k), budget(o.memory_bytes_max), pool(o.n_threads) {}

  // Blocks until the engine's thread has finished the task.
  Result<void> submit(Task& task);
  Result<std::shared_ptr<LoadedModel>> find_model(std::string_view name) const;
  Result<std::shared_ptr<const LoadedAdapter>> find_adapter(const LoadedModel& model,
                                                            std::string_view name) const;

  // The engine's thread.
  void thread_main();
  void admit();
  bool try_admit(Task& task);
  std::optional<Error> interruption(const Task& task) const;
  void step(LoadedModel& model);
  void read_logits(Sequence& s, std::span<const float> logits, int first_row);
  void continue_generation(Sequence& s, std::span<const float> logits);
  bool accept(Sequence& s, int32_t token);
  void score_some(Sequence& s);
  void embed_some(Sequence& s);
  Page* take_page(LoadedModel& model);
  bool ensure_pages(Sequence& s, int n_tokens);
  void share_prefix(Sequence& s);
  void finish(Sequence& s, std::optional<Error> error);
  void complete(Task& task);

  const EngineOptions options;
  const Clock& clock;
  const tensor::Kernels& kernels;
  ByteBudget budget;
  ThreadPool pool;  // Used by the engine's thread alone.

  mutable std::mutex mutex;
  std::condition_variable wake;      // The engine's thread: new task, or stop.
  std::condition_variable finished;  // Callers.
  std::deque<Task*> queue;
  std::map<std::string, std::shared_ptr<LoadedModel>, std::less<>> models;
  uint64_t next_adapter_id = 1;
  // Models and adapters to be forgotten by the engine's thread.
  std::vector<std::pair<std::shared_ptr<LoadedModel>, uint64_t>> forgotten;
  bool stopping = false;

  std::list<Sequence> active;
  std::thread thread;
};

}  // namespace consort::engine

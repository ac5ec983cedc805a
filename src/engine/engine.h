// Engine: hosts models and adapters in one process, decodes many sequences in one batch.
//
// One thread owns the batch; callers wait on their own request. Every row of a batch may name
// another adapter. A sequence's logits do not depend on its neighbours (one reduction order for
// every batch size).
//
// Not here: prompts' meaning (agent), schemas (contract), files' formats (model).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sha256.h"
#include "mask/mask.h"
#include "model/chat_format.h"

namespace consort::engine {

using Message = model::ChatMessage;

struct EngineOptions {
  int n_threads = 0;  // 0 = all cores.
  // Models, adapters, keys and values, scratch and compiled masks (docs/decisions/0010). What is
  // idle is evicted and read again when it is asked for; what cannot fit is refused, 4101.
  uint64_t memory_bytes_max = 1200ull << 20;
  int batch_max = 32;  // Sequences decoded together.
  // Waiting requests; one more is resource_exhausted 4102. An owner of whom nobody waits may use a
  // quarter more, and a place beyond batch_max while a fourth of it is not so used.
  int queue_max = 256;
  int owner_active_max = 0;  // Sequences of one owner in the batch; 0 = batch_max.
  int owner_queue_max = 0;   // Waiting requests of one owner, past it 4117; 0 = queue_max.
  // A step that somebody waits for reads no more of a prompt than fits in this time. Lower:
  // smoother streams and slower prompts.
  int step_ms_max = 25;
  // What owners with much work (four times as much waiting and running) may add to the time of a
  // step in which an owner with little takes part. Higher: more of theirs is done meanwhile.
  double neighbour_share = 0.1;
  // Keys and values kept of texts that nobody reads any more, within memory_bytes_max.
  uint64_t prefix_bytes_max = 256ull << 20;
  uint64_t mask_bytes_max = 128ull << 20;  // Compiled contracts kept between requests.
};

// One coming use: of a model, with an adapter or ("") without.
struct Use {
  std::string model;
  std::string adapter;
  bool operator==(const Use&) const = default;
};

// What holds how many bytes.
struct MemoryItem {
  std::string kind{};          // "model", "adapter", "keys and values", "scratch", "masks", and
                               // "loading": reserved for what is being read.
  std::string name{};          // Of the model or adapter.
  std::string model{};         // Of an adapter: its base.
  uint64_t bytes = 0;          // Now.
  uint64_t bytes_evicted = 0;  // Known, and read again when asked for.
  uint64_t bytes_idle = 0;     // Of keys and values: those of known prefixes, and unused pages.
  uint64_t bytes_behind = 0;   // Of keys and values: behind the window of their layers.
  std::optional<size_t> next_use{};  // Steps until a graph asks for it.
};
struct MemoryMap {
  uint64_t bytes_max = 0;
  uint64_t bytes_used = 0;      // The items' sum.
  uint64_t bytes_promised = 0;  // To sequences in the batch.
  std::vector<MemoryItem> items;
};

// Who asks, and how urgently.
struct Service {
  std::string owner;  // Owners share the engine evenly; "" is one of them.
  int priority = 0;   // Higher goes first, whoever asks.
};

struct ModelInfo {
  std::string name;          // "smollm2-135m:q4_1"
  Digest digest;             // Of the file.
  std::string architecture;  // "llama", "bert"
  int n_ctx = 0;
  int n_embd = 0;
  int n_vocab = 0;
  uint64_t resident_bytes = 0;
  bool is_encoder = false;
};

struct AdapterInfo {
  std::string name;
  std::string model;
  Digest digest;
  int rank = 0;
  uint64_t resident_bytes = 0;
};

struct Sampling {
  float temperature = 0.0f;  // 0 = greedy.
  int top_k = 40;
  float top_p = 1.0f;
  uint64_t seed = 0;
};

struct GenerateRequest {
  std::string model;
  std::string adapter;            // Empty = the base.
  std::vector<Message> messages;  // Rendered with the file's chat template (a control token that a
                                  // message spells is broken up by a zero-width space); or
  std::optional<std::string> prompt;  // raw text, used as it is (special tokens parsed).
  int max_tokens = 256;
  Sampling sampling;
  std::vector<std::string> stop;                   // Cut before the first of these.
  std::shared_ptr<const contract::Schema> schema;  // Set: output is one JSON value of it, by mask.
  mask::MaskOptions mask_options;
  // Called on the engine's thread with each new piece of text (valid UTF-8). Must not block.
  std::function<void(std::string_view)> on_text;
  std::stop_token stop_token;  // Cancelled: error `cancelled` 4103.
  // On the engine's clock: deadline_exceeded 4104, also before it begins when too little time is
  // left; 4102 at once when by the speed of late it would end after it.
  std::optional<Nanoseconds> deadline;
  Service service;
  // Drafts from what was read already, verified in one step. Costs no bit of the output.
  bool speculate = true;
  bool digest_logits = false;  // Fill Generation::logits_digest.
};

enum class FinishReason { stop, length };  // `length` never with a schema.

struct Generation {
  std::string text;
  std::vector<int32_t> tokens;
  FinishReason finish = FinishReason::stop;
  std::string rendered_prompt;  // What the model read, for the trace.
  int prompt_tokens = 0;
  int cached_tokens = 0;  // Of the prompt, taken from the prefix cache.
  double prefill_ms = 0;
  double decode_ms = 0;
  double first_token_ms = 0;
  int steps = 0;            // Forward passes after the prompt's.
  int drafted_tokens = 0;   // Proposed by look-up, and
  int accepted_tokens = 0;  // found right.
  int forced_tokens = 0;    // Written by the contract, without logits.
  // SHA-256 over (token id i32, logit f32) of each allowed token of each choice, in order.
  std::optional<Digest> logits_digest;
};

// Log-probabilities of given continuations after one prompt, read once and shared by all.
struct ScoreRequest {
  std::string model;
  std::string adapter;
  std::vector<Message> messages;
  std::optional<std::string> prompt;
  std::vector<std::string> continuations;  // 1 to 255
  std::stop_token stop_token;
  std::optional<Nanoseconds> deadline;
  Service service;
};
struct Score {
  double log_prob = 0;  // Sum over the continuation's tokens, natural log.
  int n_tokens = 0;
};
struct Scores {
  std::vector<Score> scores;  // Same order as continuations.
  std::string rendered_prompt;
  int prompt_tokens = 0;
  double total_ms = 0;
};

// Typed questions about one state. What the questions' prompts have in common at their start is
// read once; then all of them, and all options' tokens, are read together.
struct Question {
  std::vector<Message> messages;
  std::optional<std::string> prompt;
  std::vector<std::string> options;  // 1 to 255, each scored over all its tokens.
};
struct DecideRequest {
  std::string model;
  std::string adapter;
  std::vector<Question> questions;  // 1 to 255
  std::stop_token stop_token;
  std::optional<Nanoseconds> deadline;
  Service service;
};
struct Decision {
  std::vector<Score> scores;          // In the order of the options.
  std::vector<double> probabilities;  // exp(log_prob), to sum 1 over the options.
};
struct Decisions {
  std::vector<Decision> decisions;  // In the order of the questions.
  int state_tokens = 0;             // Common to all.
  int prompt_tokens = 0;            // State and questions.
  int cached_tokens = 0;
  double total_ms = 0;
};

struct Perplexity {
  int n_tokens = 0;         // Predicted ones: the first of a window is not.
  double mean_nll = 0;      // Nats a token.
  std::vector<double> nll;  // Of each predicted token.
};

// Counters since the engine began, and what is held now. For tests, metrics and capacity planning.
struct EngineStats {
  uint64_t steps = 0, rows = 0;
  uint64_t head_rows_full = 0, head_rows_masked = 0, head_rows_skipped = 0;
  int n_active = 0, n_waiting = 0;
  uint64_t n_refused = 0;  // Whose deadline was out of reach.
  int pages_in_use = 0;    // Of all models, those of known prefixes among them.
  int pages_known = 0;     // Of known prefixes.
  uint64_t bytes_used = 0, mask_bytes = 0;
  int masks = 0;
  uint64_t n_loads = 0, n_evictions = 0;  // Of models and adapters; first loads among them.
  uint64_t n_loads_ahead = 0;             // Because a graph was to ask for them soon.
  double step_ms_max = 0;                 // Longest step that a decoding sequence took part in.
};

// What an encoder's adapter with classes says of a text.
struct Classification {
  std::vector<double> probabilities;  // In the order of Classifications::labels, to sum 1.
  int best = 0;                       // The largest.
  bool outside = false;               // It is below the adapter's threshold: none of the classes.
};
struct Classifications {
  std::vector<std::string> labels;
  std::vector<Classification> texts;
};

struct PairScores {
  std::vector<std::vector<float>> labels;  // [texts][n_labels]
  std::vector<int> n_cut;                  // [texts]: tokens of the pair that were left out.
};

// Resource. All methods are thread-safe and blocking unless said.
class Engine final {
 public:
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options, const Clock& clock);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Decoder: a GGUF file. Encoder: the folder of a safetensors model with its tokenizer.json.
  // Errors: not_found, corruption (3xxx of model), 4101 over budget with what to raise: it evicts
  // nothing that a graph's present or next step asks for. An evicted model is read again by the
  // first request for it: 4121 when the file has changed since.
  Result<ModelInfo> load_model(std::string name, const std::filesystem::path& path);
  Result<void> unload_model(std::string_view name);  // failed_precondition 4105 while in use.
  // GGUF LoRA or PEFT folder; on an encoder it becomes a private copy of the layers
  // (docs/decisions/0011-encoder-training.md). Refused 4106 when it names another base, a tensor does not bind, or a
  // probe's logits do not change. An activated adapter (aLoRA) acts from the last place in a prompt
  // where its invocation tokens stand; a prompt without them is refused, 4116. Reading, packing and
  // the probe run at idle priority on a thread of their own, so that others decode on.
  Result<AdapterInfo> load_adapter(std::string name, std::string_view model,
                                   const std::filesystem::path& path);
  Result<void> unload_adapter(std::string_view name, std::string_view model);
  // The run's next uses in order, the present step's first; empty when it has ended. Steers what
  // is evicted, and loads ahead what has room.
  void expect(std::string_view run, std::vector<Use> uses);
  MemoryMap memory() const;
  // Those that are known, resident or evicted.
  std::vector<ModelInfo> models() const;
  std::vector<AdapterInfo> adapters() const;

  // Prompt longer than the context less max_tokens: resource_exhausted 4107, never cut. Also: 4102
  // queue full or deadline out of reach, 4117 owner's queue full, 4103 cancelled, 4104 deadline,
  // 4108 a field out of range (max_tokens below the schema's shortest value among them), 4109 model
  // and 4110 adapter not loaded, 4113 model of the wrong kind, those of mask.h for a schema.
  Result<Generation> generate(const GenerateRequest& request);
  Result<Scores> score(const ScoreRequest& request);
  // Probabilities have the same bits in any company. Errors as above.
  Result<Decisions> decide(const DecideRequest& request);
  // [texts.size()][n_embd] f32, L2-normalised. Texts past the model's max length are cut at it as
  // the reference does (MiniLM: 256 tokens). Batched inside by length.
  Result<std::vector<std::vector<float>>> embed(std::string_view model,
                                                std::span<const std::string> texts,
                                                std::stop_token stop = {},
                                                std::string_view adapter = {});
  // Of an adapter that was taught classes. Errors: 4113 when it was not, and as above.
  Result<Classifications> classify(std::string_view model, std::string_view adapter,
                                   std::span<const std::string> texts, std::stop_token stop = {});
  // How a cross-encoder judges each text beside `query`: its classifier's numbers, before any
  // sigmoid or softmax. The model reads so many tokens of a pair; of a longer one the longer text
  // is cut first, as the reference does, and n_cut says by how much. With an adapter, its head's one
  // number. Errors: 4113 when the model is no encoder with a classifier, or the adapter was not
  // taught pairs, and as above.
  Result<PairScores> score_pairs(std::string_view model, std::string_view query,
                                 std::span<const std::string> texts, std::stop_token stop = {},
                                 std::string_view adapter = {});
  Result<std::vector<int32_t>> tokenize(std::string_view model, std::string_view text) const;
  Result<std::string> detokenize(std::string_view model, std::span<const int32_t> tokens) const;
  Result<std::string> render(std::string_view model, std::span<const Message> messages) const;
  // Next-token logits after each token of `tokens` (fresh context): [tokens.size(), n_vocab] f32.
  // For tests and benchmarks.
  Result<std::vector<float>> logits(std::string_view model, std::string_view adapter,
                                    std::span<const int32_t> tokens);
  // Each token's negative log-likelihood after those before it, in windows of at most `window`
  // tokens (0 = the model's context), each read from its start, with the model's begin token first
  // where its file asks for one.
  Result<Perplexity> perplexity(std::string_view model, std::string_view adapter,
                                std::span<const int32_t> tokens, int window = 0,
                                std::stop_token stop = {});

  // A session: a text's tokens with their keys and values (docs/formats/session.md). Saving reads
  // what is not known yet. Returns the tokens saved: whole pages of 32. 4118 when it cannot be
  // written.
  Result<int> save_session(std::string_view model, std::string_view adapter,
                           std::span<const int32_t> tokens, const std::filesystem::path& path);
  // Maps it back: the next prompt that begins with those tokens finds them read. 4119 damaged,
  // 4120 of another model, adapter, program or instruction set. Returns its tokens.
  Result<std::vector<int32_t>> load_session(std::string_view model, std::string_view adapter,
                                            const std::filesystem::path& path);
  // Drops all known prefixes that nobody uses.
  void forget_prefixes();
  EngineStats stats() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::engine

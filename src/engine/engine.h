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

namespace consort::engine {

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct EngineOptions {
  int n_threads = 0;                          // 0 = all cores.
  uint64_t memory_bytes_max = 1200ull << 20;  // Models + adapters + KV. Overflow is an error, 4101.
  int batch_max = 32;                         // Sequences decoded together.
  int queue_max = 256;  // Waiting requests; one more is resource_exhausted 4102.
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
  std::stop_token stop_token;           // Cancelled: error `cancelled` 4103.
  std::optional<Nanoseconds> deadline;  // On the engine's clock: deadline_exceeded 4104.
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

// Resource. All methods are thread-safe and blocking unless said.
class Engine final {
 public:
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options, const Clock& clock);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Decoder: a GGUF file. Encoder: the folder of a safetensors model with its tokenizer.json.
  // Errors: not_found, corruption (3xxx of model), 4101 over budget with what to raise.
  Result<ModelInfo> load_model(std::string name, const std::filesystem::path& path);
  Result<void> unload_model(std::string_view name);  // failed_precondition 4105 while in use.
  // GGUF LoRA or PEFT folder; activated adapters are unsupported 4111. Refused 4106 when it names
  // another base, a tensor does not bind, or a probe's logits do not change.
  Result<AdapterInfo> load_adapter(std::string name, std::string_view model,
                                   const std::filesystem::path& path);
  Result<void> unload_adapter(std::string_view name, std::string_view model);
  std::vector<ModelInfo> models() const;
  std::vector<AdapterInfo> adapters() const;

  // Prompt longer than the context less max_tokens: resource_exhausted 4107, never cut. Also: 4102
  // queue full, 4103 cancelled, 4104 deadline, 4108 a field out of range (max_tokens below the
  // schema's shortest value among them), 4109 model and 4110 adapter not loaded, 4113 model of the
  // wrong kind, those of mask.h for a schema.
  Result<Generation> generate(const GenerateRequest& request);
  Result<Scores> score(const ScoreRequest& request);
  // [texts.size()][n_embd] f32, L2-normalised. Texts past the model's max length are cut at it as
  // the reference does (MiniLM: 256 tokens). Batched inside by length.
  Result<std::vector<std::vector<float>>> embed(std::string_view model,
                                                std::span<const std::string> texts,
                                                std::stop_token stop = {});
  Result<std::vector<int32_t>> tokenize(std::string_view model, std::string_view text) const;
  Result<std::string> detokenize(std::string_view model, std::span<const int32_t> tokens) const;
  Result<std::string> render(std::string_view model, std::span<const Message> messages) const;
  // Next-token logits after each token of `tokens` (fresh context): [tokens.size(), n_vocab] f32.
  // For tests and benchmarks.
  Result<std::vector<float>> logits(std::string_view model, std::string_view adapter,
                                    std::span<const int32_t> tokens);

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace consort::engine

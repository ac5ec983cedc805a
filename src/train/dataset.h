// Data sets for a decoder: JSON Lines rows to tokens and labels, rendered as they are served.
//
// A row is {"prompt", "completion", "system"?}, {"messages": [..., {"role": "assistant", "content"}]} or
// {"rendered", "completion"}, the prompt of a recorded step as the model read it. The prompt goes through the model's chat template and tokenizer just as the engine
// does it; the completion's tokens and the end-of-turn token are what is learnt (docs/formats/
// training.md).
//
// Errors: invalid_argument 9010 (a row is malformed, line named), contract_violation 9011 (a
// completion breaks the contract), already_exists 9012 (two rows are equal, or one prompt has two
// answers), resource_exhausted 9013 (a row is longer than tokens_max; nothing is cut),
// invalid_argument 9014 (no rows), failed_precondition 9015 (model without template or end token).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "contract/schema.h"
#include "model/chat_format.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "train/decoder_pass.h"

namespace consort::train {

// How the model reads a conversation. Immutable.
class Renderer final {
 public:
  static Result<std::unique_ptr<const Renderer>> create(const model::GgufFile& file);
  // Tokens of the messages up to where the assistant begins to write.
  Result<std::vector<int32_t>> prompt(std::span<const model::ChatMessage> messages) const;
  // Tokens of a prompt that was rendered already.
  Result<std::vector<int32_t>> rendered(std::string_view text) const;
  // Tokens that the assistant should write, its end-of-turn included.
  Result<std::vector<int32_t>> completion(std::string_view text) const;
  Digest template_digest() const;

 private:
  Renderer() = default;
  std::unique_ptr<const model::Tokenizer> tokenizer_;
  std::unique_ptr<const model::ChatFormat> chat_;
  int32_t end_ = -1;
};

struct Example {
  std::vector<int32_t> tokens;  // Prompt and completion.
  int n_prompt = 0;
};

struct DatasetOptions {
  int tokens_max = 1024;                             // Of one row.
  std::shared_ptr<const contract::Schema> contract;  // Of completions, which are then JSON.
};

struct Dataset {
  std::vector<Example> examples;
  Digest digest;  // Of the file's bytes.
  size_t n_tokens() const;
  size_t n_labels() const;
};

// `text`: the file. `name` stands for it in errors.
Result<Dataset> read_dataset(std::string_view text, const std::string& name,
                             const Renderer& renderer, const DatasetOptions& options);

// Packs examples in the given order into batches of at most `tokens_max` tokens (a longer example
// stands alone). The last token of an example is predicted, not read, so it takes no row.
std::vector<Batch> pack(const std::vector<Example>& examples, const std::vector<size_t>& order,
                        int tokens_max);

}  // namespace consort::train

// ChatFormat: how a model reads a conversation. The engine serves with it and training sets are
// made with it, so a row is trained as its request is served.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::model {

class ChatTemplate;
class GgufFile;
class Tokenizer;

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// Immutable; thread-safe. The tokenizer must outlive it.
class ChatFormat final {
 public:
  // nullptr when the file has no chat template. Errors: those of ChatTemplate::parse.
  static Result<std::unique_ptr<const ChatFormat>> load(const GgufFile& file,
                                                        const Tokenizer& tokenizer);
  // The text up to where the assistant begins to write. A message that spells a control token does
  // not become one: a zero-width space breaks it up. Errors 3403, 3405, 3406.
  Result<std::string> render(std::span<const ChatMessage> messages) const;
  // Ids of a rendered text.
  Result<std::vector<int32_t>> encode(std::string_view rendered) const;
  const std::string& source() const;  // The template, as the file has it.
  ~ChatFormat();

 private:
  explicit ChatFormat(const Tokenizer& tokenizer);
  const Tokenizer& tokenizer_;
  std::unique_ptr<const ChatTemplate> template_;
  std::vector<std::string> control_texts_;  // "<|im_end|>" and its like.
};

}  // namespace consort::model

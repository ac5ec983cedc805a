// ChatTemplate: a model's own way to write a conversation as text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "contract/json.h"
#include "model/template.h"

namespace consort::model {

// Immutable; thread-safe.
class ChatTemplate final {
 public:
  // `bos_token` and `eos_token` are variables of the template. Errors 3401, 3402.
  static Result<std::unique_ptr<const ChatTemplate>> parse(std::string_view text,
                                                           std::string bos_token = "",
                                                           std::string eos_token = "");
  // `messages`: array of objects {"role", "content", ...}. `extra`: an object of further variables
  // ("tools", "enable_thinking", "date_string"), or null. The text has its special tokens spelled
  // out: encode it with parse_special. Errors 3403, 3405, 3406.
  Result<std::string> render(const contract::Value& messages, bool add_generation_prompt,
                             const contract::Value& extra = {}) const;
  const std::string& source() const { return template_->source(); }

 private:
  ChatTemplate() = default;
  std::unique_ptr<const Template> template_;
  std::string bos_token_, eos_token_;
};

}  // namespace consort::model

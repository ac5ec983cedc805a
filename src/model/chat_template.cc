#include "model/chat_template.h"

namespace consort::model {

Result<std::unique_ptr<const ChatTemplate>> ChatTemplate::parse(std::string_view text,
                                                                std::string bos_token,
                                                                std::string eos_token) {
  auto made = std::unique_ptr<ChatTemplate>(new ChatTemplate);
  CONSORT_ASSIGN(made->template_, Template::parse(text, "chat template", Undefined::lenient));
  made->bos_token_ = std::move(bos_token);
  made->eos_token_ = std::move(eos_token);
  return std::unique_ptr<const ChatTemplate>(std::move(made));
}

Result<std::string> ChatTemplate::render(const contract::Value& messages,
                                         bool add_generation_prompt,
                                         const contract::Value& extra) const {
  contract::Object variables;
  if (extra.is_object())
    for (const auto& [key, value] : extra.as_object()) variables.set(key, value);
  variables.set("messages", messages);
  variables.set("add_generation_prompt", add_generation_prompt);
  variables.set("bos_token", bos_token_);
  variables.set("eos_token", eos_token_);
  return template_->render(contract::Value(std::move(variables)));
}

}  // namespace consort::model

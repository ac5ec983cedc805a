#include "model/chat_format.h"

#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace consort::model {

ChatFormat::ChatFormat(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
ChatFormat::~ChatFormat() = default;

Result<std::unique_ptr<const ChatFormat>> ChatFormat::load(const GgufFile& file,
                                                           const Tokenizer& tokenizer) {
  if (!file.has("tokenizer.chat_template")) return nullptr;
  std::unique_ptr<ChatFormat> made(new ChatFormat(tokenizer));
  CONSORT_ASSIGN(const std::string_view text, file.get_string("tokenizer.chat_template"));
  const auto piece = [&](int32_t id) {
    return id < 0 ? std::string() : std::string(tokenizer.piece(id));
  };
  const SpecialTokens& special = tokenizer.special();
  CONSORT_ASSIGN(made->template_,
                 ChatTemplate::parse(text, piece(special.bos), piece(special.eos)));
  for (int32_t t = 0; t < static_cast<int32_t>(tokenizer.n_vocab()); ++t) {
    if (tokenizer.is_special(t) && tokenizer.piece(t).size() >= 2)
      made->control_texts_.emplace_back(tokenizer.piece(t));
  }
  return std::unique_ptr<const ChatFormat>(std::move(made));
}

Result<std::string> ChatFormat::render(std::span<const ChatMessage> messages) const {
  contract::Array list;
  for (const ChatMessage& message : messages) {
    std::string content = message.content;
    for (const std::string& control : control_texts_) {
      for (size_t at = 0; (at = content.find(control, at)) != std::string::npos; at += 4)
        content.insert(at + 1, "\u200b");
    }
    list.push_back(contract::Value::object({{"role", message.role}, {"content", content}}));
  }
  return template_->render(contract::Value(std::move(list)), true);
}

const std::string& ChatFormat::source() const { return template_->source(); }

Result<std::vector<int32_t>> ChatFormat::encode(std::string_view rendered) const {
  return tokenizer_.encode(rendered, {.add_special = false, .parse_special = true});
}

}  // namespace consort::model

#include "train/dataset.h"

#include <fmt/format.h>

#include <map>

#include "contract/json.h"

namespace consort::train {
namespace {

using contract::Value;

Error row_error(ErrorCode code, int number, std::string message, const std::string& place) {
  return make_error(code, number, std::move(message)).at(place);
}

struct Row {
  std::vector<model::ChatMessage> messages;
  std::string rendered;  // Or the whole prompt as the model reads it.
  std::string completion;
};

Result<Row> read_row(std::string_view line, const std::string& place) {
  const auto malformed = [&](std::string message) {
    return fail(row_error(ErrorCode::invalid_argument, 9010, std::move(message), place)
                    .got(line)
                    .to_fix("write {\"prompt\": TEXT, \"completion\": TEXT} or {\"messages\": "
                            "[..., {\"role\": \"assistant\", \"content\": TEXT}]}"));
  };
  auto value = contract::parse_json(line);
  if (!value) return malformed("a row is no JSON: " + value.error().message);
  if (!value->is_object()) return malformed("a row is no JSON object");
  Row row;
  auto& list = row.messages;
  if (const Value* messages = value->find("messages")) {
    if (!messages->is_array() || messages->as_array().size() < 2)
      return malformed("'messages' has two entries at least");
    for (const Value& message : messages->as_array()) {
      if (!message.is_object() || message.string_or("role", "").empty() ||
          message.find("content") == nullptr || !message.find("content")->is_string())
        return malformed("a message has a role and a content of text");
      list.push_back({message.string_or("role", ""), message.string_or("content", "")});
    }
    if (list.back().role != "assistant")
      return malformed("the last message is not the assistant's");
    row.completion = list.back().content;
    list.pop_back();
  } else if (value->find("rendered") != nullptr) {
    for (const char* key : {"rendered", "completion"})
      if (value->string_or(key, "").empty()) return malformed(fmt::format("'{}' is missing or no text", key));
    row.rendered = value->string_or("rendered", "");
    row.completion = value->string_or("completion", "");
  } else {
    for (const char* key : {"prompt", "completion"})
      if (value->find(key) == nullptr || !value->find(key)->is_string())
        return malformed(fmt::format("'{}' is missing or no text", key));
    const std::string system = value->string_or("system", "");
    if (!system.empty()) list.push_back({"system", system});
    list.push_back({"user", value->string_or("prompt", "")});
    row.completion = value->string_or("completion", "");
  }
  if (row.completion.empty()) return malformed("the completion is empty");
  return row;
}

Result<void> check_contract(const contract::Schema& schema, const std::string& completion,
                            const std::string& place) {
  auto value = contract::parse_json(completion);
  const auto broken = [&](std::string why) {
    return fail(row_error(ErrorCode::contract_violation, 9011,
                          "a completion breaks the contract: " + why, place)
                    .got(completion)
                    .to_fix("correct the row, or the contract"));
  };
  if (!value) return broken("it is no JSON");
  if (auto checked = contract::check(schema, *value); !checked)
    return broken(checked.error().to_string());
  return {};
}

}  // namespace

Result<std::unique_ptr<const Renderer>> Renderer::create(const model::GgufFile& file) {
  std::unique_ptr<Renderer> out(new Renderer());
  CONSORT_ASSIGN(out->tokenizer_, model::load_tokenizer(file));
  const model::SpecialTokens& special = out->tokenizer_->special();
  const auto unfit = [&](std::string message) {
    return fail(row_error(ErrorCode::failed_precondition, 9015, std::move(message), file.name())
                    .to_fix("use an instruct model"));
  };
  CONSORT_ASSIGN(out->chat_, model::ChatFormat::load(file, *out->tokenizer_));
  if (!out->chat_) return unfit("the model has no chat template");
  out->end_ = special.eot >= 0 ? special.eot : special.eos;
  if (out->end_ < 0) return unfit("the model has no end-of-turn token");
  return std::unique_ptr<const Renderer>(std::move(out));
}

Result<std::vector<int32_t>> Renderer::prompt(std::span<const model::ChatMessage> messages) const {
  CONSORT_ASSIGN(const std::string text, chat_->render(messages));
  return chat_->encode(text);
}

Result<std::vector<int32_t>> Renderer::rendered(std::string_view text) const { return chat_->encode(text); }

Result<std::vector<int32_t>> Renderer::completion(std::string_view text) const {
  CONSORT_ASSIGN(std::vector<int32_t> tokens, tokenizer_->encode(text));
  tokens.push_back(end_);
  return tokens;
}

Digest Renderer::template_digest() const { return sha256(chat_->source()); }

size_t Dataset::n_tokens() const {
  size_t n = 0;
  for (const Example& e : examples) n += e.tokens.size();
  return n;
}

size_t Dataset::n_labels() const {
  size_t n = 0;
  for (const Example& e : examples) n += e.tokens.size() - static_cast<size_t>(e.n_prompt);
  return n;
}

Result<Dataset> read_dataset(std::string_view text, const std::string& name,
                             const Renderer& renderer, const DatasetOptions& options) {
  Dataset out;
  out.digest = sha256(text);
  std::map<Digest, int> lines;  // Of each prompt as the model reads it.
  int number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", name, number);
    CONSORT_ASSIGN(const Row row, read_row(line, place));
    if (options.contract) CONSORT_TRY(check_contract(*options.contract, row.completion, place));
    Example example;
    CONSORT_ASSIGN(example.tokens,
                   row.rendered.empty() ? renderer.prompt(row.messages) : renderer.rendered(row.rendered));
    example.n_prompt = static_cast<int>(example.tokens.size());
    const Digest prompt = sha256({reinterpret_cast<const char*>(example.tokens.data()),
                                  example.tokens.size() * sizeof(int32_t)});
    const auto [found, fresh] = lines.emplace(prompt, number);
    if (!fresh) {
      return fail(row_error(ErrorCode::already_exists, 9012,
                            fmt::format("this prompt stood in line {} already", found->second),
                            place)
                      .got(line)
                      .to_fix("keep one of the rows ('consort dataset' does)"));
    }
    CONSORT_ASSIGN(const std::vector<int32_t> answer, renderer.completion(row.completion));
    example.tokens.insert(example.tokens.end(), answer.begin(), answer.end());
    if (example.n_prompt == 0) {
      return fail(row_error(ErrorCode::invalid_argument, 9010, "the prompt has no token", place));
    }
    if (example.tokens.size() > static_cast<size_t>(options.tokens_max)) {
      return fail(row_error(ErrorCode::resource_exhausted, 9013,
                            fmt::format("a row has more than {} tokens", options.tokens_max), place)
                      .got(std::to_string(example.tokens.size()))
                      .to_fix("shorten the row, or raise --tokens-max"));
    }
    out.examples.push_back(std::move(example));
  }
  if (out.examples.empty()) {
    return fail(row_error(ErrorCode::invalid_argument, 9014, "the data set has no rows", name)
                    .to_fix("give one row at least"));
  }
  return out;
}

std::vector<Batch> pack(const std::vector<Example>& examples, const std::vector<size_t>& order,
                        int tokens_max) {
  std::vector<Batch> out;
  for (const size_t index : order) {
    const Example& e = examples[index];
    const int n = static_cast<int>(e.tokens.size()) - 1;
    if (out.empty() || out.back().rows() + n > tokens_max) out.emplace_back();
    Batch& batch = out.back();
    batch.sequences.push_back({batch.rows(), n});
    for (int j = 0; j < n; ++j) {
      batch.tokens.push_back(e.tokens[static_cast<size_t>(j)]);
      batch.labels.push_back(j + 1 >= e.n_prompt ? e.tokens[static_cast<size_t>(j) + 1] : -1);
    }
  }
  return out;
}

}  // namespace consort::train

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
  Value messages;
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
  contract::Array list;
  if (const Value* messages = value->find("messages")) {
    if (!messages->is_array() || messages->as_array().size() < 2)
      return malformed("'messages' has two entries at least");
    for (const Value& message : messages->as_array()) {
      if (!message.is_object() || message.string_or("role", "").empty() ||
          message.find("content") == nullptr || !message.find("content")->is_string())
        return malformed("a message has a role and a content of text");
      list.push_back(message);
    }
    if (list.back().string_or("role", "") != "assistant")
      return malformed("the last message is not the assistant's");
    row.completion = list.back().string_or("content", "");
    list.pop_back();
  } else {
    for (const char* key : {"prompt", "completion"})
      if (value->find(key) == nullptr || !value->find(key)->is_string())
        return malformed(fmt::format("'{}' is missing or no text", key));
    const std::string system = value->string_or("system", "");
    if (!system.empty()) list.push_back(Value::object({{"role", "system"}, {"content", system}}));
    list.push_back(
        Value::object({{"role", "user"}, {"content", value->string_or("prompt", "")}}));
    row.completion = value->string_or("completion", "");
  }
  if (row.completion.empty()) return malformed("the completion is empty");
  row.messages = Value(std::move(list));
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
  if (!file.has("tokenizer.chat_template")) return unfit("the model has no chat template");
  out->end_ = special.eot >= 0 ? special.eot : special.eos;
  if (out->end_ < 0) return unfit("the model has no end-of-turn token");
  CONSORT_ASSIGN(const std::string_view text, file.get_string("tokenizer.chat_template"));
  const auto piece = [&](int32_t id) {
    return id < 0 ? std::string() : std::string(out->tokenizer_->piece(id));
  };
  CONSORT_ASSIGN(out->template_,
                 model::ChatTemplate::parse(text, piece(special.bos), piece(special.eos)));
  for (int32_t t = 0; t < static_cast<int32_t>(out->tokenizer_->n_vocab()); ++t)
    if (out->tokenizer_->is_special(t) && out->tokenizer_->piece(t).size() >= 2)
      out->control_texts_.emplace_back(out->tokenizer_->piece(t));
  return std::unique_ptr<const Renderer>(std::move(out));
}

// As the engine: a message that spells a control token must not become one.
Result<std::vector<int32_t>> Renderer::prompt(const Value& messages) const {
  contract::Array list;
  for (const Value& message : messages.as_array()) {
    std::string content = message.string_or("content", "");
    for (const std::string& control : control_texts_)
      for (size_t at = 0; (at = content.find(control, at)) != std::string::npos; at += 4)
        content.insert(at + 1, "\u200b");
    list.push_back(
        Value::object({{"role", message.string_or("role", "")}, {"content", content}}));
  }
  CONSORT_ASSIGN(const std::string text, template_->render(Value(std::move(list)), true));
  return tokenizer_->encode(text, {.add_special = false, .parse_special = true});
}

Result<std::vector<int32_t>> Renderer::completion(std::string_view text) const {
  CONSORT_ASSIGN(std::vector<int32_t> tokens, tokenizer_->encode(text));
  tokens.push_back(end_);
  return tokens;
}

Digest Renderer::template_digest() const { return sha256(template_->source()); }

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
  std::map<Digest, int> lines;
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
    const auto [found, fresh] = lines.emplace(sha256(contract::to_json(row.messages)), number);
    if (!fresh) {
      return fail(row_error(ErrorCode::already_exists, 9012,
                            fmt::format("this prompt stood in line {} already", found->second),
                            place)
                      .got(line)
                      .to_fix("keep one of the rows ('consort dataset' does)"));
    }
    CONSORT_ASSIGN(Example example_prompt, [&]() -> Result<Example> {
      Example e;
      CONSORT_ASSIGN(e.tokens, renderer.prompt(row.messages));
      e.n_prompt = static_cast<int>(e.tokens.size());
      CONSORT_ASSIGN(const auto completion, renderer.completion(row.completion));
      e.tokens.insert(e.tokens.end(), completion.begin(), completion.end());
      return e;
    }());
    if (example_prompt.n_prompt == 0) {
      return fail(row_error(ErrorCode::invalid_argument, 9010, "the prompt has no token", place));
    }
    if (example_prompt.tokens.size() > static_cast<size_t>(options.tokens_max)) {
      return fail(row_error(ErrorCode::resource_exhausted, 9013,
                            fmt::format("a row has more than {} tokens", options.tokens_max), place)
                      .got(std::to_string(example_prompt.tokens.size()))
                      .to_fix("shorten the row, or raise --tokens-max"));
    }
    out.examples.push_back(std::move(example_prompt));
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

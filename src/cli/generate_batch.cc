#include "cli/generate_batch.h"

#include <atomic>
#include <thread>
#include <vector>

#include "contract/json.h"
#include "contract/schema.h"

namespace consort::cli {
namespace {

using contract::Value;

constexpr size_t kAtOnce = 16;    // Requests under way.
constexpr size_t kChunk = 256;    // Lines read before any is answered.

using Adapters = std::map<std::string, std::string>;

Result<std::string> adapter_of(const Value& line, const engine::GenerateRequest& common, const Adapters& adapters,
                               const std::string& place) {
  const Value* named = line.find("adapter");
  if (named == nullptr) return common.adapter;
  const auto found = named->is_string() ? adapters.find(named->as_string()) : adapters.end();
  if (found != adapters.end()) return found->second;
  return fail(make_error(ErrorCode::not_found, 8003, "a line names an adapter that is not loaded")
                  .at(place)
                  .got(contract::to_json(*named))
                  .to_fix("give it with --adapter, and write it here as it stands there"));
}

Result<engine::GenerateRequest> request_of(const engine::GenerateRequest& common, const Adapters& adapters,
                                           const std::string& line, const std::string& place) {
  CONSORT_ASSIGN(const Value value, contract::parse_json(line));
  const std::string prompt = value.is_object() ? value.string_or("prompt", "") : "";
  if (prompt.empty()) {
    return fail(make_error(ErrorCode::invalid_argument, 8004, "a line is {\"prompt\": TEXT, ...}")
                    .at(place)
                    .got(line));
  }
  engine::GenerateRequest out = common;
  CONSORT_ASSIGN(out.adapter, adapter_of(value, common, adapters, place));
  out.messages.clear();
  if (const std::string system = value.string_or("system", ""); !system.empty())
    out.messages.push_back({"system", system});
  out.messages.push_back({"user", prompt});
  if (const Value* schema = value.find("schema")) {
    CONSORT_ASSIGN(out.schema, contract::Schema::compile(*schema, place));
  }
  const auto number = [&](const char* key, double otherwise) {
    const Value* found = value.find(key);
    const contract::Number* n = found != nullptr ? found->get_number() : nullptr;
    return n != nullptr ? n->as_double() : otherwise;
  };
  out.sampling.temperature =
      static_cast<float>(number("temperature", static_cast<double>(common.sampling.temperature)));
  out.sampling.seed =
      static_cast<uint64_t>(std::max(0.0, number("seed", static_cast<double>(common.sampling.seed))));
  return out;
}

Value answer(engine::Engine& engine, const engine::GenerateRequest& common, const Adapters& adapters,
             const std::string& line, const std::string& place) {
  auto request = request_of(common, adapters, line, place);
  auto done = request ? engine.generate(*request)
                      : Result<engine::Generation>(fail(std::move(request).error()));
  if (!done) return error_value(done.error());
  Value out = Value::object(
      {{"text", done->text},
       {"finish", done->finish == engine::FinishReason::stop ? "stop" : "length"},
       {"prompt_tokens", done->prompt_tokens},
       {"output_tokens", static_cast<uint64_t>(done->tokens.size())}});
  if (done->logits_digest) out.get_object()->set("logits_sha256", done->logits_digest->hex());
  return out;
}

}  // namespace

Result<int> generate_batch(engine::Engine& engine, const engine::GenerateRequest& common,
                           const std::map<std::string, std::string>& adapters, const std::string& path) {
  std::vector<std::pair<int, std::string>> lines;
  const std::string name = path == "-" ? "stdin" : path;
  const auto flush = [&] {
    std::vector<Value> answers(lines.size());
    std::atomic<size_t> next = 0;
    {
      std::vector<std::jthread> threads;
      for (size_t t = 0; t < std::min(kAtOnce, lines.size()); ++t) {
        threads.emplace_back([&] {
          for (size_t i = next++; i < lines.size(); i = next++)
            answers[i] = answer(engine, common, adapters, lines[i].second,
                                name + ":" + std::to_string(lines[i].first));
        });
      }
    }
    for (const Value& one : answers) print_json(one);
    lines.clear();
  };
  CONSORT_TRY(each_line(path, [&](int number, const std::string& line) -> Result<void> {
    lines.emplace_back(number, line);
    if (lines.size() == kChunk) flush();
    return {};
  }));
  flush();
  return kExitOk;
}

}  // namespace consort::cli

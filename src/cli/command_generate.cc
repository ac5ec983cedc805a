// generate, perplexity, embed, and bench: the engine by itself.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <thread>

#include "cli/commands.h"
#include "cli/contract_file.h"
#include "cli/generate_batch.h"
#include "cli/memory_size.h"
#include "cli/models.h"
#include "engine/bench_workloads.h"
#include "engine/engine.h"
#include "model/lock.h"
#include "run/adapters.h"
#include "run/host.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;

using contract::Value;

struct Options {
  std::string model, schema, prompt, prompt_file, requests, system, text;
  std::vector<std::string> stop, adapters;
  std::string say = "vectors";
  int max_tokens = 256, top_k = 40, n_threads = 0, repetitions = 5, window = 0,
      n_adapters = 8, n_sequences = 16, n_schemas = 50;
  double temperature = 0;
  uint64_t seed = 0;
  bool batch = false, raw = false, no_speculation = false, digest = false;
};

struct Loaded {
  std::unique_ptr<engine::Engine> engine;
  engine::ModelInfo info;
};

Result<Loaded> load(Context& context, const std::string& model) {
  Loaded out;
  CONSORT_ASSIGN(out.engine, engine::Engine::create(engine_options(context), context.clock));
  context.progress().update("loading " + model, -1);
  CONSORT_ASSIGN(out.info, run::load_by_ref(*out.engine, model_ref(context.home(), model), {},
                                            context.home()));
  context.progress().finish();
  return out;
}

Value generation_value(const engine::Generation& g) {
  contract::Array tokens;
  for (const int32_t t : g.tokens) tokens.push_back(t);
  Value out =
      Value::object({{"text", g.text},
                     {"tokens", std::move(tokens)},
                     {"finish", g.finish == engine::FinishReason::stop ? "stop" : "length"},
                     {"usage", Value::object({{"prompt_tokens", g.prompt_tokens},
                                              {"cached_tokens", g.cached_tokens},
                                              {"output_tokens", g.tokens.size()},
                                              {"forced_tokens", g.forced_tokens},
                                              {"drafted_tokens", g.drafted_tokens},
                                              {"accepted_tokens", g.accepted_tokens},
                                              {"steps", g.steps},
                                              {"prefill_ms", g.prefill_ms},
                                              {"decode_ms", g.decode_ms},
                                              {"first_token_ms", g.first_token_ms}})}});
  if (g.logits_digest) out.get_object()->set("logits_sha256", g.logits_digest->hex());
  return out;
}

Result<std::string> prompt_of(const Options& o) {
  if (!o.prompt_file.empty()) return read_text(o.prompt_file);
  if (!o.prompt.empty() && o.prompt != "-") return o.prompt;
  return read_text("-");
}

// A path that exists, else a version of the registry ("planner@champion").
Result<fs::path> adapter_path(const Context& context, const std::string& text) {
  std::error_code ec;
  if (fs::exists(text, ec)) return fs::path(text);
  if (text.find('@') == std::string::npos || text.find('/') != std::string::npos) return fs::path(text);
  CONSORT_ASSIGN(run::FoundAdapter found, run::find_adapter(context.home(), context.clock, text, {}));
  return found.path;
}

// One answer for each adapter, all written together; one without, when none is named.
Result<int> generate(Context& context, const Options& o) {
  engine::GenerateRequest request;
  if (!o.schema.empty()) {
    CONSORT_ASSIGN(request.schema, load_schema(o.schema));
  }
  std::string prompt;
  if (o.requests.empty()) {
    CONSORT_ASSIGN(prompt, prompt_of(o));
  }
  if (prompt.empty() && o.requests.empty())
    return fail(usage("there is no prompt")
                    .to_fix("give --prompt TEXT, --prompt-file FILE, or text on stdin"));
  CONSORT_ASSIGN(Loaded loaded, load(context, o.model));
  request.model = loaded.info.name;
  if (o.raw) {
    request.prompt = prompt;
  } else {
    if (!o.system.empty()) request.messages.push_back({"system", o.system});
    request.messages.push_back({"user", prompt});
  }
  request.max_tokens = o.max_tokens;
  request.sampling = {static_cast<float>(o.temperature), o.top_k, 1.0f, o.seed};
  request.stop = o.stop;
  request.speculate = !o.no_speculation;
  request.digest_logits = context.json;
  request.stop_token = context.stop.get_token();
  if (!context.json && o.adapters.size() < 2) {
    request.on_text = [](std::string_view text) { print(text); };
  }
  std::vector<engine::GenerateRequest> requests;
  std::map<std::string, std::string> names = {{"", ""}};  // As given -> as the engine calls it.
  for (size_t i = 0; i < o.adapters.size(); ++i) {
    CONSORT_ASSIGN(fs::path adapter_file, adapter_path(context, o.adapters[i]));
    CONSORT_ASSIGN(engine::AdapterInfo adapter,
                   loaded.engine->load_adapter("adapter-" + std::to_string(i + 1),
                                               loaded.info.name, adapter_file));
    requests.push_back(request);
    requests.back().adapter = adapter.name;
    names[o.adapters[i]] = adapter.name;
  }
  if (requests.empty()) requests.push_back(request);
  if (!o.requests.empty()) {
    requests[0].on_text = nullptr;
    requests[0].digest_logits = o.digest;
    return generate_batch(*loaded.engine, requests[0], names, o.requests);
  }
  std::vector<Result<engine::Generation>> answers(requests.size(), fail(Error()));
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < requests.size(); ++i) {
      threads.emplace_back([&, i] { answers[i] = loaded.engine->generate(requests[i]); });
    }
  }
  contract::Array outputs;
  for (size_t i = 0; i < answers.size(); ++i) {
    CONSORT_TRY(answers[i]);
    const engine::Generation& g = *answers[i];
    if (context.json) {
      Value value = generation_value(g);
      if (!o.adapters.empty()) value.get_object()->set("adapter", o.adapters[i]);
      outputs.push_back(std::move(value));
      continue;
    }
    if (answers.size() > 1) print_line(o.adapters[i] + ":\n" + g.text);
    print_line("");
    say(context,
        fmt::format("{} prompt tokens in {:.0f} ms, {} tokens in {:.0f} ms{}", g.prompt_tokens,
                    g.prefill_ms, g.tokens.size(), g.decode_ms,
                    g.finish == engine::FinishReason::length ? "; stopped at --max-tokens" : ""));
  }
  if (!context.json) return kExitOk;
  Value document = Value::object({});
  if (outputs.size() == 1) {
    document = std::move(outputs[0]);
  } else {
    document.get_object()->set("outputs", std::move(outputs));
  }
  document.get_object()->set("model", loaded.info.name);
  document.get_object()->set("model_sha256", loaded.info.digest.hex());
  print_document(context, document);
  return kExitOk;
}

Result<int> perplexity(Context& context, const Options& o) {
  CONSORT_ASSIGN(const std::string text, read_text(o.text));
  CONSORT_ASSIGN(Loaded loaded, load(context, o.model));
  std::string adapter;
  if (!o.adapters.empty()) {
    CONSORT_ASSIGN(fs::path adapter_file, adapter_path(context, o.adapters[0]));
    CONSORT_ASSIGN(engine::AdapterInfo info,
                   loaded.engine->load_adapter("adapter", loaded.info.name, adapter_file));
    adapter = info.name;
  }
  CONSORT_ASSIGN(const auto tokens, loaded.engine->tokenize(loaded.info.name, text));
  CONSORT_ASSIGN(const engine::Perplexity p,
                 loaded.engine->perplexity(loaded.info.name, adapter, tokens, o.window,
                                           context.stop.get_token()));
  const int window = o.window == 0 ? loaded.info.n_ctx : o.window;
  if (context.json) {
    print_document(context, Value::object({{"model", loaded.info.name},
                                           {"tokens", p.n_tokens},
                                           {"mean_nll", p.mean_nll},
                                           {"perplexity", std::exp(p.mean_nll)},
                                           {"window", window}}));
  } else {
    print_line(fmt::format("{} tokens, mean negative log-likelihood {:.5f} nats, perplexity {:.3f}",
                           p.n_tokens, p.mean_nll, std::exp(p.mean_nll)));
  }
  return kExitOk;
}

Value vector_value(const std::vector<float>& v) {
  contract::Array out;
  out.reserve(v.size());
  for (float x : v) out.push_back(Value(static_cast<double>(x)));
  return out;
}

constexpr size_t kEmbedBatch = 64;

// What an adapter's classes say of a text.
Value class_value(const engine::Classifications& all, size_t i) {
  const engine::Classification& c = all.texts[i];
  const auto best = static_cast<size_t>(c.best);
  return Value::object({{"label", c.outside ? Value() : Value(all.labels[best])},
                        {"best", all.labels[best]},
                        {"probability", c.probabilities[best]}});
}

Error bad_line(const std::string& path, int number, const std::string& line, const char* form) {
  return make_error(ErrorCode::invalid_argument, 8004, std::string("a line is ") + form)
      .at((path == "-" ? "stdin" : path) + ":" + std::to_string(number))
      .got(line);
}

// {"query", "texts"} a line; the adapter's score of each text.
Result<int> score_batch(Context& context, Loaded& loaded, const std::string& path, const std::string& adapter) {
  CONSORT_TRY(each_line(path, [&](int number, const std::string& line) -> Result<void> {
    auto value = contract::parse_json(line);
    const Value* list = value ? value->find("texts") : nullptr;
    std::vector<std::string> texts;
    if (list != nullptr && list->is_array())
      for (const Value& text : list->as_array())
        if (text.is_string()) texts.emplace_back(text.as_string());
    const std::string query = value ? value->string_or("query", "") : "";
    if (query.empty() || texts.empty() || texts.size() != list->as_array().size())
      return fail(bad_line(path, number, line, "{\"query\": \"...\", \"texts\": [\"...\"]}"));
    CONSORT_ASSIGN(const engine::PairScores scores,
                   loaded.engine->score_pairs(loaded.info.name, query, texts, context.stop.get_token(), adapter));
    contract::Array out;
    for (const std::vector<float>& one : scores.labels) out.push_back(Value(static_cast<double>(one[0])));
    print_json(Value(std::move(out)));
    return {};
  }));
  return kExitOk;
}

Result<int> embed_batch(Context& context, Loaded& loaded, const std::string& path, const std::string& adapter,
                        bool classes) {
  std::vector<std::string> texts;
  auto flush = [&]() -> Result<void> {
    if (texts.empty()) return {};
    if (classes) {
      CONSORT_ASSIGN(const auto all,
                     loaded.engine->classify(loaded.info.name, adapter, texts, context.stop.get_token()));
      for (size_t i = 0; i < texts.size(); ++i) print_json(class_value(all, i));
    } else {
      CONSORT_ASSIGN(auto vectors,
                     loaded.engine->embed(loaded.info.name, texts, context.stop.get_token(), adapter));
      for (const auto& v : vectors) print_json(vector_value(v));
    }
    texts.clear();
    return {};
  };
  CONSORT_TRY(each_line(path, [&](int number, const std::string& line) -> Result<void> {
    auto value = contract::parse_json(line);
    std::string text = value && value->is_string() ? value->as_string()
                       : value                     ? value->string_or("text", "")
                                                   : "";
    if (!value || text.empty())
      return fail(bad_line(path, number, line, "a JSON string or {\"text\": \"...\"}"));
    texts.push_back(std::move(text));
    if (texts.size() >= kEmbedBatch) return flush();
    return {};
  }));
  CONSORT_TRY(flush());
  return kExitOk;
}

Result<int> embed(Context& context, const Options& o) {
  CONSORT_ASSIGN(Loaded loaded, load(context, o.model));
  std::string adapter;
  if (!o.adapters.empty()) {
    CONSORT_ASSIGN(fs::path file, adapter_path(context, o.adapters[0]));
    CONSORT_ASSIGN(engine::AdapterInfo info, loaded.engine->load_adapter("adapter", loaded.info.name, file));
    adapter = info.name;
  }
  const bool classes = o.say == "classes";
  if ((classes || o.say == "pairs") && adapter.empty())
    return fail(usage("--say needs an adapter").to_fix("give --adapter"));
  const std::string path = o.text.empty() ? "-" : o.text;
  if (o.say == "pairs") return score_batch(context, loaded, path, adapter);
  if (o.batch) return embed_batch(context, loaded, path, adapter, classes);
  std::vector<std::string> texts{o.text};
  if (o.text.empty() || o.text == "-") {
    CONSORT_ASSIGN(texts[0], read_text("-"));
  }
  if (classes) {
    CONSORT_ASSIGN(const auto all,
                   loaded.engine->classify(loaded.info.name, adapter, texts, context.stop.get_token()));
    print_json(class_value(all, 0));
    return kExitOk;
  }
  CONSORT_ASSIGN(auto vectors,
                 loaded.engine->embed(loaded.info.name, texts, context.stop.get_token(), adapter));
  if (context.json) {
    print_document(context, Value::object({{"model", loaded.info.name},
                                           {"dims", loaded.info.n_embd},
                                           {"vector", vector_value(vectors[0])}}));
  } else {
    print_json(vector_value(vectors[0]));
  }
  return kExitOk;
}

Result<std::filesystem::path> path_of(const Context& context, const std::string& name) {
  std::string ref = model_ref(context.home(), name);
  if (ref.rfind("file:", 0) == 0) return std::filesystem::path(ref.substr(5));
  CONSORT_ASSIGN(auto lock_file, run::find_model_lock(std::filesystem::current_path()));
  CONSORT_ASSIGN(model::ModelLock lock, model::ModelLock::open(lock_file));
  CONSORT_ASSIGN(model::ResolvedModel found, lock.resolve(ref, model::Verify::none));
  return found.is_folder_model ? found.folder : found.main_file;
}

std::string figures(const Value& list) {
  std::string out;
  for (const Value& v : list.as_array()) {
    if (const contract::Number* n = v.get_number()) out += fmt::format(" {:.1f}", n->as_double());
  }
  return out;
}

// The first so many schemas of a folder, by name, or of one file of contracts: those that compile.
Result<std::vector<std::shared_ptr<const contract::Schema>>> bench_schemas(
    const std::filesystem::path& path, size_t n_max) {
  std::vector<std::shared_ptr<const contract::Schema>> out;
  if (!std::filesystem::is_directory(path)) {
    CONSORT_ASSIGN(std::vector<NamedSchema> named, load_schemas({path.string()}));
    for (NamedSchema& one : named) {
      if (out.size() < n_max) out.push_back(std::move(one.schema));
    }
    return out;
  }
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    if (out.size() == n_max) break;
    if (auto schema = load_schema(file.string()); schema) out.push_back(std::move(*schema));
  }
  return out;
}

Result<int> bench(Context& context, const Options& o) {
  engine::BenchOptions options;
  CONSORT_ASSIGN(options.decoder, path_of(context, o.model));
  CONSORT_ASSIGN(options.encoder, path_of(context, "minilm-l6:f32"));
  options.n_threads = o.n_threads;
  if (context.memory_bytes) options.memory_bytes_max = *context.memory_bytes;
  options.repetitions = o.repetitions;
  options.adapters = o.n_adapters;
  options.sequences = o.n_sequences;
  if (!o.schema.empty()) {
    CONSORT_ASSIGN(options.schemas, bench_schemas(o.schema, static_cast<size_t>(o.n_schemas)));
  }
  options.only = o.text == "engine" ? "" : o.text;
  context.progress().update("measuring the engine", -1);
  Value answer = Value::object({{"model", options.decoder.string()}});
  if (options.only.empty()) {
    CONSORT_ASSIGN(answer, engine::bench_engine(options));
  }
  if (o.text != "engine") {
    context.progress().update("measuring requests", -1);
    CONSORT_ASSIGN(Value workloads, engine::bench_workloads(options));
    answer.get_object()->set("workloads", std::move(workloads));
  }
  context.progress().finish();
  if (context.json) {
    print_document(context, answer);
    return kExitOk;
  }
  if (const Value* workloads = answer.find("workloads")) {
    for (const auto& [name, work] : workloads->as_object()) {
      print_line(fmt::format("{:<12} {}", name, contract::to_json(work)));
    }
  }
  if (!options.only.empty()) return kExitOk;
  print_line(fmt::format("{}, {} threads, {}", answer.string_or("model", ""),
                         contract::to_json(*answer.find("threads")), answer.string_or("isa", "")));
  for (const Value& p : answer.find("prefill")->as_array()) {
    print_line(fmt::format("prefill {:>5} tokens, tokens/s:{}", contract::to_json(*p.find("n")),
                           figures(*p.find("tok_s"))));
  }
  for (const Value& d : answer.find("decode")->as_array()) {
    print_line(fmt::format("decode  batch {:>3}, tokens/s:{}", contract::to_json(*d.find("batch")),
                           figures(*d.find("tok_s"))));
  }
  return kExitOk;
}

}  // namespace

void add_generate(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate", "let a model write; with --schema, JSON");
  command->add_option("MODEL", o->model, "a model of 'consort ls models', or a GGUF file")
      ->required();
  add_memory_option(command, context);
  command->add_option("--adapter", o->adapters,
                      "LoRA: GGUF file or PEFT folder; several: one answer each, written together")
      ->allow_extra_args(false);
  command->add_option("--schema", o->schema, "the output is one JSON value of this schema");
  command->add_option("--prompt", o->prompt, "the user's message; - or none: stdin");
  command->add_option("--prompt-file", o->prompt_file, "the user's message, in a file")
      ->excludes("--prompt");
  command->add_option("--batch", o->requests,
                      "JSON Lines of {prompt, system?, schema?, adapter?, temperature?, seed?}; - for stdin: one line of "
                      "answer each, written together; a line without adapter has the first --adapter")
      ->excludes("--prompt")
      ->excludes("--prompt-file");
  command->add_flag("--logits-digest", o->digest, "with --batch: SHA-256 of each line's logits (--json has it)");
  command->add_flag("--raw", o->raw, "the prompt as it is, without the model's chat template");
  command->add_flag("--no-speculation", o->no_speculation, "do not guess tokens ahead");
  command->add_option("--system", o->system, "the system's message");
  command->add_option("--stop", o->stop, "ends the output before this text")
      ->allow_extra_args(false);
  command->add_option("--max-tokens", o->max_tokens, "tokens to write at most")
      ->check(CLI::Range(1, 8192));
  command->add_option("--temperature", o->temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0, 2.0));
  command->add_option("--top-k", o->top_k, "sample among so many tokens; 0: all")
      ->check(CLI::Range(0, 100000));
  command->add_option("--seed", o->seed, "draws other samples");
  command->callback(
      [&context, o] { context.action = [&context, o] { return generate(context, *o); }; });
}

void add_perplexity(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("perplexity", "how well a model predicts a text");
  command->add_option("MODEL", o->model, "a model of 'consort ls models', or a GGUF file")
      ->required();
  command->add_option("FILE", o->text, "text; - for stdin")->required();
  command->add_option("--adapter", o->adapters, "LoRA: GGUF file or PEFT folder")
      ->expected(1);
  add_memory_option(command, context);
  command->add_option("--window", o->window, "tokens read together; 0: the model's context")
      ->check(CLI::Range(0, 1 << 20));
  command->callback(
      [&context, o] { context.action = [&context, o] { return perplexity(context, *o); }; });
}

void add_embed(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("embed", "texts as unit vectors");
  command->add_option("MODEL", o->model, "an encoder, such as minilm-l6:f32")->required();
  command->add_option("TEXT", o->text, "text, or - for stdin; with --batch a file of JSON Lines");
  add_memory_option(command, context);
  command->add_flag("--batch", o->batch, "JSON Lines in, one vector out per line, in order");
  command->add_option("--adapter", o->adapters, "of an encoder: a file, PEFT folder, or NAME@VERSION")
      ->expected(1);
  command->add_option("--say", o->say,
                      "vectors; or what the adapter was taught: classes of texts, or the scores of pairs "
                      "(JSON Lines {query, texts})")
      ->check(CLI::IsMember({"vectors", "classes", "pairs"}));
  command->callback(
      [&context, o] { context.action = [&context, o] { return embed(context, *o); }; });
}

void add_bench(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  o->model = "smollm2-135m:q4_1";
  CLI::App* group = app.add_subcommand("bench", "speed on this machine");
  group->require_subcommand(1);
  CLI::App* command = group->add_subcommand("engine", "prefill, decode, and embedding speed");
  command->add_option("--model", o->model, "decoder");
  add_memory_option(command, context);
  command->add_option("--threads", o->n_threads, "0: all cores")->check(CLI::Range(0, 1024));
  command->add_option("--adapters", o->n_adapters, "random adapters that requests are spread over")
      ->check(CLI::Range(0, 64));
  command->add_option("--sequences", o->n_sequences, "sequences decoded together")
      ->check(CLI::Range(1, 256));
  command->add_option("--schemas", o->schema, "a schema or a folder of them, to answer under");
  command->add_option("--schemas-max", o->n_schemas, "of the folder")->check(CLI::Range(1, 10000));
  command->add_option("--only", o->text,
                      "engine (steps without requests), mixed, requests, specialists, decide, masked, "
                      "speculation, or loading")
      ->check(CLI::IsMember(
          {"engine", "mixed", "requests", "specialists", "decide", "masked", "speculation", "loading"}));
  command->add_option("--repetitions", o->repetitions, "figures of each kind")
      ->check(CLI::Range(1, 100));
  command->callback(
      [&context, o] { context.action = [&context, o] { return bench(context, *o); }; });
}

}  // namespace consort::cli

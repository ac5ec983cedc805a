#include "engine/bench_workloads.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "base/rng.h"
#include "engine/engine.h"
#include "model/adapter_file.h"
#include "model/decoder.h"

namespace consort::engine {
namespace {

using contract::Array;
using contract::Value;

constexpr int kRank = 16;
constexpr int kSpecialists = 5;
constexpr int kContextTokens = 2000;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A folder that is gone at the end.
struct Scratch {
  Scratch()
      : path(std::filesystem::temp_directory_path() /
             ("consort_bench_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

struct Bench {
  const BenchOptions& options;
  SystemClock clock;
  std::unique_ptr<Engine> engine;
  ModelInfo info;

  std::vector<Generation> together(const std::vector<GenerateRequest>& requests, Result<void>* ok) {
    std::vector<Generation> out(requests.size());
    std::mutex mutex;
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < requests.size(); ++i) {
      threads.emplace_back([&, i] {
        Result<Generation> g = engine->generate(requests[i]);
        std::lock_guard lock(mutex);
        if (g) {
          out[i] = std::move(*g);
        } else {
          *ok = fail(g.error());
        }
      });
    }
    threads.clear();
    return out;
  }
  // Text of exactly so many tokens that the tokenizer reads back as they are.
  Result<std::string> text(int n_tokens, uint64_t seed) {
    Rng rng(seed);
    std::string out = "Figures of the year.";
    std::vector<int32_t> tokens;
    while (true) {
      CONSORT_ASSIGN(tokens, engine->tokenize("bench", out));
      if (static_cast<int>(tokens.size()) >= n_tokens) break;
      for (int i = 0; i < 8; ++i) {
        out += " Item " + std::to_string(rng.below(1000)) + " costs " +
               std::to_string(rng.below(10000)) + " euros.";
      }
    }
    tokens.resize(static_cast<size_t>(n_tokens));
    return engine->detokenize("bench", tokens);
  }
  GenerateRequest request(std::string prompt, int max_tokens) {
    GenerateRequest r;
    r.model = "bench";
    r.prompt = std::move(prompt);
    r.max_tokens = max_tokens;
    r.stop = {};
    return r;
  }
};

Result<void> make_adapters(Bench& b, const Scratch& scratch, int n,
                           const std::vector<int32_t>& invocation, const std::string& prefix) {
  CONSORT_ASSIGN(const auto file, model::GgufFile::open(b.options.decoder));
  constexpr const char* kNames[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                    "ffn_gate", "ffn_up", "ffn_down"};
  for (int i = 0; i < n; ++i) {
    Rng rng(static_cast<uint64_t>(i) + 100);
    model::AdapterFile adapter;
    adapter.architecture = b.info.architecture;
    adapter.rank = kRank;
    adapter.alpha = 2 * kRank;
    adapter.invocation_tokens = invocation;
    for (int layer = 0;; ++layer) {
      bool any = false;
      for (const char* name : kNames) {
        const std::string tensor = "blk." + std::to_string(layer) + "." + name + ".weight";
        const model::GgufTensor* found = file->find_tensor(tensor);
        if (found == nullptr) continue;
        any = true;
        model::LoraPair pair{.rank = kRank,
                             .n_in = static_cast<int>(found->dims[0]),
                             .n_out = static_cast<int>(found->dims[1]),
                             .scale = 2.0f};
        pair.a.resize(static_cast<size_t>(kRank) * static_cast<size_t>(pair.n_in));
        pair.b.resize(static_cast<size_t>(kRank) * static_cast<size_t>(pair.n_out));
        for (float& v : pair.a) v = static_cast<float>(0.02 * rng.normal());
        for (float& v : pair.b) v = static_cast<float>(0.002 * rng.normal());
        adapter.pairs.emplace(tensor, std::move(pair));
      }
      if (!any) break;
    }
    CONSORT_ASSIGN(const std::string bytes, model::write_adapter(adapter));
    const std::filesystem::path path = scratch.path / (prefix + std::to_string(i) + ".gguf");
    std::ofstream(path, std::ios::binary) << bytes;
    CONSORT_TRY(b.engine->load_adapter(prefix + std::to_string(i), "bench", path));
  }
  return {};
}

// Decoding `sequences` rows under as many adapters, and under none: tokens a second while all of
// them decode.
Result<Value> mixed(Bench& b) {
  Array with, without;
  for (int r = 0; r < b.options.repetitions; ++r) {
    for (const bool adapted : {false, true}) {
      std::vector<GenerateRequest> requests;
      for (int i = 0; i < b.options.sequences; ++i) {
        requests.push_back(b.request("Number " + std::to_string(i) + ". Tell a story.", 64));
        requests.back().speculate = false;
        if (adapted && b.options.adapters > 0)
          requests.back().adapter = "lora" + std::to_string(i % b.options.adapters);
      }
      Result<void> ok;
      const auto start = std::chrono::steady_clock::now();
      const auto answers = b.together(requests, &ok);
      CONSORT_TRY(ok);
      const double seconds = seconds_since(start);
      size_t n = 0;
      for (const Generation& g : answers) n += g.tokens.size();
      (adapted ? with : without).push_back(static_cast<double>(n) / seconds);
    }
  }
  return Value::object({{"sequences", b.options.sequences},
                        {"adapters", b.options.adapters},
                        {"adapted_tok_s", std::move(with)},
                        {"plain_tok_s", std::move(without)}});
}

// 8 requests of 200 + 64 tokens on 8 adapters, all at once.
Result<Value> eight_requests(Bench& b) {
  Array walls;
  const int n = std::min(8, b.options.adapters);
  for (int r = 0; r < b.options.repetitions; ++r) {
    std::vector<GenerateRequest> requests;
    for (int i = 0; i < 8; ++i) {
      CONSORT_ASSIGN(const std::string prompt, b.text(200, static_cast<uint64_t>(100 * r + i + 1)));
      requests.push_back(b.request(prompt, 64));
      requests.back().adapter = "lora" + std::to_string(i % n);
    }
    Result<void> ok;
    const auto start = std::chrono::steady_clock::now();
    b.together(requests, &ok);
    CONSORT_TRY(ok);
    walls.push_back(seconds_since(start));
  }
  return Value::object({{"requests", 8},
                        {"adapters", n},
                        {"prompt_tokens", 200},
                        {"output_tokens", 64},
                        {"wall_s", std::move(walls)}});
}

Result<Value> specialists(Bench& b) {
  Array shared, apart;
  int cached = 0;
  for (int r = 0; r < b.options.repetitions; ++r) {
    CONSORT_ASSIGN(const std::string context,
                   b.text(kContextTokens, static_cast<uint64_t>(r) + 50));
    for (const bool activated : {true, false}) {
      std::vector<GenerateRequest> requests;
      for (int i = 0; i < kSpecialists; ++i) {
        requests.push_back(b.request(
            context + "\nYou are specialist number " + std::to_string(i) + ". Answer:", 32));
        requests.back().adapter =
            (activated ? "alora" : "lora") +
            std::to_string(activated ? i : i % std::max(1, b.options.adapters));
      }
      b.engine->forget_prefixes();
      Result<void> ok;
      const auto start = std::chrono::steady_clock::now();
      const auto answers = b.together(requests, &ok);
      CONSORT_TRY(ok);
      (activated ? shared : apart).push_back(seconds_since(start));
      if (activated) {
        cached = 0;
        for (const Generation& g : answers) cached += g.cached_tokens > 0 ? 1 : 0;
      }
      if (b.options.adapters == 0) break;
    }
  }
  return Value::object({{"specialists", kSpecialists},
                        {"context_tokens", kContextTokens},
                        {"output_tokens", 32},
                        {"prefix_found_by", cached},
                        {"activated_wall_s", std::move(shared)},
                        {"plain_lora_wall_s", std::move(apart)}});
}

Result<Value> decide(Bench& b) {
  Array prefill, decided;
  for (int r = 0; r < b.options.repetitions; ++r) {
    CONSORT_ASSIGN(const std::string state, b.text(kContextTokens, static_cast<uint64_t>(r) + 70));
    ScoreRequest one;
    one.model = "bench";
    one.prompt = state;
    one.continuations = {" yes"};
    b.engine->forget_prefixes();
    auto start = std::chrono::steady_clock::now();
    CONSORT_TRY(b.engine->score(one));
    prefill.push_back(1e3 * seconds_since(start));
    DecideRequest twenty;
    twenty.model = "bench";
    for (int i = 0; i < 20; ++i) {
      Question q;
      q.prompt = state + "\nIs item " + std::to_string(100 + i) + " in the list? Answer:";
      q.options = {" yes", " no", " perhaps", " cannot be told"};
      twenty.questions.push_back(std::move(q));
    }
    b.engine->forget_prefixes();
    start = std::chrono::steady_clock::now();
    CONSORT_TRY(b.engine->decide(twenty));
    decided.push_back(1e3 * seconds_since(start));
  }
  return Value::object({{"questions", 20},
                        {"state_tokens", kContextTokens},
                        {"state_alone_ms", std::move(prefill)},
                        {"decide_ms", std::move(decided)}});
}

// Tokens a second of one sequence under each contract, and of the same prompt without, both past
// the prompt.
Result<Value> masked(Bench& b) {
  Array ratios;
  double masked_tokens = 0, masked_s = 0, free_tokens = 0, free_s = 0;
  for (const auto& schema : b.options.schemas) {
    double rate[2] = {0, 0};
    for (const bool constrained : {false, true}) {
      GenerateRequest r =
          b.request("Fill in the form " + schema->id() + " with made-up values, as JSON.\n", 160);
      if (constrained) {
        r.schema = schema;
        r.mask_options.whitespace_max = 0;
        // Compiled and its token sets found by a first answer, as in a component's second call.
        if (Result<Generation> first = b.engine->generate(r); !first) break;
      }
      CONSORT_ASSIGN(const Generation g, b.engine->generate(r));
      const double n = static_cast<double>(g.tokens.size());
      rate[constrained ? 1 : 0] = g.decode_ms > 0 ? n / g.decode_ms * 1e3 : 0;
      (constrained ? masked_tokens : free_tokens) += n;
      (constrained ? masked_s : free_s) += g.decode_ms * 1e-3;
    }
    if (rate[0] > 0 && rate[1] > 0) ratios.push_back(rate[1] / rate[0]);
  }
  const auto per_second = [](double n, double s) { return s > 0 ? n / s : 0.0; };
  return Value::object({{"schemas", ratios.size()},
                        {"masked_tok_s", per_second(masked_tokens, masked_s)},
                        {"free_tok_s", per_second(free_tokens, free_s)},
                        {"ratios", std::move(ratios)}});
}

// The longest gaps between a stream's tokens, quiet and while an adapter is loaded and unloaded
// again and again.
Result<Value> loading(Bench& b, const Scratch& scratch) {
  CONSORT_TRY(make_adapters(b, scratch, 1, {}, "gap"));
  CONSORT_TRY(b.engine->unload_adapter("gap0", "bench"));
  Array quiet, busy;
  int n_loads = 0;
  for (int r = 0; r < b.options.repetitions; ++r) {
    for (const bool loads : {false, true}) {
      GenerateRequest request = b.request("Once upon a time, in a village by the sea, there lived a", 200);
      request.speculate = false;
      std::vector<double> gaps;
      auto last = std::chrono::steady_clock::now();
      request.on_text = [&](std::string_view) {
        gaps.push_back(1e3 * seconds_since(last));
        last = std::chrono::steady_clock::now();
      };
      std::atomic<bool> stop = false;
      Result<void> ok;
      {
        std::jthread loader;
        if (loads) {
          loader = std::jthread([&] {
            while (!stop && ok) {
              auto info = b.engine->load_adapter("gap0", "bench", scratch.path / "gap0.gguf");
              if (!info) {
                ok = fail(info.error());
                break;
              }
              ok = b.engine->unload_adapter("gap0", "bench");
              ++n_loads;
            }
          });
        }
        Result<Generation> g = b.engine->generate(request);
        stop = true;
        CONSORT_TRY(g);
      }
      CONSORT_TRY(ok);
      if (gaps.size() < 4) continue;
      gaps.erase(gaps.begin());  // The prompt.
      std::sort(gaps.begin(), gaps.end());
      (loads ? busy : quiet)
          .push_back(Value::object({{"median_ms", gaps[gaps.size() / 2]},
                                    {"p99_ms", gaps[gaps.size() * 99 / 100]},
                                    {"max_ms", gaps.back()}}));
    }
  }
  return Value::object({{"loads", n_loads},
                        {"gaps_quiet", std::move(quiet)},
                        {"gaps_while_loading", std::move(busy)}});
}

Result<Value> speculation(Bench& b) {
  Value out = Value::object({});
  CONSORT_ASSIGN(const std::string list, b.text(300, 9));
  const std::pair<const char*, std::string> works[] = {
      {"copy", list + "\n\nThe same list again:\n\n" + list.substr(0, 60)},
      {"sql",
       "Table sales(region, month, product, units, revenue).\n"
       "Q: revenue by region in May?\n"
       "SELECT region, SUM(revenue) FROM sales WHERE month = 'May' GROUP BY region;\n"
       "Q: units by product in May?\n"
       "SELECT product, SUM(units) FROM sales WHERE month = 'May' GROUP BY product;\n"
       "Q: revenue by product in June?\n"},
      {"story", "Once upon a time, in a village by the sea, there lived a"},
  };
  for (const auto& [name, prompt] : works) {
    Array with, without;
    int accepted = 0, drafted = 0, n = 0;
    for (int r = 0; r < b.options.repetitions; ++r) {
      for (const bool guess : {false, true}) {
        GenerateRequest request = b.request(prompt, 128);
        request.speculate = guess;
        CONSORT_ASSIGN(const Generation g, b.engine->generate(request));
        n = static_cast<int>(g.tokens.size());
        (guess ? with : without).push_back(n / g.decode_ms * 1e3);
        if (guess) {
          accepted = g.accepted_tokens;
          drafted = g.drafted_tokens;
        }
      }
    }
    out.get_object()->set(name, Value::object({{"tokens", n},
                                               {"drafted", drafted},
                                               {"accepted", accepted},
                                               {"with_tok_s", std::move(with)},
                                               {"without_tok_s", std::move(without)}}));
  }
  return out;
}

}  // namespace

Result<Value> bench_workloads(const BenchOptions& options) {
  if (options.adapters < 0 || options.adapters > 64 || options.sequences < 1 ||
      options.sequences > 256) {
    return fail(make_error(ErrorCode::invalid_argument, 4108, "a benchmark option is out of range")
                    .to_fix("adapters 0 to 64, sequences 1 to 256"));
  }
  Bench b{.options = options, .clock = {}, .engine = nullptr, .info = {}};
  CONSORT_ASSIGN(b.engine, Engine::create({.n_threads = options.n_threads,
                                           .memory_bytes_max = options.memory_bytes_max,
                                           .batch_max = std::max(32, options.sequences)},
                                          b.clock));
  CONSORT_ASSIGN(b.info, b.engine->load_model("bench", options.decoder));
  const Scratch scratch;
  Value out = Value::object({});
  const auto set = [&](const char* name, Value value) {
    out.get_object()->set(name, std::move(value));
  };
  const auto wanted = [&](const char* name) {
    return options.only.empty() || options.only == name;
  };
  const bool has_room = b.info.n_ctx >= kContextTokens + 100;
  if (wanted("mixed") || wanted("requests") || wanted("specialists")) {
    CONSORT_TRY(make_adapters(b, scratch, options.adapters, {}, "lora"));
  }
  if (wanted("mixed")) {
    CONSORT_ASSIGN(Value value, mixed(b));
    set("mixed", std::move(value));
  }
  if (wanted("requests") && options.adapters > 0) {
    CONSORT_ASSIGN(Value value, eight_requests(b));
    set("requests", std::move(value));
  }
  if (wanted("specialists") && has_room && options.adapters > 0) {
    CONSORT_ASSIGN(const std::vector<int32_t> invocation,
                   b.engine->tokenize("bench", "You are specialist"));
    CONSORT_TRY(make_adapters(b, scratch, kSpecialists, invocation, "alora"));
    CONSORT_ASSIGN(Value value, specialists(b));
    set("specialists", std::move(value));
  }
  if (wanted("decide") && has_room) {
    CONSORT_ASSIGN(Value value, decide(b));
    set("decide", std::move(value));
  }
  if (wanted("masked") && !options.schemas.empty()) {
    CONSORT_ASSIGN(Value value, masked(b));
    set("masked", std::move(value));
  }
  if (wanted("speculation")) {
    CONSORT_ASSIGN(Value value, speculation(b));
    set("speculation", std::move(value));
  }
  if (wanted("loading") && options.adapters > 0) {
    CONSORT_ASSIGN(Value value, loading(b, scratch));
    set("loading", std::move(value));
  }
  return out;
}

}  // namespace consort::engine

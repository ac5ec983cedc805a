// Three models under a budget that fits two: an agent of five roles with the byte planner, which
// knows the next steps, beside load-on-demand LRU.
//
//   memory_bench A.gguf B.gguf ENCODER_FOLDER [--runs 20] [--tokens 8] [--threads 0] [--rounds 3]
//
// Roles of a run in order: plan (A), search (encoder), extract (B), write (A), judge (B). The
// baseline is one engine without a budget's help: before each role the missing model is loaded and
// the least recently used are unloaded until the same budget holds. Rounds alternate. Latencies are
// of whole runs, a request per role; the first run of a round (cold) is left out of both.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <list>
#include <string>
#include <vector>

#include "contract/json.h"
#include "engine/engine.h"

namespace consort::engine {
namespace {

using contract::Value;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::filesystem::path models[3];
  int runs = 20, tokens = 8, threads = 0, rounds = 3;
};

struct Model {
  std::string name;
  std::filesystem::path path;
  uint64_t bytes = 0;
};

constexpr int kRoles[] = {0, 2, 1, 0, 1};
constexpr uint64_t kWorkBytes = 48ull << 20;  // Keys, values and scratch, for both.

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const auto at = static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5);
  return values[std::min(at, values.size() - 1)];
}

Result<void> work(Engine& engine, const Model& model, int role, int run, int tokens) {
  if (role == 1) {
    std::vector<std::string> texts;
    for (int i = 0; i < 4; ++i) {
      texts.push_back("What did item " + std::to_string(run * 4 + i) + " of the list cost?");
    }
    CONSORT_TRY(engine.embed(model.name, texts));
    return {};
  }
  GenerateRequest r;
  r.model = model.name;
  r.prompt = "Run " + std::to_string(run) + ", role " + std::to_string(role) +
             ": say in one sentence what the item costs and what it weighs.";
  r.max_tokens = tokens;
  CONSORT_TRY(engine.generate(r));
  return {};
}

// Load-on-demand, least recently used out.
class Lru {
 public:
  Lru(Engine& engine, uint64_t bytes_max) : engine_(engine), bytes_max_(bytes_max) {}
  Result<void> need(const Model& model) {
    const auto at = std::find_if(held_.begin(), held_.end(),
                                 [&](const Model* m) { return m->name == model.name; });
    if (at != held_.end()) {
      held_.splice(held_.begin(), held_, at);
      return {};
    }
    while (!held_.empty() && used_ + model.bytes > bytes_max_) {
      CONSORT_TRY(engine_.unload_model(held_.back()->name));
      used_ -= held_.back()->bytes;
      held_.pop_back();
    }
    CONSORT_TRY(engine_.load_model(model.name, model.path));
    ++n_loads;
    used_ += model.bytes;
    held_.push_front(&model);
    return {};
  }
  int n_loads = 0;

 private:
  Engine& engine_;
  uint64_t bytes_max_, used_ = 0;
  std::list<const Model*> held_;
};

struct Round {
  std::vector<double> run_ms;
  uint64_t n_loads = 0, n_ahead = 0;
};

Result<Round> measure(const Options& o, const std::vector<Model>& models, uint64_t bytes_max,
                      bool planned) {
  SystemClock clock;
  CONSORT_ASSIGN(auto engine, Engine::create({.n_threads = o.threads,
                                              .memory_bytes_max = bytes_max + kWorkBytes,
                                              .prefix_bytes_max = 0},
                                             clock));
  Lru lru(*engine, bytes_max);
  if (planned) {
    for (const Model& m : models) CONSORT_TRY(engine->load_model(m.name, m.path));
  }
  Round out;
  for (int run = 0; run <= o.runs; ++run) {
    const auto start = SteadyClock::now();
    for (int role = 0; role < 5; ++role) {
      const Model& model = models[static_cast<size_t>(kRoles[role])];
      if (planned) {
        // The rest of this run, and the next, as the agent runs again and again.
        std::vector<Use> uses;
        for (int next = role; next < 10; ++next) {
          uses.push_back({models[static_cast<size_t>(kRoles[next % 5])].name, ""});
        }
        engine->expect("run", std::move(uses));
      } else {
        CONSORT_TRY(lru.need(model));
      }
      CONSORT_TRY(work(*engine, model, role, run, o.tokens));
    }
    if (run > 0) {
      out.run_ms.push_back(
          std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count());
    }
  }
  out.n_loads =
      planned ? engine->stats().n_loads - models.size() : static_cast<uint64_t>(lru.n_loads);
  out.n_ahead = engine->stats().n_loads_ahead;
  return out;
}

Result<void> bench(const Options& o) {
  std::vector<Model> models;
  {
    SystemClock clock;
    CONSORT_ASSIGN(auto engine, Engine::create({.memory_bytes_max = 16ull << 30}, clock));
    for (int i = 0; i < 3; ++i) {
      Model m{.name = "m" + std::to_string(i), .path = o.models[i]};
      CONSORT_ASSIGN(const ModelInfo info, engine->load_model(m.name, m.path));
      m.bytes = info.resident_bytes;
      models.push_back(std::move(m));
    }
  }
  // Any two fit, the three do not: the two largest and less than the smallest.
  uint64_t total = 0, least = UINT64_MAX;
  for (const Model& m : models) {
    total += m.bytes;
    least = std::min(least, m.bytes);
  }
  const uint64_t bytes_max = total - least + (1 << 20);
  std::vector<double> ms[2];
  uint64_t loads[2] = {0, 0}, ahead = 0;
  for (int round = 0; round < o.rounds; ++round) {
    for (const bool planned : {false, true}) {
      CONSORT_ASSIGN(const Round r, measure(o, models, bytes_max, planned));
      ms[planned].insert(ms[planned].end(), r.run_ms.begin(), r.run_ms.end());
      loads[planned] += r.n_loads;
      ahead += r.n_ahead;
    }
  }
  const auto side = [&](bool planned) {
    return Value::object({{"p50_ms", quantile(ms[planned], 0.5)},
                          {"p95_ms", quantile(ms[planned], 0.95)},
                          {"loads", loads[planned]}});
  };
  std::ifstream load_file("/proc/loadavg");
  std::string load;
  load_file >> load;
  std::printf(
      "%s\n",
      contract::to_json(Value::object({{"budget_mib", (bytes_max + kWorkBytes) >> 20},
                                       {"models_mib", total >> 20},
                                       {"runs", ms[0].size()},
                                       {"lru", side(false)},
                                       {"planner", side(true)},
                                       {"loads_ahead", ahead},
                                       {"ratio_p95", quantile(ms[0], 0.95) / quantile(ms[1], 0.95)},
                                       {"load", load}}))
          .c_str());
  return {};
}

int main_of(const std::vector<std::string>& arguments) {
  Options o;
  int n_models = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    int* number = a == "--runs"      ? &o.runs
                  : a == "--tokens"  ? &o.tokens
                  : a == "--threads" ? &o.threads
                  : a == "--rounds"  ? &o.rounds
                                     : nullptr;
    if (number != nullptr && i + 1 < arguments.size()) {
      *number = std::atoi(arguments[++i].c_str());
    } else if (n_models < 3 && !a.starts_with("--")) {
      o.models[n_models++] = a;
    } else {
      n_models = 0;
      break;
    }
  }
  if (n_models != 3 || o.runs < 2 || o.tokens < 1 || o.threads < 0 || o.rounds < 1) {
    std::fprintf(stderr,
                 "memory_bench A.gguf B.gguf ENCODER_FOLDER [--runs N] [--tokens N] [--threads N] "
                 "[--rounds N]\n");
    return 2;
  }
  if (Result<void> done = bench(o); !done) {
    std::fprintf(stderr, "memory_bench: %s\n", done.error().to_string().c_str());
    return 4;
  }
  return 0;
}

}  // namespace
}  // namespace consort::engine

int main(int argc, char** argv) {
  return consort::engine::main_of(std::vector<std::string>(argv + 1, argv + argc));
}

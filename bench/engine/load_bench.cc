// The engine under open-loop load: what is answered in time at several times the capacity, how long
// the admitted wait, what memory does, and what a noisy neighbour costs another owner.
//
//   load_bench MODEL.gguf [--seconds 60] [--times 3] [--threads 0]
//
// Requests arrive by a Poisson process (seeded), 100 prompt tokens and 32 to write, deadline 6 s.
// Capacity is measured first: as many callers as the batch has rows, each asking again at once.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "contract/json.h"
#include "engine/engine.h"

namespace consort::engine {
namespace {

using contract::Value;
using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;

constexpr int kPromptTokens = 100;
constexpr int kOutputTokens = 32;
constexpr int kBatch = 16;
constexpr double kDeadlineS = 6;

double since(SteadyClock::time_point start) { return Seconds(SteadyClock::now() - start).count(); }

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(q * static_cast<double>(values.size())))];
}

// Resident bytes of this process (Linux), in MiB.
double resident_mib() {
  std::ifstream in("/proc/self/statm");
  long pages = 0, resident = 0;
  in >> pages >> resident;
  return static_cast<double>(resident) * 4096.0 / (1 << 20);
}

struct Load {
  Engine& engine;
  const Clock& clock;

  GenerateRequest request(uint64_t seed, const std::string& owner) {
    Rng rng(seed);
    GenerateRequest r;
    r.model = "m";
    std::string text;
    for (int i = 0; i < kPromptTokens; ++i)
      text += static_cast<char>('a' + rng.below(26)) + std::string(" ");
    r.prompt = text;
    r.max_tokens = kOutputTokens;
    r.service.owner = owner;
    return r;
  }

  // Requests a second with every row of the batch busy.
  double capacity(double seconds) {
    std::atomic<int> done = 0;
    std::atomic<bool> stop = false;
    const auto start = SteadyClock::now();
    {
      std::vector<std::jthread> callers;
      for (int c = 0; c < kBatch; ++c) {
        callers.emplace_back([&, c] {
          for (uint64_t i = 0; !stop; ++i) {
            if (engine.generate(request(static_cast<uint64_t>(c) * 1000000 + i, "all"))) ++done;
          }
        });
      }
      std::this_thread::sleep_for(Seconds(seconds));
      stop = true;
    }
    return done / since(start);
  }

  Value open_loop(double rate, double seconds) {
    std::mutex mutex;
    std::vector<double> latencies;
    std::vector<double> refusals_ms;
    int refused = 0, late = 0, other = 0, sent = 0;
    std::atomic<int> in_flight = 0;
    Rng rng(9);
    const double before = resident_mib();
    double middle = 0;
    const auto start = SteadyClock::now();
    double next = 0;
    while (since(start) < seconds) {
      next += -std::log(1 - rng.uniform()) / rate;
      std::this_thread::sleep_until(
          start + std::chrono::duration_cast<SteadyClock::duration>(Seconds(next)));
      if (middle == 0 && since(start) > seconds / 2) middle = resident_mib();
      ++sent;
      ++in_flight;
      std::thread([&, seed = static_cast<uint64_t>(sent) + 500000000] {
        GenerateRequest r = request(seed, "owner " + std::to_string(seed % 4));
        r.deadline = clock.monotonic() + Nanoseconds(static_cast<int64_t>(kDeadlineS * 1e9));
        const auto begin = SteadyClock::now();
        const auto g = engine.generate(r);
        const double took = since(begin);
        {
          std::lock_guard lock(mutex);
          if (g) {
            latencies.push_back(took);
          } else if (g.error().number == 4102 || g.error().number == 4117) {
            ++refused;
            refusals_ms.push_back(1e3 * took);
          } else if (g.error().number == 4104) {
            ++late;
          } else {
            ++other;
          }
        }
        --in_flight;
      }).detach();
    }
    while (in_flight > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const double took = since(start);
    std::lock_guard lock(mutex);
    return Value::object({{"sent", sent},
                          {"answered", latencies.size()},
                          {"refused", refused},
                          {"late", late},
                          {"other", other},
                          {"goodput_per_s", static_cast<double>(latencies.size()) / took},
                          {"p50_s", quantile(latencies, 0.5)},
                          {"p99_s", quantile(latencies, 0.99)},
                          {"refusal_p99_ms", quantile(refusals_ms, 0.99)},
                          {"rss_mib_before", before},
                          {"rss_mib_middle", middle},
                          {"rss_mib_after", resident_mib()}});
  }

  // One owner asks once a second for a while; the other keeps 50 requests queued, or one at a time.
  double p95(int neighbours, double seconds) {
    std::atomic<bool> stop = false;
    std::vector<std::jthread> noise;
    for (int i = 0; i < neighbours; ++i) {
      noise.emplace_back([&, i] {
        for (uint64_t k = 0; !stop; ++k) {
          (void)engine.generate(
              request(900000000 + static_cast<uint64_t>(i) * 100000 + k, "noisy"));
        }
      });
    }
    std::this_thread::sleep_for(Seconds(1));
    std::vector<double> latencies;
    const auto start = SteadyClock::now();
    for (uint64_t k = 0; since(start) < seconds; ++k) {
      const auto begin = SteadyClock::now();
      if (engine.generate(
              request(700000000 + k + static_cast<uint64_t>(neighbours) * 10000, "quiet")))
        latencies.push_back(since(begin));
    }
    stop = true;
    noise.clear();
    return quantile(latencies, 0.95);
  }
};

int run(int argc, char** argv) {
  double seconds = 60, times = 3;
  int threads = 0;
  std::string model;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--times") == 0 && i + 1 < argc) {
      times = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = std::atoi(argv[++i]);
    } else {
      model = argv[i];
    }
  }
  if (model.empty()) {
    std::fprintf(stderr, "usage: load_bench MODEL.gguf [--seconds S] [--times X] [--threads N]\n");
    return 2;
  }
  SystemClock clock;
  const auto make = [&](int owner_active_max) -> std::unique_ptr<Engine> {
    auto engine = Engine::create({.n_threads = threads,
                                  .batch_max = kBatch,
                                  .queue_max = 64,
                                  .owner_active_max = owner_active_max},
                                 clock);
    if (engine) {
      if (auto loaded = (*engine)->load_model("m", model); loaded) return std::move(*engine);
    }
    std::fprintf(stderr, "the model cannot be loaded: %s\n", model.c_str());
    return nullptr;
  };
  auto engine = make(0);
  if (!engine) return 1;
  Load load{*engine, clock};
  load.capacity(2);
  const double peak = load.capacity(std::max(5.0, seconds / 4));
  Value open = load.open_loop(times * peak, seconds);
  // Quotas are what a neighbour is held by.
  auto shared = make(2);
  if (!shared) return 1;
  Load quiet{*shared, clock};
  const double each = std::max(5.0, seconds / 6);
  const double alone = quiet.p95(0, each);
  const double polite = quiet.p95(2, each);
  const double noisy = quiet.p95(50, each);
  const Value out =
      Value::object({{"capacity_per_s", peak},
                     {"times", times},
                     {"open_loop", std::move(open)},
                     {"neighbour", Value::object({{"owner_active_max", 2},
                                                  {"p95_s_alone", alone},
                                                  {"p95_s_beside_2_requests", polite},
                                                  {"p95_s_beside_50_queued", noisy}})}});
  std::printf("%s\n", contract::to_json(out).c_str());
  return 0;
}

}  // namespace
}  // namespace consort::engine

int main(int argc, char** argv) { return consort::engine::run(argc, argv); }

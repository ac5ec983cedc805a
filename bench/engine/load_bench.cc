// The engine under open-loop load: what is answered in time at several times the capacity, how long
// the admitted wait, what memory does, what a noisy neighbour costs another owner, and how long a
// stream's next token waits while a long prompt is read.
//
//   load_bench MODEL.gguf [--seconds 60] [--times 3] [--threads 0] [--only open|neighbour|prompt]
//
// Requests arrive by a Poisson process (seeded), 100 prompt tokens and 32 to write, deadline 6 s.
// Capacity is measured first: as many callers as the batch has rows, each asking again at once.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
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
constexpr int kClients = 96;  // More than the queue and the batch hold: a refusal takes no time.
constexpr int kLongPromptTokens = 4000;

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

// Callers that take jobs from a line. Joined at the end, with all jobs done.
class Clients final {
 public:
  explicit Clients(int n) {
    for (int i = 0; i < n; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Clients() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_.notify_all();
    threads_.clear();
  }
  // Jobs that no caller was free for yet: the clients', not the engine's, fault.
  size_t add(std::function<void()> job) {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    wake_.notify_one();
    return jobs_.size();
  }

 private:
  void work() {
    while (true) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return closed_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

struct Load {
  Engine& engine;
  const Clock& clock;

  GenerateRequest request(uint64_t seed, const std::string& owner,
                          int prompt_tokens = kPromptTokens) {
    Rng rng(seed);
    GenerateRequest r;
    r.model = "m";
    std::string text;
    for (int i = 0; i < prompt_tokens; ++i)
      text += static_cast<char>('a' + rng.below(26)) + std::string(" ");
    r.prompt = text;
    r.max_tokens = kOutputTokens;
    r.service.owner = owner;
    return r;
  }

  // Requests a second with every row of the batch busy.
  double capacity(double seconds, uint64_t first_seed) {
    std::atomic<int> done = 0;
    std::atomic<bool> stop = false;
    const auto start = SteadyClock::now();
    {
      std::vector<std::jthread> callers;
      for (int c = 0; c < kBatch; ++c) {
        callers.emplace_back([&, c] {
          for (uint64_t i = 0; !stop; ++i) {
            if (engine.generate(request(first_seed + static_cast<uint64_t>(c) * 100000 + i, "all"))) ++done;
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
    int refused = 0, late = 0, other = 0, sent = 0, in_window = 0;
    size_t unsent_max = 0;
    auto clients = std::make_unique<Clients>(kClients);
    Rng rng(9);
    const double before = resident_mib();
    double middle = 0;
    const auto start = SteadyClock::now();
    // Answers are counted when the queue has filled and while requests still arrive.
    const double window_start = std::min(kDeadlineS, seconds / 4);
    double next = 0;
    while (since(start) < seconds) {
      next += -std::log(1 - rng.uniform()) / rate;
      std::this_thread::sleep_until(
          start + std::chrono::duration_cast<SteadyClock::duration>(Seconds(next)));
      if (middle == 0 && since(start) > seconds / 2) middle = resident_mib();
      ++sent;
      const size_t unsent = clients->add([&, seed = static_cast<uint64_t>(sent) + 500000000] {
        GenerateRequest r = request(seed, "owner " + std::to_string(seed % 4));
        r.deadline = clock.monotonic() + Nanoseconds(static_cast<int64_t>(kDeadlineS * 1e9));
        const auto begin = SteadyClock::now();
        const auto g = engine.generate(r);
        const double took = since(begin);
        std::lock_guard lock(mutex);
        if (g) {
          latencies.push_back(took);
          const double ended = since(start);
          if (ended > window_start && ended < seconds) ++in_window;
        } else if (g.error().number == 4102 || g.error().number == 4117) {
          ++refused;
          refusals_ms.push_back(1e3 * took);
        } else if (g.error().number == 4104) {
          ++late;
        } else {
          ++other;
        }
      });
      unsent_max = std::max(unsent_max, unsent);
    }
    clients.reset();
    return Value::object({{"sent", sent},
                          {"answered", latencies.size()},
                          {"refused", refused},
                          {"late", late},
                          {"other", other},
                          {"unsent_max", unsent_max},
                          {"goodput_per_s", in_window / (seconds - window_start)},
                          {"p50_s", quantile(latencies, 0.5)},
                          {"p99_s", quantile(latencies, 0.99)},
                          {"refusal_p99_ms", quantile(refusals_ms, 0.99)},
                          {"rss_mib_before", before},
                          {"rss_mib_middle", middle},
                          {"rss_mib_after", resident_mib()}});
  }

  // One owner asks again and again for a while; the other keeps so many requests queued.
  Value latency(int neighbours, double seconds) {
    std::atomic<bool> stop = false;
    std::atomic<int> noise_answers = 0;
    std::vector<std::jthread> noise;
    for (int i = 0; i < neighbours; ++i) {
      noise.emplace_back([&, i] {
        for (uint64_t k = 0; !stop; ++k) {
          if (engine.generate(
                  request(900000000 + static_cast<uint64_t>(i) * 100000 + k, "noisy"))) {
            ++noise_answers;
          }
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
    return Value::object({{"answers", latencies.size()},
                          {"p50_s", quantile(latencies, 0.5)},
                          {"p95_s", quantile(latencies, 0.95)},
                          {"neighbours_answers", noise_answers.load()}});
  }

  // Gaps between a stream's tokens, in ms: alone, and while one prompt after the other of 4,000
  // tokens is read.
  Value gaps(const std::string& owner_of_prompts, bool prompts) {
    std::vector<double> gaps;
    std::atomic<bool> stop = false;
    std::atomic<int> read = 0;
    {
      std::jthread reader;
      if (prompts) {
        reader = std::jthread([&] {
          for (uint64_t k = 0; !stop; ++k) {
            GenerateRequest r = request(800000000 + k, owner_of_prompts, kLongPromptTokens);
            r.max_tokens = 1;
            if (engine.generate(r)) ++read;
          }
        });
      }
      for (uint64_t k = 0; k < 4; ++k) {
        GenerateRequest r = request(600000000 + k, "stream");
        r.max_tokens = 200;
        r.speculate = false;
        std::optional<SteadyClock::time_point> last;
        r.on_text = [&](std::string_view) {
          if (last) gaps.push_back(1e3 * since(*last));
          last = SteadyClock::now();
        };
        (void)engine.generate(r);
      }
      stop = true;
    }
    return Value::object({{"tokens", gaps.size()},
                          {"prompts_read", read.load()},
                          {"median_ms", quantile(gaps, 0.5)},
                          {"p99_ms", quantile(gaps, 0.99)},
                          {"max_ms", quantile(gaps, 1)}});
  }
};

int run(int argc, char** argv) {
  double seconds = 60, times = 3;
  int threads = 0;
  std::string model, only;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--times") == 0 && i + 1 < argc) {
      times = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else {
      model = argv[i];
    }
  }
  if (model.empty()) {
    std::fprintf(
        stderr,
        "usage: load_bench MODEL.gguf [--seconds S] [--times X] [--threads N] [--only X]\n");
    return 2;
  }
  SystemClock clock;
  auto engine = Engine::create({.n_threads = threads, .batch_max = kBatch, .queue_max = 64}, clock);
  if (!engine || !(*engine)->load_model("m", model)) {
    std::fprintf(stderr, "the model cannot be loaded: %s\n", model.c_str());
    return 1;
  }
  Load load{**engine, clock};
  Value out = Value::object({});
  const auto set = [&](const char* name, Value value) {
    out.get_object()->set(name, std::move(value));
  };
  const auto wanted = [&](const char* name) { return only.empty() || only == name; };
  load.capacity(2, 0);
  const double each = std::max(5.0, seconds / 6);
  if (wanted("open")) {
    const double peak = load.capacity(std::max(5.0, seconds / 4), 10000000);
    set("capacity_per_s", peak);
    set("times", times);
    set("open_loop", load.open_loop(times * peak, seconds));
  }
  if (wanted("neighbour")) {
    Value alone = load.latency(0, each);
    Value noisy = load.latency(50, each);
    set("neighbour",
        Value::object({{"alone", std::move(alone)}, {"beside_50_queued", std::move(noisy)}}));
  }
  if (wanted("prompt")) {
    Value quiet = load.gaps("", false);
    Value same = load.gaps("stream", true);
    Value other = load.gaps("reader", true);
    set("prompt", Value::object({{"prompt_tokens", kLongPromptTokens},
                                 {"alone", std::move(quiet)},
                                 {"same_owner", std::move(same)},
                                 {"other_owner", std::move(other)}}));
  }
  std::printf("%s\n", contract::to_json(out).c_str());
  return 0;
}

}  // namespace
}  // namespace consort::engine

int main(int argc, char** argv) { return consort::engine::run(argc, argv); }

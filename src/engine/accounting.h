// Random operations on an engine that holds more models than fit: requests that end in every way,
// sessions, adapters in and out, evictions. For tests of what is left afterwards.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/rng.h"
#include "engine/engine.h"

namespace consort::engine {

// Runs `n_operations` on small random-weight models under a budget for two of three, then checks
// that no page and no byte is left that belongs to nothing.
inline void expect_nothing_leaks(int n_operations) {
  const auto folder = std::filesystem::path(CONSORT_SOURCE_DIR) / "tests/golden/decoders";
  const std::vector<std::string> names = {"llama", "qwen2", "gemma3"};
  const auto session = std::filesystem::path(testing::TempDir()) /
                       ("accounting-" + std::to_string(n_operations) + ".session");
  SystemClock clock;
  uint64_t total = 0, least = UINT64_MAX;
  {
    auto engine = Engine::create({.n_threads = 1}, clock);
    ASSERT_TRUE(engine);
    for (const std::string& name : names) {
      const auto info = (*engine)->load_model(name, folder / (name + ".gguf"));
      ASSERT_TRUE(info) << info.error().to_string();
      total += info->resident_bytes;
      least = std::min(least, info->resident_bytes);
    }
  }
  auto made = Engine::create({.n_threads = 1,
                              .memory_bytes_max = total - least + (1 << 20),
                              .batch_max = 8,
                              .queue_max = 64,
                              .prefix_bytes_max = 1 << 18},
                             clock);
  ASSERT_TRUE(made);
  Engine& engine = **made;
  for (const std::string& name : names) {
    ASSERT_TRUE(engine.load_model(name, folder / (name + ".gguf")));
    ASSERT_TRUE(engine.load_adapter("a", name, folder / (name + ".lora")));
  }
  std::atomic<int> left = n_operations, answered = 0, refused = 0, cancelled = 0, late = 0;
  {
    std::vector<std::jthread> threads;
    for (uint64_t t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        Rng rng(t + 1);
        while (left.fetch_sub(1) > 0) {
          const std::string& name = names[rng.below(3)];
          std::optional<Error> error;
          switch (rng.below(12)) {
            case 0: {
              const Result<void> gone = engine.unload_adapter("b", name);
              if (!gone) error = gone.error();
              break;
            }
            case 1: {
              const auto loaded = engine.load_adapter("b", name, folder / (name + ".lora"));
              if (!loaded) error = loaded.error();
              break;
            }
            case 2:
              if (rng.below(20) == 0) engine.forget_prefixes();
              break;
            case 3: {
              std::vector<Use> uses;
              for (uint64_t i = rng.below(5); i > 0; --i) {
                uses.push_back({names[rng.below(3)], rng.below(2) == 0 ? "a" : ""});
              }
              engine.expect("run " + std::to_string(t), std::move(uses));
              break;
            }
            case 4: {
              // A session of its own thread, mapped back; dropped when its prefix is forgotten.
              const auto mine = session.string() + std::to_string(t);
              std::vector<int32_t> tokens(40, static_cast<int32_t>(5 + rng.below(3)));
              const auto saved = engine.save_session(name, "", tokens, mine);
              if (!saved) {
                error = saved.error();
              } else if (const auto read = engine.load_session(name, "", mine); !read) {
                error = read.error();
              }
              break;
            }
            case 5: {
              ScoreRequest r;
              r.model = name;
              r.prompt = "word " + std::to_string(rng.below(4));
              r.continuations = {" 1", " 22 3"};
              if (const auto s = engine.score(r); !s) error = s.error();
              break;
            }
            default: {
              std::stop_source stop;
              GenerateRequest r;
              r.model = name;
              r.adapter = rng.below(3) == 0 ? "a" : "";
              r.prompt = "word " + std::to_string(rng.below(6)) +
                         std::string(rng.below(2) * 40, static_cast<char>('0' + rng.below(3)));
              r.max_tokens = 1 + static_cast<int>(rng.below(4));
              r.stop_token = stop.get_token();
              r.service.owner = "owner " + std::to_string(rng.below(3));
              if (rng.below(3) == 0) r.on_text = [&](std::string_view) { stop.request_stop(); };
              if (rng.below(8) == 0) stop.request_stop();
              if (rng.below(8) == 0) {
                r.deadline = clock.monotonic() + std::chrono::microseconds(rng.below(2000));
              }
              if (const auto g = engine.generate(r); !g) error = g.error();
            }
          }
          if (!error) {
            ++answered;
          } else if (error->number == 4101 || error->number == 4102) {
            ++refused;
          } else if (error->number == 4103) {
            ++cancelled;
          } else if (error->number == 4104) {
            ++late;
          } else if (error->number != 4105 && error->number != 4110) {  // In use; not loaded.
            ADD_FAILURE() << error->to_string();
          }
        }
      });
    }
  }
  for (uint64_t t = 0; t < 8; ++t) {
    engine.expect("run " + std::to_string(t), {});
    std::filesystem::remove(session.string() + std::to_string(t));
  }
  const uint64_t evictions = engine.stats().n_evictions;
  std::printf("%d answered, %d refused, %d cancelled, %d late, %llu evictions\n", answered.load(),
              refused.load(), cancelled.load(), late.load(),
              static_cast<unsigned long long>(evictions));
  EXPECT_GT(answered, n_operations / 4);
  EXPECT_GT(cancelled, 0);
  EXPECT_GT(evictions, 0u);
  engine.forget_prefixes();
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.n_active, 0);
  EXPECT_EQ(stats.n_waiting, 0);
  EXPECT_EQ(stats.pages_in_use, 0);
  const MemoryMap map = engine.memory();
  uint64_t sum = 0;
  for (const MemoryItem& item : map.items) {
    sum += item.bytes;
    if (item.kind == "keys and values") {
      EXPECT_EQ(item.bytes, 0u) << item.name;
    }
  }
  EXPECT_EQ(sum, map.bytes_used);
  EXPECT_EQ(map.bytes_promised, 0u);
  for (const std::string& name : names) {
    const Result<void> gone = engine.unload_model(name);
    EXPECT_TRUE(gone) << gone.error().to_string();
  }
  EXPECT_EQ(engine.memory().bytes_used, 0u);
}

}  // namespace consort::engine

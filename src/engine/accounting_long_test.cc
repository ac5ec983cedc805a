// A hundred thousand random operations leak no page and no byte.
#include "engine/accounting.h"
#include "engine/model_fixture.h"

namespace consort::engine {
namespace {

TEST(Accounting, AHundredThousandRandomOperationsLeakNoPageAndNoByte) {
  expect_nothing_leaks(100000);
}

class AccountingOfSmol : public WithSmol {};

TEST_F(AccountingOfSmol, RequestsThatEndInAnyWayLeakNoPage) {
  const char* asked = std::getenv("CONSORT_OPERATIONS");
  const int n_operations = asked != nullptr ? std::atoi(asked) : 100000;
  // Room for about 80 pages beside the weights: too little for all at once.
  auto adapter = engine_->load_adapter("a", "smol", model::kGolden / "lora/adapter.gguf");
  ASSERT_TRUE(adapter);
  const uint64_t weight_bytes = engine_->models()[0].resident_bytes + adapter->resident_bytes;
  engine_.reset();
  auto engine =
      make({.memory_bytes_max = weight_bytes + (60ull << 20), .batch_max = 16, .queue_max = 6});
  ASSERT_TRUE(engine->load_adapter("a", "smol", model::kGolden / "lora/adapter.gguf"));
  const auto digest_of = schema(
      R"({"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":{"enum":["one","two"]}}})");
  std::atomic<int> left = n_operations, refused = 0, cancelled = 0, late = 0, answered = 0;
  {
    std::vector<std::jthread> threads;
    for (uint64_t t = 0; t < 24; ++t) {
      threads.emplace_back([&, t] {
        Rng rng(t + 1);
        while (left.fetch_sub(1) > 0) {
          std::stop_source stop;
          const std::string text =
              "Word " + std::to_string(rng.below(9)) + " " + std::string(rng.below(3) * 90, 'z');
          std::optional<Error> error;
          const std::string adapter = rng.below(4) == 0 ? "a" : "";
          switch (rng.below(8)) {
            case 0: {
              ScoreRequest r;
              r.model = "smol";
              r.adapter = adapter;
              r.prompt = text;
              r.continuations = {" yes", " no, never"};
              r.stop_token = stop.get_token();
              if (rng.below(3) == 0) stop.request_stop();
              if (auto s = engine->score(r); !s) error = s.error();
              break;
            }
            case 1: {
              DecideRequest r;
              r.model = "smol";
              r.adapter = adapter;
              for (int i = 0; i < 3; ++i) {
                r.questions.push_back(
                    {{}, text + " q" + std::to_string(i) + ":", {" yes", " no way"}});
              }
              if (auto d = engine->decide(r); !d) error = d.error();
              break;
            }
            case 2:
              if (rng.below(50) == 0) engine->forget_prefixes();
              break;
            default: {
              GenerateRequest r = ask(text, 1 + static_cast<int>(rng.below(3)));
              r.digest_logits = false;
              r.adapter = adapter;
              r.stop_token = stop.get_token();
              r.service = {"owner " + std::to_string(rng.below(4)), static_cast<int>(rng.below(3))};
              if (rng.below(3) == 0) {
                r.schema = digest_of;
                r.max_tokens = 20;
              }
              if (rng.below(3) == 0) r.on_text = [&](std::string_view) { stop.request_stop(); };
              if (rng.below(4) == 0) {
                r.deadline = clock_.monotonic() + std::chrono::milliseconds(rng.below(30));
              }
              if (rng.below(6) == 0) stop.request_stop();
              if (auto g = engine->generate(r); !g) error = g.error();
            }
          }
          if (!error) {
            ++answered;
          } else if (error->number == 4102 || error->number == 4101) {
            // A refused caller waits a little and asks for something else: it is not an operation.
            ++refused;
            ++left;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
          } else if (error->number == 4103) {
            ++cancelled;
          } else if (error->number == 4104) {
            ++late;
          } else {
            ADD_FAILURE() << error->to_string();
          }
        }
      });
    }
  }
  std::printf("%d answered, %d refused, %d cancelled, %d late\n", answered.load(), refused.load(),
              cancelled.load(), late.load());
  EXPECT_GT(answered, n_operations / 4);
  EXPECT_GT(cancelled, 0);
  // What is held now belongs to known prefixes; without them nothing is.
  engine->forget_prefixes();
  answer(*engine, ask("x", 1));
  engine->forget_prefixes();
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.n_active, 0);
  EXPECT_EQ(stats.n_waiting, 0);
  EXPECT_EQ(stats.pages_in_use, 0);
  uint64_t weights = 0;
  for (const ModelInfo& info : engine->models()) weights += info.resident_bytes;
  for (const AdapterInfo& info : engine->adapters()) weights += info.resident_bytes;
  uint64_t others = 0;
  for (const MemoryItem& item : engine->memory().items) {
    if (item.kind == "scratch" || item.kind == "masks") others += item.bytes;
  }
  EXPECT_EQ(engine->stats().bytes_used, weights + others);
}

}  // namespace
}  // namespace consort::engine

// kill -9 at every event boundary of a run with a fan-out, a repair, a nested agent, and redo
// rounds; then resume, and compare everything with a run that nobody disturbed.
#include <signal.h>

#include <set>

#include "fault_home.h"

namespace consort::run {
namespace {

constexpr uint64_t kSeed = 5;

// Begins or resumes the home's run; killed after `n` durable events of this process (0: lives). The
// child's exit code: 0 when the run has completed.
int work(const std::filesystem::path& home, const agent::Graph& graph, int64_t n, int n_threads) {
  SystemClock clock;
  auto journal = store::Journal::open(home, clock);
  if (!journal) return 2;
  TestProvider provider;
  define_briefing(provider);
  Executor executor(journal->get(), clock, {.n_threads = n_threads, .fault_kill_after_event = n});
  auto runs = (*journal)->runs(1);
  if (!runs) return 3;
  auto result = runs->empty() ? executor.start(graph, provider, briefing_input(), {.seed = kSeed})
                              : executor.resume(runs->front().run, graph, provider);
  return result && result->state == store::RunState::completed ? 0 : 4;
}

RunView only_run(const std::filesystem::path& home) {
  auto journal = store::Journal::open_read_only(home).value();
  return load_run(*journal, journal->runs(1).value().at(0).run).value();
}

class CrashTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    graph_ = new std::shared_ptr<const agent::Graph>(briefing_graph());
    FaultHome home;
    ASSERT_EQ(in_child([&] { return work(home.path(), **graph_, 0, 1); }), 0);
    RunView view = only_run(home.path());
    undisturbed_ = new std::string(fingerprint(view));
    n_events_ = view.n_events;
  }
  static void TearDownTestSuite() {
    delete graph_;
    delete undisturbed_;
  }
  static std::shared_ptr<const agent::Graph>* graph_;
  static std::string* undisturbed_;
  static int64_t n_events_;
};
std::shared_ptr<const agent::Graph>* CrashTest::graph_ = nullptr;
std::string* CrashTest::undisturbed_ = nullptr;
int64_t CrashTest::n_events_ = 0;

TEST_F(CrashTest, GivesTheSameRunWhenKilledAtEveryEventAndResumed) {
  ASSERT_GT(n_events_, 40) << "the graph should have something to lose";
  for (int n_threads : {1, 4}) {
    for (int64_t n = 1; n <= n_events_; ++n) {
      FaultHome home;
      int status = in_child([&] { return work(home.path(), **graph_, n, n_threads); });
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
          << "event " << n << ", status " << status;
      RunView killed = only_run(home.path());
      ASSERT_GE(killed.n_events, n);
      std::set<std::string> done;
      for (const StepView& step : killed.steps) {
        if (step.state == StepState::completed) done.insert(step.name);
      }
      // Resumed in this process, so that its calls can be counted.
      SystemClock clock;
      auto journal = store::Journal::open(home.path(), clock).value();
      TestProvider provider;
      define_briefing(provider);
      auto result = Executor(journal.get(), clock, {.n_threads = n_threads})
                        .resume(killed.run, **graph_, provider);
      ASSERT_TRUE(result) << result.error().to_string();
      ASSERT_EQ(result->state, store::RunState::completed) << n;
      for (const std::string& call : provider.calls()) {
        ASSERT_FALSE(done.contains(call)) << call << " was called again after event " << n;
      }
      RunView view = load_run(*journal, killed.run).value();
      ASSERT_EQ(fingerprint(view), *undisturbed_) << "killed after event " << n;
      auto replayed = Executor(journal.get(), clock).replay(killed.run, **graph_, provider);
      ASSERT_TRUE(replayed && replayed->bit_equal()) << n;
    }
  }
}

TEST_F(CrashTest, GetsThroughWhenEveryProcessIsKilledAfterAFewEvents) {
  // Four events are spent before anything can complete: run_resumed, and the starts of a nested
  // agent and two of its steps.
  for (int64_t n : {5, 6, 9}) {
    FaultHome home;
    int n_processes = 0;
    int status = -1;
    while (status != 0 && n_processes < 200) {
      ++n_processes;
      status = in_child([&] { return work(home.path(), **graph_, n, 2); });
      ASSERT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << status;
    }
    ASSERT_EQ(status, 0) << "no progress with " << n << " events a process";
    EXPECT_GT(n_processes, 3);
    EXPECT_EQ(fingerprint(only_run(home.path())), *undisturbed_);
  }
}

TEST_F(CrashTest, RefusesASecondProcessOnTheSameHomeAndNamesTheFirst) {
  FaultHome home;
  SystemClock clock;
  auto journal = store::Journal::open(home.path(), clock).value();
  std::string holder = "pid " + std::to_string(::getpid());
  int status = in_child([&] {
    auto second = store::Journal::open(home.path(), clock);
    if (second) return 1;
    if (second.error().number != 1201) return 2;
    return second.error().value.find(holder) == std::string::npos ? 3 : 0;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace consort::run

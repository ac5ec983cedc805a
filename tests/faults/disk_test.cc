// Read-only, full, and failing disks under a run: a typed error, nothing lost, and the run goes on
// later.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fault_home.h"
#include "store/fault_vfs.h"

namespace consort::run {
namespace {

RunView only_run(store::Journal& journal) {
  return load_run(journal, journal.runs(1).value().at(0).run).value();
}

std::string undisturbed(const agent::Graph& graph) {
  FaultHome home;
  SystemClock clock;
  auto journal = store::Journal::open(home.path(), clock).value();
  TestProvider provider;
  define_briefing(provider);
  Executor(journal.get(), clock).start(graph, provider, briefing_input()).value();
  return fingerprint(only_run(*journal));
}

TEST(Disk, AnswersATypedErrorOnAReadOnlyHomeAndStillReadsIt) {
  FaultHome home;
  SystemClock clock;
  auto graph = briefing_graph();
  store::RunId run;
  {
    auto journal = store::Journal::open(home.path(), clock).value();
    TestProvider provider;
    define_briefing(provider);
    run = Executor(journal.get(), clock).start(*graph, provider, briefing_input())->run;
  }
  // Root may write anywhere: a child gives that up.
  for (const auto& entry : std::filesystem::directory_iterator(home.path()))
    ::chmod(entry.path().c_str(), 0444);
  ::chmod(home.path().c_str(), 0555);
  int status = in_child([&] {
    if (::getuid() == 0 && ::setuid(65534) != 0) return 1;
    auto refused = store::Journal::open(home.path(), clock);
    if (refused || refused.error().number != 1203 || refused.error().fix.empty()) return 2;
    auto reader = store::Journal::open_read_only(home.path());
    if (!reader) return 3;
    auto view = load_run(**reader, run);
    return view && view->state == store::RunState::completed ? 0 : 4;
  });
  EXPECT_EQ(status, 0) << "exit " << WEXITSTATUS(status);
  ::chmod(home.path().c_str(), 0700);
}

// In a child with a disk of its own, which a filler makes full in mid-run.
int run_on_a_full_disk(const std::filesystem::path& folder, const agent::Graph& graph,
                       const std::string& expected) {
  bool own_disk = ::unshare(CLONE_NEWNS) == 0 &&
                  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                  ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") == 0;
  std::filesystem::path filler = folder / "filler";
  auto fill = [&] {
    if (own_disk) {
      int fd = ::open(filler.c_str(), O_WRONLY | O_CREAT, 0600);
      std::string block(4096, 'f');
      while (::write(fd, block.data(), block.size()) > 0) {
      }
      ::close(fd);
    } else {
      // No right to mount: a limit on file sizes stops the same writes.
      ::signal(SIGXFSZ, SIG_IGN);
      rlimit limit{16 << 10, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
  };
  auto make_room = [&] {
    ::unlink(filler.c_str());
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  };
  std::filesystem::path home = folder / "home";
  SystemClock clock;
  TestProvider provider;
  define_briefing(provider);
  for (int64_t full_after : {1, 7, 20}) {
    std::filesystem::remove_all(home);
    auto journal = store::Journal::open(home, clock);
    if (!journal) return 10;
    RunOptions options;
    options.watch.on_event = [&](const store::Event& event) {
      if (event.seq == full_after) fill();
    };
    auto stopped =
        Executor(journal->get(), clock).start(graph, provider, briefing_input(), options);
    if (stopped || stopped.error().number != 1203) return 11;
    make_room();
    journal->reset();
    journal = store::Journal::open(home, clock);
    if (!journal) return 12;
    RunView before = only_run(**journal);
    if (before.n_events < full_after || before.state != store::RunState::running) return 13;
    auto resumed = Executor(journal->get(), clock).resume(before.run, graph, provider);
    if (!resumed || resumed->state != store::RunState::completed) return 14;
    if (fingerprint(only_run(**journal)) != expected) return 15;
  }
  return own_disk ? 0 : 1;
}

TEST(Disk, KeepsWhatWasDoneWhenTheDiskFillsInMidRunAndGoesOnWhenThereIsRoom) {
  FaultHome home;
  auto graph = briefing_graph();
  std::string expected = undisturbed(*graph);
  int status = in_child([&] { return run_on_a_full_disk(home.path(), *graph, expected); });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_LE(WEXITSTATUS(status), 1) << "see the numbers in run_on_a_full_disk";
  if (WEXITSTATUS(status) == 1)
    std::printf("left out: a full tmpfs (no right to mount); RLIMIT_FSIZE instead\n");
}

TEST(Disk, StopsAtAFailedSyncAndResumesFromTheLastDurableEvent) {
  auto graph = briefing_graph();
  std::string expected = undisturbed(*graph);
  store::FaultVfs vfs;
  SystemClock clock;
  int n_stopped = 0;
  for (int64_t n_good = 0; n_good < 200; ++n_good) {
    FaultHome home;
    auto journal = store::Journal::open(home.path(), clock).value();
    TestProvider provider;
    define_briefing(provider);
    int64_t acknowledged = 0;
    RunOptions options;
    options.watch.on_event = [&](const store::Event& event) { acknowledged = event.seq; };
    Executor executor(journal.get(), clock, {.n_threads = 2});
    vfs.fail_sync_after(n_good + 1);  // The run's first event is always good.
    auto stopped = executor.start(*graph, provider, briefing_input(), options);
    vfs.heal();
    if (stopped) break;
    ++n_stopped;
    ASSERT_EQ(stopped.error().number, 1203);
    journal.reset();
    journal = store::Journal::open(home.path(), clock).value();
    RunView before = only_run(*journal);
    ASSERT_GE(before.n_events, acknowledged);
    Executor again(journal.get(), clock, {.n_threads = 2});
    ASSERT_EQ(again.resume(before.run, *graph, provider)->state, store::RunState::completed);
    ASSERT_EQ(fingerprint(only_run(*journal)), expected) << "after " << n_good << " good syncs";
  }
  EXPECT_GT(n_stopped, 8);
}

}  // namespace
}  // namespace consort::run

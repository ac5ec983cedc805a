// What a crash, a bad disk, or a bad copy can do to a journal, and what must be left of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "store/fault_vfs.h"
#include "store/journal.h"
#include "store/journal_record.h"

namespace consort::store {
namespace {

namespace fs = std::filesystem;
using contract::Value;

Value parse(std::string_view json) { return contract::parse_json(json).value(); }

std::string slurp(const fs::path& path) {
  return fs::exists(path) ? read_file(path, 1 << 24).value() : std::string();
}
void spill(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
std::vector<std::string> chains(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) out.push_back(event.chain.hex());
  return out;
}

class JournalDamageTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_); }
  void TearDown() override { fs::remove_all(root_); }

  // SQLite's smallest page keeps the file small enough to be damaged at every byte.
  static void create_with_small_pages(const fs::path& home) {
    fs::create_directories(home);
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((home / "journal.db").c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, "PRAGMA page_size=512; VACUUM;", nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(handle);
  }

  // A run of five events in three appends.
  std::vector<Event> write_run(Journal& journal) {
    EXPECT_TRUE(
        journal.begin(run_, "greeter@1.0.0", parse(R"({"seed":7,"input":{"name":"Ada"}})")));
    EXPECT_TRUE(
        journal.append(run_, {{EventKind::step_started, "greet", parse(R"({"attempt":1})")}}));
    clock_.advance(std::chrono::milliseconds(5));
    EXPECT_TRUE(journal.append(
        run_, {{EventKind::step_completed, "greet", parse(R"({"value":"Hello, Ada"})")},
               {EventKind::step_started, "report", parse(R"({"attempt":1})")},
               {EventKind::step_completed, "report", parse(R"({"value":{"ok":true}})")}}));
    return journal.read(run_).value();
  }

  // tmpfs where there is one: thousands of copies need no disk.
  fs::path root_ = (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                   ("consort_damage_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
  RunId run_{"r_01KAV9FT0004HMASW9NF6YY093"};
};

TEST_F(JournalDamageTest, KeepsAWholePrefixOfAppendsWhenTheWalIsCutAtAnyByte) {
  // Copied while the writer lives: this is what a power cut leaves, with the newest bytes missing.
  create_with_small_pages(root_ / "live");
  auto journal = Journal::open(root_ / "live", clock_).value();
  std::vector<Event> whole = write_run(*journal);
  ASSERT_EQ(whole.size(), 5u);
  std::string database = slurp(root_ / "live/journal.db");
  std::string wal = slurp(root_ / "live/journal.db-wal");
  ASSERT_GT(wal.size(), 5000u);

  fs::path copy = root_ / "copy";
  fs::create_directories(copy);
  std::set<size_t> lengths_seen;
  size_t shortest = 0;
  for (size_t n = 0; n <= wal.size(); ++n) {
    spill(copy / "journal.db", database);
    spill(copy / "journal.db-wal", std::string_view(wal).substr(0, n));
    fs::remove(copy / "journal.db-shm");
    auto reopened = Journal::open(copy, clock_);
    ASSERT_TRUE(reopened) << "cut at " << n << ": " << reopened.error().to_string();
    auto events = (*reopened)->read(run_);
    size_t length = events ? events->size() : 0;
    if (!events) {
      ASSERT_EQ(events.error().number, 1205) << events.error().to_string();
    }
    ASSERT_TRUE(length == 0 || length == 1 || length == 2 || length == 5)
        << "an append was torn: " << length << " events when cut at " << n;
    for (size_t i = 0; i < length; ++i) ASSERT_EQ((*events)[i].chain, whole[i].chain);
    ASSERT_GE(length, shortest) << "more bytes left fewer events, at " << n;
    shortest = length;
    lengths_seen.insert(length);
  }
  EXPECT_THAT(lengths_seen, testing::ElementsAre(0, 1, 2, 5));
}

TEST_F(JournalDamageTest, NeverReadsOtherEventsFromADatabaseCutAtAnyByte) {
  create_with_small_pages(root_ / "live");
  std::vector<std::string> whole;
  {
    auto journal = Journal::open(root_ / "live", clock_).value();
    whole = chains(write_run(*journal));
  }
  std::string database = slurp(root_ / "live/journal.db");
  ASSERT_TRUE(slurp(root_ / "live/journal.db-wal").empty()) << "at rest, a home is one file";
  fs::path copy = root_ / "copy";
  fs::create_directories(copy);
  size_t n_same = 0;
  for (size_t n = 0; n < database.size(); ++n) {
    spill(copy / "journal.db", std::string_view(database).substr(0, n));
    auto reopened = Journal::open_read_only(copy);
    auto events =
        reopened ? (*reopened)->read(run_) : Result<std::vector<Event>>(fail(reopened.error()));
    if (events) {
      // Only bytes that carry nothing may be lost unseen.
      ASSERT_EQ(chains(*events), whole) << "cut at " << n << " of " << database.size();
      ++n_same;
      continue;
    }
    ASSERT_THAT(events.error().number, testing::AnyOf(1202, 1203, 1208)) << "cut at " << n;
  }
  EXPECT_LT(n_same, 512u) << "less than a page";
}

TEST_F(JournalDamageTest, FindsOneFlippedBitOrReadsTheSameEvents) {
  create_with_small_pages(root_ / "live");
  std::vector<std::string> whole;
  {
    auto journal = Journal::open(root_ / "live", clock_).value();
    whole = chains(write_run(*journal));
  }
  const std::string database = slurp(root_ / "live/journal.db");
  fs::path copy = root_ / "copy";
  fs::create_directories(copy);
  size_t n_found = 0;
  for (size_t i = 0; i < database.size(); ++i) {
    std::string flipped = database;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    spill(copy / "journal.db", flipped);
    fs::remove(copy / "journal.db-wal");
    fs::remove(copy / "journal.db-shm");
    auto reopened = Journal::open_read_only(copy);
    auto events =
        reopened ? (*reopened)->read(run_) : Result<std::vector<Event>>(fail(reopened.error()));
    if (events) {
      ASSERT_EQ(chains(*events), whole) << "byte " << i;
    } else {
      ++n_found;
      ASSERT_THAT(events.error().number, testing::AnyOf(1202, 1203, 1204, 1205, 1208, 1299))
          << "byte " << i << ": " << events.error().to_string();
    }
  }
  EXPECT_GT(n_found, 300u) << "the five events alone are over 300 bytes";
}

TEST_F(JournalDamageTest, NamesTheFirstEventThatWasChangedRemovedOrReordered) {
  struct Case {
    const char* sql;
    const char* place;
  };
  const Case cases[] = {
      {"UPDATE events SET body='{\"value\":\"Hello, Eve\"}' WHERE id & 0xffffff = 3", "/3"},
      {"UPDATE events SET step='great' WHERE id & 0xffffff = 2", "/2"},
      {"UPDATE events SET unix_ms=unix_ms+1 WHERE id & 0xffffff = 4", "/4"},
      {"UPDATE events SET kind='step_failed' WHERE id & 0xffffff = 5", "/5"},
      {"UPDATE events SET chain=zeroblob(32) WHERE id & 0xffffff = 1", "/1"},
      {"DELETE FROM events WHERE id & 0xffffff = 3", "/3"},
      {"DELETE FROM events WHERE id & 0xffffff = 5", "/5"},
      {"DELETE FROM events", "/1"},
      {"UPDATE events SET id=id+100 WHERE id & 0xffffff = 2;"
       "UPDATE events SET id=id-1 WHERE id & 0xffffff = 3;"
       "UPDATE events SET id=id-99 WHERE id & 0xffffff = 102",
       "/2"},
      {"UPDATE runs SET state='completed'", "/6"},
      {"UPDATE runs SET agent='other@1'", "/6"},
      {"UPDATE runs SET n_events=4", "/6"},
  };
  for (const Case& each : cases) {
    fs::path home = root_ / "home";
    fs::remove_all(home);
    write_run(*Journal::open(home, clock_).value());
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((home / "journal.db").c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, each.sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
    auto events = Journal::open_read_only(home).value()->read(run_);
    ASSERT_FALSE(events) << each.sql;
    EXPECT_EQ(events.error().number, 1208);
    EXPECT_EQ(events.error().place, run_.text + each.place) << each.sql;
  }
}

// Appends `n` events one by one and reports each acknowledged seq by one byte on `fd`; killed at
// `kill_at`.
[[noreturn]] void append_until_killed(const fs::path& home, const RunId& run, int n, int kill_at,
                                      int fd) {
  SystemClock clock;
  auto journal = Journal::open(home, clock);
  if (!journal) ::_exit(2);
  (*journal)->on_durable_append([&](const Event& event) {
    char seq = static_cast<char>(event.seq);
    if (::write(fd, &seq, 1) != 1) ::_exit(3);
    if (event.seq == kill_at) ::kill(::getpid(), SIGKILL);
  });
  if (!(*journal)->begin(run, "greeter@1.0.0", parse("{}"))) ::_exit(4);
  for (int i = 2; i <= n; ++i) {
    if (!(*journal)->append(run, {{EventKind::step_started, "s", parse(R"({"attempt":1})")}}))
      ::_exit(5);
  }
  ::_exit(6);
}

TEST_F(JournalDamageTest, KeepsEveryAcknowledgedEventWhenKilledAtAnyAppend) {
  constexpr int kEvents = 12;
  for (int kill_at = 1; kill_at <= kEvents; ++kill_at) {
    fs::path home = root_ / ("kill_" + std::to_string(kill_at));
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) append_until_killed(home, run_, kEvents, kill_at, pipe_ends[1]);
    ::close(pipe_ends[1]);
    int acknowledged = 0;
    char seq;
    while (::read(pipe_ends[0], &seq, 1) == 1) acknowledged = seq;
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "exit " << WEXITSTATUS(status);
    ASSERT_EQ(acknowledged, kill_at);

    auto journal = Journal::open(home, clock_);
    ASSERT_TRUE(journal) << journal.error().to_string();
    ASSERT_EQ((*journal)->read(run_)->size(), static_cast<size_t>(kill_at));
    auto next = (*journal)->append(run_, {{EventKind::run_resumed, "", parse("{}")}});
    ASSERT_EQ(next.value()[0].seq, kill_at + 1);
  }
}

TEST_F(JournalDamageTest, StaysAsItWasWhenAnyWriteFindsTheDiskFullAndGoesOnWhenThereIsSpace) {
  FaultVfs vfs;
  int n_failures = 0;
  for (int n_good = 0; n_good < 100; ++n_good) {
    fs::path home = root_ / "full";
    fs::remove_all(home);
    auto journal = Journal::open(home, clock_).value();
    ASSERT_TRUE(journal->begin(run_, "greeter@1.0.0", parse("{}")));
    vfs.fail_write_after(n_good);
    auto append = [&] {
      return journal->append(run_, {{EventKind::step_completed, "a", parse(R"({"value":1})")},
                                    {EventKind::step_completed, "b", parse(R"({"value":2})")}});
    };
    auto first = append();
    vfs.heal();
    if (first) break;
    ++n_failures;
    EXPECT_EQ(first.error().number, 1203);
    EXPECT_THAT(first.error().message, testing::HasSubstr("disk is full"));
    EXPECT_EQ(journal->read(run_)->size(), 1u) << "after " << n_good << " good writes";
    EXPECT_TRUE(append());
    EXPECT_EQ(journal->read(run_)->size(), 3u);
  }
  EXPECT_GE(n_failures, 2) << "an append writes at least one frame: header and page";
}

TEST_F(JournalDamageTest, AcknowledgesNothingAfterAFailedSyncUntilItIsReopened) {
  FaultVfs vfs;
  fs::path home = root_ / "sync";
  {
    auto journal = Journal::open(home, clock_).value();
    ASSERT_TRUE(journal->begin(run_, "greeter@1.0.0", parse("{}")));
    vfs.fail_sync_after(0);
    auto append = [&] {
      return journal->append(run_, {{EventKind::step_started, "a", parse("{}")}});
    };
    EXPECT_EQ(append().error().number, 1203);
    vfs.heal();
    // The kernel may have dropped the pages it could not write: a later success would prove
    // nothing.
    EXPECT_EQ(append().error().number, 1203);
    EXPECT_EQ(journal->read(run_)->size(), 1u);
  }
  auto journal = Journal::open(home, clock_).value();
  auto events = journal->read(run_);
  ASSERT_TRUE(events) << events.error().to_string();
  EXPECT_LE(events->size(), 2u) << "the unacknowledged event may be there or not";
  EXPECT_TRUE(journal->append(run_, {{EventKind::run_resumed, "", parse("{}")}}));
}

TEST_F(JournalDamageTest, RefusesFilesThatAreNoJournalOrNewer) {
  fs::path home = root_ / "other";
  fs::create_directories(home);
  spill(home / "journal.db",
        "This is a text file, and it is longer than a header of SQLite would be." +
            std::string(200, '.'));
  EXPECT_EQ(Journal::open(home, clock_).error().number, 1202);
  EXPECT_EQ(Journal::open_read_only(home).error().number, 1202);
  fs::remove_all(home);
  Journal::open(home, clock_).value().reset();
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((home / "journal.db").c_str(), &handle), SQLITE_OK);
  sqlite3_exec(handle, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(handle);
  EXPECT_EQ(Journal::open(home, clock_).error().number, 1204);
  EXPECT_EQ(Journal::open_read_only(home).error().number, 1204);
}

TEST(JournalRecord, RefusesAMatchingHashOverMalformedFields) {
  RunId run{"r_01KAV9FT0004HMASW9NF6YY093"};
  struct Case {
    const char* kind;
    const char* step;
    const char* body;
  };
  for (Case each : {Case{"step_begun", "a", "{}"}, Case{"step_started", "a\nb", "{}"},
                    Case{"step_started", "a", "[]"}, Case{"step_started", "a", "{"}}) {
    StoredRecord record{
        .seq = 1, .kind = each.kind, .step = each.step, .unix_ms = 5, .body = each.body};
    Digest chain = record_chain(Digest{}, run, record);
    record.chain = {reinterpret_cast<const char*>(chain.bytes.data()), 32};
    auto event = decode_record(Digest{}, run, 1, record);
    ASSERT_FALSE(event) << each.kind << each.body;
    EXPECT_EQ(event.error().number, 1208);
  }
}

}  // namespace
}  // namespace consort::store

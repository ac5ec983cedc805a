#include "store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/file.h"
#include "store/blob_store.h"
#include "store/fault_vfs.h"

namespace consort::store {
namespace {

namespace fs = std::filesystem;
using contract::Value;
using std::string_literals::operator""s;

Value parse(std::string_view json) { return contract::parse_json(json).value(); }

class JournalTest : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(home_); }

  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(home_, clock_);
    EXPECT_TRUE(journal) << journal.error().to_string();
    return std::move(journal).value();
  }
  RunId begin(Journal& journal, uint64_t random = 1) {
    RunId run = new_run_id(clock_, 0, random);
    EXPECT_TRUE(journal.begin(run, "greeter@1.0.0", parse(R"({"seed":7})")));
    return run;
  }
  uint64_t bytes_on_disk() const {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(home_)) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  }

  fs::path home_ =
      fs::temp_directory_path() / ("consort_journal_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
};

TEST_F(JournalTest, ChainsTheWorkedExampleOfTheFormatPage) {
  // The digests were computed by the lines of Python on docs/formats/journal.md.
  auto journal = open();
  RunId run = new_run_id(clock_, 0x0123, 0x456789abcdef0123);
  EXPECT_EQ(run.text, "r_01KAV9FT0004HMASW9NF6YY093");
  Event first =
      journal->begin(run, "greeter@1.0.0", parse(R"({"seed":7,"input":{"name":"Ada"}})")).value();
  EXPECT_EQ(first.chain.hex(), "8711fd7249adc20a7f448ab62a8e3ea22aab9c04cfcb1c42a7ea07aedf605dab");
  auto second =
      journal->append(run, {{EventKind::step_started, "greet", parse(R"({"attempt":1})")}}).value();
  EXPECT_EQ(second[0].chain.hex(),
            "2838dbbd80332cc4b4d1008c7d90dc2ae8ee4d6894e3ce48794c7593e704025d");
  clock_.advance(std::chrono::milliseconds(5));
  auto last = journal
                  ->append(run, {{EventKind::step_completed, "greet",
                                  parse("{\"value\": \"Gr\\u00fcezi, Ada\\n\"}")},
                                 {EventKind::run_completed, "", parse("{}")}})
                  .value();
  EXPECT_EQ(last[0].chain.hex(),
            "40396f9fc12318babbe1e3237942c5448671e6d987064441c731bda06ffea142");
  EXPECT_EQ(last[1].chain.hex(),
            "558b9f782b5622f7463ef39b5144d9e66b5017f1d5e6856ef6eba09336f247eb");
}

TEST_F(JournalTest, ReadsBackWhatWasAppendedAfterItIsReopened) {
  RunId run;
  {
    auto journal = open();
    run = begin(*journal);
    clock_.advance(std::chrono::seconds(3));
    ASSERT_TRUE(
        journal->append(run, {{EventKind::step_completed, "a[1]", parse(R"({"value":1.50})")},
                              {EventKind::run_waiting, "", parse("{}")}}));
  }
  auto journal = open();
  std::vector<Event> events = journal->read(run).value();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].seq, 1);
  EXPECT_EQ(contract::to_json(events[0].body), R"({"agent":"greeter@1.0.0","seed":7})");
  EXPECT_EQ(events[1].kind, EventKind::step_completed);
  EXPECT_EQ(events[1].step, "a[1]");
  EXPECT_EQ(contract::to_json(events[1].body), R"({"value":1.50})") << "numbers keep their text";
  EXPECT_EQ(events[1].unix_ms, 1764000003000);
  RunSummary line = journal->summary(run).value();
  EXPECT_EQ(line.agent, "greeter@1.0.0");
  EXPECT_EQ(line.state, RunState::waiting);
  EXPECT_EQ(line.started_ms, 1764000000000);
  EXPECT_EQ(line.updated_ms, 1764000003000);
  EXPECT_EQ(line.n_events, 3);
}

TEST_F(JournalTest, RefusesEventsAfterTheEnd) {
  auto journal = open();
  RunId run = begin(*journal);
  ASSERT_TRUE(journal->append(run, {{EventKind::run_failed, "", parse("{}")}}));
  auto late = journal->append(run, {{EventKind::step_started, "a", parse("{}")}});
  EXPECT_EQ(late.error().number, 1206);
  EXPECT_EQ(late.error().value, "failed");
  EXPECT_EQ(journal->read(run)->size(), 2u);
}

TEST_F(JournalTest, RefusesAnEndInTheMiddleOfABatchAndWritesNothing) {
  auto journal = open();
  RunId run = begin(*journal);
  auto r = journal->append(run, {{EventKind::run_completed, "", parse("{}")},
                                 {EventKind::step_started, "a", parse("{}")}});
  EXPECT_EQ(r.error().number, 1210);
  EXPECT_EQ(journal->read(run)->size(), 1u);
}

TEST_F(JournalTest, RefusesASecondRunOfTheSameId) {
  auto journal = open();
  RunId run = begin(*journal);
  EXPECT_EQ(journal->begin(run, "other@1", parse("{}")).error().number, 1209);
  EXPECT_EQ(journal->begin(RunId{"../../etc"}, "x@1", parse("{}")).error().number, 1210);
  EXPECT_EQ(
      journal->append(RunId{"r_none"}, {{EventKind::run_resumed, "", parse("{}")}}).error().number,
      1205);
  EXPECT_EQ(journal->read(run)->size(), 1u);
}

TEST_F(JournalTest, RefusesStepNamesThatWouldBreakALine) {
  auto journal = open();
  RunId run = begin(*journal);
  auto with_step = [&](std::string step) {
    return journal->append(run, {{EventKind::step_started, std::move(step), parse("{}")}});
  };
  EXPECT_EQ(with_step("a\nb").error().number, 1210);
  EXPECT_EQ(with_step("a\0b"s).error().number, 1210);
  EXPECT_EQ(with_step(std::string(513, 'a')).error().number, 1210);
  EXPECT_TRUE(with_step(std::string(512, 'a')));
}

TEST_F(JournalTest, MovesMembersOverTheInlineLimitToBlobsAndBack) {
  auto journal = open();
  RunId run = begin(*journal);
  // JSON text of a string has two quotes more than its bytes.
  std::string at_limit(kInlineBytesMax - 2, 'x');
  std::string over_limit(kInlineBytesMax - 1, 'y');
  Value body = Value::object({{"small", at_limit}, {"large", over_limit}, {"n", 1}});
  ASSERT_TRUE(journal->append(run, {{EventKind::step_completed, "a", body}}));
  Event stored = journal->read(run).value()[1];
  EXPECT_TRUE(stored.body.find("small")->is_string());
  const Value* reference = stored.body.find("large")->find("$blob");
  ASSERT_NE(reference, nullptr);
  EXPECT_EQ(reference->as_string(), sha256("\"" + over_limit + "\"").hex());
  EXPECT_EQ(journal->inflate(stored.body).value(), body);
}

TEST_F(JournalTest, KeepsAUsersValueThatLooksLikeAReference) {
  auto journal = open();
  RunId run = begin(*journal);
  Value body = parse(R"({"value":{"$blob":"../../etc/passwd"}})");
  ASSERT_TRUE(journal->append(run, {{EventKind::step_completed, "a", body}}));
  Event stored = journal->read(run).value()[1];
  EXPECT_EQ(journal->inflate(stored.body).value(), body);
}

TEST_F(JournalTest, RefusesAnEventOverTheLimitAndTakesOneAtIt) {
  auto journal = open();
  RunId run = begin(*journal);
  // Members of 40,000 bytes stay inline; 26 of them and a filler reach exactly 1 MiB.
  auto body_of = [](size_t bytes) {
    contract::Object body;
    size_t used = 2;
    for (char c = 'a'; c < 'a' + 26; ++c) {
      body.set(std::string(1, c), Value(std::string(40000, 'x')));
      used += 40000 + 2 + 5;  // Text, its quotes, and "a":, with the comma.
    }
    body.set("z2", Value(std::string(bytes - used - 7, 'x')));  // "z2":"" and no comma.
    EXPECT_EQ(contract::to_json(Value(body)).size(), bytes);
    return Value(body);
  };
  EXPECT_TRUE(journal->append(run, {{EventKind::step_completed, "a", body_of(kEventBytesMax)}}));
  auto over = journal->append(run, {{EventKind::step_completed, "a", body_of(kEventBytesMax + 1)}});
  EXPECT_EQ(over.error().number, 1207);
  EXPECT_EQ(journal->read(run)->size(), 2u);
}

TEST_F(JournalTest, LocksTheHomeAgainstASecondWriterAndNamesTheFirst) {
  auto journal = open();
  auto second = Journal::open(home_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number, 1201);
  EXPECT_THAT(second.error().value, testing::HasSubstr("pid " + std::to_string(::getpid())));
  journal.reset();
  EXPECT_TRUE(Journal::open(home_, clock_));
}

TEST_F(JournalTest, LetsReadersSeeAcknowledgedEventsBesideTheWriter) {
  auto journal = open();
  RunId run = begin(*journal);
  auto reader = Journal::open_read_only(home_);
  ASSERT_TRUE(reader) << reader.error().to_string();
  EXPECT_EQ((*reader)->read(run)->size(), 1u);
  ASSERT_TRUE(journal->append(run, {{EventKind::step_started, "a", parse("{}")}}));
  EXPECT_EQ((*reader)->read(run)->size(), 2u);
  EXPECT_EQ((*reader)->append(run, {{EventKind::step_started, "b", parse("{}")}}).error().number,
            1206);
  EXPECT_EQ(Journal::open_read_only(home_ / "none").error().number, 1205);
}

TEST_F(JournalTest, ListsRunsNewestFirstAndFindsThemByAUniquePrefix) {
  auto journal = open();
  RunId a = begin(*journal, 1);
  clock_.advance(std::chrono::hours(24 * 365));
  RunId b = begin(*journal, 2);
  auto lines = journal->runs(10).value();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].run, b);
  EXPECT_EQ(journal->runs(1)->size(), 1u);
  EXPECT_EQ(journal->summary(RunId{b.text.substr(0, 8)})->run, b);
  EXPECT_EQ(journal->summary(a)->run, a);
  EXPECT_EQ(journal->summary(RunId{"r_"}).error().number, 1215);
  EXPECT_EQ(journal->summary(RunId{"r_7"}).error().number, 1205);
}

TEST_F(JournalTest, SyncsOncePerAppendHoweverManyEventsItCarries) {
  FaultVfs vfs;
  {
    auto journal = open();
    RunId run = begin(*journal);
    for (int i = 0; i < 10; ++i) {
      int64_t before = vfs.n_syncs();
      std::vector<NewEvent> batch(static_cast<size_t>(i) + 1,
                                  NewEvent{EventKind::step_started, "a", parse("{}")});
      ASSERT_TRUE(journal->append(run, std::move(batch)));
      EXPECT_EQ(vfs.n_syncs() - before, 1);
    }
  }
}

TEST_F(JournalTest, CostsAtMostThreeMebibytesForAThousandSteps) {
  auto journal = open();
  RunId run = begin(*journal);
  for (int i = 0; i < 1000; ++i) {
    std::string step = "step_number_" + std::to_string(i);
    ASSERT_TRUE(journal->append(
        run,
        {{EventKind::step_started, step,
          parse(R"({"attempt":1,"seed":"1234567890123456789","input":")" + std::string(64, 'd') +
                R"("})")},
         {EventKind::step_completed, step, parse(R"({"value":null,"usage":{"tool_calls":1}})")}}));
    ASSERT_LE(bytes_on_disk(), 3u << 20) << "with the write-ahead log, at step " << i;
  }
  journal.reset();
  EXPECT_LE(bytes_on_disk(), 1u << 20) << "at rest";
}

TEST_F(JournalTest, SerialisesAppendsOfManyThreadsWithoutGaps) {
  auto journal = open();
  RunId a = begin(*journal, 1), b = begin(*journal, 2);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          ASSERT_TRUE(
              journal->append(t % 2 ? a : b, {{EventKind::step_started, "s", parse("{}")}}));
        }
      });
    }
  }
  EXPECT_EQ(journal->read(a)->size(), 51u);
  EXPECT_EQ(journal->read(b)->size(), 51u);
}

TEST_F(JournalTest, CallsBackForEveryEventOnceItIsDurable) {
  auto journal = open();
  std::vector<int64_t> seen;
  journal->on_durable_append([&](const Event& event) {
    auto reader = Journal::open_read_only(home_);
    ASSERT_TRUE(reader);
    seen.push_back(event.seq);
    EXPECT_GE((*reader)->runs(1).value()[0].n_events, event.seq);
  });
  RunId run = begin(*journal);
  ASSERT_TRUE(journal->append(run, {{EventKind::step_started, "a", parse("{}")},
                                    {EventKind::step_completed, "a", parse("{}")}}));
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3));
}

TEST(RunId, IsAUlidThatSortsByTime) {
  // 01ARYZ6S41 is the ULID specification's own example: 1469918176385 ms.
  ManualClock clock(1469918176385);
  EXPECT_EQ(new_run_id(clock, 0, 0).text, "r_01ARYZ6S410000000000000000");
  EXPECT_EQ(new_run_id(clock, ~0ull, ~0ull).text, "r_01ARYZ6S41ZZZZZZZZZZZZZZZZ");
  ManualClock later(1469918176386);
  EXPECT_LT(new_run_id(clock, ~0ull, ~0ull), new_run_id(later, 0, 0));
  EXPECT_NE(new_run_id(clock), new_run_id(clock));
  EXPECT_TRUE(is_run_id(new_run_id(clock).text));
  EXPECT_FALSE(is_run_id("r_01ARYZ6S41000000000000000U")) << "U is not in Crockford's alphabet";
  EXPECT_FALSE(is_run_id("r_81ARYZ6S410000000000000000")) << "beyond 128 bits";
}

}  // namespace
}  // namespace consort::store

#include "store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace consort::store {
namespace {

namespace fs = std::filesystem;

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::unique_ptr<Database> open(DatabaseOptions options = {}) {
    auto database = Database::open(path_, options);
    EXPECT_TRUE(database) << database.error().to_string();
    return std::move(database).value();
  }
  int64_t count(Database& database) {
    auto select = database.prepare("SELECT count(*) FROM t").value();
    EXPECT_TRUE(select.step().value());
    return select.int_at(0);
  }
  fs::path folder_ =
      fs::temp_directory_path() / ("consort_database_test_" + std::to_string(::getpid()));
  fs::path path_ = folder_ / "a.db";
};

TEST_F(DatabaseTest, RoundTripsEveryTypeIncludingEmptyTextAndBytes) {
  auto database = open();
  ASSERT_TRUE(
      database->exec("CREATE TABLE t(i INTEGER, d REAL, s TEXT, b BLOB, n TEXT, e TEXT) STRICT"));
  const std::array<uint8_t, 3> bytes = {0, 255, 7};
  {
    auto insert = database->prepare("INSERT INTO t VALUES(?1,?2,?3,?4,?5,?6)").value();
    insert.bind(1, INT64_MIN)
        .bind(2, 0.1)
        .bind(3, "Grüezi")
        .bind(4, std::span<const uint8_t>(bytes));
    insert.bind_null(5).bind(6, std::string_view());
    ASSERT_TRUE(insert.run());
  }
  auto select = database->prepare("SELECT * FROM t").value();
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.int_at(0), INT64_MIN);
  EXPECT_EQ(select.double_at(1), 0.1);
  EXPECT_EQ(select.text_at(2), "Grüezi");
  EXPECT_THAT(select.bytes_at(3), testing::ElementsAreArray(bytes));
  EXPECT_TRUE(select.is_null(4));
  EXPECT_FALSE(select.is_null(5));
  EXPECT_FALSE(select.step().value());
}

TEST_F(DatabaseTest, RollsBackATransactionThatWasNotCommitted) {
  auto database = open();
  ASSERT_TRUE(database->exec("CREATE TABLE t(i INTEGER)"));
  {
    auto transaction = Transaction::begin(*database).value();
    ASSERT_TRUE(database->exec("INSERT INTO t VALUES(1)"));
  }
  EXPECT_EQ(count(*database), 0);
  {
    auto transaction = Transaction::begin(*database).value();
    ASSERT_TRUE(database->exec("INSERT INTO t VALUES(1)"));
    ASSERT_TRUE(transaction.commit());
  }
  EXPECT_EQ(count(*database), 1);
}

TEST_F(DatabaseTest, AnswersATypedErrorForABrokenConstraintAndABadParameter) {
  auto database = open();
  ASSERT_TRUE(database->exec("CREATE TABLE t(i INTEGER PRIMARY KEY)"));
  ASSERT_TRUE(database->exec("INSERT INTO t VALUES(1)"));
  EXPECT_EQ(database->exec("INSERT INTO t VALUES(1)").error().number, 1209);
  auto insert = database->prepare("INSERT INTO t VALUES(?1)").value();
  EXPECT_EQ(insert.bind(2, int64_t{5}).run().error().number, 1299);
  insert.reset();
  EXPECT_TRUE(insert.bind(1, int64_t{5}).run());
}

TEST_F(DatabaseTest, SaysWhenAnotherConnectionHoldsTheWriteLock) {
  auto first = open();
  ASSERT_TRUE(first->exec("CREATE TABLE t(i INTEGER)"));
  auto second = open({.busy_timeout_ms = 0});
  auto transaction = Transaction::begin(*first).value();
  auto refused = second->exec("INSERT INTO t VALUES(1)");
  EXPECT_EQ(refused.error().number, 1213);
  EXPECT_TRUE(traits(refused.error().code).retryable);
}

TEST_F(DatabaseTest, MigratesStepByStepAndRefusesANewerFormat) {
  const std::array<std::string_view, 1> one = {"CREATE TABLE t(i INTEGER)"};
  const std::array<std::string_view, 2> two = {one[0], "ALTER TABLE t ADD COLUMN j INTEGER"};
  ASSERT_TRUE(open()->migrate(one));
  {
    auto database = open();
    ASSERT_TRUE(database->migrate(two));
    ASSERT_TRUE(database->migrate(two)) << "a second time changes nothing";
    EXPECT_EQ(database->user_version().value(), 2);
    EXPECT_TRUE(database->exec("INSERT INTO t(j) VALUES(1)"));
  }
  EXPECT_EQ(open()->migrate(one).error().number, 1204);
}

TEST_F(DatabaseTest, LeavesTheVersionWhenAMigrationFails) {
  const std::array<std::string_view, 2> bad = {"CREATE TABLE t(i INTEGER)",
                                               "CREATE TABLE t(i INTEGER)"};
  auto database = open();
  EXPECT_FALSE(database->migrate(bad));
  EXPECT_EQ(database->user_version().value(), 1);
}

TEST_F(DatabaseTest, ReadsWithoutWritingAndNeverCreates) {
  EXPECT_EQ(Database::open(path_, {.read_only = true}).error().number, 1203);
  EXPECT_FALSE(fs::exists(path_));
  ASSERT_TRUE(open()->exec("CREATE TABLE t(i INTEGER); INSERT INTO t VALUES(1)"));
  auto reader = open({.read_only = true});
  EXPECT_EQ(count(*reader), 1);
  EXPECT_EQ(reader->exec("INSERT INTO t VALUES(2)").error().number, 1203);
}

TEST_F(DatabaseTest, NamesAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(5000, 'x');
  auto opened = Database::open(path_);
  EXPECT_EQ(opened.error().number, 1202);
  EXPECT_EQ(opened.error().place, path_.string());
}

TEST_F(DatabaseTest, OpensAPathWithCharactersThatUrisGiveMeaning) {
  fs::path odd = folder_ / "a?b#c%20d.db";
  ASSERT_TRUE(Database::open(odd).value()->exec("CREATE TABLE t(i INTEGER)"));
  EXPECT_TRUE(fs::exists(odd));
  EXPECT_TRUE(Database::open(odd, {.read_only = true}));
}

}  // namespace
}  // namespace consort::store

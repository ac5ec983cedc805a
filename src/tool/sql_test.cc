#include "tool/sql.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>

namespace consort::tool {
namespace {

using contract::Value;

class Sql : public testing::Test {
 protected:
  void SetUp() override {
    file_ = std::filesystem::temp_directory_path() /
            (std::string("consort_sql_test_") + testing::UnitTest::GetInstance()->current_test_info()->name() + "_" +
             std::to_string(::getpid()) + ".db");
    std::filesystem::remove(file_);
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db,
                           "CREATE TABLE sales(region TEXT, year INTEGER, amount REAL, note BLOB);"
                           "INSERT INTO sales VALUES('north', 2022, 10.5, NULL), ('south', 2022, 7, NULL),"
                           "('north', 2023, 12.25, x'00ff');"
                           "CREATE VIRTUAL TABLE labels USING fts5(label);"
                           "INSERT INTO labels VALUES('total revenues'), ('net income');",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
  }
  void TearDown() override { std::filesystem::remove(file_); }

  Result<Value> ask(std::string text, Value params = {}, SqlLimits limits = {}, std::optional<int> max_rows = {}) {
    return run_sql(file_, {std::move(text), std::move(params), max_rows}, limits, {});
  }
  int number_of(std::string text, Value params = {}, SqlLimits limits = {}) {
    const auto r = ask(std::move(text), std::move(params), limits);
    return r ? 0 : r.error().number;
  }
  std::filesystem::path file_;
};

TEST_F(Sql, AnswersWithColumnsAndTypedRows) {
  const auto r = ask("SELECT region, year, amount, note FROM sales WHERE year = 2022 ORDER BY region");
  ASSERT_TRUE(r.has_value()) << r.error().to_string();
  EXPECT_EQ(contract::to_json(*r),
            R"({"columns":["region","year","amount","note"],"rows":[["north",2022,10.5,null],["south",2022,7,null]],)"
            R"("truncated":false,"more":false})");
}

TEST_F(Sql, BindsListedAndNamedParameters) {
  Value list{contract::Array{Value("north"), Value(2023)}};
  EXPECT_EQ(contract::to_json(*ask("SELECT amount FROM sales WHERE region = ? AND year = ?", list)->find("rows")), "[[12.25]]");
  Value named = Value::object({{"r", "south"}});
  EXPECT_EQ(contract::to_json(*ask("SELECT amount FROM sales WHERE region = :r", named)->find("rows")), "[[7]]");
  EXPECT_EQ(number_of("SELECT ?"), 5307);
  EXPECT_EQ(number_of("SELECT :a", Value::object({{"b", 1}})), 5307);
  EXPECT_EQ(number_of("SELECT ?", Value{contract::Array{Value{contract::Array{}}}}), 5307);
  // A value is never read as SQL.
  Value hostile{contract::Array{Value("x'; DROP TABLE sales; --")}};
  EXPECT_EQ(contract::to_json(*ask("SELECT count(*) FROM sales WHERE region = ?", hostile)->find("rows")), "[[0]]");
}

TEST_F(Sql, AllowsNothingButSelect) {
  for (const char* text :
       {"DELETE FROM sales", "INSERT INTO sales VALUES('x', 1, 1, NULL)", "UPDATE sales SET amount = 0", "DROP TABLE sales",
        "CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "ATTACH ':memory:' AS other", "PRAGMA table_info(sales)",
        "PRAGMA writable_schema = 1", "VACUUM", "BEGIN", "ANALYZE", "REINDEX", "EXPLAIN SELECT 1",
        "SELECT load_extension('x')", "SELECT random()", "SELECT randomblob(3)", "SELECT CURRENT_TIMESTAMP",
        "SELECT * FROM pragma_database_list", "WITH x AS (SELECT 1) DELETE FROM sales"}) {
    EXPECT_EQ(number_of(text), 5303) << text << ": " << (ask(text) ? "" : ask(text).error().to_string());
  }
  EXPECT_EQ(contract::to_json(*ask("SELECT count(*) FROM sales")->find("rows")), "[[3]]");
}

TEST_F(Sql, RefusesMoreThanOneStatement) {
  EXPECT_EQ(number_of("SELECT 1; SELECT 2"), 5308);
  EXPECT_EQ(number_of(""), 5308);
  EXPECT_EQ(number_of("-- nothing"), 5308);
  EXPECT_EQ(number_of("SELECT 1; -- done\n ;"), 0);
  EXPECT_NE(number_of("SELECT 1; DROP TABLE sales"), 0);
}

TEST_F(Sql, PassesOnTheMessageOfSqlite) {
  const auto r = ask("SELECT amont FROM sales");
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().number, 5302);
  EXPECT_NE(r.error().message.find("no such column: amont"), std::string::npos);
  EXPECT_EQ(r.error().place, "query column 8");
}

constexpr const char* kNumbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) SELECT i FROM n";

TEST_F(Sql, TreatsTooManyRowsAsAnErrorNotAsACut) {
  EXPECT_EQ(number_of(kNumbers), 5304);
  EXPECT_EQ(ask(std::string(kNumbers) + " WHERE i <= 1000")->find("rows")->as_array().size(), 1000u);
  const auto first = ask(kNumbers, {}, {}, 10);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->find("rows")->as_array().size(), 10u);
  EXPECT_TRUE(first->find("more")->as_bool());
  EXPECT_FALSE(ask("SELECT 1", {}, {}, 10)->find("more")->as_bool());
}

// A clock that moves by a second each time someone looks: the limit is met by counting, not by waiting.
class SteppingClock final : public Clock {
 public:
  int64_t unix_ms() const override { return 0; }
  Nanoseconds monotonic() const override { return std::chrono::seconds(++now_); }

 private:
  mutable std::atomic<int64_t> now_{0};
};

TEST_F(Sql, StopsAQueryAtItsTimeLimit) {
  const SteppingClock clock;
  CallContext context;
  context.clock = &clock;
  const std::string endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
  const auto r = run_sql(file_, {endless, {}, {}}, {}, context);
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().number, 5305);
}

TEST_F(Sql, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  CallContext context;
  context.stop = source.get_token();
  const std::string endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
  EXPECT_EQ(run_sql(file_, {endless, {}, {}}, {}, context).error().number, 5208);
}

TEST_F(Sql, BoundsStatementValueAndAnswerSize) {
  EXPECT_EQ(number_of("SELECT '" + std::string(20000, 'x') + "'"), 5306);
  EXPECT_EQ(number_of("SELECT hex(zeroblob(2000000))"), 5306);
  SqlLimits small;
  small.answer_bytes_max = 100;
  EXPECT_EQ(number_of("SELECT hex(zeroblob(60))", {}, small), 5306);
  EXPECT_EQ(number_of("SELECT hex(zeroblob(40))", {}, small), 0);
}

TEST_F(Sql, RefusesValuesWithoutAJsonForm) {
  EXPECT_EQ(number_of("SELECT note FROM sales"), 5309);
  EXPECT_EQ(number_of("SELECT 9e999"), 5309);
  EXPECT_EQ(number_of("SELECT CAST(x'ff' AS TEXT)"), 5309);
}

TEST_F(Sql, SearchesFullTextTables) {
  const auto r = ask("SELECT label FROM labels WHERE labels MATCH 'revenues'");
  ASSERT_TRUE(r.has_value()) << r.error().to_string();
  EXPECT_EQ(contract::to_json(*r->find("rows")), R"([["total revenues"]])");
}

TEST_F(Sql, SaysThatAFileIsMissing) {
  const auto r = run_sql("/nonexistent/tables.db", {"SELECT 1", {}, {}}, {}, {});
  EXPECT_EQ(r.error().number, 5301);
}

}  // namespace
}  // namespace consort::tool

// Database: one SQLite connection with the settings that every file of Consort's home uses.
//
// What it adds to the C interface: durable settings at open (WAL, synchronous=FULL, foreign keys, a
// busy timeout), statements that are prepared once and lent out, transactions that roll back on
// every early return, migrations by `user_version`, and one place where SQLite's result codes
// become typed errors.
//
// Not for: hiding SQL, or sharing a connection between threads. Each connection belongs to one
// thread at a time; the owner locks (see journal.cc).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace consort::store {

struct DatabaseOptions {
  // Never creates, writes, or checkpoints. For readers beside a running writer.
  bool read_only = false;
  // Move the WAL back into the database once it holds this many pages; 0 = never. At most one
  // connection of a file should: SQLite before 3.51.3 could lose a commit when two connections
  // raced to write and reset the WAL (sqlite.org/wal.html, "The WAL-reset bug").
  int checkpoint_pages = 0;
  // How long a statement waits for another process's lock before 1213.
  int busy_timeout_ms = 5000;
};

// A prepared statement on loan from its Database's cache: bind, step, read columns. Destroying it
// resets it and gives it back. Parameters and columns count as SQLite counts them: from 1 and from
// 0.
class Statement final {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Text and bytes are borrowed: they must live until the statement has been stepped.
  Statement& bind(int parameter, int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::span<const uint8_t> bytes);
  Statement& bind_null(int parameter);

  // True: a row is ready. False: done. Reports a failed bind, too.
  Result<bool> step();
  // For statements without rows.
  Result<void> run();
  // Starts over, keeping nothing bound.
  void reset();

  int64_t int_at(int column) const;
  double double_at(int column) const;
  // Valid until the next step, reset, or destruction.
  std::string_view text_at(int column) const;
  std::span<const uint8_t> bytes_at(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(class Database* database, sqlite3_stmt* statement, bool* lent)
      : database_(database), statement_(statement), lent_(lent) {}
  class Database* database_;
  sqlite3_stmt* statement_;
  bool* lent_;
  int bind_error_ = 0;
};

// Resource. One thread at a time.
class Database final {
 public:
  // Errors, of this and of every statement: corruption 1202 (not a database, or a damaged page),
  // unavailable 1203 (read-only, full, or failing disk), unavailable 1213 (locked by another
  // process for longer than the busy timeout), resource_exhausted 1207 (a value over SQLite's
  // limits), already_exists 1209 (a uniqueness constraint), internal 1299 (our SQL is wrong).
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path,
                                                const DatabaseOptions& options = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs statements separated by semicolons, without parameters or rows.
  Result<void> exec(std::string_view sql);
  // At most kStatementsMax distinct texts; a text may be on loan once at a time.
  Result<Statement> prepare(std::string_view sql);

  // Brings the file from its `user_version` n to steps.size() by running steps[n], steps[n+1], ...
  // in one transaction each. A file with a larger version is newer than this program: unsupported
  // 1204.
  Result<void> migrate(std::span<const std::string_view> steps);
  Result<int64_t> user_version();
  // Error 1202 if the file was made for something else.
  Result<void> expect_application_id(int64_t id);

  int64_t last_insert_rowid() const;
  int64_t changes() const;
  const std::filesystem::path& path() const { return path_; }
  // True once a write or sync of the file failed: what the disk holds is not known until it is
  // reopened.
  bool io_failed() const { return io_failed_; }

 private:
  friend class Statement;
  struct Cached {
    sqlite3_stmt* statement = nullptr;
    bool lent = false;
  };
  Database(sqlite3* handle, std::filesystem::path path);
  Error error(int rc);

  sqlite3* handle_;
  std::filesystem::path path_;
  std::map<std::string, std::unique_ptr<Cached>, std::less<>> statements_;
  bool io_failed_ = false;
};

inline constexpr size_t kStatementsMax = 256;

// BEGIN IMMEDIATE ... COMMIT, or ROLLBACK when destroyed without commit.
class Transaction final {
 public:
  static Result<Transaction> begin(Database& database);
  // A read snapshot: every statement until it is destroyed sees the same state of the file.
  static Result<Transaction> begin_read(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  // Blocks for one fdatasync. After an error nothing of the transaction is visible.
  Result<void> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace consort::store

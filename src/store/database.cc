#include "store/database.h"

#include <sqlite3.h>

namespace consort::store {
namespace {

// The error for a result code, without the connection's own text.
Error classify(int rc) {
  switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return make_error(ErrorCode::corruption, 1202, "the database is damaged")
          .to_fix("restore the file from a backup, or move it away to start empty");
    case SQLITE_FULL:
      return make_error(ErrorCode::unavailable, 1203, "the disk is full")
          .to_fix("free some disk space and try again");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return make_error(ErrorCode::unavailable, 1203, "the database cannot be opened or written")
          .to_fix("check that the folder exists, is writable, and is on a writable disk");
    case SQLITE_IOERR:
    case SQLITE_NOLFS:
      return make_error(ErrorCode::unavailable, 1203, "reading or writing the disk failed")
          .to_fix("check the disk, its free space, and file size limits");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return make_error(ErrorCode::unavailable, 1213, "another process holds the database")
          .to_fix("wait for the other process, or stop it");
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
      return make_error(ErrorCode::resource_exhausted, 1207,
                        "a value is too large for the database");
    case SQLITE_CONSTRAINT:
      return make_error(ErrorCode::already_exists, 1209, "an entry with this key exists already");
    default:
      return make_error(ErrorCode::internal, 1299, "unexpected database result");
  }
}

// SQLite's path syntax for `immutable=1`; '?', '#' and '%' are the characters that it would
// interpret.
std::string immutable_uri(const std::filesystem::path& path) {
  std::string out = "file:";
  for (char c : path.string()) {
    if (c == '?')
      out += "%3f";
    else if (c == '#')
      out += "%23";
    else if (c == '%')
      out += "%25";
    else
      out += c;
  }
  return out + "?immutable=1";
}

}  // namespace

Database::Database(sqlite3* handle, std::filesystem::path path)
    : handle_(handle), path_(std::move(path)) {}

Database::~Database() {
  for (auto& [sql, cached] : statements_) sqlite3_finalize(cached->statement);
  sqlite3_close_v2(handle_);
}

Error Database::error(int rc) {
  int primary = rc & 0xff;
  if (primary == SQLITE_IOERR && rc != SQLITE_IOERR_READ && rc != SQLITE_IOERR_SHORT_READ) {
    io_failed_ = true;
  }
  Error out = classify(rc).at(path_.string());
  out.message += std::string(": ") + sqlite3_errmsg(handle_);
  if (int system = sqlite3_system_errno(handle_); primary == SQLITE_IOERR && system != 0) {
    out.message += " (errno " + std::to_string(system) + ")";
  }
  return out;
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path,
                                                 const DatabaseOptions& options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  auto connect = [&](const std::string& name, int more) -> Result<std::unique_ptr<Database>> {
    sqlite3* handle = nullptr;
    int rc = sqlite3_open_v2(name.c_str(), &handle, flags | more, nullptr);
    if (handle == nullptr) return fail(classify(rc).at(path.string()));
    std::unique_ptr<Database> database(new Database(handle, path));
    if (rc != SQLITE_OK) return fail(database->error(rc));
    sqlite3_busy_timeout(handle, options.busy_timeout_ms);
    // A file may come from anywhere: its schema is not trusted to call functions, and cells are
    // checked for size when a page is read.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, options.checkpoint_pages == 0,
                      nullptr);
    sqlite3_wal_autocheckpoint(handle, options.checkpoint_pages);
    CONSORT_TRY(database->exec("PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"));
    if (!options.read_only) {
      // The size limit gives the WAL's space back after a burst.
      CONSORT_TRY(database->exec(
          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=1048576;"));
    }
    // The first read of the file: a file that is no database fails here and not in mid-work.
    CONSORT_TRY(database->user_version());
    return database;
  };
  auto database = connect(path.string(), 0);
  if (!database && options.read_only && std::filesystem::exists(path)) {
    // On a read-only disk SQLite cannot create the index of the WAL. Without a WAL nobody is
    // writing and the file is complete as it stands.
    std::error_code ignored;
    auto wal_bytes = std::filesystem::file_size(path.string() + "-wal", ignored);
    if (ignored || wal_bytes == 0) {
      auto immutable = connect(immutable_uri(path), SQLITE_OPEN_URI);
      if (immutable) return immutable;
    }
  }
  return database;
}

Result<void> Database::exec(std::string_view sql) {
  int rc = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return fail(error(rc));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    CONSORT_CHECK(statements_.size() < kStatementsMax);
    sqlite3_stmt* statement = nullptr;
    int rc = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (rc != SQLITE_OK) return fail(error(rc));
    auto cached = std::make_unique<Cached>();
    cached->statement = statement;
    found = statements_.emplace(std::string(sql), std::move(cached)).first;
  }
  CONSORT_CHECK(!found->second->lent);
  found->second->lent = true;
  return Statement(this, found->second->statement, &found->second->lent);
}

Result<int64_t> Database::user_version() {
  CONSORT_ASSIGN(Statement statement, prepare("PRAGMA user_version"));
  CONSORT_ASSIGN(bool row, statement.step());
  return row ? statement.int_at(0) : 0;
}

Result<void> Database::migrate(std::span<const std::string_view> steps) {
  CONSORT_ASSIGN(int64_t version, user_version());
  if (version < 0 || version > static_cast<int64_t>(steps.size())) {
    return fail(make_error(ErrorCode::unsupported, 1204,
                           "the database has format " + std::to_string(version) +
                               ", this program knows formats up to " + std::to_string(steps.size()))
                    .at(path_.string())
                    .to_fix("use the newer program that wrote it"));
  }
  for (auto i = static_cast<size_t>(version); i < steps.size(); ++i) {
    CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*this));
    CONSORT_TRY_CONTEXT(exec(steps[i]), "migrating to format " + std::to_string(i + 1));
    CONSORT_TRY(exec("PRAGMA user_version=" + std::to_string(i + 1)));
    CONSORT_TRY(transaction.commit());
  }
  return {};
}

Result<void> Database::expect_application_id(int64_t id) {
  CONSORT_ASSIGN(Statement statement, prepare("PRAGMA application_id"));
  CONSORT_ASSIGN(bool row, statement.step());
  if (row && statement.int_at(0) == id) return {};
  return fail(make_error(ErrorCode::corruption, 1202, "the database belongs to another program")
                  .at(path_.string())
                  .to_fix("move the file away, or use another --home"));
}

int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }
int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      lent_(other.lent_),
      bind_error_(other.bind_error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  reset();
  *lent_ = false;
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bind_error_ = 0;
}

Statement& Statement::bind(int parameter, int64_t value) {
  if (int rc = sqlite3_bind_int64(statement_, parameter, value); rc != SQLITE_OK) bind_error_ = rc;
  return *this;
}

Statement& Statement::bind(int parameter, double value) {
  if (int rc = sqlite3_bind_double(statement_, parameter, value); rc != SQLITE_OK) bind_error_ = rc;
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL: an empty view is the empty text.
  const char* data = text.data() == nullptr ? "" : text.data();
  int rc =
      sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (rc != SQLITE_OK) bind_error_ = rc;
  return *this;
}

Statement& Statement::bind(int parameter, std::span<const uint8_t> bytes) {
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  int rc = sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), SQLITE_STATIC);
  if (rc != SQLITE_OK) bind_error_ = rc;
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  if (int rc = sqlite3_bind_null(statement_, parameter); rc != SQLITE_OK) bind_error_ = rc;
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != 0) return fail(database_->error(bind_error_));
  int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  Error error = database_->error(rc);
  sqlite3_reset(statement_);
  return fail(std::move(error));
}

Result<void> Statement::run() {
  CONSORT_TRY(step());
  return {};
}

int64_t Statement::int_at(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::double_at(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::text_at(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr ? std::string_view()
                         : std::string_view(text, sqlite3_column_bytes(statement_, column));
}

std::span<const uint8_t> Statement::bytes_at(int column) const {
  const auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Result<Transaction> Transaction::begin(Database& database) {
  CONSORT_ASSIGN(Statement statement, database.prepare("BEGIN IMMEDIATE"));
  CONSORT_TRY(statement.run());
  return Transaction(&database);
}

Result<Transaction> Transaction::begin_read(Database& database) {
  CONSORT_ASSIGN(Statement statement, database.prepare("BEGIN"));
  CONSORT_TRY(statement.run());
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  // After some errors SQLite has rolled back by itself; then this one says so and changes nothing.
  (void)database_->exec("ROLLBACK");
}

Result<void> Transaction::commit() {
  CONSORT_ASSIGN(Statement statement, database_->prepare("COMMIT"));
  CONSORT_TRY(statement.run());
  database_ = nullptr;
  return {};
}

}  // namespace consort::store

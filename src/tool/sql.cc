#include "tool/sql.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>

#include "contract/utf8.h"

namespace consort::tool {
namespace {

using contract::Array;
using contract::Object;
using contract::Value;

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

// What the callbacks of one query share.
struct Guard {
  std::string denied;  // First thing the authorizer refused.
  const CallContext* context = nullptr;
  const Clock* clock = nullptr;
  Nanoseconds end{0};
  bool timed_out = false, stopped = false;
};

bool is_impure(std::string_view function) {
  static constexpr std::string_view kImpure[] = {
      "load_extension", "random", "randomblob", "current_date", "current_time", "current_timestamp",
      "last_insert_rowid", "changes", "total_changes", "fts3_tokenizer", "sqlite_compileoption_get",
      "sqlite_compileoption_used", "sqlite_source_id", "sqlite_log", "readfile", "writefile", "edit"};
  for (const std::string_view name : kImpure)
    if (sqlite3_strnicmp(function.data(), name.data(), static_cast<int>(name.size())) == 0 &&
        function.size() == name.size())
      return true;
  return false;
}

int authorize(void* user, int action, const char* first, const char* second, const char*, const char*) {
  auto& guard = *static_cast<Guard*>(user);
  const std::string_view a = first == nullptr ? "" : first, b = second == nullptr ? "" : second;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      if (!is_impure(b)) return SQLITE_OK;
      if (guard.denied.empty()) guard.denied = fmt::format("function {}()", b);
      return SQLITE_DENY;
    case SQLITE_PRAGMA:
      if (a == "data_version" && b.empty()) return SQLITE_OK;  // FTS5 asks for it inside MATCH.
      if (guard.denied.empty()) guard.denied = fmt::format("PRAGMA {}", a);
      return SQLITE_DENY;
    case SQLITE_ATTACH:
      if (guard.denied.empty()) guard.denied = "ATTACH";
      return SQLITE_DENY;
    default:
      if (guard.denied.empty())
        guard.denied = a.empty() ? "a statement that is not SELECT" : fmt::format("changing '{}'", a);
      return SQLITE_DENY;
  }
}

int progress(void* user) {
  auto& guard = *static_cast<Guard*>(user);
  if (guard.context->stop.stop_requested()) guard.stopped = true;
  if (guard.clock->monotonic() >= guard.end) guard.timed_out = true;
  return guard.stopped || guard.timed_out ? 1 : 0;
}

// Full-text tables declare their columns to SQLite when first used, which an authorizer sees as a
// change of the schema: they are connected before it is set.
void connect_full_text(sqlite3* db) {
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v2(db,
                     "SELECT printf('SELECT 1 FROM \"%w\" LIMIT 0', name) FROM sqlite_master "
                     "WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'",
                     -1, &raw, nullptr);
  const Statement names(raw);
  while (raw != nullptr && sqlite3_step(raw) == SQLITE_ROW)
    sqlite3_exec(db, reinterpret_cast<const char*>(sqlite3_column_text(raw, 0)), nullptr, nullptr, nullptr);
}

Result<Db> open_read_only(const std::filesystem::path& file, const SqlLimits& limits) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                                 nullptr);
  Db db(raw);
  if (rc != SQLITE_OK)
    return fail(make_error(ErrorCode::unavailable, 5301,
                           fmt::format("cannot open the tables: {}", raw ? sqlite3_errmsg(raw) : "out of memory"))
                    .got(file.string())
                    .to_fix("ingest documents into the memory first"));
  sqlite3_busy_timeout(raw, 1000);
  for (const char* setting : {"PRAGMA query_only=1", "PRAGMA cache_size=-8192", "PRAGMA temp_store=FILE",
                              "PRAGMA mmap_size=0", "PRAGMA trusted_schema=0"})
    sqlite3_exec(raw, setting, nullptr, nullptr, nullptr);
  connect_full_text(raw);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, limits.value_bytes_max);
  sqlite3_limit(raw, SQLITE_LIMIT_SQL_LENGTH, limits.sql_bytes_max);
  sqlite3_limit(raw, SQLITE_LIMIT_COLUMN, std::max(limits.columns_max, 100));
  sqlite3_limit(raw, SQLITE_LIMIT_EXPR_DEPTH, 100);
  sqlite3_limit(raw, SQLITE_LIMIT_COMPOUND_SELECT, 20);
  sqlite3_limit(raw, SQLITE_LIMIT_VDBE_OP, 100000);
  sqlite3_limit(raw, SQLITE_LIMIT_FUNCTION_ARG, 32);
  sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(raw, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
  sqlite3_limit(raw, SQLITE_LIMIT_VARIABLE_NUMBER, 100);
  sqlite3_limit(raw, SQLITE_LIMIT_WORKER_THREADS, 0);
  return db;
}

Error failure(sqlite3* db, int rc, const Guard& guard, const SqlQuery& query, const SqlLimits& limits) {
  if (guard.stopped)
    return make_error(ErrorCode::cancelled, 5208, "query stopped").to_fix("resume the run");
  if (guard.timed_out)
    return make_error(ErrorCode::deadline_exceeded, 5305,
                      fmt::format("query took longer than its time limit ({} ms)", limits.time_ms_max))
        .got(query.text)
        .to_fix("select less: filter by doc, company or period_end");
  if (!guard.denied.empty())
    return make_error(ErrorCode::failed_precondition, 5303,
                      fmt::format("not allowed in a read-only query: {}", guard.denied))
        .got(query.text)
        .to_fix("use one SELECT (or WITH ... SELECT) over the tables of the memory");
  if (rc == SQLITE_TOOBIG || rc == SQLITE_NOMEM || rc == SQLITE_FULL)
    return make_error(ErrorCode::resource_exhausted, 5306, fmt::format("query is too large: {}", sqlite3_errmsg(db)))
        .got(query.text)
        .to_fix(fmt::format("keep the statement under {} bytes and each value under {} bytes", limits.sql_bytes_max,
                            limits.value_bytes_max));
  Error error = make_error(ErrorCode::invalid_argument, 5302, sqlite3_errmsg(db)).got(query.text);
  const int offset = sqlite3_error_offset(db);
  if (offset >= 0) error = std::move(error).at(fmt::format("query column {}", offset + 1));
  return std::move(error).to_fix("check names against SELECT name, sql FROM sqlite_master");
}

Result<void> bind_one(sqlite3_stmt* s, int index, const Value& v) {
  int rc = SQLITE_OK;
  if (v.is_null()) {
    rc = sqlite3_bind_null(s, index);
  } else if (const bool* b = v.get_bool()) {
    rc = sqlite3_bind_int(s, index, *b ? 1 : 0);
  } else if (const contract::Number* n = v.get_number()) {
    const std::optional<int64_t> i = n->as_int64();
    rc = i ? sqlite3_bind_int64(s, index, *i) : sqlite3_bind_double(s, index, n->as_double());
  } else if (const std::string* t = v.get_string()) {
    rc = sqlite3_bind_text(s, index, t->data(), static_cast<int>(t->size()), SQLITE_TRANSIENT);
  } else {
    return fail(make_error(ErrorCode::invalid_argument, 5307, "a parameter is neither null, boolean, number nor string")
                    .at(fmt::format("params/{}", index - 1))
                    .to_fix("pass one plain value per parameter"));
  }
  if (rc != SQLITE_OK)
    return fail(make_error(ErrorCode::invalid_argument, 5307, "parameter cannot be bound")
                    .at(fmt::format("params/{}", index - 1))
                    .to_fix("pass a shorter value"));
  return {};
}

Result<void> bind_all(sqlite3_stmt* s, const Value& params) {
  const int wanted = sqlite3_bind_parameter_count(s);
  const Array* list = params.get_array();
  const Object* named = params.get_object();
  const size_t given = list ? list->size() : named ? named->size() : 0;
  if (given != static_cast<size_t>(wanted))
    return fail(make_error(ErrorCode::invalid_argument, 5307,
                           fmt::format("the query has {} parameters, {} were given", wanted, given))
                    .to_fix("give one value for each ? or :name"));
  for (int i = 1; i <= wanted; ++i) {
    const char* name = sqlite3_bind_parameter_name(s, i);
    const Value* v = nullptr;
    if (list != nullptr) v = &(*list)[static_cast<size_t>(i - 1)];
    if (named != nullptr && name != nullptr) v = named->find(name + 1);
    if (v == nullptr)
      return fail(make_error(ErrorCode::invalid_argument, 5307, "no value for this parameter")
                      .got(name ? name : "?")
                      .to_fix("name parameters :like_this and give an object with the same names"));
    CONSORT_TRY(bind_one(s, i, *v));
  }
  return {};
}

Result<Value> column_value(sqlite3_stmt* s, int i, uint64_t* bytes) {
  switch (sqlite3_column_type(s, i)) {
    case SQLITE_NULL:
      *bytes += 4;
      return Value();
    case SQLITE_INTEGER:
      *bytes += 8;
      return Value(static_cast<int64_t>(sqlite3_column_int64(s, i)));
    case SQLITE_FLOAT: {
      *bytes += 8;
      const double d = sqlite3_column_double(s, i);
      if (std::isfinite(d)) return Value(d);
      break;
    }
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, i));
      const auto size = static_cast<size_t>(sqlite3_column_bytes(s, i));
      *bytes += size;
      const std::string_view view(text == nullptr ? "" : text, text == nullptr ? 0 : size);
      if (contract::find_ill_formed(view) == std::string_view::npos) return Value(view);
      break;
    }
    default:
      break;
  }
  return fail(make_error(ErrorCode::unsupported, 5309, "a value has no JSON form (a blob, an infinite number, or text that is not UTF-8)")
                  .at(fmt::format("column {}", sqlite3_column_name(s, i)))
                  .to_fix("select text or numbers; use hex(column) for a blob"));
}

Result<Statement> prepare(sqlite3* db, const SqlQuery& query, const SqlLimits& limits, const Guard& guard) {
  if (query.text.size() > static_cast<size_t>(limits.sql_bytes_max))
    return fail(make_error(ErrorCode::resource_exhausted, 5306,
                           fmt::format("query is longer than {} bytes", limits.sql_bytes_max))
                    .to_fix("write a shorter query, and pass values as params"));
  if (query.text.find('\0') != std::string::npos)
    return fail(make_error(ErrorCode::invalid_argument, 5302, "query contains a NUL byte").to_fix("remove it"));
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int rc = sqlite3_prepare_v2(db, query.text.c_str(), -1, &raw, &tail);
  Statement statement(raw);
  if (rc != SQLITE_OK) return fail(failure(db, rc, guard, query, limits));
  // What follows the first statement must be blank or a comment: preparing it says so.
  while (raw != nullptr && tail != nullptr && *tail != '\0') {
    sqlite3_stmt* next = nullptr;
    const char* from = tail;
    const int next_rc = sqlite3_prepare_v2(db, from, -1, &next, &tail);
    const Statement second(next);
    if (next_rc == SQLITE_OK && next == nullptr && tail != from) continue;
    if (next_rc == SQLITE_OK && next == nullptr) break;
    return fail(make_error(ErrorCode::invalid_argument, 5308, "more than one statement")
                    .got(from)
                    .to_fix("send one SELECT per call"));
  }
  if (raw == nullptr)
    return fail(make_error(ErrorCode::invalid_argument, 5308, "no statement").got(query.text).to_fix("send one SELECT"));
  if (sqlite3_stmt_readonly(raw) == 0 || sqlite3_stmt_isexplain(raw) != 0)
    return fail(make_error(ErrorCode::failed_precondition, 5303, "not a plain read-only query")
                    .got(query.text)
                    .to_fix("send one SELECT"));
  return statement;
}

}  // namespace

Result<Value> run_sql(const std::filesystem::path& file, const SqlQuery& query, const SqlLimits& limits,
                      const CallContext& context) {
  const SystemClock steady;
  Guard guard;
  guard.context = &context;
  guard.clock = context.clock != nullptr ? context.clock : &steady;
  guard.end = guard.clock->monotonic() + std::chrono::milliseconds(limits.time_ms_max);
  if (context.clock != nullptr && context.deadline.count() > 0) guard.end = std::min(guard.end, context.deadline);

  CONSORT_ASSIGN(Db db, open_read_only(file, limits));
  sqlite3_set_authorizer(db.get(), authorize, &guard);
  sqlite3_progress_handler(db.get(), 1000, progress, &guard);
  CONSORT_ASSIGN(Statement statement, prepare(db.get(), query, limits, guard));
  CONSORT_TRY(bind_all(statement.get(), query.params));

  const int n_columns = sqlite3_column_count(statement.get());
  if (n_columns > limits.columns_max)
    return fail(make_error(ErrorCode::resource_exhausted, 5304,
                           fmt::format("query has {} columns, the limit is {}", n_columns, limits.columns_max))
                    .to_fix("name the columns that are needed"));
  Array columns;
  for (int i = 0; i < n_columns; ++i) columns.emplace_back(sqlite3_column_name(statement.get(), i));

  const int cap = std::min(query.max_rows.value_or(limits.rows_max), limits.rows_max);
  Array rows;
  uint64_t bytes = 0;
  bool more = false;
  while (true) {
    const int rc = sqlite3_step(statement.get());
    if (rc == SQLITE_DONE) break;
    if (rc != SQLITE_ROW) return fail(failure(db.get(), rc, guard, query, limits));
    if (rows.size() >= static_cast<size_t>(cap)) {
      if (!query.max_rows)
        return fail(make_error(ErrorCode::resource_exhausted, 5304,
                               fmt::format("query has more than {} rows", limits.rows_max))
                        .got(query.text)
                        .to_fix("add WHERE, GROUP BY or LIMIT, or set max_rows to take the first ones"));
      more = true;
      break;
    }
    Array row;
    for (int i = 0; i < n_columns; ++i) {
      CONSORT_ASSIGN(Value value, column_value(statement.get(), i, &bytes));
      row.push_back(std::move(value));
    }
    if (bytes > limits.answer_bytes_max)
      return fail(make_error(ErrorCode::resource_exhausted, 5306,
                             fmt::format("answer is larger than {} bytes", limits.answer_bytes_max))
                      .to_fix("select fewer columns or rows"));
    rows.emplace_back(std::move(row));
  }
  return Value::object({{"columns", std::move(columns)},
                        {"rows", std::move(rows)},
                        {"truncated", false},
                        {"more", more}});
}

}  // namespace consort::tool

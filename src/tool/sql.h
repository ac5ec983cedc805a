// Read-only SQL on one SQLite file: what the `sql` tool does.
//
// The file is opened read-only and an authorizer allows SELECT, column reads and pure functions alone:
// no ATTACH, PRAGMA, temporary objects, extensions, or functions that answer differently each time.
// Every limit is an error that names it, never a shorter answer. Memory is bounded per connection (page
// cache 8 MiB, sorts spill to a temporary file, values <= 1 MiB, answer <= 4 MiB) rather than by
// SQLite's hard heap limit, which is process-wide and would fail other connections.
#pragma once

#include <filesystem>
#include <string>

#include "contract/json.h"
#include "tool/tool.h"

namespace consort::tool {

struct SqlLimits {
  int rows_max = 1000;
  int columns_max = 100;
  uint64_t answer_bytes_max = 4ull << 20;  // Sum of the values' sizes.
  int value_bytes_max = 1 << 20;
  int sql_bytes_max = 16 << 10;
  int time_ms_max = 5000;                  // Of the call's clock; without one, of the steady clock.
};

struct SqlQuery {
  std::string text;            // One statement.
  contract::Value params;      // Array (?1, ?2...) or object (:name); null = none.
  std::optional<int> max_rows; // The caller's own limit <= rows_max: at most so many rows, `more` says whether
                               // there were others.
};

// {"columns": [name...], "rows": [[value...]...], "truncated": false, "more": bool}. Integers and reals are
// JSON numbers, text is text, NULL is null. Blocking; opens its own connection; thread-safe.
// Errors: 5301 file cannot be opened, 5302 SQLite refuses the statement (its message), 5303 not allowed by the
// authorizer, 5304 more rows or columns than the limit, 5305 time, 5306 size, 5307 parameters, 5308 not exactly one
// statement, 5309 value has no JSON form.
Result<contract::Value> run_sql(const std::filesystem::path& file, const SqlQuery& query, const SqlLimits& limits,
                                const CallContext& context);

}  // namespace consort::tool

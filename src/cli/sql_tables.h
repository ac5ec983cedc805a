// The tables of golden rows as SQLite files, so that an answer's query can be run over them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "contract/json.h"

namespace consort::cli {

// Resource: a temporary folder with one file for each different table. One thread.
class SqlTables final {
 public:
  // Error: 1105, the folder cannot be made.
  static Result<std::unique_ptr<SqlTables>> create(const Clock& clock, std::stop_token stop);
  ~SqlTables();
  SqlTables(const SqlTables&) = delete;
  SqlTables& operator=(const SqlTables&) = delete;

  // Rows of a read-only query. The table is named `t`; columns of type "number" have NUMERIC affinity, others
  // TEXT. Errors: those of tool::run_sql and of store::Database.
  Result<contract::Value> rows(const contract::Value& table, const std::string& query);

 private:
  SqlTables(std::filesystem::path folder, const Clock& clock, std::stop_token stop)
      : folder_(std::move(folder)), clock_(clock), stop_(std::move(stop)) {}
  Result<std::filesystem::path> file_of(const contract::Value& table);

  std::filesystem::path folder_;
  const Clock& clock_;
  std::stop_token stop_;
  std::map<std::string, std::filesystem::path> files_;  // By digest of the table.
};

}  // namespace consort::cli

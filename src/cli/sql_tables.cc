#include "cli/sql_tables.h"

#include <cstdlib>

#include "base/sha256.h"
#include "store/database.h"
#include "tool/sql.h"

namespace consort::cli {
namespace {

using contract::Value;

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

Result<void> fill(const std::filesystem::path& file, const Value& table) {
  CONSORT_ASSIGN(auto database, store::Database::open(file));
  const auto& header = table.find("header")->as_array();
  const Value* types = table.find("types");
  std::string columns, marks;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool number = types != nullptr && types->as_array()[i] == Value("number");
    columns += (i == 0 ? "" : ", ") + quoted(header[i].as_string()) + (number ? " NUMERIC" : " TEXT");
    marks += (i == 0 ? "?" : ",?") + std::to_string(i + 1);
  }
  CONSORT_TRY(database->exec("CREATE TABLE t (" + columns + ")"));
  CONSORT_TRY(database->exec("BEGIN"));
  for (const Value& row : table.find("rows")->as_array()) {
    CONSORT_ASSIGN(store::Statement insert, database->prepare("INSERT INTO t VALUES (" + marks + ")"));
    for (size_t i = 0; i < header.size(); ++i) {
      const Value& cell = row.as_array()[i];
      const int at = static_cast<int>(i) + 1;
      if (cell.is_string()) {
        insert.bind(at, std::string_view(cell.as_string()));
      } else if (cell.is_number()) {
        if (const auto whole = cell.as_number().as_int64())
          insert.bind(at, *whole);
        else
          insert.bind(at, cell.as_number().as_double());
      } else if (cell.is_bool()) {
        insert.bind(at, static_cast<int64_t>(cell.as_bool()));
      } else {
        insert.bind_null(at);
      }
    }
    CONSORT_TRY(insert.run());
  }
  return database->exec("COMMIT");
}

}  // namespace

Result<std::unique_ptr<SqlTables>> SqlTables::create(const Clock& clock, std::stop_token stop) {
  std::error_code ignored;
  std::string name = (std::filesystem::temp_directory_path(ignored) / "consort-tables-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot make a temporary folder").at(name));
  return std::unique_ptr<SqlTables>(new SqlTables(name, clock, std::move(stop)));
}

SqlTables::~SqlTables() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Result<std::filesystem::path> SqlTables::file_of(const Value& table) {
  const std::string digest = sha256(contract::canonical_json(table)).hex();
  if (const auto found = files_.find(digest); found != files_.end()) return found->second;
  const std::filesystem::path file = folder_ / (digest.substr(0, 32) + ".db");
  CONSORT_TRY(fill(file, table));
  files_[digest] = file;
  return file;
}

Result<Value> SqlTables::rows(const Value& table, const std::string& query) {
  CONSORT_ASSIGN(const std::filesystem::path file, file_of(table));
  tool::CallContext call;
  call.clock = &clock_;
  call.stop = stop_;
  CONSORT_ASSIGN(const Value answer, tool::run_sql(file, {query, {}, {}}, {}, call));
  return *answer.find("rows");
}

}  // namespace consort::cli

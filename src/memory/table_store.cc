#include "memory/table_store.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "contract/json.h"
#include "memory/column_type.h"
#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr std::string_view kSchema1 = R"sql(
CREATE TABLE tables_catalog(
  table_id INTEGER PRIMARY KEY, name TEXT, doc TEXT NOT NULL, company TEXT NOT NULL, page INTEGER,
  title TEXT NOT NULL, unit TEXT NOT NULL, scale INTEGER NOT NULL, n_rows INTEGER NOT NULL,
  columns_json TEXT NOT NULL, source TEXT NOT NULL);
CREATE INDEX tables_catalog_doc ON tables_catalog(doc);
CREATE UNIQUE INDEX tables_catalog_name ON tables_catalog(name) WHERE name IS NOT NULL;
CREATE TABLE figures(
  figure_id INTEGER PRIMARY KEY, doc TEXT NOT NULL, company TEXT NOT NULL, page INTEGER,
  table_id INTEGER NOT NULL REFERENCES tables_catalog(table_id), row_no INTEGER NOT NULL,
  section TEXT NOT NULL, label TEXT NOT NULL, column_label TEXT NOT NULL,
  period_end TEXT, period_kind TEXT, value REAL NOT NULL, amount TEXT NOT NULL, scale INTEGER NOT NULL,
  unit TEXT NOT NULL, as_printed TEXT NOT NULL,
  line_begin INTEGER NOT NULL, line_end INTEGER NOT NULL, page_begin INTEGER NOT NULL);
CREATE INDEX figures_doc ON figures(doc);
CREATE INDEX figures_table ON figures(table_id, row_no);
CREATE INDEX figures_company_label ON figures(company, label);
CREATE VIRTUAL TABLE figures_fts USING fts5(company, section, label, content='figures',
  content_rowid='figure_id', tokenize='porter unicode61 remove_diacritics 2');
)sql";

struct TypedColumn {
  std::string header, name;
  ColumnType type = ColumnType::text;
  UnitNote unit;
};

std::string columns_json(const std::vector<TypedColumn>& columns) {
  contract::Array out;
  for (const auto& c : columns) {
    out.push_back(contract::Value::object({{"name", c.name}, {"header", c.header}, {"type", std::string(sql_type(c.type))},
                                           {"unit", c.unit.unit}, {"scale", c.unit.scale}}));
  }
  return contract::to_json(contract::Value(std::move(out)));
}

std::string unique_in(std::set<std::string>& used, const std::string& name) {
  std::string out = name;
  for (int n = 2; !used.insert(out).second; ++n) out = name + "_" + std::to_string(n);
  return out;
}

Result<bool> table_name_taken(store::Database& db, const std::string& name) {
  CONSORT_ASSIGN(auto row, db.prepare("SELECT 1 FROM sqlite_master WHERE name = ?"));
  return row.bind(1, name).step();
}

Result<std::string> free_table_name(store::Database& db, const std::string& wanted) {
  std::string name = wanted;
  for (int n = 2;; ++n) {
    CONSORT_ASSIGN(bool taken, table_name_taken(db, name));
    if (!taken) return name;
    name = wanted + "_" + std::to_string(n);
  }
}

Result<void> create_table(store::Database& db, const std::string& name, const std::vector<TypedColumn>& columns) {
  std::string sql = "CREATE TABLE \"" + name + "\"(";
  for (const auto& c : columns) {
    if (&c != &columns.front()) sql += ", ";
    sql += "\"" + c.name + "\" " + std::string(sql_type(c.type));
  }
  return db.exec(sql + ")");
}

std::string insert_sql(const std::string& name, size_t n) {
  std::string sql = "INSERT INTO \"" + name + "\" VALUES(";
  for (size_t i = 0; i < n; ++i) sql += i == 0 ? "?" : ",?";
  return sql + ")";
}

std::string sql_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

// One statement with literal values: table names differ for every grid, and a prepared statement for each
// would fill the connection's cache.
std::string insert_rows_sql(const std::string& name, const std::vector<TypedColumn>& columns, const Grid& grid) {
  std::string sql = "INSERT INTO \"" + name + "\" VALUES";
  for (const auto& row : grid.rows) {
    sql += &row == &grid.rows.front() ? "(" : ",(";
    sql += sql_quoted(row.label);
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const std::string& cell = row.cells[c];
      ColumnType type = columns[c + 1].type;
      bool numeric = type == ColumnType::integer || type == ColumnType::decimal;
      auto number = parse_number(cell);
      sql += ',';
      if (cell.empty() || (type != ColumnType::text && is_missing(cell)) || (numeric && !number)) sql += "NULL";
      else if (numeric) sql += number->amount;
      else sql += sql_quoted(type == ColumnType::date ? iso_date(cell) : cell);
    }
    sql += ')';
  }
  return sql;
}

// `text_holder` keeps what is bound alive until the statement has run.
void bind_typed(store::Statement& insert, int parameter, const std::string& value, ColumnType type, std::string& text_holder) {
  if (type != ColumnType::text && is_missing(value)) {
    insert.bind_null(parameter);
  } else if (type == ColumnType::integer || type == ColumnType::decimal) {
    auto number = parse_number(value);
    if (!number) {
      insert.bind_null(parameter);
    } else if (type == ColumnType::integer && number->amount.size() <= 18) {
      insert.bind(parameter, static_cast<int64_t>(std::strtoll(number->amount.c_str(), nullptr, 10)));
    } else {
      insert.bind(parameter, number->as_double());
    }
  } else if (type == ColumnType::date) {
    text_holder = iso_date(value);
    insert.bind(parameter, std::string_view(text_holder));
  } else if (value.empty()) {
    insert.bind_null(parameter);
  } else {
    insert.bind(parameter, std::string_view(value));
  }
}

Result<int64_t> add_catalog_row(store::Database& db, const std::string& name, const DocumentInfo& info,
                                std::optional<int> page, const std::string& title, const UnitNote& unit, int64_t n_rows,
                                const std::vector<TypedColumn>& columns, const std::string& source) {
  CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO tables_catalog(name, doc, company, page, title, unit, scale, n_rows, columns_json, source) "
                                         "VALUES(?,?,?,?,?,?,?,?,?,?)"));
  std::string json = columns_json(columns);
  if (name.empty()) insert.bind_null(1); else insert.bind(1, name);
  insert.bind(2, info.name).bind(3, info.company).bind(5, title).bind(6, unit.unit).bind(7, unit.scale).bind(8, n_rows).bind(9, json).bind(10, source);
  if (page) insert.bind(4, static_cast<int64_t>(*page)); else insert.bind_null(4);
  CONSORT_TRY(insert.run());
  return db.last_insert_rowid();
}

Result<void> add_figure(store::Database& db, const Figure& f, const DocumentInfo& info, int64_t table_id) {
  CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO figures(doc, company, page, table_id, row_no, section, label, column_label, period_end, "
                                         "period_kind, value, amount, scale, unit, as_printed, line_begin, line_end, page_begin) "
                                         "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  insert.bind(1, info.name).bind(2, f.company.empty() ? info.company : f.company).bind(4, table_id).bind(5, static_cast<int64_t>(f.row_no))
      .bind(6, f.section).bind(7, f.label).bind(8, f.column_label).bind(11, f.value).bind(12, f.amount).bind(13, f.scale)
      .bind(14, f.unit).bind(15, f.as_printed).bind(16, static_cast<int64_t>(f.line_begin)).bind(17, static_cast<int64_t>(f.line_end))
      .bind(18, static_cast<int64_t>(f.page_begin));
  if (f.page) insert.bind(3, static_cast<int64_t>(*f.page)); else insert.bind_null(3);
  if (f.period_end.empty()) insert.bind_null(9); else insert.bind(9, f.period_end);
  if (f.period_kind.empty()) insert.bind_null(10); else insert.bind(10, f.period_kind);
  CONSORT_TRY(insert.run());
  CONSORT_ASSIGN(auto index, db.prepare("INSERT INTO figures_fts(rowid, company, section, label) VALUES(?,?,?,?)"));
  return index.bind(1, db.last_insert_rowid()).bind(2, f.company.empty() ? info.company : f.company).bind(3, f.section).bind(4, f.label).run();
}

// Columns are clear when each has its own header and most cells are filled.
bool is_clear(const Grid& grid) {
  if (grid.rows.size() < 2 || grid.columns.empty()) return false;
  std::set<std::string> names;
  size_t filled = 0;
  for (const auto& column : grid.columns) {
    if (column.empty() || !names.insert(column).second) return false;
  }
  for (const auto& row : grid.rows) {
    for (const auto& cell : row.cells) filled += !cell.empty();
  }
  return filled * 10 >= grid.rows.size() * grid.columns.size() * 6;
}

Error csv_error(Error error, const CsvFile& file) {
  std::string place = file.path.string() + (error.place.empty() ? "" : ":" + error.place);
  return std::move(error).at(place);
}

// First pass: types of all columns, every record's width checked.
Result<int64_t> scan_csv(const CsvFile& file, std::vector<TypedColumn>& columns, std::stop_token stop) {
  CONSORT_ASSIGN(CsvReader reader, file.reader());
  CsvRecord record;
  std::vector<ColumnTyper> typers;
  std::set<std::string> used;
  int64_t n = 0;
  for (;;) {
    auto more = reader.next(&record);
    if (!more) return fail(csv_error(std::move(more).error(), file));
    if (!*more) break;
    if (record.is_blank()) continue;
    if (columns.empty()) {
      for (size_t i = 0; i < record.fields.size(); ++i) {
        TypedColumn column;
        column.header = collapse_space(record.fields[i]);
        column.name = unique_in(used, sql_name(column.header, "column_" + std::to_string(i + 1)));
        column.unit = parse_unit(column.header);
        columns.push_back(std::move(column));
      }
      typers.resize(columns.size());
      continue;
    }
    if (record.fields.size() != columns.size())
      return fail(csv_error(make_error(ErrorCode::invalid_argument, 5111,
                                       "a record has " + std::to_string(record.fields.size()) + " fields and the header has " +
                                           std::to_string(columns.size()))
                                .at("line " + std::to_string(record.line))
                                .got(record.fields.empty() ? "" : record.fields[0])
                                .to_fix("give every line the header's number of fields, or quote fields that hold the delimiter"),
                            file));
    for (size_t i = 0; i < columns.size(); ++i) typers[i].add(record.fields[i]);
    if (++n % 4096 == 0 && stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
  }
  if (columns.size() < 1 || n == 0)
    return fail(make_error(ErrorCode::invalid_argument, 5116, "the file has no header line followed by records").at(file.path.string())
                    .to_fix("put the column names in the first line"));
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].type = typers[i].type() == ColumnType::empty ? ColumnType::text : typers[i].type();
    bool numeric = columns[i].type == ColumnType::integer || columns[i].type == ColumnType::decimal;
    if (!numeric) columns[i].unit = {};
    if (numeric && columns[i].unit.unit.empty()) columns[i].unit.unit = typers[i].all_percent() ? "%" : typers[i].currency();
  }
  return n;
}

}  // namespace

Result<std::unique_ptr<store::Database>> open_tables_db(const std::filesystem::path& path, bool read_only) {
  store::DatabaseOptions options;
  options.read_only = read_only;
  options.checkpoint_pages = read_only ? 0 : 4000;
  CONSORT_ASSIGN(auto db, store::Database::open(path, options));
  if (!read_only) {
    const std::array<std::string_view, 1> steps = {kSchema1};
    CONSORT_TRY(db->migrate(steps));
  }
  return db;
}

Result<void> remove_document_tables(store::Database& db, const std::string& doc) {
  std::vector<std::string> names;
  {
    CONSORT_ASSIGN(auto rows, db.prepare("SELECT name FROM tables_catalog WHERE doc = ? AND name IS NOT NULL"));
    rows.bind(1, doc);
    for (;;) {
      CONSORT_ASSIGN(bool more, rows.step());
      if (!more) break;
      names.emplace_back(rows.text_at(0));
    }
  }
  for (const auto& name : names) CONSORT_TRY(db.exec("DROP TABLE IF EXISTS \"" + name + "\""));
  {
    CONSORT_ASSIGN(auto index, db.prepare("INSERT INTO figures_fts(figures_fts, rowid, company, section, label) SELECT 'delete', figure_id, "
                                          "company, section, label FROM figures WHERE doc = ?"));
    CONSORT_TRY(index.bind(1, doc).run());
  }
  {
    CONSORT_ASSIGN(auto figures, db.prepare("DELETE FROM figures WHERE doc = ?"));
    CONSORT_TRY(figures.bind(1, doc).run());
  }
  CONSORT_ASSIGN(auto catalog, db.prepare("DELETE FROM tables_catalog WHERE doc = ?"));
  return catalog.bind(1, doc).run();
}

Result<std::vector<std::string>> documents_with_tables(store::Database& db) {
  std::vector<std::string> out;
  CONSORT_ASSIGN(auto rows, db.prepare("SELECT DISTINCT doc FROM tables_catalog ORDER BY doc"));
  for (;;) {
    CONSORT_ASSIGN(bool more, rows.step());
    if (!more) return out;
    out.emplace_back(rows.text_at(0));
  }
}

Result<TableCounts> add_grid(store::Database& db, const DocumentInfo& info, const Grid& grid,
                             std::span<const Figure> figures, const std::string& source) {
  TableCounts counts;
  std::vector<TypedColumn> columns;
  std::set<std::string> used;
  auto add_column = [&](const std::string& header, const std::string& fallback, auto value_of) {
    TypedColumn column;
    column.header = header;
    column.name = unique_in(used, sql_name(header, fallback));
    ColumnTyper typer;
    for (const auto& row : grid.rows) typer.add(value_of(row));
    column.type = typer.type() == ColumnType::empty ? ColumnType::text : typer.type();
    column.unit = parse_unit(header);
    if (typer.all_percent()) column.unit.unit = "%";
    columns.push_back(std::move(column));
  };
  used.insert("label");
  columns.push_back({grid.label_header, "label", ColumnType::text, {}});
  for (size_t c = 0; c < grid.columns.size(); ++c)
    add_column(grid.columns[c], "column_" + std::to_string(c + 1), [c](const GridRow& row) -> const std::string& { return row.cells[c]; });
  UnitNote unit = parse_unit(grid.note);
  if (!figures.empty() && unit.unit.empty()) unit.unit = figures.front().unit;
  std::string name;
  if (is_clear(grid)) {
    std::string wanted = sql_name(info.name, "t");
    if (grid.page) wanted += "_p" + std::to_string(*grid.page);
    wanted += "_" + sql_name(grid.title.substr(0, 40), "table");
    CONSORT_ASSIGN(name, free_table_name(db, wanted));
    CONSORT_TRY(create_table(db, name, columns));
    CONSORT_TRY(db.exec(insert_rows_sql(name, columns, grid)));
  }
  CONSORT_ASSIGN(int64_t table_id, add_catalog_row(db, name, info, grid.page, grid.title, unit, static_cast<int64_t>(grid.rows.size()), columns, source));
  for (const auto& figure : figures) CONSORT_TRY(add_figure(db, figure, info, table_id));
  counts.n_tables = 1;
  counts.n_rows = static_cast<int64_t>(grid.rows.size());
  counts.n_figures = static_cast<int64_t>(figures.size());
  return counts;
}

Result<TableCounts> add_csv(store::Database& db, const DocumentInfo& info, const CsvFile& file,
                            const std::string& source, std::stop_token stop) {
  std::vector<TypedColumn> columns;
  CONSORT_ASSIGN(int64_t n_rows, scan_csv(file, columns, stop));
  CONSORT_ASSIGN(std::string name, free_table_name(db, sql_name(info.name, "table")));
  CONSORT_TRY(create_table(db, name, columns));
  CONSORT_ASSIGN(CsvReader reader, file.reader());
  CsvRecord record;
  bool header = true;
  int64_t n = 0;
  std::vector<std::string> holders(columns.size());
  CONSORT_ASSIGN(auto insert, db.prepare(insert_sql(name, columns.size())));
  for (;;) {
    CONSORT_ASSIGN(bool more, reader.next(&record));
    if (!more) break;
    if (record.is_blank()) continue;
    if (header) {
      header = false;
      continue;
    }
    insert.reset();
    for (size_t i = 0; i < columns.size() && i < record.fields.size(); ++i)
      bind_typed(insert, static_cast<int>(i) + 1, record.fields[i], columns[i].type, holders[i]);
    CONSORT_TRY(insert.run());
    if (++n % 4096 == 0 && stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
  }
  UnitNote unit;
  for (const auto& c : columns) {
    if (!c.unit.unit.empty()) {
      unit = c.unit;
      break;
    }
  }
  CONSORT_TRY(add_catalog_row(db, name, info, std::nullopt, info.title.empty() ? info.name : info.title, unit, n_rows, columns, source));
  return TableCounts{1, 0, n_rows};
}

Result<int64_t> add_figures(store::Database& db, const DocumentInfo& info, std::span<const Figure> figures) {
  if (figures.empty()) return 0;
  int64_t table_id = 0;
  {
    CONSORT_ASSIGN(auto row, db.prepare("SELECT max(table_id) FROM tables_catalog WHERE doc = ?"));
    CONSORT_TRY(row.bind(1, info.name).step());
    table_id = row.int_at(0);
  }
  for (const auto& figure : figures) CONSORT_TRY(add_figure(db, figure, info, table_id));
  return static_cast<int64_t>(figures.size());
}

}  // namespace consort::memory

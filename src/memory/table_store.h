// tables.db: typed tables, the catalog that describes them, and the long `figures` table.
// What the SQL tool reads. Format: docs/formats/memory.md.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "memory/csv.h"
#include "memory/extract.h"
#include "memory/memory.h"
#include "memory/text_store.h"
#include "store/database.h"

namespace consort::memory {

inline constexpr int kGridTablesMax = 2000;  // Own SQL tables per document; more stay in `figures` alone.

struct TableCounts {
  int64_t n_tables = 0, n_figures = 0, n_rows = 0;
};

Result<std::unique_ptr<store::Database>> open_tables_db(const std::filesystem::path& path, bool read_only);

// Removes a document's tables, figures and catalog rows.
Result<void> remove_document_tables(store::Database& db, const std::string& doc);
Result<std::vector<std::string>> documents_with_tables(store::Database& db);

// One grid: a catalog row, its figures, and its own SQL table when its columns are clear.
Result<TableCounts> add_grid(store::Database& db, const DocumentInfo& info, const Grid& grid,
                             std::span<const Figure> figures, const std::string& source);

// A whole CSV as one typed table, in two passes over the file: types first, then rows. Errors, place =
// path:line: 5111 (a record with another number of fields than the header), 5116 (no header or no rows),
// those of CsvReader.
Result<TableCounts> add_csv(store::Database& db, const DocumentInfo& info, const CsvFile& file,
                            const std::string& source, std::stop_token stop);

// The figures of the CSV that `add_csv` wrote last for this document. Returns their number.
Result<int64_t> add_figures(store::Database& db, const DocumentInfo& info, std::span<const Figure> figures);

}  // namespace consort::memory

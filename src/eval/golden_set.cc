#include "eval/golden_set.h"

#include <fmt/format.h>

#include <map>

namespace consort::eval {
namespace {

using contract::Value;

class RowReader {
 public:
  explicit RowReader(std::string place) : place_(std::move(place)) {}

  Result<GoldenRow> read(const Value& record) const {
    if (!record.is_object()) return wrong("a row is no JSON object", contract::to_json(record));
    GoldenRow row;
    bool has_input = false, has_expected = false;
    for (const auto& [key, value] : record.as_object()) {
      if (key == "input") {
        row.input = value;
        has_input = true;
      } else if (key == "expected") {
        row.expected = value;
        has_expected = true;
      } else if (key == "slice" || key == "cluster") {
        if (!value.is_string()) return wrong("'" + key + "' is no text", contract::to_json(value));
        (key == "slice" ? row.slice : row.cluster) = value.as_string();
      } else if (key == "probe") {
        if (!value.is_bool()) return wrong("'probe' is neither true nor false", contract::to_json(value));
        row.probe = value.as_bool();
      } else if (key == "table") {
        CONSORT_TRY(check_table(value));
        row.table = value;
      } else if (key != "id" && key != "provenance") {
        return wrong("a row has an unknown member", key);
      }
    }
    if (!has_input) return wrong("a row has no 'input'", contract::to_json(record));
    if (!has_expected) return wrong("a row has no 'expected'", contract::to_json(record));
    return row;
  }

  tl::unexpected<Error> wrong(const std::string& what, std::string_view got) const {
    return fail(make_error(ErrorCode::invalid_argument, 8201, what)
                    .at(place_)
                    .got(got)
                    .to_fix("rows are {\"input\", \"expected\", \"slice\"?, \"cluster\"?, "
                            "\"probe\"?, \"table\"?, \"id\"?}"));
  }

 private:
  Result<void> check_table(const Value& table) const {
    const Value* header = table.find("header");
    const Value* rows = table.find("rows");
    if (header == nullptr || !header->is_array() || header->as_array().empty() ||
        rows == nullptr || !rows->is_array())
      return wrong("a table needs 'header' and 'rows', both lists", contract::to_json(table));
    for (const Value& name : header->as_array())
      if (!name.is_string()) return wrong("a column's name is no text", contract::to_json(name));
    const size_t width = header->as_array().size();
    for (const Value& cells : rows->as_array()) {
      if (!cells.is_array() || cells.as_array().size() != width)
        return wrong(fmt::format("a table's row has not the header's {} cells", width),
                     contract::to_json(cells));
      for (const Value& cell : cells.as_array())
        if (cell.is_array() || cell.is_object())
          return wrong("a cell is neither a text nor a number", contract::to_json(cell));
    }
    const Value* types = table.find("types");
    if (types != nullptr && (!types->is_array() || types->as_array().size() != width))
      return wrong("'types' has not one entry a column", contract::to_json(*types));
    return {};
  }

  std::string place_;
};

}  // namespace

Result<GoldenSet> read_golden_set(std::string_view text, const std::string& name) {
  GoldenSet out{name, sha256(text), {}};
  std::map<std::string, int> seen;
  int line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view one = text.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const RowReader reader(name + ":" + std::to_string(line));
    if (out.rows.size() == kGoldenRowsMax)
      return reader.wrong(fmt::format("a golden set has at most {} rows", kGoldenRowsMax), "");
    auto record = contract::parse_json(one, {.bytes_max = kGoldenRowBytesMax});
    if (!record)
      return fail(std::move(record).error().at(name + ":" + std::to_string(line)).to_fix(
          "a golden set is JSON Lines: one row a line"));
    CONSORT_ASSIGN(GoldenRow row, reader.read(*record));
    row.line = line;
    // A repeated row would count as evidence twice.
    const auto [first, added] = seen.emplace(
        contract::canonical_json(Value(contract::Array{row.input, row.table})), line);
    if (!added)
      return reader.wrong(fmt::format("line {} asks the same", first->second),
                          contract::to_json(row.input));
    out.rows.push_back(std::move(row));
  }
  if (out.rows.empty())
    return fail(make_error(ErrorCode::invalid_argument, 8201, "a golden set has no rows")
                    .at(name)
                    .to_fix("write rows {\"input\", \"expected\"}, one a line"));
  return out;
}

Result<void> check_inputs(const GoldenSet& set, const contract::Schema& input) {
  for (const GoldenRow& row : set.rows)
    CONSORT_TRY_CONTEXT(contract::check(input, row.input), set.place(row) + ": 'input'");
  return {};
}

}  // namespace consort::eval

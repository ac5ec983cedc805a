// A golden set: rows of JSON Lines with what a component is asked and what it should answer.
//
//   {"input": {...}, "expected": ..., "slice"?: "easy", "cluster"?: "table 7", "probe"?: true,
//    "table"?: {"header": [...], "types"?: [...], "rows": [[...]]}, "id"?: "..."}
//
// Not for: running anything (cli), training rows (train/dataset.h). Format: docs/formats/gate.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "contract/schema.h"

namespace consort::eval {

inline constexpr size_t kGoldenRowsMax = 100'000;
inline constexpr uint64_t kGoldenRowBytesMax = 4ull << 20;

struct GoldenRow {
  int line = 0;  // In its file, from 1.
  contract::Value input, expected;
  std::string slice, cluster;  // Empty: none.
  bool probe = false;
  contract::Value table;  // null: none.
};

struct GoldenSet {
  std::string name;  // For errors: the file.
  Digest digest;     // Of the file's bytes.
  std::vector<GoldenRow> rows;
  std::string place(const GoldenRow& row) const { return name + ":" + std::to_string(row.line); }
};

// Errors, each with the line: 8201 (no object, a missing or unknown key, a wrong type, an input
// that was asked before, no rows, more than the limits), 2001 to 2003 (not JSON).
Result<GoldenSet> read_golden_set(std::string_view text, const std::string& name);
// Every input satisfies the component's contract. Error: that of contract::check, with the line.
Result<void> check_inputs(const GoldenSet& set, const contract::Schema& input);

}  // namespace consort::eval

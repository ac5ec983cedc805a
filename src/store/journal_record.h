// The stored form of one event: how it is hashed, and how a stored row is read back without
// trusting it. Used by journal.cc alone; apart so that tests and the fuzz target reach it without a
// database. Format: docs/formats/journal.md, "Records".
#pragma once

#include <string>
#include <string_view>

#include "store/journal.h"

namespace consort::store {

// A row of the table `events`, as bytes.
struct StoredRecord {
  int64_t seq = 0;
  std::string_view kind;
  std::string_view step;
  int64_t unix_ms = 0;
  std::string_view body;   // Compact JSON.
  std::string_view chain;  // 32 bytes.
};

// SHA-256 of the record's canonical text, whose first line is the previous event's chain:
//   chain-hex \n run \n seq \n kind \n step \n unix_ms \n body
// The chain before the first event is 32 zero bytes. No field but the last can hold a newline.
Digest record_chain(const Digest& previous, const RunId& run, const StoredRecord& record);

// Checks one row against its place: `seq` is the expected number, `previous` the chain before it.
// Error: corruption 1208 with place "<run>/<seq>".
Result<Event> decode_record(const Digest& previous, const RunId& run, int64_t seq,
                            const StoredRecord& record);

// Step names are short and printable, so that records and traces stay one line each. Error: 1210.
Result<void> check_step_name(std::string_view step);

inline constexpr size_t kStepNameBytesMax = 512;

}  // namespace consort::store

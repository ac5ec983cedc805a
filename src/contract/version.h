// How much a contract changed: derived from what old and new accept, never from what someone
// claims.
//
//   input:  every value the old one took must still be taken, or callers break.
//   output: every value the new one emits must fit the old one, or readers break.
// major = one of these fails; minor = the input takes more or the output emits less; patch = both
// languages are equal (only the implementation changed). Unknown answers count as breaking and say
// so.
#pragma once

#include <string>
#include <vector>

#include "contract/schema.h"

namespace consort::contract {

enum class ChangeLevel { patch, minor, major };
std::string_view name(ChangeLevel level);

struct Change {
  std::string rule;  // "input-narrowed", "output-widened", "input-widened", ...
  ChangeLevel level = ChangeLevel::patch;
  std::string reason;            // A sentence.
  std::optional<Value> witness;  // A value that tells old from new.
};

struct ContractDiff {
  ChangeLevel level = ChangeLevel::patch;
  std::vector<Change> changes;  // Empty when both languages are equal.
};

// Outputs are compared in emitted form (see `emitted`): that is what a component can say.
Result<ContractDiff> diff_contracts(const Schema& old_input, const Schema& old_output,
                                    const Schema& new_input, const Schema& new_output);
// One schema alone, read by its users as an input: what `consort contract diff OLD NEW` shows when
// the files hold a single schema.
ContractDiff diff_input(const Schema& old_schema, const Schema& new_schema);
Result<ContractDiff> diff_output(const Schema& old_schema, const Schema& new_schema);

}  // namespace consort::contract

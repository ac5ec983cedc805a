#include "contract/version.h"

#include <algorithm>

namespace consort::contract {
namespace {

struct Rules {
  std::string_view breaking;  // A value of `inner` lies outside `outer`.
  std::string_view widening;  // The other way round: allowed, and told.
};

// `inner` must stay within `outer`.
ContractDiff compare_languages(const Schema& outer, const Schema& inner, const Rules& rules) {
  ContractDiff result;
  const Containment kept = contains(outer, inner);
  if (kept.verdict != Verdict::proved) {
    const std::string reason = kept.verdict == Verdict::refuted
                                   ? kept.reason
                                   : "taken as breaking, because it is not proved: " + kept.reason;
    result.changes.push_back(
        {std::string(rules.breaking), ChangeLevel::major, reason, kept.witness});
  }
  const Containment back = contains(inner, outer);
  if (back.verdict != Verdict::proved) {
    result.changes.push_back(
        {std::string(rules.widening), ChangeLevel::minor, back.reason, back.witness});
  }
  for (const Change& change : result.changes) result.level = std::max(result.level, change.level);
  return result;
}

}  // namespace

std::string_view name(ChangeLevel level) {
  switch (level) {
    case ChangeLevel::patch:
      return "patch";
    case ChangeLevel::minor:
      return "minor";
    case ChangeLevel::major:
      return "major";
  }
  return "major";
}

ContractDiff diff_input(const Schema& old_schema, const Schema& new_schema) {
  return compare_languages(new_schema, old_schema, {"input-narrowed", "input-widened"});
}

Result<ContractDiff> diff_output(const Schema& old_schema, const Schema& new_schema) {
  const auto old_emitted = emitted(old_schema);
  const auto new_emitted = emitted(new_schema);
  return compare_languages(*old_emitted, *new_emitted, {"output-widened", "output-narrowed"});
}

Result<ContractDiff> diff_contracts(const Schema& old_input, const Schema& old_output,
                                    const Schema& new_input, const Schema& new_output) {
  ContractDiff result = diff_input(old_input, new_input);
  CONSORT_ASSIGN(ContractDiff output, diff_output(old_output, new_output));
  result.level = std::max(result.level, output.level);
  for (Change& change : output.changes) result.changes.push_back(std::move(change));
  return result;
}

}  // namespace consort::contract

// What statements call the same line: the one list of synonyms for row labels of company accounts.
//
// A question says "revenue" where one filing prints "Net sales", another "Total revenues". Each group below is one
// line of an income, cash flow or balance statement in the words that filings print, nearest to the group's meaning
// first. Only labels that mean the whole company's line are members: "Pet net sales" is no synonym of "net sales".
// To add a wording, add it to its group in row_names.cc; nothing else knows synonyms.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace consort::memory {

struct RowName {
  std::string_view name;                    // How a report calls the line: "revenue".
  std::vector<std::string_view> synonyms;   // Lower case, as printed; preferred wording first.
};
std::span<const RowName> row_names();

// The group whose name or synonym `phrase` is, case and punctuation apart; nullptr if none.
const RowName* row_name_of(std::string_view phrase);

// Place of `label` among the group's synonyms, 0 the preferred; -1 if it is none. Brackets, footnote digits, a
// leading "consolidated" and a tail "attributable to ..." do not matter.
int synonym_rank(const RowName& group, std::string_view label);

}  // namespace consort::memory

// check_claims: the rule half of the validator.
//
// Each claim is compared with what its citations print: the quote stands on the page; every number
// follows from the figures there; units, scales, periods, companies and directions agree; words that
// foretell or explain are backed. Deterministic; what rules cannot judge (does the passage mean this?)
// is left to the model's half, which gets `overlap` as a hint.
#pragma once

#include <string>
#include <vector>

#include "tool/report/evidence.h"

namespace consort::tool {

struct CheckedClaim {
  std::string id, text;
  std::string company;               // Optional: what the claim is about.
  std::vector<Citation> cites;
};

struct ClaimIssue {
  std::string claim;
  std::string kind;     // number, unit, date, name, sign, support, format
  std::string message;  // What is wrong, with the offending words.
  std::string fix;      // What would mend it.
};

struct ClaimCheck {
  std::vector<ClaimIssue> issues;
  int n_numbers = 0, n_dates = 0, n_names = 0, n_quotes = 0;
  double overlap = 1;   // Share of the claim's content words that its passages have.
};

// `companies`: names to look for in texts besides those of the documents.
// Errors: those of the page source's `documents`.
Result<ClaimCheck> check_claim(const CheckedClaim& claim, const std::vector<std::string>& companies, EvidenceReader* reader);

}  // namespace consort::tool

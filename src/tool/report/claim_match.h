// Does a numeral of a claim follow from the figures that its citations print?
//
// Directly (the same amount, rounded to the digits shown), or by one operation on two of them: change
// of one row between two periods, share, ratio, difference, sum. Period, unit, scale and direction
// must agree; a match that fails one of them names the kind of mistake.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tool/report/evidence.h"

namespace consort::tool {

enum class MatchKind { none, number, unit, period, sign, ok };  // From worst to best.

struct Match {
  MatchKind kind = MatchKind::none;
  std::string how;                 // "printed in ...", "pct_change of 572,754 and 611,289"
  std::vector<const Printed*> figures;
};

// What a claim says around one numeral.
struct NumeralContext {
  std::optional<Period> period;                 // Of the numeral, by position.
  std::vector<Period> also;                     // Others that the claim names, where position does not decide.
  std::map<std::string, Period> by_company;     // Lower-case company -> the period that follows its name.
  int direction = 0;                            // +1 / -1 said of this numeral, 0 = nothing.
  int profit = 0;                               // +1 "profit", -1 "loss", 0 = neither.
  std::vector<std::string> company_order;       // Companies as they appear, lower case.
  bool difference_cue = false, sum_cue = false; // "exceeded ... by", "together"
  std::set<int> years;                          // All that the claim names.
  std::vector<Period> periods;                  // The same.
  bool average_cue = false;                     // "averaged"
  bool level = false;                           // A percentage that something rose or fell from or to.
  bool by_amount = false;                       // "lowered taxes by $45 million": a change and no level.
  bool change_cue = false;                      // A growth word stands in the clause: a percentage is a change.
};

Match match_numeral(const Numeral& numeral, const NumeralContext& context, const std::vector<Evidence>& evidence);

// Is a figure of `printed` one of the period `said`?
bool period_agrees(const Period& said, const Printed& printed, const Evidence& evidence);

}  // namespace consort::tool

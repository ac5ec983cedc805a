// What a question about figures asks for, read by rule: which line, of which period, and what to compute.
#pragma once

#include <string>
#include <vector>

#include "contract/json.h"

namespace consort::tool::research {

struct Wanted {
  std::string metric;      // "membership fees"; the words that name a row, without company, period and verbs.
  std::string second;      // What it is set against: the whole of a share, or another line; empty if nothing.
  std::string op;          // share, or empty: change on the year before.
  std::vector<int> years;  // Fiscal years named, latest first.
  std::string date;        // ISO date named: "as of May 31, 2023".
  bool quarter = false;
  bool newest = false;     // "latest", "most recent".
  bool number = false;     // Asks how much, how many, which rate: a sentence without a numeral is no answer.
  bool count = false;      // "How many": not an amount of money.
  bool percent = false;    // A rate, share or margin as printed.
};

// `question` may also be a mere subject ("operating income"). `company` is left out of the metric.
Wanted read_question(const std::string& question, const std::string& company);
contract::Value to_value(const Wanted& wanted);
Wanted wanted_from(const contract::Value& value);

}  // namespace consort::tool::research

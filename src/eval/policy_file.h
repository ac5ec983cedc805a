// A gate's policy as a document: which component, golden set and margins, and which agents' suites.
// Keys and defaults: docs/formats/gate.md.
#pragma once

#include <string>
#include <vector>

#include "eval/gate.h"
#include "eval/measure.h"

namespace consort::eval {

// One agent that uses the component, judged as a whole on its own set.
struct SuitePolicy {
  std::string agent;  // Path, relative to the policy's folder.
  std::string data;   // Likewise; empty: the agent file's `evals`.
  Policy policy;      // Names are measures (golden rows) or figures of a run (briefs).
};

struct GatePolicy {
  std::string component;  // "PATH:COMPONENT", the path relative to the policy's folder.
  std::string golden;     // Likewise.
  Policy policy;          // Every name is a measure's.
  double tolerance = 0;
  std::vector<SuitePolicy> agents;
};

// Figures of a run of an agent on a brief; all but claims_supported are right or wrong.
inline const std::vector<std::string> kRunFigures = {"completed", "valid", "verdict_ok", "claims_supported"};

// `name` stands for the document in errors. Error 8206: an unknown key (did you mean), a wrong type,
// a value out of range, an unknown measure.
Result<GatePolicy> read_policy(const contract::Value& document, const std::string& name);

}  // namespace consort::eval

// eval of one component over a golden set.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "contract/json.h"

namespace consort::cli {

struct ComponentEvalOptions {
  std::string component, data;
  std::string adapter;  // VERSION or NAME@VERSION, "file:PATH", "none"; empty: what the agent file says.
  std::string against;               // Another meaning of the adapter, as above; empty: nothing is compared.
  std::vector<std::string> metrics;  // Empty: by the component's kind.
  std::string policy;                // Its metrics, tolerance, and golden set where `data` is empty.
};

// {"component","version","adapter","n","looks","metrics":{...},"slices":{...},"probe","against","failed","ms",...}:
// docs/formats/cli.md.
Result<contract::Value> eval_component(Context& context, const ComponentEvalOptions& options);
void print_component_eval(const contract::Value& answer);

}  // namespace consort::cli

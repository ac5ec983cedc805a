// The engine's promises measured with whole requests: many adapters, one context for many, masks,
// decisions, guesses.
#pragma once

#include "engine/bench.h"

namespace consort::engine {

// {"mixed":{..},"requests":{..},"specialists":{..},"decide":{..},"masked":{..},"speculation":{..},"loading":{..}},
// each with lists of one figure a repetition. Adapters are random ones of rank 16 on all seven
// projections, made for the run in a temporary folder.
Result<contract::Value> bench_workloads(const BenchOptions& options);

}  // namespace consort::engine

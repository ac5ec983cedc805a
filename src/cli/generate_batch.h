// generate --batch: many requests of one model and adapter, written together.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/context.h"
#include "engine/engine.h"

namespace consort::cli {

// Lines {"prompt", "system"?, "schema"?, "temperature"?, "seed"?} of `path` ("-": stdin) in, one line
// {"text", "finish", "prompt_tokens", "output_tokens"} or {"error"} out for each, in order. What a
// line does not say stands in `common`. Error 8004: a line has no prompt.
Result<int> generate_batch(engine::Engine& engine, const engine::GenerateRequest& common,
                           const std::string& path);

}  // namespace consort::cli

// generate --batch: many requests of one model and adapter, written together.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "cli/context.h"
#include "engine/engine.h"

namespace consort::cli {

// Lines {"prompt", "system"?, "schema"?, "adapter"?, "temperature"?, "seed"?} of `path` ("-": stdin) in, one
// line {"text", "finish", "prompt_tokens", "output_tokens"} or {"error"} out for each, in order, with
// "logits_sha256" where `common` asks for it. What a line does not say stands in `common`. `adapters`: what
// a line may call them -> what the engine does; "" is the base. Errors: 8004 (a line has no prompt), 8003
// (an adapter that is not loaded).
Result<int> generate_batch(engine::Engine& engine, const engine::GenerateRequest& common,
                           const std::map<std::string, std::string>& adapters, const std::string& path);

}  // namespace consort::cli

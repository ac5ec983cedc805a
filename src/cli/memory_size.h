// The engine's memory budget as an option: `--memory 2GiB`.
#pragma once

#include <string_view>

#include "cli/context.h"
#include "contract/json.h"
#include "engine/engine.h"

namespace consort::cli {

// A whole number with B, KiB, MiB or GiB behind it, at least 1 MiB: "512MiB". Usage error 8001.
Result<uint64_t> parse_memory(std::string_view text);

// Adds --memory to a command; sets Context::memory_bytes.
void add_memory_option(CLI::App* command, Context& context);

// The engine's defaults, with the budget that was asked for.
engine::EngineOptions engine_options(const Context& context);

// What holds how many bytes: for people, and {"bytes_max", "bytes_used", "bytes_promised",
// "items": [..]}.
std::string memory_text(const engine::MemoryMap& map);
contract::Value memory_value(const engine::MemoryMap& map);

}  // namespace consort::cli

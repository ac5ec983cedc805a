// Adapters of a home: which file `planner@champion` or `planner@3` is.
//
// A registered adapter is one GGUF file in the home's blobs, a version of the registry (kind `adapter`)
// whose digest is the file's. Versions never change; which one an alias means is the registry's answer at
// the moment a run is built, and the run's pins record the version's digest.
//
// A home that has no champion of a name takes the one that came with the program (`models/adapters/NAME/adapter.gguf`
// above the agent, the working folder, or the program) as a version, and as its champion, when it is first asked for.
//
// Not for: whether an adapter fits a model (engine::Engine::load_adapter verifies that).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/registry.h"

namespace consort::run {

inline constexpr std::string_view kDefaultAlias = "champion";

struct FoundAdapter {
  std::string name;            // "planner@3", the version in an alias's place; "file:..." as given.
  std::filesystem::path path;  // GGUF file or PEFT folder.
};

// `text`: "name@version", "name@alias", "name" (its champion), or "file:PATH" relative to `folder`. Writes to the home only to
// take a shipped one.
// Errors: not_found 6312 (nothing of this name, no such version or alias: names what there is, and the
// command that registers), 1212 (its file is gone from the home).
Result<FoundAdapter> find_adapter(const std::filesystem::path& home, const Clock& clock, std::string_view text,
                                 const std::filesystem::path& folder);

// Reads and checks a GGUF adapter, stores its bytes, and adds the version ("" : the next number).
// Errors: those of model::read_adapter and GgufFile::open, already_exists 1221, those of the stores.
Result<store::Version> register_adapter(const std::filesystem::path& home, const Clock& clock,
                                        const std::string& name, std::string version,
                                        const std::filesystem::path& file);

}  // namespace consort::run

// The models and adapters that commands can name: those of the lock, and those imported into the
// home.
//
// <home>/models/NAME/model.gguf is an imported file; <home>/models/NAME/import.json says {"name",
// "sha256", "bytes", "source"}.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace consort::cli {

struct KnownModel {
  std::string ref;  // "smollm2-135m:q4_1", or the name of an import.
  std::string summary;
  std::string sha256;  // Of the main file.
  uint64_t bytes = 0;
  bool by_default = false;  // `make models` fetches it.
  bool imported = false;
  bool present = false;        // All files are there with the right size.
  std::string problem;         // If not.
  std::filesystem::path path;  // Main file, or the folder of an encoder.
};

// Of the lock (if there is one) and the home. Errors: 3604 damaged lock; 3606 when there is
// neither.
Result<std::vector<KnownModel>> known_models(const std::filesystem::path& home);

// What the engine should load for a name given on the command line: an import's "file:PATH", else
// the text itself, which names a model of the lock. An existing file counts as "file:PATH".
std::string model_ref(const std::filesystem::path& home, const std::string& name);

}  // namespace consort::cli

// ModelLock: which files a model reference stands for (models/models.lock).
//
// The lock names each model's package, version and the SHA-256 of every file; tools/fetch_models.py
// fills the cache folder beside it. Errors: not_found 3605 (reference, with the known ones),
// not_found 3606 (files not fetched, with the command that fetches them), corruption 3603 (a file
// is not what the lock says), corruption 3604 (the lock itself).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace consort::model {

struct LockedFile {
  std::string path;  // Inside the model's folder.
  Digest sha256;
  uint64_t bytes = 0;
};

struct LockedModel {
  std::string ref;   // "smollm2-135m:q4_1"
  std::string name;  // Folder in the cache: "smollm2-135m-q4_1".
  std::string summary;
  std::string licence;
  bool fetched_by_default = false;
  std::vector<LockedFile> files;
  const LockedFile* find(std::string_view path) const;
};

struct ResolvedModel {
  std::filesystem::path folder;
  std::filesystem::path main_file;  // model.gguf or model.safetensors
  bool is_folder_model = false;     // Load `folder` (encoder) rather than main_file.
  Digest sha256;                    // Of main_file, from the lock.
};

enum class Verify {
  none,    // Presence and size only.
  cached,  // SHA-256 once per (path, size, modification time); remembered in `memo`.
  always,
};

// Value type.
class ModelLock {
 public:
  static Result<ModelLock> open(const std::filesystem::path& lock_file);
  const std::vector<LockedModel>& models() const { return models_; }
  Result<const LockedModel*> find(std::string_view ref) const;
  // Cache folder: `cache` beside the lock file. `memo`: a file, written atomically; a memo that
  // cannot be read or written only costs time.
  Result<ResolvedModel> resolve(std::string_view ref, Verify verify,
                                const std::filesystem::path& memo = {}) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;  // Of the lock file.
  std::vector<LockedModel> models_;
};

}  // namespace consort::model

// Checkpoints: the whole state of a training, replaced atomically (docs/formats/training.md).
//
// Errors: corruption 9020 (damaged or cut), failed_precondition 9021 (of another training), and
// those of write_file_atomic: after a full disk the checkpoint before is whole.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace consort::train {

struct Checkpoint {
  Digest key;  // Of base, data and options: only the same training goes on.
  int64_t step = 0;
  std::vector<double> losses;  // Of each step done.
  std::vector<float> values, first, second;
  bool operator==(const Checkpoint&) const = default;
};

Result<void> save_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);
Result<Checkpoint> load_checkpoint(const std::filesystem::path& file, const Digest& key);

}  // namespace consort::train

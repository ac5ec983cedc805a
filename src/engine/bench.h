// `consort bench engine`: what the engine reaches on this machine, beside what the machine allows.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "contract/json.h"
#include "contract/schema.h"

namespace consort::engine {

struct BenchOptions {
  std::filesystem::path decoder;                 // A GGUF file.
  std::optional<std::filesystem::path> encoder;  // A sentence-transformers folder.
  int n_threads = 0;                             // 0 = all cores.
  int repetitions = 5;                           // 1 to 100
  int decode_tokens = 32;                        // Of each repetition and sequence.
  std::string only;                              // One workload by name; empty = everything.
  // Of the workloads.
  uint64_t memory_bytes_max = 4ull << 30;
  int adapters = 8;                                              // 0 to 64
  int sequences = 16;                                            // 1 to 256
  std::vector<std::shared_ptr<const contract::Schema>> schemas;  // To answer under; may be none.
};

// {"model","threads","isa","load_ms","prefill":[{"n","tok_s":[..]}],"decode":[{"batch","tok_s":[..]}],
//  "embed":[{"tokens","texts_s":[..]}],"read_gb_s","int8_gops"}. Every list has one figure for each
// repetition; tok_s of decode counts all sequences. Takes all cores for some seconds.
// read_gb_s: a sum over 256 MiB by all threads. int8_gops: the 4-bit product on 256 rows of the
// model's own widest matrix, 2 operations a multiply-add.
Result<contract::Value> bench_engine(const BenchOptions& options);

}  // namespace consort::engine

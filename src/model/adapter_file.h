// AdapterFile: LoRA weights from a GGUF adapter or a PEFT folder (docs/formats/adapter.md).
//
// Reads and checks one adapter by itself. Whether it fits a base (every tensor binds, same
// architecture, same SHA-256, a probe's logits change) is the engine's question.
//
// Errors: corruption 3501 (tensors do not pair or shapes disagree), unsupported 3502 (a tensor
// suffix, type or PEFT option that is not implemented, named), resource_exhausted 3503 (rank beyond
// kRankMax), invalid_argument 3504 (not an adapter), and those of gguf.h, safetensors.h and
// contract/json.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace consort::model {

class GgufFile;

// y += scale * b (a x).
struct LoraPair {
  int rank = 0;
  int n_in = 0;
  int n_out = 0;
  float scale = 1.0f;    // alpha / rank (alpha / sqrt(rank) for rsLoRA).
  std::vector<float> a;  // [rank, n_in] row-major
  std::vector<float> b;  // [n_out, rank] row-major
};

// What an encoder's unit-length vector v says: W v + b.
struct AdapterHead {
  enum class Kind {
    classes,  // Of a text: logits of `labels`.
    pairs,    // Of two texts: one score.
  };
  static constexpr size_t kLabelsMax = 1024;
  Kind kind = Kind::classes;
  std::vector<std::string> labels;  // One name a row; of pairs {"score"}.
  int n_embd = 0;
  std::vector<float> weight, bias;  // [labels, n_embd] row-major, [labels]
  double threshold = 0;  // classes: a text whose largest probability is below belongs to none.
};

// Value type.
struct AdapterFile {
  static constexpr int kRankMax = 64;

  std::string architecture;  // "llama"; empty in a PEFT folder, which does not say.
  int rank = 0;              // The largest of its pairs.
  float alpha = 0;
  std::map<std::string, LoraPair> pairs;   // By the base tensor's GGUF name: "blk.0.attn_q.weight".
  std::vector<int32_t> invocation_tokens;  // aLoRA: acts from these tokens on; empty = always.
  std::optional<AdapterHead> head;         // Of an encoder's adapter, if it has one.
  std::optional<Digest> base_sha256;       // `consort.base.sha256`, when the file says.
  std::map<std::string, std::string> metadata;  // Other consort.* strings.
  Digest digest;                  // Of the GGUF file, or of adapter_model.safetensors.
  uint64_t weight_bytes() const;  // Of all a and b as f32.
};

// What a PEFT folder does not say. The converter of llama.cpp reorders the rows of attn_q and
// attn_k of llama models (rotate-half to interleaved pairs), so the B matrices of a PEFT adapter
// must be reordered with the base's head counts.
struct PeftBase {
  std::string architecture;  // As in the base's GGUF; "llama" needs the reordering, "bert" has
                             // other names.
  int n_head = 0;
  int n_head_kv = 0;
};

Result<AdapterFile> read_adapter(const GgufFile& file);
// A GGUF file, or a PEFT folder (which needs `base`, else invalid_argument 3504).
Result<AdapterFile> load_adapter_file(const std::filesystem::path& path,
                                      const std::optional<PeftBase>& base = {});
// How an adapter's weights are kept: f16 takes half the room of f32, q8_0 about a quarter. A matrix
// whose rows are no multiple of 32 (B, where the rank is none) stays f16 in a q8_0 file.
enum class AdapterWeights { f32, f16, q8_0 };
// GGUF bytes which read_adapter reads back: equal with f32, else rounded to the nearest. For
// adapters that were trained here. Error invalid_argument 3505: a weight is too large for f16.
Result<std::string> write_adapter(const AdapterFile& adapter,
                                  AdapterWeights weights = AdapterWeights::f32);

}  // namespace consort::model

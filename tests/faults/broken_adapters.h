// Adapters for tests/golden/decoders/llama.gguf, whole and broken in every way that is known to
// happen. Everything follows from a seed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace consort {

using Dice = std::mt19937_64;

// An adapter as it will be written: its tensors in order, its keys.
struct DraftAdapter {
  enum class Type { f32, f16, bf16, q8_0 };
  struct Tensor {
    std::string weight;  // "blk.0.attn_q.weight"
    char side = 'a';     // 'a' [rank, n_in], 'b' [n_out, rank], row-major
    std::vector<uint64_t> shape;
    std::vector<float> values;
    Type type = Type::f32;
    std::string name;     // Instead of the name made of weight and side.
    bool opaque = false;  // GGUF: of type Q4_0, which adapters may not have.
  };
  std::string architecture = "llama", type = "adapter", kind = "lora";
  bool has_alpha = true;
  float alpha = 16;
  int rank = 4;
  std::vector<uint32_t> invocation;
  std::string base_sha256;
  std::vector<Tensor> tensors;
  // PEFT: JSON texts of adapter_config.json, besides peft_type, lora_alpha and r.
  std::map<std::string, std::string> options;
  // Changes the bytes of the file (adapter_model.safetensors) after they were made.
  std::function<void(std::string&)> damage;
  bool no_config = false;

  Tensor& first(char side);
  std::string gguf() const;
  // Writes `folder`.
  void write_peft(const std::filesystem::path& folder) const;
};

// Pairs on one to three projections, values of a size that moves logits.
DraftAdapter whole_adapter(Dice& dice, bool peft);

struct Breakage {
  std::string category;
  std::string what;
  bool peft = false;
  int number = 0;    // Of the error that must come.
  std::string says;  // Part of its message or value.
  std::function<void(DraftAdapter&, Dice&)> apply;
};

const std::vector<Breakage>& breakages();

}  // namespace consort

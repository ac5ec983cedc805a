// GgufFile: a bounded reader of GGUF v2 and v3 (docs/formats/gguf.md).
//
// A model file is untrusted input. Everything it claims (counts, lengths, offsets, dimensions) is
// checked against the bytes that are there, and against the limits below, before it is used;
// opening costs time and memory in proportion to the metadata, never to a claimed number. Tensor
// data is not touched.
//
// Not for: dequantisation (src/tensor), or meaning: which keys an architecture needs is the
// decoder's business.
//
// Errors: corruption 3101 (truncated or impossible structure), 3102 not a GGUF file, unsupported
// 3103 (version, byte order, tensor type), resource_exhausted 3104 (a limit below), not_found 3105
// (key or tensor), corruption 3106 (key of another type). place is "PATH:byte OFFSET".
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/sha256.h"

namespace consort::model {

// Tensor element types with their GGUF numbers.
enum class TensorType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

struct TensorTypeTraits {
  std::string_view name;    // "Q4_1"
  uint32_t block_elements;  // Weights in one block; the first dimension is a multiple of it.
  uint32_t block_bytes;
};
// Empty for a number that is not in TensorType.
std::optional<TensorTypeTraits> traits(TensorType type);

struct GgufLimits {
  uint64_t metadata_entries_max = 1 << 16;
  uint64_t key_bytes_max = 1 << 12;
  uint64_t string_bytes_max = 16 << 20;
  uint64_t array_elements_max = 1 << 24;
  uint64_t tensors_max = 1 << 16;
  uint64_t tensor_name_bytes_max = 256;
  uint64_t alignment_max = 1 << 16;
};

struct GgufTensor {
  std::string_view name;
  TensorType type = TensorType::f32;  // May be a number outside the enum: then data is empty.
  uint32_t n_dims = 0;                // 1 to 4
  std::array<uint64_t, 4> dims{1, 1, 1,
                               1};  // dims[0] is the fastest (a row's length); rest padded by 1.
  std::span<const uint8_t> data;  // Exactly n_elements in blocks; aligned to the file's alignment.
  uint64_t n_elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  uint64_t n_rows() const { return dims[1] * dims[2] * dims[3]; }
};

// Immutable after open: share among threads. All views live as long as the object.
class GgufFile final {
 public:
  static Result<std::unique_ptr<const GgufFile>> open(const std::filesystem::path& path,
                                                      const GgufLimits& limits = {});
  // `bytes` must outlive the object. `name` stands for the path in errors.
  static Result<std::unique_ptr<const GgufFile>> parse(std::span<const uint8_t> bytes,
                                                       std::string name = "gguf",
                                                       const GgufLimits& limits = {});
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  const std::string& name() const { return name_; }  // Path, for messages.
  uint32_t version() const { return version_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  // SHA-256 of the whole file; reads all of it, about 1 s per GB.
  Digest digest() const;

  // Metadata. `get_*`: not_found 3105 when absent, corruption 3106 when of another type or out of
  // range (any integer type serves for u32 if the value fits). `get_*_or`: fallback only when
  // absent.
  bool has(std::string_view key) const;
  std::vector<std::string_view> keys() const;  // File order.
  Result<uint32_t> get_u32(std::string_view key) const;
  Result<float> get_f32(std::string_view key) const;
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string_view> get_string(std::string_view key) const;
  Result<std::vector<std::string_view>> get_string_array(std::string_view key) const;
  Result<std::vector<int32_t>> get_i32_array(
      std::string_view key) const;  // u32, i32 (and narrower).
  Result<std::vector<float>> get_f32_array(std::string_view key) const;
  Result<uint32_t> get_u32_or(std::string_view key, uint32_t fallback) const;
  Result<float> get_f32_or(std::string_view key, float fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;
  Result<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;

  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // nullptr when absent.
  const GgufTensor* find_tensor(std::string_view name) const;
  // Errors: 3105 absent, 3103 of a type that is not in TensorType.
  Result<const GgufTensor*> tensor(std::string_view name) const;

 private:
  friend class GgufParser;
  GgufFile() = default;
  struct Entry {
    std::string_view key;
    uint32_t type = 0;          // GGUF value type.
    uint32_t element_type = 0;  // Of an array.
    uint64_t count = 1;         // Of an array.
    uint64_t offset = 0;        // Of the value (array: first element) in the file.
  };
  Result<const Entry*> entry(std::string_view key, uint32_t type) const;
  Error wrong_type(const Entry& entry, std::string_view wanted) const;

  std::unique_ptr<MappedFile> file_;
  std::string name_;
  std::span<const uint8_t> bytes_;
  uint32_t version_ = 0;
  std::vector<Entry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> entry_index_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
};

}  // namespace consort::model

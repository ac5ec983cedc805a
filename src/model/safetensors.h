// SafetensorsFile: a bounded reader of the safetensors format (docs/formats/safetensors.md).
//
// Untrusted input: the header's length, every shape and every offset are checked before use;
// tensors must tile the data section exactly (no overlap, no hole), as the specification demands.
//
// Errors: corruption 3201 (truncated or impossible structure), 3202 (header is not the JSON that
// the format demands), resource_exhausted 3203 (a limit below), unsupported 3204 (element type),
// not_found 3205 (tensor). place is "PATH:byte OFFSET" or "PATH:header/JSON-POINTER".
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/sha256.h"

namespace consort::model {

enum class SafetensorsType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
size_t bytes_per_element(SafetensorsType type);
std::string_view name(SafetensorsType type);

struct SafetensorsLimits {
  uint64_t header_bytes_max = 100'000'000;  // The reference implementation's.
  uint64_t tensors_max = 1 << 16;
  uint64_t dims_max = 8;
};

struct SafetensorsTensor {
  std::string name;
  SafetensorsType type = SafetensorsType::f32;
  std::vector<uint64_t> shape;    // Row-major: the last dimension is the fastest.
  std::span<const uint8_t> data;  // Need not be aligned for its type: read by memcpy.
  uint64_t n_elements() const;
};

// Immutable after open; views live as long as the object.
class SafetensorsFile final {
 public:
  static Result<std::unique_ptr<const SafetensorsFile>> open(const std::filesystem::path& path,
                                                             const SafetensorsLimits& limits = {});
  // `bytes` must outlive the object.
  static Result<std::unique_ptr<const SafetensorsFile>> parse(std::span<const uint8_t> bytes,
                                                              std::string name = "safetensors",
                                                              const SafetensorsLimits& limits = {});
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& name() const { return name_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  Digest digest() const;  // SHA-256 of the whole file.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }  // Header order.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const SafetensorsTensor* find(std::string_view name) const;            // nullptr when absent.
  Result<const SafetensorsTensor*> tensor(std::string_view name) const;  // Error 3205.

 private:
  SafetensorsFile() = default;
  Result<void> read(const SafetensorsLimits& limits);
  std::unique_ptr<MappedFile> file_;
  std::string name_;
  std::span<const uint8_t> bytes_;
  std::vector<SafetensorsTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::unordered_map<std::string_view, size_t> index_;
};

// Any floating type to f32, row-major; invalid_argument 3206 for integer types.
Result<std::vector<float>> to_f32(const SafetensorsTensor& tensor);

}  // namespace consort::model

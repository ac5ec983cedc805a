// GgufWriter: metadata and tensors to GGUF v3 bytes: adapter export and test fixtures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"

namespace consort::model {

// Builds in memory; one thread at a time. Keys and tensors keep the order of the calls. A key set
// twice or a tensor added twice makes finish() fail with already_exists 3121.
class GgufWriter {
 public:
  void set_u32(std::string_view key, uint32_t value);
  void set_u64(std::string_view key, uint64_t value);
  void set_i32(std::string_view key, int32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string(std::string_view key, std::string_view value);
  void set_u32_array(std::string_view key, std::span<const uint32_t> values);
  void set_i32_array(std::string_view key, std::span<const int32_t> values);
  void set_f32_array(std::string_view key, std::span<const float> values);
  void set_string_array(std::string_view key, std::span<const std::string> values);

  // `dims`: 1 to 4, the row's length first. `data` is copied and must have the size that type and
  // dims give, else finish() fails with invalid_argument 3122.
  void add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                  std::span<const uint8_t> data);
  void add_tensor_f32(std::string_view name, std::span<const uint64_t> dims,
                      std::span<const float> data);

  // The file. Alignment 32 (the format's default).
  Result<std::string> finish() const;

 private:
  struct Tensor {
    std::string name;
    TensorType type;
    std::vector<uint64_t> dims;
    std::string data;
  };
  std::string& begin(std::string_view key, uint32_t type);
  std::vector<std::string> keys_;
  std::string metadata_;  // Encoded entries.
  std::vector<Tensor> tensors_;
};

}  // namespace consort::model

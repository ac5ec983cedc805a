// From a model file's tensors to packed weights and vectors, with every shape checked.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"
#include "model/safetensors.h"
#include "tensor/packed.h"

namespace consort::model {

// Tensor `name` as a matrix [n_out, n_in] (GGUF dims {n_in, n_out}). Errors: 3105 absent, 3602
// other shape, those of PackedMatrix::pack; place names file and tensor. `as_f32`: dequantised, so
// that products round nothing (8 times the memory of 4-bit weights).
Result<tensor::PackedMatrix> pack_tensor(const GgufFile& file, std::string_view name, int n_out,
                                         int n_in, bool as_f32 = false,
                                         std::shared_ptr<tensor::Arena> arena = nullptr);
// Tensor `name` as f32 [n]; every value finite.
Result<std::vector<float>> read_vector(const GgufFile& file, std::string_view name, int n);

// The same from safetensors (shape {n_out, n_in}; any floating type), kept as f32 or bf16.
Result<tensor::PackedMatrix> pack_tensor(const SafetensorsFile& file, std::string_view name,
                                         int n_out, int n_in, tensor::PackedMatrix::Kind kind);
Result<std::vector<float>> read_vector(const SafetensorsFile& file, std::string_view name, int n);

}  // namespace consort::model

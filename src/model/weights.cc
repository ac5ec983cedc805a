#include "model/weights.h"

#include <cmath>

namespace consort::model {
namespace {

Result<tensor::WeightFormat> format_of(TensorType type) {
  using tensor::WeightFormat;
  switch (type) {
    case TensorType::f32:
      return WeightFormat::f32;
    case TensorType::f16:
      return WeightFormat::f16;
    case TensorType::bf16:
      return WeightFormat::bf16;
    case TensorType::q4_0:
      return WeightFormat::q4_0;
    case TensorType::q4_1:
      return WeightFormat::q4_1;
    case TensorType::q5_0:
      return WeightFormat::q5_0;
    case TensorType::q5_1:
      return WeightFormat::q5_1;
    case TensorType::q8_0:
      return WeightFormat::q8_0;
    case TensorType::q4_k:
      return WeightFormat::q4_k;
    case TensorType::q5_k:
      return WeightFormat::q5_k;
    case TensorType::q6_k:
      return WeightFormat::q6_k;
  }
  return fail(make_error(ErrorCode::unsupported, 3103, "tensor type is not implemented")
                  .got(std::to_string(static_cast<uint32_t>(type))));
}

Error wrong_shape(const std::string& file, std::string_view name, std::string_view wanted) {
  return make_error(ErrorCode::corruption, 3602, "a tensor has another shape than the model needs")
      .at(file + ":" + std::string(name))
      .to_fix("expected " + std::string(wanted) + "; fetch the file again or use another model");
}

Result<void> check_finite(const std::vector<float>& values, const std::string& file,
                          std::string_view name) {
  for (const float v : values) {
    if (!std::isfinite(v)) {
      return fail(make_error(ErrorCode::corruption, 4004, "a weight is not a finite number")
                      .at(file + ":" + std::string(name))
                      .to_fix("fetch the file again; its bytes are damaged"));
    }
  }
  return {};
}

}  // namespace

Result<tensor::PackedMatrix> pack_tensor(const GgufFile& file, std::string_view name, int n_out,
                                         int n_in, bool as_f32,
                                         std::shared_ptr<tensor::Arena> arena) {
  CONSORT_ASSIGN(const GgufTensor* found, file.tensor(name));
  if (found->dims[0] != static_cast<uint64_t>(n_in) ||
      found->dims[1] != static_cast<uint64_t>(n_out) || found->dims[2] != 1 ||
      found->dims[3] != 1) {
    return fail(
        wrong_shape(file.name(), name, std::to_string(n_in) + " x " + std::to_string(n_out)));
  }
  CONSORT_ASSIGN(const tensor::WeightFormat format, format_of(found->type));
  const uint64_t n = found->n_elements();
  std::vector<float> values;
  std::span<const uint8_t> data = found->data;
  if (as_f32 && data.size() == tensor::weight_bytes(format, n) &&
      n % tensor::weight_block(format) == 0) {
    values.resize(n);
    tensor::dequantize(format, data.data(), n, values.data());
    data = {reinterpret_cast<const uint8_t*>(values.data()), n * sizeof(float)};
  }
  Result<tensor::PackedMatrix> packed = tensor::PackedMatrix::pack(
      values.empty() ? format : tensor::WeightFormat::f32, data, n_out, n_in, std::move(arena));
  if (!packed) return fail(std::move(packed).error().at(file.name() + ":" + std::string(name)));
  return packed;
}

Result<std::vector<float>> read_vector(const GgufFile& file, std::string_view name, int n) {
  CONSORT_ASSIGN(const GgufTensor* found, file.tensor(name));
  if (found->n_elements() != static_cast<uint64_t>(n)) {
    return fail(wrong_shape(file.name(), name, std::to_string(n)));
  }
  CONSORT_ASSIGN(const tensor::WeightFormat format, format_of(found->type));
  if (static_cast<uint32_t>(n) % tensor::weight_block(format) != 0 ||
      found->data.size() != tensor::weight_bytes(format, static_cast<uint64_t>(n))) {
    return fail(wrong_shape(file.name(), name, std::to_string(n)));
  }
  std::vector<float> out(static_cast<size_t>(n));
  tensor::dequantize(format, found->data.data(), static_cast<uint64_t>(n), out.data());
  CONSORT_TRY(check_finite(out, file.name(), name));
  return out;
}

Result<tensor::PackedMatrix> pack_tensor(const SafetensorsFile& file, std::string_view name,
                                         int n_out, int n_in, tensor::PackedMatrix::Kind kind) {
  CONSORT_ASSIGN(const SafetensorsTensor* found, file.tensor(name));
  const std::vector<uint64_t> wanted = {static_cast<uint64_t>(n_out), static_cast<uint64_t>(n_in)};
  if (found->shape != wanted) {
    return fail(
        wrong_shape(file.name(), name, std::to_string(n_out) + " x " + std::to_string(n_in)));
  }
  CONSORT_ASSIGN(const std::vector<float> values, to_f32(*found));
  const std::span bytes(reinterpret_cast<const uint8_t*>(values.data()),
                        values.size() * sizeof(float));
  Result<tensor::PackedMatrix> packed =
      kind == tensor::PackedMatrix::Kind::f32
          ? tensor::PackedMatrix::pack(tensor::WeightFormat::f32, bytes, n_out, n_in)
          : tensor::PackedMatrix::round_to(kind, values, n_out, n_in);
  if (!packed) return fail(std::move(packed).error().at(file.name() + ":" + std::string(name)));
  return packed;
}

Result<std::vector<float>> read_vector(const SafetensorsFile& file, std::string_view name, int n) {
  CONSORT_ASSIGN(const SafetensorsTensor* found, file.tensor(name));
  if (found->n_elements() != static_cast<uint64_t>(n)) {
    return fail(wrong_shape(file.name(), name, std::to_string(n)));
  }
  CONSORT_ASSIGN(std::vector<float> out, to_f32(*found));
  CONSORT_TRY(check_finite(out, file.name(), name));
  return out;
}

}  // namespace consort::model

#include "model/gguf_writer.h"

#include <fmt/format.h>

#include <unordered_set>

namespace consort::model {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kAlignment = 32;

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_string(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}
void pad(std::string& out) {
  out.append((kAlignment - out.size() % kAlignment) % kAlignment, '\0');
}

}  // namespace

std::string& GgufWriter::begin(std::string_view key, uint32_t type) {
  keys_.emplace_back(key);
  put_string(metadata_, key);
  put<uint32_t>(metadata_, type);
  return metadata_;
}

void GgufWriter::set_u32(std::string_view key, uint32_t value) { put(begin(key, 4), value); }
void GgufWriter::set_u64(std::string_view key, uint64_t value) { put(begin(key, 10), value); }
void GgufWriter::set_i32(std::string_view key, int32_t value) { put(begin(key, 5), value); }
void GgufWriter::set_f32(std::string_view key, float value) { put(begin(key, 6), value); }
void GgufWriter::set_bool(std::string_view key, bool value) {
  put<uint8_t>(begin(key, 7), value ? 1 : 0);
}
void GgufWriter::set_string(std::string_view key, std::string_view value) {
  put_string(begin(key, 8), value);
}
void GgufWriter::set_u32_array(std::string_view key, std::span<const uint32_t> values) {
  std::string& out = begin(key, 9);
  put<uint32_t>(out, 4);
  put<uint64_t>(out, values.size());
  for (uint32_t value : values) put(out, value);
}
void GgufWriter::set_i32_array(std::string_view key, std::span<const int32_t> values) {
  std::string& out = begin(key, 9);
  put<uint32_t>(out, 5);
  put<uint64_t>(out, values.size());
  for (int32_t value : values) put(out, value);
}
void GgufWriter::set_f32_array(std::string_view key, std::span<const float> values) {
  std::string& out = begin(key, 9);
  put<uint32_t>(out, 6);
  put<uint64_t>(out, values.size());
  for (float value : values) put(out, value);
}
void GgufWriter::set_string_array(std::string_view key, std::span<const std::string> values) {
  std::string& out = begin(key, 9);
  put<uint32_t>(out, 8);
  put<uint64_t>(out, values.size());
  for (const std::string& value : values) put_string(out, value);
}

void GgufWriter::add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                            std::span<const uint8_t> data) {
  tensors_.push_back({std::string(name),
                      type,
                      {dims.begin(), dims.end()},
                      std::string(reinterpret_cast<const char*>(data.data()), data.size())});
}

void GgufWriter::add_tensor_f32(std::string_view name, std::span<const uint64_t> dims,
                                std::span<const float> data) {
  add_tensor(name, TensorType::f32, dims,
             {reinterpret_cast<const uint8_t*>(data.data()), data.size_bytes()});
}

Result<std::string> GgufWriter::finish() const {
  std::unordered_set<std::string_view> seen;
  for (const std::string& key : keys_)
    if (!seen.insert(key).second)
      return fail(make_error(ErrorCode::already_exists, 3121, "metadata key set twice").got(key));
  seen.clear();
  std::string out("GGUF");
  put<uint32_t>(out, kVersion);
  put<uint64_t>(out, tensors_.size());
  put<uint64_t>(out, keys_.size());
  out += metadata_;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    if (!seen.insert(tensor.name).second)
      return fail(
          make_error(ErrorCode::already_exists, 3121, "tensor added twice").got(tensor.name));
    const auto known = traits(tensor.type);
    uint64_t n_elements = 1;
    for (uint64_t dim : tensor.dims) n_elements *= dim;
    if (!known || tensor.dims.empty() || tensor.dims.size() > 4 ||
        tensor.dims[0] % known->block_elements != 0 ||
        n_elements / known->block_elements * known->block_bytes != tensor.data.size()) {
      return fail(make_error(ErrorCode::invalid_argument, 3122,
                             fmt::format("tensor '{}': {} bytes do not fit its type and dimensions",
                                         tensor.name, tensor.data.size())));
    }
    put_string(out, tensor.name);
    put<uint32_t>(out, static_cast<uint32_t>(tensor.dims.size()));
    for (uint64_t dim : tensor.dims) put<uint64_t>(out, dim);
    put<uint32_t>(out, static_cast<uint32_t>(tensor.type));
    put<uint64_t>(out, offset);
    offset += (tensor.data.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  for (const Tensor& tensor : tensors_) {
    pad(out);
    out += tensor.data;
  }
  if (!tensors_.empty()) pad(out);
  return out;
}

}  // namespace consort::model

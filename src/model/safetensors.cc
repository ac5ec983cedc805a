#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "contract/json.h"
#include "model/half.h"

namespace consort::model {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little endian");

struct TypeRow {
  std::string_view name;
  SafetensorsType type;
  size_t bytes;
};
constexpr TypeRow kTypes[] = {
    {"F64", SafetensorsType::f64, 8}, {"F32", SafetensorsType::f32, 4},
    {"F16", SafetensorsType::f16, 2}, {"BF16", SafetensorsType::bf16, 2},
    {"I64", SafetensorsType::i64, 8}, {"I32", SafetensorsType::i32, 4},
    {"I16", SafetensorsType::i16, 2}, {"I8", SafetensorsType::i8, 1},
    {"U8", SafetensorsType::u8, 1},   {"BOOL", SafetensorsType::boolean, 1},
};

const TypeRow& row(SafetensorsType type) { return kTypes[static_cast<size_t>(type)]; }

constexpr std::string_view kFix =
    "fetch the file again and compare its SHA-256 with the publisher's";

Error broken(std::string place, std::string message) {
  return make_error(ErrorCode::corruption, 3201, std::move(message))
      .at(std::move(place))
      .to_fix(std::string(kFix));
}
Error bad_header(std::string place, std::string message) {
  return make_error(ErrorCode::corruption, 3202, std::move(message))
      .at(std::move(place))
      .to_fix(std::string(kFix));
}

// A count written as a plain JSON integer.
std::optional<uint64_t> as_count(const contract::Value& value) {
  const contract::Number* number = value.get_number();
  if (number == nullptr) return std::nullopt;
  const auto integer = number->as_int64();
  if (!integer || *integer < 0) return std::nullopt;
  return static_cast<uint64_t>(*integer);
}

struct Extent {
  uint64_t begin = 0, end = 0;
  size_t tensor = 0;
};

Result<Extent> read_tensor(const std::string& place, const contract::Value& entry,
                           uint64_t data_bytes, const SafetensorsLimits& limits,
                           SafetensorsTensor& tensor) {
  if (!entry.is_object()) return fail(bad_header(place, "a tensor's entry is no object"));
  for (const auto& [key, value] : entry.as_object())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      return fail(bad_header(contract::pointer_child(place, key), "an unknown member"));
  const contract::Value* dtype = entry.find("dtype");
  if (dtype == nullptr || !dtype->is_string())
    return fail(bad_header(place, "dtype is missing or no string"));
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes),
                   [&](const TypeRow& candidate) { return candidate.name == dtype->as_string(); });
  if (type == std::end(kTypes)) {
    return fail(make_error(ErrorCode::unsupported, 3204, "an element type that is not implemented")
                    .at(place + "/dtype")
                    .got(dtype->as_string())
                    .to_fix("convert the model to F32, F16 or BF16"));
  }
  tensor.type = type->type;
  const contract::Value* shape = entry.find("shape");
  if (shape == nullptr || !shape->is_array())
    return fail(bad_header(place, "shape is missing or no array"));
  if (shape->as_array().size() > limits.dims_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 3203,
                           fmt::format("a tensor of more than {} dimensions", limits.dims_max))
                    .at(place + "/shape")
                    .to_fix("use a model of an implemented architecture"));
  }
  uint64_t n_bytes = type->bytes;
  for (const contract::Value& dim : shape->as_array()) {
    const auto count = as_count(dim);
    if (!count) return fail(bad_header(place + "/shape", "a dimension is no natural number"));
    tensor.shape.push_back(*count);
    if (__builtin_mul_overflow(n_bytes, *count, &n_bytes))
      return fail(broken(place + "/shape", "the shape overflows"));
  }
  const contract::Value* offsets = entry.find("data_offsets");
  const contract::Array* pair = offsets == nullptr ? nullptr : offsets->get_array();
  if (pair == nullptr || pair->size() != 2)
    return fail(bad_header(place, "data_offsets is missing or no pair"));
  const auto begin = as_count((*pair)[0]), end = as_count((*pair)[1]);
  if (!begin || !end) return fail(bad_header(place + "/data_offsets", "no natural numbers"));
  if (*begin > *end || *end > data_bytes) {
    return fail(broken(
        place + "/data_offsets",
        fmt::format("[{}, {}] is not inside the {} bytes of data", *begin, *end, data_bytes)));
  }
  if (*end - *begin != n_bytes) {
    return fail(broken(place + "/data_offsets", fmt::format("{} bytes, but dtype and shape need {}",
                                                            *end - *begin, n_bytes)));
  }
  return Extent{*begin, *end, 0};
}

}  // namespace

size_t bytes_per_element(SafetensorsType type) { return row(type).bytes; }
std::string_view name(SafetensorsType type) { return row(type).name; }

uint64_t SafetensorsTensor::n_elements() const { return data.size() / bytes_per_element(type); }

Result<std::unique_ptr<const SafetensorsFile>> SafetensorsFile::open(
    const std::filesystem::path& path, const SafetensorsLimits& limits) {
  CONSORT_ASSIGN(auto mapped, MappedFile::open(path));
  auto file = std::unique_ptr<SafetensorsFile>(new SafetensorsFile);
  file->name_ = path.string();
  file->bytes_ = mapped->bytes();
  file->file_ = std::move(mapped);
  CONSORT_TRY(file->read(limits));
  return std::unique_ptr<const SafetensorsFile>(std::move(file));
}

Result<std::unique_ptr<const SafetensorsFile>> SafetensorsFile::parse(
    std::span<const uint8_t> bytes, std::string name, const SafetensorsLimits& limits) {
  auto file = std::unique_ptr<SafetensorsFile>(new SafetensorsFile);
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  CONSORT_TRY(file->read(limits));
  return std::unique_ptr<const SafetensorsFile>(std::move(file));
}

Result<void> SafetensorsFile::read(const SafetensorsLimits& limits) {
  if (bytes_.size() < 8) {
    return fail(broken(name_ + ":byte 0", bytes_.empty()
                                              ? "the file is empty"
                                              : "the file ends inside the header's length"));
  }
  uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes_.data(), 8);
  if (header_bytes > limits.header_bytes_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 3203,
                           fmt::format("a header of more than {} bytes", limits.header_bytes_max))
                    .at(name_ + ":byte 0")
                    .got(std::to_string(header_bytes))
                    .to_fix("give a safetensors file"));
  }
  if (header_bytes > bytes_.size() - 8) {
    return fail(broken(name_ + ":byte 8", fmt::format("the header claims {} bytes, {} are left",
                                                      header_bytes, bytes_.size() - 8)));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + 8), header_bytes);
  if (text.empty() || text[0] != '{')
    return fail(bad_header(name_ + ":byte 8", "the header does not start with '{'"));
  auto header = contract::parse_json(text, {.bytes_max = limits.header_bytes_max, .depth_max = 8});
  if (!header) {
    return fail(bad_header(name_ + ":header line " + header.error().place,
                           "the header is no JSON: " + header.error().message));
  }
  const std::span<const uint8_t> data = bytes_.subspan(8 + header_bytes);
  std::vector<Extent> extents;
  for (const auto& [key, entry] : header->as_object()) {
    const std::string place = name_ + ":header" + contract::pointer_child("", key);
    if (key == "__metadata__") {
      if (!entry.is_object()) return fail(bad_header(place, "__metadata__ is no object"));
      for (const auto& [name, value] : entry.as_object()) {
        if (!value.is_string())
          return fail(bad_header(contract::pointer_child(place, name), "metadata is no string"));
        metadata_[name] = value.as_string();
      }
      continue;
    }
    if (tensors_.size() >= limits.tensors_max) {
      return fail(make_error(ErrorCode::resource_exhausted, 3203,
                             fmt::format("more than {} tensors", limits.tensors_max))
                      .at(place)
                      .to_fix("use a model of an implemented architecture"));
    }
    SafetensorsTensor tensor;
    tensor.name = key;
    CONSORT_ASSIGN(Extent extent, read_tensor(place, entry, data.size(), limits, tensor));
    extent.tensor = tensors_.size();
    tensor.data = data.subspan(extent.begin, extent.end - extent.begin);
    extents.push_back(extent);
    tensors_.push_back(std::move(tensor));
  }
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != at) {
      return fail(
          broken(fmt::format("{}:byte {}", name_, 8 + header_bytes + std::min(at, extent.begin)),
                 fmt::format("tensor '{}' {}", cut_utf8(tensors_[extent.tensor].name, 80),
                             extent.begin < at ? "overlaps another" : "follows a hole")));
    }
    at = extent.end;
  }
  if (at != data.size()) {
    return fail(broken(fmt::format("{}:byte {}", name_, 8 + header_bytes + at),
                       fmt::format("{} bytes follow the last tensor", data.size() - at)));
  }
  index_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
  return {};
}

Digest SafetensorsFile::digest() const { return Sha256().update(bytes_).finish(); }

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

Result<const SafetensorsTensor*> SafetensorsFile::tensor(std::string_view name) const {
  const SafetensorsTensor* found = find(name);
  if (found == nullptr) {
    return fail(make_error(ErrorCode::not_found, 3205, "the file has no tensor")
                    .at(name_)
                    .got(name)
                    .to_fix("use a complete model of this architecture"));
  }
  return found;
}

Result<std::vector<float>> to_f32(const SafetensorsTensor& tensor) {
  std::vector<float> values(tensor.n_elements());
  const uint8_t* at = tensor.data.data();
  switch (tensor.type) {
    case SafetensorsType::f32:
      if (!values.empty()) std::memcpy(values.data(), at, tensor.data.size());
      return values;
    case SafetensorsType::f64:
      for (size_t i = 0; i < values.size(); ++i) {
        double wide;
        std::memcpy(&wide, at + 8 * i, 8);
        values[i] = static_cast<float>(wide);
      }
      return values;
    case SafetensorsType::f16:
    case SafetensorsType::bf16:
      for (size_t i = 0; i < values.size(); ++i) {
        uint16_t half;
        std::memcpy(&half, at + 2 * i, 2);
        values[i] = tensor.type == SafetensorsType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
      }
      return values;
    default:
      return fail(
          make_error(ErrorCode::invalid_argument, 3206,
                     fmt::format("tensor '{}' holds no floating-point numbers", tensor.name))
              .got(model::name(tensor.type)));
  }
}

}  // namespace consort::model

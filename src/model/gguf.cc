#include "model/gguf.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace consort::model {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF readers here assume little endian");

enum ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// Bytes of a fixed-size value; 0 for strings, arrays and unknown types.
uint32_t fixed_bytes(uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool:
      return 1;
    case kU16:
    case kI16:
      return 2;
    case kU32:
    case kI32:
    case kF32:
      return 4;
    case kU64:
    case kI64:
    case kF64:
      return 8;
    default:
      return 0;
  }
}

std::string_view type_name(uint32_t type) {
  static constexpr std::string_view kNames[] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                "i32", "f32", "bool", "string", "array",
                                                "u64", "i64", "f64"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

template <typename T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// An integer of any width as i64; a u64 beyond i64 is nullopt.
std::optional<int64_t> load_integer(uint32_t type, const uint8_t* at) {
  switch (type) {
    case kU8:
      return load<uint8_t>(at);
    case kI8:
      return load<int8_t>(at);
    case kU16:
      return load<uint16_t>(at);
    case kI16:
      return load<int16_t>(at);
    case kU32:
      return load<uint32_t>(at);
    case kI32:
      return load<int32_t>(at);
    case kI64:
      return load<int64_t>(at);
    case kU64: {
      const uint64_t value = load<uint64_t>(at);
      if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

constexpr std::string_view kFixDownload =
    "fetch the file again and compare its SHA-256 with the publisher's";

}  // namespace

std::optional<TensorTypeTraits> traits(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return TensorTypeTraits{"F32", 1, 4};
    case TensorType::f16:
      return TensorTypeTraits{"F16", 1, 2};
    case TensorType::bf16:
      return TensorTypeTraits{"BF16", 1, 2};
    case TensorType::q4_0:
      return TensorTypeTraits{"Q4_0", 32, 18};
    case TensorType::q4_1:
      return TensorTypeTraits{"Q4_1", 32, 20};
    case TensorType::q5_0:
      return TensorTypeTraits{"Q5_0", 32, 22};
    case TensorType::q5_1:
      return TensorTypeTraits{"Q5_1", 32, 24};
    case TensorType::q8_0:
      return TensorTypeTraits{"Q8_0", 32, 34};
    case TensorType::q4_k:
      return TensorTypeTraits{"Q4_K", 256, 144};
    case TensorType::q5_k:
      return TensorTypeTraits{"Q5_K", 256, 176};
    case TensorType::q6_k:
      return TensorTypeTraits{"Q6_K", 256, 210};
  }
  return std::nullopt;
}

// Reads front to back; `at_` never passes the end.
class GgufParser {
 public:
  GgufParser(GgufFile& file, const GgufLimits& limits)
      : file_(file), limits_(limits), bytes_(file.bytes_) {}

  Result<void> run() {
    CONSORT_TRY(header());
    for (uint64_t i = 0; i < n_entries_; ++i) CONSORT_TRY(entry());
    CONSORT_TRY(alignment());
    for (uint64_t i = 0; i < n_tensors_; ++i) CONSORT_TRY(tensor_info());
    return place_tensors();
  }

 private:
  Error broken(std::string message) const {
    return make_error(ErrorCode::corruption, 3101, std::move(message))
        .at(place(at_))
        .to_fix(std::string(kFixDownload));
  }
  Error over(std::string message, uint64_t value) const {
    return make_error(ErrorCode::resource_exhausted, 3104, std::move(message))
        .at(place(at_))
        .got(std::to_string(value))
        .to_fix(std::string(kFixDownload));
  }
  std::string place(uint64_t offset) const {
    return fmt::format("{}:byte {}", file_.name_, offset);
  }
  uint64_t left() const { return bytes_.size() - at_; }

  Result<void> need(uint64_t n, std::string_view what) const {
    if (n > left())
      return fail(broken(
          fmt::format("the file ends inside {}: {} bytes needed, {} left", what, n, left())));
    return {};
  }
  template <typename T>
  Result<T> read(std::string_view what) {
    CONSORT_TRY(need(sizeof(T), what));
    const T value = load<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }
  Result<std::string_view> string(std::string_view what, uint64_t bytes_max) {
    CONSORT_ASSIGN(const uint64_t n, read<uint64_t>(what));
    if (n > left())
      return fail(broken(fmt::format("{} claims {} bytes, {} are left", what, n, left())));
    if (n > bytes_max)
      return fail(over(fmt::format("{} is longer than {} bytes", what, bytes_max), n));
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + at_), n);
    at_ += n;
    return text;
  }

  Result<void> header() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
      return fail(
          make_error(ErrorCode::corruption, 3102,
                     bytes_.empty() ? "the file is empty" : "the file does not start with GGUF")
              .at(place(0))
              .to_fix("give a GGUF model or adapter file"));
    }
    at_ = 4;
    CONSORT_ASSIGN(file_.version_, read<uint32_t>("the version"));
    if (file_.version_ != 2 && file_.version_ != 3) {
      const bool swapped = (file_.version_ & 0xffff) == 0 && file_.version_ != 0;
      return fail(make_error(ErrorCode::unsupported, 3103,
                             swapped ? "a big-endian GGUF file" : "an unknown GGUF version")
                      .at(place(4))
                      .got(std::to_string(file_.version_))
                      .to_fix("convert the model to little-endian GGUF version 3"));
    }
    CONSORT_ASSIGN(n_tensors_, read<uint64_t>("the tensor count"));
    CONSORT_ASSIGN(n_entries_, read<uint64_t>("the metadata count"));
    if (n_tensors_ > limits_.tensors_max)
      return fail(over(fmt::format("more than {} tensors", limits_.tensors_max), n_tensors_));
    if (n_entries_ > limits_.metadata_entries_max) {
      return fail(over(fmt::format("more than {} metadata entries", limits_.metadata_entries_max),
                       n_entries_));
    }
    // The smallest entry and tensor description have 13 and 24 bytes; so nothing below is reserved
    // for counts that the file cannot hold.
    if (n_entries_ > left() / 13 || n_tensors_ > left() / 24)
      return fail(broken("the counts in the header do not fit in the file"));
    file_.entries_.reserve(n_entries_);
    file_.tensors_.reserve(n_tensors_);
    return {};
  }

  Result<void> entry() {
    GgufFile::Entry entry;
    CONSORT_ASSIGN(entry.key, string("a metadata key", limits_.key_bytes_max));
    if (entry.key.empty()) return fail(broken("an empty metadata key"));
    CONSORT_ASSIGN(entry.type, read<uint32_t>("a metadata type"));
    entry.offset = at_;
    if (entry.type == kArray) {
      CONSORT_ASSIGN(entry.element_type, read<uint32_t>("an array's type"));
      CONSORT_ASSIGN(entry.count, read<uint64_t>("an array's length"));
      entry.offset = at_;
      if (entry.element_type == kArray) {
        return fail(make_error(ErrorCode::unsupported, 3103, "an array of arrays in the metadata")
                        .at(place(at_))
                        .got(entry.key)
                        .to_fix("remove this key with a GGUF editor"));
      }
      CONSORT_TRY(skip_values(entry.element_type, entry.count, entry.key));
    } else {
      CONSORT_TRY(skip_values(entry.type, 1, entry.key));
    }
    if (!file_.entry_index_.emplace(entry.key, file_.entries_.size()).second)
      return fail(broken(fmt::format("metadata key '{}' appears twice", cut_utf8(entry.key, 80))));
    file_.entries_.push_back(entry);
    return {};
  }

  Result<void> skip_values(uint32_t type, uint64_t count, std::string_view key) {
    if (type == kString) {
      // Each string takes 8 bytes at least.
      if (count > left() / 8)
        return fail(broken(fmt::format("'{}' claims {} strings, {} bytes are left",
                                       cut_utf8(key, 80), count, left())));
      if (count > limits_.array_elements_max)
        return fail(over(
            fmt::format("an array of more than {} elements", limits_.array_elements_max), count));
      for (uint64_t i = 0; i < count; ++i)
        CONSORT_TRY(string("a metadata string", limits_.string_bytes_max));
      return {};
    }
    const uint32_t size = fixed_bytes(type);
    if (size == 0)
      return fail(broken(fmt::format("unknown metadata type {} of '{}'", type, cut_utf8(key, 80))));
    if (count > left() / size)
      return fail(broken(fmt::format("'{}' claims {} values of {} bytes, {} bytes are left",
                                     cut_utf8(key, 80), count, size, left())));
    if (count > limits_.array_elements_max)
      return fail(over(fmt::format("an array of more than {} elements", limits_.array_elements_max),
                       count));
    at_ += count * size;
    return {};
  }

  Result<void> alignment() {
    if (!file_.has("general.alignment")) return {};
    CONSORT_ASSIGN(const uint32_t value, file_.get_u32("general.alignment"));
    if (value == 0 || !std::has_single_bit(value) || value < 8)
      return fail(broken(fmt::format("general.alignment is {}, not a power of two from 8", value)));
    if (value > limits_.alignment_max)
      return fail(over(fmt::format("an alignment over {}", limits_.alignment_max), value));
    alignment_ = value;
    return {};
  }

  Result<void> tensor_info() {
    GgufTensor tensor;
    CONSORT_ASSIGN(tensor.name, string("a tensor name", limits_.tensor_name_bytes_max));
    if (tensor.name.empty()) return fail(broken("an empty tensor name"));
    const std::string shown = cut_utf8(tensor.name, 80);
    CONSORT_ASSIGN(tensor.n_dims, read<uint32_t>("a tensor's dimensions"));
    if (tensor.n_dims < 1 || tensor.n_dims > 4)
      return fail(
          broken(fmt::format("tensor '{}' has {} dimensions, not 1 to 4", shown, tensor.n_dims)));
    uint64_t n_elements = 1;
    for (uint32_t d = 0; d < tensor.n_dims; ++d) {
      CONSORT_ASSIGN(tensor.dims[d], read<uint64_t>("a tensor's dimensions"));
      if (tensor.dims[d] == 0)
        return fail(broken(fmt::format("tensor '{}' has an empty dimension", shown)));
      if (__builtin_mul_overflow(n_elements, tensor.dims[d], &n_elements) || n_elements >> 48)
        return fail(broken(fmt::format("the dimensions of tensor '{}' overflow", shown)));
    }
    CONSORT_ASSIGN(const uint32_t type, read<uint32_t>("a tensor's type"));
    tensor.type = static_cast<TensorType>(type);
    CONSORT_ASSIGN(const uint64_t offset, read<uint64_t>("a tensor's offset"));
    if (offset % alignment_ != 0)
      return fail(broken(fmt::format("tensor '{}' starts at {}, not a multiple of {}", shown,
                                     offset, alignment_)));
    uint64_t n_bytes = 0;
    if (const auto known = traits(tensor.type)) {
      if (tensor.dims[0] % known->block_elements != 0)
        return fail(
            broken(fmt::format("rows of tensor '{}' have {} elements, no multiple of {} ({})",
                               shown, tensor.dims[0], known->block_elements, known->name)));
      n_bytes = n_elements / known->block_elements * known->block_bytes;  // < 2^50
    }
    if (!file_.tensor_index_.emplace(tensor.name, file_.tensors_.size()).second)
      return fail(broken(fmt::format("tensor '{}' appears twice", shown)));
    file_.tensors_.push_back(tensor);
    extents_.push_back({offset, n_bytes});
    return {};
  }

  Result<void> place_tensors() {
    if (file_.tensors_.empty()) return {};
    const uint64_t start = (at_ + alignment_ - 1) / alignment_ * alignment_;
    for (size_t i = 0; i < file_.tensors_.size(); ++i) {
      const auto [offset, n_bytes] = extents_[i];
      GgufTensor& tensor = file_.tensors_[i];
      if (start > bytes_.size() || offset > bytes_.size() - start ||
          n_bytes > bytes_.size() - start - offset) {
        return fail(broken(
            fmt::format("tensor '{}' needs {} bytes at data offset {}, past the end of the file",
                        cut_utf8(tensor.name, 80), n_bytes, offset)));
      }
      tensor.data = bytes_.subspan(start + offset, n_bytes);
    }
    return {};
  }

  struct Extent {
    uint64_t offset, n_bytes;
  };
  GgufFile& file_;
  const GgufLimits& limits_;
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
  uint64_t n_tensors_ = 0, n_entries_ = 0;
  uint64_t alignment_ = 32;
  std::vector<Extent> extents_;
};

Result<std::unique_ptr<const GgufFile>> GgufFile::open(const std::filesystem::path& path,
                                                       const GgufLimits& limits) {
  CONSORT_ASSIGN(auto mapped, MappedFile::open(path));
  auto file = std::unique_ptr<GgufFile>(new GgufFile);
  file->name_ = path.string();
  file->bytes_ = mapped->bytes();
  file->file_ = std::move(mapped);
  CONSORT_TRY(GgufParser(*file, limits).run());
  return std::unique_ptr<const GgufFile>(std::move(file));
}

Result<std::unique_ptr<const GgufFile>> GgufFile::parse(std::span<const uint8_t> bytes,
                                                        std::string name,
                                                        const GgufLimits& limits) {
  auto file = std::unique_ptr<GgufFile>(new GgufFile);
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  CONSORT_TRY(GgufParser(*file, limits).run());
  return std::unique_ptr<const GgufFile>(std::move(file));
}

Digest GgufFile::digest() const { return Sha256().update(bytes_).finish(); }

bool GgufFile::has(std::string_view key) const { return entry_index_.contains(key); }

std::vector<std::string_view> GgufFile::keys() const {
  std::vector<std::string_view> keys;
  keys.reserve(entries_.size());
  for (const Entry& entry : entries_) keys.push_back(entry.key);
  return keys;
}

Error GgufFile::wrong_type(const Entry& entry, std::string_view wanted) const {
  std::string is(type_name(entry.type));
  if (entry.type == kArray) is += fmt::format(" of {}", type_name(entry.element_type));
  return make_error(ErrorCode::corruption, 3106,
                    fmt::format("metadata key '{}' is not {}", entry.key, wanted))
      .at(fmt::format("{}:byte {}", name_, entry.offset))
      .got(is)
      .to_fix("convert the model again with a current converter");
}

// `type` kArray or any scalar: whether an array is wanted.
Result<const GgufFile::Entry*> GgufFile::entry(std::string_view key, uint32_t type) const {
  const auto found = entry_index_.find(key);
  if (found == entry_index_.end()) {
    return fail(make_error(ErrorCode::not_found, 3105, "the file has no metadata key")
                    .at(name_)
                    .got(key)
                    .to_fix("convert the model again with a current converter"));
  }
  const Entry* entry = &entries_[found->second];
  if ((entry->type == kArray) != (type == kArray))
    return fail(wrong_type(*entry, type == kArray ? "an array" : "a single value"));
  return entry;
}

Result<uint32_t> GgufFile::get_u32(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kU32));
  const auto value = load_integer(found->type, bytes_.data() + found->offset);
  if (!value || *value < 0 || *value > UINT32_MAX) return fail(wrong_type(*found, "a u32"));
  return static_cast<uint32_t>(*value);
}

Result<float> GgufFile::get_f32(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kF32));
  if (found->type == kF32) return load<float>(bytes_.data() + found->offset);
  if (found->type == kF64) return static_cast<float>(load<double>(bytes_.data() + found->offset));
  return fail(wrong_type(*found, "an f32"));
}

Result<bool> GgufFile::get_bool(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kBool));
  if (found->type != kBool) return fail(wrong_type(*found, "a bool"));
  return bytes_[found->offset] != 0;
}

Result<std::string_view> GgufFile::get_string(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kString));
  if (found->type != kString) return fail(wrong_type(*found, "a string"));
  const uint8_t* at = bytes_.data() + found->offset;
  return std::string_view(reinterpret_cast<const char*>(at + 8), load<uint64_t>(at));
}

Result<std::vector<std::string_view>> GgufFile::get_string_array(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kArray));
  if (found->element_type != kString) return fail(wrong_type(*found, "an array of strings"));
  std::vector<std::string_view> strings;
  strings.reserve(found->count);
  const uint8_t* at = bytes_.data() + found->offset;
  for (uint64_t i = 0; i < found->count; ++i) {
    const uint64_t n = load<uint64_t>(at);
    strings.emplace_back(reinterpret_cast<const char*>(at + 8), n);
    at += 8 + n;
  }
  return strings;
}

Result<std::vector<int32_t>> GgufFile::get_i32_array(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kArray));
  std::vector<int32_t> values;
  values.reserve(found->count);
  const uint32_t size = fixed_bytes(found->element_type);
  for (uint64_t i = 0; i < found->count; ++i) {
    const auto value = load_integer(found->element_type, bytes_.data() + found->offset + i * size);
    if (!value || *value < INT32_MIN || *value > INT32_MAX)
      return fail(wrong_type(*found, "an array of i32"));
    values.push_back(static_cast<int32_t>(*value));
  }
  return values;
}

Result<std::vector<float>> GgufFile::get_f32_array(std::string_view key) const {
  CONSORT_ASSIGN(const Entry* found, entry(key, kArray));
  if (found->element_type != kF32) return fail(wrong_type(*found, "an array of f32"));
  std::vector<float> values(found->count);
  if (!values.empty())
    std::memcpy(values.data(), bytes_.data() + found->offset, values.size() * sizeof(float));
  return values;
}

Result<uint32_t> GgufFile::get_u32_or(std::string_view key, uint32_t fallback) const {
  return has(key) ? get_u32(key) : Result<uint32_t>(fallback);
}
Result<float> GgufFile::get_f32_or(std::string_view key, float fallback) const {
  return has(key) ? get_f32(key) : Result<float>(fallback);
}
Result<bool> GgufFile::get_bool_or(std::string_view key, bool fallback) const {
  return has(key) ? get_bool(key) : Result<bool>(fallback);
}
Result<std::string_view> GgufFile::get_string_or(std::string_view key,
                                                 std::string_view fallback) const {
  return has(key) ? get_string(key) : Result<std::string_view>(fallback);
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

Result<const GgufTensor*> GgufFile::tensor(std::string_view name) const {
  const GgufTensor* found = find_tensor(name);
  if (found == nullptr) {
    return fail(make_error(ErrorCode::not_found, 3105, "the file has no tensor")
                    .at(name_)
                    .got(name)
                    .to_fix("use a complete model of this architecture"));
  }
  if (!traits(found->type)) {
    return fail(
        make_error(ErrorCode::unsupported, 3103,
                   fmt::format("tensor '{}' has an element type that is not implemented", name))
            .at(name_)
            .got(std::to_string(static_cast<uint32_t>(found->type)))
            .to_fix(
                "use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K"));
  }
  return found;
}

}  // namespace consort::model

#include "model/adapter_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "contract/json.h"
#include "model/gguf.h"
#include "model/gguf_writer.h"
#include "model/half.h"
#include "model/peft.h"

namespace consort::model {
namespace {

Error bad(const GgufFile& file, std::string message, std::string_view tensor) {
  return make_error(ErrorCode::corruption, 3501, std::move(message))
      .at(file.name())
      .got(tensor)
      .to_fix("export the adapter again");
}

Result<std::vector<float>> to_f32(const GgufFile& file, const GgufTensor& tensor) {
  // Only a type that is known has its claimed size checked against the file: no memory for others.
  const bool readable = tensor.type == TensorType::f32 || tensor.type == TensorType::f16 ||
                        tensor.type == TensorType::bf16 || tensor.type == TensorType::q8_0;
  std::vector<float> out(readable ? tensor.n_elements() : 0);
  const uint8_t* at = tensor.data.data();
  const auto half = [&](size_t offset) {
    uint16_t bits;
    std::memcpy(&bits, at + offset, 2);
    return bits;
  };
  switch (tensor.type) {
    case TensorType::f32:
      std::memcpy(out.data(), at, tensor.data.size());
      return out;
    case TensorType::f16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = f16_to_f32(half(2 * i));
      return out;
    case TensorType::bf16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = bf16_to_f32(half(2 * i));
      return out;
    case TensorType::q8_0:  // 32 weights: an f16 scale, then 32 signed bytes.
      for (size_t i = 0; i < out.size(); ++i) {
        const size_t block = i / 32 * 34;
        out[i] = f16_to_f32(half(block)) *
                 static_cast<float>(static_cast<int8_t>(at[block + 2 + i % 32]));
      }
      return out;
    default:
      return fail(make_error(ErrorCode::unsupported, 3502,
                             "an adapter's tensors are F32, F16, BF16 or Q8_0; this one is not")
                      .at(file.name())
                      .got(tensor.name)
                      .to_fix("export the adapter as F32 or F16"));
  }
}

bool all_finite(const std::vector<float>& values) {
  for (const float value : values)
    if (!std::isfinite(value)) return false;
  return true;
}

Result<LoraPair> read_pair(const GgufFile& file, const GgufTensor& a, const GgufTensor& b) {
  // a: dims [n_in, rank]; b: dims [rank, n_out].
  if (a.n_dims > 2 || b.n_dims > 2)
    return fail(bad(file, "a LoRA tensor with more than two dimensions", a.name));
  if (a.dims[1] != b.dims[0]) {
    return fail(bad(file,
                    fmt::format("the ranks of a pair disagree: {} and {}", a.dims[1], b.dims[0]),
                    a.name));
  }
  if (a.dims[1] > AdapterFile::kRankMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 3503,
                           fmt::format("an adapter's rank is at most {}", AdapterFile::kRankMax))
                    .at(file.name())
                    .got(std::to_string(a.dims[1]))
                    .to_fix("train the adapter with a smaller rank"));
  }
  if (a.dims[0] > INT32_MAX || b.dims[1] > INT32_MAX)
    return fail(bad(file, "a LoRA tensor is too wide", a.name));
  LoraPair pair;
  pair.rank = static_cast<int>(a.dims[1]);
  pair.n_in = static_cast<int>(a.dims[0]);
  pair.n_out = static_cast<int>(b.dims[1]);
  CONSORT_ASSIGN(pair.a, to_f32(file, a));
  CONSORT_ASSIGN(pair.b, to_f32(file, b));
  if (!all_finite(pair.a) || !all_finite(pair.b))
    return fail(bad(file, "a LoRA tensor holds a number that is not finite", a.name));
  return pair;
}

constexpr std::string_view kHeadWeight = "head.weight", kHeadBias = "head.bias";

// Its two tensors, and what the metadata say of it; those keys are taken out.
Result<AdapterHead> read_head(const GgufFile& file, std::map<std::string, std::string>* metadata) {
  const GgufTensor* weight = file.find_tensor(kHeadWeight);
  const GgufTensor* bias = file.find_tensor(kHeadBias);
  if (weight == nullptr || bias == nullptr)
    return fail(bad(file, "a head without its weight or its bias", kHeadWeight));
  const auto take = [&](const char* key) {
    const auto found = metadata->extract(key);
    return found.empty() ? std::string() : found.mapped();
  };
  AdapterHead head;
  const std::string kind = take("consort.head.kind"), labels = take("consort.head.labels");
  const std::string threshold = take("consort.head.threshold");
  if (kind != "classes" && kind != "pairs") return fail(bad(file, "a head of unknown kind", kind));
  head.kind = kind == "pairs" ? AdapterHead::Kind::pairs : AdapterHead::Kind::classes;
  const auto list = contract::parse_json(labels);
  if (!list || !list->is_array() || list->as_array().empty() ||
      list->as_array().size() > AdapterHead::kLabelsMax)
    return fail(bad(file, "consort.head.labels is no list of 1 to 1024 texts", labels));
  for (const contract::Value& label : list->as_array()) {
    if (!label.is_string()) return fail(bad(file, "consort.head.labels is no list of texts", labels));
    head.labels.emplace_back(label.as_string());
  }
  const uint64_t n = head.labels.size();
  if ((head.kind == AdapterHead::Kind::pairs && n != 1) || weight->n_dims > 2 ||
      weight->dims[1] != n || weight->dims[0] > INT32_MAX || bias->n_elements() != n)
    return fail(bad(file, "the head's shape is not that of its labels", kHeadWeight));
  head.n_embd = static_cast<int>(weight->dims[0]);
  CONSORT_ASSIGN(head.weight, to_f32(file, *weight));
  CONSORT_ASSIGN(head.bias, to_f32(file, *bias));
  if (!all_finite(head.weight) || !all_finite(head.bias))
    return fail(bad(file, "the head holds a number that is not finite", kHeadWeight));
  const auto number = contract::parse_json(threshold.empty() ? "0" : threshold);
  head.threshold = number && number->is_number() ? number->as_number().as_double() : -1;
  if (!(head.threshold >= 0 && head.threshold <= 1))
    return fail(bad(file, "consort.head.threshold is no probability", threshold));
  return head;
}

void write_head(GgufWriter& writer, const AdapterHead& head) {
  contract::Array labels;
  for (const std::string& label : head.labels) labels.push_back(contract::Value(label));
  writer.set_string("consort.head.kind",
                    head.kind == AdapterHead::Kind::pairs ? "pairs" : "classes");
  writer.set_string("consort.head.labels", contract::to_json(contract::Value(std::move(labels))));
  writer.set_string("consort.head.threshold", fmt::format("{}", head.threshold));
  const uint64_t dims[] = {static_cast<uint64_t>(head.n_embd), head.labels.size()};
  writer.add_tensor_f32(kHeadWeight, dims, head.weight);
  writer.add_tensor_f32(kHeadBias, std::span(dims).subspan(1), head.bias);
}

void put_half(std::vector<uint8_t>& out, uint16_t bits) {
  out.push_back(static_cast<uint8_t>(bits & 0xff));
  out.push_back(static_cast<uint8_t>(bits >> 8));
}

Result<void> add_weights(GgufWriter& writer, const std::string& name,
                         std::span<const uint64_t> dims, std::span<const float> values,
                         AdapterWeights weights) {
  constexpr size_t kBlock = 32;
  constexpr float kHalfMax = 65504.0f;
  if (weights == AdapterWeights::f32) {
    writer.add_tensor_f32(name, dims, values);
    return {};
  }
  for (const float value : values) {
    if (std::abs(value) <= kHalfMax) continue;
    return fail(make_error(ErrorCode::invalid_argument, 3505, "a weight is too large for f16")
                    .at(name)
                    .got(fmt::format("{}", value))
                    .to_fix("keep the adapter's weights as f32"));
  }
  std::vector<uint8_t> data;
  const bool blocks = weights == AdapterWeights::q8_0 && dims[0] % kBlock == 0;
  if (!blocks) {
    for (const float value : values) put_half(data, f32_to_f16(value));
    writer.add_tensor(name, TensorType::f16, dims, data);
    return {};
  }
  for (size_t at = 0; at < values.size(); at += kBlock) {
    const auto block = values.subspan(at, kBlock);
    float largest = 0;
    for (const float value : block) largest = std::max(largest, std::abs(value));
    const float scale = largest / 127.0f;
    put_half(data, f32_to_f16(scale));
    for (const float value : block) {
      const float steps = scale > 0 ? std::round(value / scale) : 0.0f;
      data.push_back(static_cast<uint8_t>(static_cast<int8_t>(steps)));
    }
  }
  writer.add_tensor(name, TensorType::q8_0, dims, data);
  return {};
}

Result<void> check_kind(const GgufFile& file) {
  CONSORT_ASSIGN(const std::string_view type, file.get_string_or("general.type", "model"));
  if (type != "adapter") {
    return fail(make_error(ErrorCode::invalid_argument, 3504, "the file is no adapter")
                    .at(file.name())
                    .got(type)
                    .to_fix("give a LoRA adapter in GGUF or a PEFT folder"));
  }
  CONSORT_ASSIGN(const std::string_view kind, file.get_string("adapter.type"));
  if (kind != "lora") {
    return fail(make_error(ErrorCode::unsupported, 3502, "an adapter that is no LoRA")
                    .at(file.name())
                    .got(kind)
                    .to_fix("use a LoRA adapter"));
  }
  return {};
}

}  // namespace

uint64_t AdapterFile::weight_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, pair] : pairs) bytes += (pair.a.size() + pair.b.size()) * sizeof(float);
  return bytes;
}

Result<AdapterFile> read_adapter(const GgufFile& file) {
  CONSORT_TRY(check_kind(file));
  AdapterFile adapter;
  CONSORT_ASSIGN(const std::string_view architecture, file.get_string("general.architecture"));
  adapter.architecture = architecture;
  CONSORT_ASSIGN(adapter.alpha, file.get_f32("adapter.lora.alpha"));
  if (!std::isfinite(adapter.alpha)) return fail(bad(file, "adapter.lora.alpha is not finite", ""));
  if (file.has("adapter.alora.invocation_tokens")) {
    CONSORT_ASSIGN(adapter.invocation_tokens,
                   file.get_i32_array("adapter.alora.invocation_tokens"));
    if (adapter.invocation_tokens.empty())
      return fail(bad(file, "adapter.alora.invocation_tokens is empty", ""));
  }
  for (const std::string_view key : file.keys()) {
    if (!key.starts_with("consort.")) continue;
    CONSORT_ASSIGN(const std::string_view value, file.get_string(key));
    if (key == "consort.base.sha256") {
      const auto digest = Digest::from_hex(value);
      if (!digest) return fail(bad(file, "consort.base.sha256 is no SHA-256", value));
      adapter.base_sha256 = *digest;
    } else {
      adapter.metadata.emplace(key, value);
    }
  }
  if (file.find_tensor(kHeadWeight) != nullptr || file.find_tensor(kHeadBias) != nullptr) {
    CONSORT_ASSIGN(adapter.head, read_head(file, &adapter.metadata));
  }
  constexpr std::string_view kA = ".lora_a", kB = ".lora_b";
  for (const GgufTensor& tensor : file.tensors()) {
    if (adapter.head && (tensor.name == kHeadWeight || tensor.name == kHeadBias)) continue;
    const bool is_a = tensor.name.ends_with(kA), is_b = tensor.name.ends_with(kB);
    const std::string_view base =
        tensor.name.substr(0, tensor.name.size() - (is_a || is_b ? kA.size() : 0));
    if ((!is_a && !is_b) || base == "token_embd.weight") {
      return fail(make_error(ErrorCode::unsupported, 3502,
                             "only NAME.lora_a and NAME.lora_b of weight matrices are implemented")
                      .at(file.name())
                      .got(tensor.name)
                      .to_fix("train the adapter on the attention and feed-forward matrices only"));
    }
    const std::string other_name = std::string(base) + std::string(is_a ? kB : kA);
    const GgufTensor* other = file.find_tensor(other_name);
    if (other == nullptr) return fail(bad(file, "a LoRA tensor without its partner", tensor.name));
    if (is_b) continue;
    CONSORT_ASSIGN(LoraPair pair, read_pair(file, tensor, *other));
    // An alpha of 0 means no scaling, as in llama.cpp.
    pair.scale = adapter.alpha == 0 ? 1.0f : adapter.alpha / static_cast<float>(pair.rank);
    adapter.rank = std::max(adapter.rank, pair.rank);
    adapter.pairs.emplace(base, std::move(pair));
  }
  if (adapter.pairs.empty()) return fail(bad(file, "the adapter has no tensors", ""));
  adapter.digest = file.digest();
  return adapter;
}

Result<AdapterFile> load_adapter_file(const std::filesystem::path& path,
                                      const std::optional<PeftBase>& base) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    if (!base) {
      return fail(make_error(ErrorCode::invalid_argument, 3504,
                             "a PEFT folder needs the base model's head counts")
                      .at(path.string()));
    }
    return read_peft(path, *base);
  }
  CONSORT_ASSIGN(const auto file, GgufFile::open(path));
  return read_adapter(*file);
}

Result<std::string> write_adapter(const AdapterFile& adapter, AdapterWeights weights) {
  GgufWriter writer;
  writer.set_string("general.type", "adapter");
  writer.set_string("general.architecture", adapter.architecture);
  writer.set_string("adapter.type", "lora");
  writer.set_f32("adapter.lora.alpha", adapter.alpha);
  if (!adapter.invocation_tokens.empty()) {
    const std::vector<uint32_t> tokens(adapter.invocation_tokens.begin(),
                                       adapter.invocation_tokens.end());
    writer.set_u32_array("adapter.alora.invocation_tokens", tokens);
  }
  if (adapter.base_sha256) writer.set_string("consort.base.sha256", adapter.base_sha256->hex());
  for (const auto& [key, value] : adapter.metadata) writer.set_string(key, value);
  for (const auto& [name, pair] : adapter.pairs) {
    // The file has one alpha for all pairs: what it does not say goes into b.
    const float said = adapter.alpha == 0 ? 1.0f : adapter.alpha / static_cast<float>(pair.rank);
    std::vector<float> b = pair.b;
    if (said != pair.scale)
      for (float& value : b) value *= pair.scale / said;
    const uint64_t dims_a[] = {static_cast<uint64_t>(pair.n_in), static_cast<uint64_t>(pair.rank)};
    const uint64_t dims_b[] = {static_cast<uint64_t>(pair.rank), static_cast<uint64_t>(pair.n_out)};
    CONSORT_TRY(add_weights(writer, name + ".lora_a", dims_a, pair.a, weights));
    CONSORT_TRY(add_weights(writer, name + ".lora_b", dims_b, b, weights));
  }
  if (adapter.head) write_head(writer, *adapter.head);
  return writer.finish();
}

}  // namespace consort::model

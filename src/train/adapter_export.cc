#include "train/adapter_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <span>

#include "base/file.h"
#include "contract/json.h"

namespace consort::train {
namespace {

using contract::Value;

using Modules = std::span<const std::pair<std::string_view, std::string_view>>;

constexpr std::pair<std::string_view, std::string_view> kDecoderModules[] = {
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
constexpr std::pair<std::string_view, std::string_view> kEncoderModules[] = {
    {"attn_q", "attention.self.query"},   {"attn_k", "attention.self.key"},
    {"attn_v", "attention.self.value"},   {"attn_output", "attention.output.dense"},
    {"ffn_up", "intermediate.dense"},     {"ffn_down", "output.dense"}};

// How PEFT names what a family's adapter acts on.
struct Naming {
  Modules modules;
  std::string_view layers;  // Before a layer's number.
  std::string_view task;
  bool last_part;  // A target is the module's last part, else all of it.
};
constexpr Naming kDecoder{kDecoderModules, "base_model.model.model.layers.", "CAUSAL_LM", true};
constexpr Naming kEncoder{kEncoderModules, "base_model.model.encoder.layer.",
                          "FEATURE_EXTRACTION", false};

// Rows of B from the GGUF's interleaved pairs to halves: the inverse of what peft.cc does.
std::vector<float> halves_of(const std::vector<float>& b, int n_out, int rank, int n_head) {
  std::vector<float> out(b.size());
  const int d = n_out / n_head;
  for (int h = 0; h < n_head; ++h)
    for (int j = 0; j < d / 2; ++j)
      for (int i = 0; i < 2; ++i)
        std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(h * d + 2 * j + i) * rank, rank,
                    out.begin() + static_cast<std::ptrdiff_t>(h * d + i * (d / 2) + j) * rank);
  return out;
}

struct Tensors {
  contract::Object header;
  std::string data;
  void add(const std::string& name, int rows, int columns, const std::vector<float>& values) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    header.set(name, Value::object({{"dtype", "F32"},
                                    {"shape", Value(contract::Array{rows, columns})},
                                    {"data_offsets",
                                     Value(contract::Array{static_cast<uint64_t>(begin),
                                                           static_cast<uint64_t>(data.size())})}}));
  }
};

std::string file_of(Tensors tensors) {
  std::string header = contract::to_json(Value(std::move(tensors.header)));
  header.append((8 - header.size() % 8) % 8, ' ');
  const uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + tensors.data;
}

// `base`: of a decoder, whose rotated heads GGUF keeps in another order.
Result<void> write_files(const std::filesystem::path& folder, const model::AdapterFile& adapter,
                         const Naming& naming, const model::DecoderConfig* base,
                         model::AdapterWeights weights) {
  std::error_code error;
  std::filesystem::create_directories(folder / "peft", error);
  if (error) {
    return fail(make_error(ErrorCode::unavailable, 9022, "a folder cannot be made")
                    .at(folder.string())
                    .got(error.message()));
  }
  CONSORT_ASSIGN(const std::string gguf, model::write_adapter(adapter, weights));
  CONSORT_TRY(write_file_atomic(folder / "adapter.gguf", gguf));

  Tensors tensors;
  contract::Object metadata;
  metadata.set("format", "pt");
  for (const auto& [key, value] : adapter.metadata) metadata.set(key, value);
  if (adapter.base_sha256) metadata.set("consort.base.sha256", adapter.base_sha256->hex());
  tensors.header.set("__metadata__", Value(metadata));
  std::set<std::string> modules;
  for (const auto& [name, pair] : adapter.pairs) {  // "blk.3.attn_q.weight"
    const size_t dot = name.find('.', 4);
    const std::string_view part = std::string_view(name).substr(dot + 1, name.size() - dot - 8);
    const auto module = std::find_if(naming.modules.begin(), naming.modules.end(),
                                     [&](const auto& m) { return m.first == part; });
    modules.emplace(naming.last_part ? module->second.substr(module->second.find('.') + 1)
                                     : module->second);
    const std::string full =
        fmt::format("{}{}.{}", naming.layers, name.substr(4, dot - 4), module->second);
    const bool reorder = base != nullptr && (part == "attn_q" || part == "attn_k");
    tensors.add(full + ".lora_A.weight", pair.rank, pair.n_in, pair.a);
    tensors.add(full + ".lora_B.weight", pair.n_out, pair.rank,
                reorder ? halves_of(pair.b, pair.n_out, pair.rank,
                                    part == "attn_q" ? base->n_head : base->n_head_kv)
                        : pair.b);
  }
  CONSORT_TRY(write_file_atomic(folder / "peft" / "adapter_model.safetensors",
                                file_of(std::move(tensors))));
  if (adapter.head) {
    const model::AdapterHead& head = *adapter.head;
    const auto n = static_cast<int>(head.labels.size());
    contract::Array labels;
    for (const std::string& label : head.labels) labels.push_back(Value(label));
    metadata.set("consort.head.labels", contract::to_json(Value(std::move(labels))));
    metadata.set("consort.head.threshold", fmt::format("{}", head.threshold));
    Tensors of_head;
    of_head.header.set("__metadata__", Value(std::move(metadata)));
    of_head.add("weight", n, head.n_embd, head.weight);
    of_head.add("bias", n, 1, head.bias);
    CONSORT_TRY(
        write_file_atomic(folder / "peft" / "head.safetensors", file_of(std::move(of_head))));
  }
  contract::Array targets;
  for (const std::string& module : modules) targets.push_back(Value(module));
  const Value config = Value::object({{"peft_type", "LORA"},
                                      {"task_type", naming.task},
                                      {"base_model_name_or_path", ""},
                                      {"r", adapter.rank},
                                      {"lora_alpha", static_cast<double>(adapter.alpha)},
                                      {"lora_dropout", 0.0},
                                      {"bias", "none"},
                                      {"fan_in_fan_out", false},
                                      {"inference_mode", true},
                                      {"target_modules", Value(std::move(targets))}});
  return write_file_atomic(folder / "peft" / "adapter_config.json",
                           contract::to_json_pretty(config));
}

}  // namespace

Result<void> write_adapter_files(const std::filesystem::path& folder,
                                 const model::AdapterFile& adapter,
                                 const model::DecoderConfig& base,
                                 model::AdapterWeights weights) {
  return write_files(folder, adapter, kDecoder, &base, weights);
}

Result<void> write_encoder_adapter_files(const std::filesystem::path& folder,
                                         const model::AdapterFile& adapter,
                                         model::AdapterWeights weights) {
  return write_files(folder, adapter, kEncoder, nullptr, weights);
}

}  // namespace consort::train

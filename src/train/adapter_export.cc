#include "train/adapter_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/file.h"
#include "contract/json.h"

namespace consort::train {
namespace {

using contract::Value;

constexpr std::pair<std::string_view, std::string_view> kModules[] = {
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};

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

}  // namespace

Result<void> write_adapter_files(const std::filesystem::path& folder,
                                 const model::AdapterFile& adapter,
                                 const model::DecoderConfig& base,
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
  tensors.header.set("__metadata__", Value(std::move(metadata)));
  std::set<std::string> modules;
  for (const auto& [name, pair] : adapter.pairs) {  // "blk.3.attn_q.weight"
    const size_t dot = name.find('.', 4);
    const std::string_view part = std::string_view(name).substr(dot + 1, name.size() - dot - 8);
    const auto* module = std::find_if(std::begin(kModules), std::end(kModules),
                                      [&](const auto& m) { return m.first == part; });
    modules.emplace(module->second.substr(module->second.find('.') + 1));
    const std::string full = fmt::format("base_model.model.model.layers.{}.{}",
                                         name.substr(4, dot - 4), module->second);
    const int n_head = part == "attn_q" ? base.n_head : base.n_head_kv;
    const bool reorder = part == "attn_q" || part == "attn_k";
    tensors.add(full + ".lora_A.weight", pair.rank, pair.n_in, pair.a);
    tensors.add(full + ".lora_B.weight", pair.n_out, pair.rank,
                reorder ? halves_of(pair.b, pair.n_out, pair.rank, n_head) : pair.b);
  }
  std::string header = contract::to_json(Value(std::move(tensors.header)));
  header.append((8 - header.size() % 8) % 8, ' ');
  const uint64_t n = header.size();
  const std::string file = std::string(reinterpret_cast<const char*>(&n), 8) + header + tensors.data;
  CONSORT_TRY(write_file_atomic(folder / "peft" / "adapter_model.safetensors", file));
  contract::Array targets;
  for (const std::string& module : modules) targets.push_back(Value(module));
  const Value config = Value::object({{"peft_type", "LORA"},
                                      {"task_type", "CAUSAL_LM"},
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

}  // namespace consort::train

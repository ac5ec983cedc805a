#include "model/peft.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/file.h"
#include "contract/json.h"
#include "model/safetensors.h"

namespace consort::model {
namespace {

constexpr uint64_t kConfigBytesMax = 1 << 20;

Error unsupported(const std::filesystem::path& file, std::string_view key,
                  const contract::Value& value) {
  return make_error(ErrorCode::unsupported, 3502, "a PEFT option that is not implemented")
      .at(file.string() + ":" + contract::pointer_child("", key))
      .got(cut_utf8(contract::to_json(value), 80))
      .to_fix("train a plain LoRA adapter");
}

struct Config {
  double alpha = 0;
  std::optional<int64_t> rank;  // "r"
  bool rank_stabilised = false;
  std::vector<int32_t> invocation_tokens;
};

Result<Config> read_config(const std::filesystem::path& file) {
  CONSORT_ASSIGN(const std::string text, read_file(file, kConfigBytesMax));
  auto root = contract::parse_json(text);
  if (!root) return fail(std::move(root).error().with_context("reading " + file.string()));
  const auto missing = [&](std::string_view what) {
    return make_error(ErrorCode::invalid_argument, 3504,
                      fmt::format("{} is missing or wrong", what))
        .at(file.string())
        .to_fix("save the adapter again with PEFT");
  };
  if (!root->is_object() || root->string_or("peft_type", "") != "LORA")
    return fail(missing("peft_type \"LORA\"").to_fix("give a LoRA adapter"));
  // Options that change what the tensors mean: anything but their neutral value is refused.
  for (std::string_view key :
       {"use_dora", "fan_in_fan_out", "lora_bias", "modules_to_save", "rank_pattern",
        "alpha_pattern", "megatron_config", "layer_replication", "trainable_token_indices"}) {
    const contract::Value* value = root->find(key);
    if (value == nullptr || value->is_null() || *value == contract::Value(false)) continue;
    if (value->is_object() && value->as_object().empty()) continue;
    if (value->is_array() && value->as_array().empty()) continue;
    return fail(unsupported(file, key, *value));
  }
  if (root->string_or("bias", "none") != "none")
    return fail(unsupported(file, "bias", *root->find("bias")));
  Config config;
  const contract::Value* alpha = root->find("lora_alpha");
  if (alpha == nullptr || !alpha->is_number()) return fail(missing("lora_alpha"));
  config.alpha = alpha->as_number().as_double();
  if (!std::isfinite(config.alpha) || config.alpha <= 0) return fail(missing("lora_alpha"));
  if (const contract::Value* rank = root->find("r"); rank != nullptr) {
    config.rank = rank->is_number() ? rank->as_number().as_int64() : std::nullopt;
    if (!config.rank || *config.rank < 1) return fail(missing("r"));
  }
  const contract::Value* stabilised = root->find("use_rslora");
  config.rank_stabilised = stabilised != nullptr && *stabilised == contract::Value(true);
  if (const contract::Value* tokens = root->find("alora_invocation_tokens");
      tokens && !tokens->is_null()) {
    if (!tokens->is_array() || tokens->as_array().empty())
      return fail(missing("alora_invocation_tokens"));
    for (const contract::Value& token : tokens->as_array()) {
      const auto id = token.is_number() ? token.as_number().as_int64() : std::nullopt;
      if (!id || *id < 0 || *id > INT32_MAX) return fail(missing("alora_invocation_tokens"));
      config.invocation_tokens.push_back(static_cast<int32_t>(*id));
    }
  }
  return config;
}

// llama.cpp's converter stores the rows of attn_q and attn_k of llama models so that the two halves
// which one rotation couples are neighbours: row h*d + 2*j + i of the GGUF is row h*d + i*(d/2) + j
// of the published weights (h head, d rows of a head, i in {0, 1}). The rows of B are the rows of
// the weight that it adds to.
std::vector<float> interleave_halves(const std::vector<float>& b, int n_out, int rank, int n_head) {
  std::vector<float> out(b.size());
  const int d = n_out / n_head;
  for (int h = 0; h < n_head; ++h)
    for (int j = 0; j < d / 2; ++j)
      for (int i = 0; i < 2; ++i)
        std::copy_n(b.begin() + static_cast<ptrdiff_t>(h * d + i * (d / 2) + j) * rank, rank,
                    out.begin() + static_cast<ptrdiff_t>(h * d + 2 * j + i) * rank);
  return out;
}

// "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight" -> module and 'A'.
struct TensorName {
  std::string_view module;
  char side;
};
std::optional<TensorName> split_name(std::string_view name) {
  if (name.starts_with("base_model.model.")) name.remove_prefix(17);
  for (std::string_view end : {".weight", ".default"})
    if (name.ends_with(end)) name.remove_suffix(end.size());
  if (name.size() < 7) return std::nullopt;
  const std::string_view side = name.substr(name.size() - 7);
  if (side != ".lora_A" && side != ".lora_B") return std::nullopt;
  return TensorName{name.substr(0, name.size() - 7), side.back()};
}

Error bad(const SafetensorsFile& file, std::string message, std::string_view tensor) {
  return make_error(ErrorCode::corruption, 3501, std::move(message))
      .at(file.name())
      .got(tensor)
      .to_fix("save the adapter again");
}

Result<LoraPair> read_pair(const SafetensorsFile& file, const SafetensorsTensor& a,
                           const SafetensorsTensor& b) {
  if (a.shape.size() != 2 || b.shape.size() != 2 || a.shape[0] != b.shape[1] || a.shape[0] == 0 ||
      a.shape[1] == 0 || b.shape[0] == 0 || a.shape[1] > INT32_MAX || b.shape[0] > INT32_MAX)
    return fail(bad(file, "the shapes of a pair disagree", a.name));
  if (a.shape[0] > AdapterFile::kRankMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 3503,
                           fmt::format("an adapter's rank is at most {}", AdapterFile::kRankMax))
                    .at(file.name())
                    .got(std::to_string(a.shape[0]))
                    .to_fix("train the adapter with a smaller rank"));
  }
  LoraPair pair;
  pair.rank = static_cast<int>(a.shape[0]);
  pair.n_in = static_cast<int>(a.shape[1]);
  pair.n_out = static_cast<int>(b.shape[0]);
  CONSORT_ASSIGN(pair.a, to_f32(a));
  CONSORT_ASSIGN(pair.b, to_f32(b));
  for (const auto* values : {&pair.a, &pair.b})
    for (const float value : *values)
      if (!std::isfinite(value))
        return fail(bad(file, "a LoRA tensor holds a number that is not finite", a.name));
  return pair;
}

}  // namespace

namespace {

using Parts = std::span<const std::pair<std::string_view, std::string_view>>;

// PREFIX, a layer's number, and one of the parts.
std::optional<std::string> layer_name(std::string_view module, std::string_view prefix,
                                      Parts parts) {
  if (!module.starts_with(prefix)) return std::nullopt;
  module.remove_prefix(prefix.size());
  const size_t dot = module.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 4) return std::nullopt;
  const std::string_view layer = module.substr(0, dot), part = module.substr(dot + 1);
  if (layer.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  for (const auto& [theirs, ours] : parts)
    if (part == theirs) return fmt::format("blk.{}.{}.weight", layer, ours);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> gguf_name_of(std::string_view module) {
  if (module == "lm_head") return "output.weight";
  static constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  return layer_name(module, "model.layers.", kParts);
}

std::optional<std::string> bert_gguf_name_of(std::string_view module) {
  static constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"attention.self.query", "attn_q"},
      {"attention.self.key", "attn_k"},
      {"attention.self.value", "attn_v"},
      {"attention.output.dense", "attn_output"},
      {"intermediate.dense", "ffn_up"},
      {"output.dense", "ffn_down"}};
  if (module.starts_with("bert.")) module.remove_prefix(5);
  return layer_name(module, "encoder.layer.", kParts);
}

Result<AdapterFile> read_peft(const std::filesystem::path& folder, const PeftBase& base) {
  CONSORT_ASSIGN(const Config config, read_config(folder / "adapter_config.json"));
  CONSORT_ASSIGN(const auto file, SafetensorsFile::open(folder / "adapter_model.safetensors"));
  AdapterFile adapter;
  adapter.architecture = base.architecture;
  adapter.invocation_tokens = config.invocation_tokens;
  adapter.digest = file->digest();
  std::map<std::string, std::pair<const SafetensorsTensor*, const SafetensorsTensor*>> sides;
  for (const SafetensorsTensor& tensor : file->tensors()) {
    const auto name = split_name(tensor.name);
    const auto target = !name ? std::nullopt
                        : base.architecture == "bert" ? bert_gguf_name_of(name->module)
                                                      : gguf_name_of(name->module);
    if (!target) {
      return fail(make_error(ErrorCode::unsupported, 3502,
                             "a tensor that no weight matrix of the base answers to")
                      .at(file->name())
                      .got(tensor.name)
                      .to_fix("train the adapter on the attention and feed-forward matrices only"));
    }
    auto& [a, b] = sides[*target];
    const SafetensorsTensor*& side = name->side == 'A' ? a : b;
    if (side != nullptr) return fail(bad(*file, "two tensors for one matrix", tensor.name));
    side = &tensor;
  }
  for (const auto& [name, pair_of] : sides) {
    const auto [a, b] = pair_of;
    if (a == nullptr || b == nullptr)
      return fail(bad(*file, "a LoRA tensor without its partner", name));
    CONSORT_ASSIGN(LoraPair pair, read_pair(*file, *a, *b));
    if (config.rank && *config.rank != pair.rank) {
      return fail(bad(*file,
                      fmt::format("the tensor's rank is {}, but the configuration's r is {}",
                                  pair.rank, *config.rank),
                      a->name));
    }
    pair.scale = static_cast<float>(config.alpha /
                                    (config.rank_stabilised ? std::sqrt(pair.rank) : pair.rank));
    const bool is_q = name.ends_with(".attn_q.weight"), is_k = name.ends_with(".attn_k.weight");
    if (base.architecture == "llama" && (is_q || is_k)) {
      const int n_head = is_q ? base.n_head : base.n_head_kv;
      if (n_head <= 0 || pair.n_out % (2 * n_head) != 0)
        return fail(bad(*file,
                        fmt::format("{} rows do not divide into {} heads", pair.n_out, n_head),
                        b->name));
      pair.b = interleave_halves(pair.b, pair.n_out, pair.rank, n_head);
    }
    adapter.rank = std::max(adapter.rank, pair.rank);
    adapter.alpha = pair.scale * static_cast<float>(pair.rank);
    adapter.pairs.emplace(name, std::move(pair));
  }
  if (adapter.pairs.empty()) return fail(bad(*file, "the adapter has no tensors", ""));
  return adapter;
}

}  // namespace consort::model

// PEFT folders: adapter_config.json and adapter_model.safetensors. Internal to adapter_file.cc.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/adapter_file.h"

namespace consort::model {

Result<AdapterFile> read_peft(const std::filesystem::path& folder, const PeftBase& base);

// "model.layers.3.self_attn.q_proj" -> "blk.3.attn_q.weight"; empty when there is no counterpart.
std::optional<std::string> gguf_name_of(std::string_view module);
// "encoder.layer.3.attention.self.query" (also after "bert.") -> "blk.3.attn_q.weight".
std::optional<std::string> bert_gguf_name_of(std::string_view module);

}  // namespace consort::model

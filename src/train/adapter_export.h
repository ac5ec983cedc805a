// Writes a trained adapter: a GGUF file, and a PEFT folder (docs/formats/adapter.md).
#pragma once

#include <filesystem>

#include "base/result.h"
#include "model/adapter_file.h"
#include "model/decoder.h"

namespace consort::train {

// FOLDER/adapter.gguf and FOLDER/peft/{adapter_config.json, adapter_model.safetensors}, each
// replaced atomically; the GGUF file's weights are kept as said, the folder's are f32. Errors: those
// of write_file_atomic; 9022 when the folder cannot be made.
Result<void> write_adapter_files(const std::filesystem::path& folder,
                                 const model::AdapterFile& adapter,
                                 const model::DecoderConfig& base,
                                 model::AdapterWeights weights = model::AdapterWeights::f32);
// Of an encoder (architecture "bert"). A head stands in the GGUF file, and for others in
// FOLDER/peft/head.safetensors (weight [labels, n_embd], bias [labels]; f32).
Result<void> write_encoder_adapter_files(const std::filesystem::path& folder,
                                         const model::AdapterFile& adapter,
                                         model::AdapterWeights weights = model::AdapterWeights::f32);

}  // namespace consort::train

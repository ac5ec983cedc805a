// train on an encoder: vectors, classes or scores of pairs, by the form of the data's rows.
#pragma once

#include <filesystem>
#include <string>

#include "cli/context.h"
#include "train/encoder_trainer.h"

namespace consort::cli {

struct EncoderTraining {
  std::string model, data, dev, out, licence, weights = "f16";
  double scope_cost = 0.015;  // classes: in-scope accuracy that finding outsiders may cost on dev.
  train::EncoderTrainOptions train;
};

// `folder`: the encoder's. Writes adapter.gguf, peft/ and training.json into `out`, which exists.
Result<contract::Value> train_encoder_adapter(Context& context, const EncoderTraining& options,
                                              const std::filesystem::path& folder,
                                              const std::function<void(const train::TrainProgress&)>& progress);

}  // namespace consort::cli

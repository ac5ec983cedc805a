// Teaches an encoder: LoRA weights on its layers and, for classes and pairs, a linear head on the
// unit-length vectors. The loop, its checkpoints and its promises are those of trainer.h.
#pragma once

#include "train/encoder_dataset.h"
#include "train/encoder_loss.h"
#include "train/encoder_pass.h"
#include "train/training_loop.h"

namespace consort::train {

struct EncoderTrainOptions {
  LoraConfig lora;
  OptimizerConfig optimizer{.learning_rate = 1e-3};
  tensor::TrainPrecision precision = tensor::TrainPrecision::bf16;
  int epochs = 1;
  int examples_per_batch = 64;   // A step; vectors: the more, the more negatives.
  int tokens_per_batch = 8192;   // At most; about 113 KiB of memory a token of MiniLM-L6.
  uint64_t seed = 1;
  int n_threads = 0;          // 0: all cores. Changes no bit.
  int checkpoint_every = 50;  // Steps; 0: none.
  double temperature = 0.05;  // vectors
  double outside_weight = 1;  // classes: of a text that belongs to none.
  RankLoss rank_loss = RankLoss::listwise;  // pairs
  float head_scale = 16;                    // logits = scale (W v) + b while training.
};

struct EncoderTrainResult {
  LoraWeights lora;
  HeadShape head;                 // No labels: there is none.
  std::vector<float> head_values;  // W with the scale in it, b.
  LoopResult loop;
};

// Errors: 9001, 9002, 9003, 9004 (an option is out of range), 9005, those of checkpoint.h.
Result<EncoderTrainResult> train_encoder(const model::Encoder& encoder, const EncoderDataset& data,
                                         const EncoderTrainOptions& options,
                                         const std::filesystem::path& folder, const Clock& clock,
                                         std::stop_token stop,
                                         const std::function<void(const TrainProgress&)>& progress);

// Mean loss an item of the first examples (at most `examples_per_batch`, one batch) when their texts
// have the vectors that `run` gives: what training and serving must agree on.
using VectorsOf = std::function<std::vector<std::vector<float>>(std::span<const model::TextPair>)>;
double first_batch_loss(const EncoderDataset& data, const EncoderTrainOptions& options,
                        const EncoderTrainResult& trained, const VectorsOf& run);
// As the training pass gives them.
VectorsOf training_vectors(const model::Encoder& encoder, const EncoderTrainResult& trained,
                           const EncoderTrainOptions& options, ThreadPool& pool);

}  // namespace consort::train

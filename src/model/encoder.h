// Encoder: a BERT-family transformer that turns token sequences into vectors.
//
//   tokens -> word + position + type embedding -> norm -> n_layer x { q k v, attention over the
//   whole sequence, output, norm; GELU, norm } -> pooling -> L2 norm
//                                             or -> first token -> dense, tanh -> linear: scores.
//
// Weights and the rows they multiply are rounded to bfloat16, sums and all else are f32 (cosine to
// f32 at least 0.9999: encoder_golden_test.cc); sequences of a batch lie end to end without
// padding, so a sequence's vector does not depend on its neighbours, bit for bit.
//
// Errors: unsupported 3701 (an option of config.json or pooling that is not implemented, named),
// corruption 3702 (a size that cannot be), those of safetensors.h, weights.h, contract/json.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/adapter_file.h"
#include "model/safetensors.h"
#include "model/text_pair.h"
#include "tensor/matmul.h"

namespace consort::model {

struct EncoderConfig {
  int n_layer = 0;
  int n_embd = 0;
  int n_head = 0;
  int n_ff = 0;
  int n_vocab = 0;
  int n_positions = 0;  // Of the position table.
  int tokens_max = 0;   // Longer texts are cut here, specials kept.
  float norm_epsilon = 1e-12f;
  enum class Pooling { mean, cls } pooling = Pooling::mean;
  int n_types = 1;   // Rows of the type table.
  int n_labels = 0;  // Of the classifier; 0 = the model has none.
  int head_dim() const { return n_embd / n_head; }
};

// Immutable after load: share among threads.
class Encoder final {
 public:
  struct Linear {
    tensor::PackedMatrix weight;
    std::vector<float> bias;
  };
  struct Norm {
    std::vector<float> weight, bias;
  };
  struct Layer {
    Linear q, k, v, o, up, down;
    Norm attention_norm, output_norm;
  };

  // A sentence-transformers folder: model.safetensors, config.json, and where present
  // sentence_bert_config.json (max_seq_length) and 1_Pooling/config.json. A classifier
  // (BertForSequenceClassification: cross-encoders) is read where the file has one.
  static Result<std::unique_ptr<const Encoder>> load(const std::filesystem::path& folder);

  // This encoder with an adapter's LoRA weights added to its own: a private copy of the layers (its
  // sums rounded to bfloat16 once more), the embeddings shared. This one is left as it is. Errors:
  // failed_precondition 4106 (another architecture, a tensor that does not bind, numbers too large).
  Result<std::unique_ptr<const Encoder>> with_adapter(const AdapterFile& adapter) const;

  const EncoderConfig& config() const { return config_; }
  const Layer& layer(int i) const { return layers_[static_cast<size_t>(i)]; }
  const Digest& digest() const { return digest_; }  // Of model.safetensors.
  uint64_t resident_bytes() const;
  uint64_t layer_bytes() const;  // Of them, those that with_adapter copies.
  // Embedding before the first layer, normalised: [n_embd].
  void embed(const tensor::Kernels& kernels, int32_t token, int position, int type,
             float* out) const;
  // The classifier on the last layer's first row: [n_labels].
  std::vector<float> classify(const float* first) const;

 private:
  Encoder() = default;
  EncoderConfig config_;
  Digest digest_;
  struct Embeddings {
    tensor::PackedMatrix words;    // [n_vocab, n_embd]
    std::vector<float> positions;  // [n_positions, n_embd]
    std::vector<float> types;      // [n_types, n_embd]
    Norm norm;
  };
  std::shared_ptr<const Embeddings> embeddings_;
  std::vector<Layer> layers_;
  // Small beside the layers: f32, row-major.
  struct Dense {
    std::vector<float> weight, bias;  // [n_out, n_embd], [n_out]
  };
  Dense pooler_, classifier_;
};

// Owns scratch memory. One thread at a time.
class EncoderRunner final {
 public:
  EncoderRunner(const Encoder& encoder, ThreadPool& pool, const tensor::Kernels& kernels);
  ~EncoderRunner();
  EncoderRunner(const EncoderRunner&) = delete;
  EncoderRunner& operator=(const EncoderRunner&) = delete;

  // Each sequence has 1 to tokens_max ids in [0, n_vocab). Result: [sequences][n_embd], norm 1.
  std::vector<std::vector<float>> run(std::span<const std::vector<int32_t>> sequences);

  // What the classifier says of each pair, before any sigmoid or softmax: [pairs][n_labels]. The
  // model has a classifier and two types; ids as above.
  std::vector<std::vector<float>> score(std::span<const TextPair> pairs);

  // As `run`, of texts that may be pairs (then the model has two types).
  std::vector<std::vector<float>> run(std::span<const TextPair> texts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace consort::model

#include "model/encoder.h"

#include <cmath>

#include "base/file.h"
#include "contract/json.h"
#include "model/weights.h"

namespace consort::model {
namespace {

constexpr uint64_t kConfigBytesMax = 1 << 20;
constexpr uint64_t kLabelsMax = 1024;

Result<contract::Value> read_json(const std::filesystem::path& path) {
  CONSORT_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  Result<contract::Value> value = contract::parse_json(text);
  if (!value) return fail(std::move(value).error().with_context(path.string()));
  if (!value->is_object()) {
    return fail(make_error(ErrorCode::corruption, 3702, "the model's configuration is no object")
                    .at(path.string()));
  }
  return value;
}

Result<int> number(const contract::Value& config, const std::filesystem::path& path,
                   std::string_view key, int least, int most) {
  const contract::Value* value = config.find(key);
  const std::optional<int64_t> n =
      value != nullptr && value->is_number() ? value->as_number().as_int64() : std::nullopt;
  if (!n || *n < least || *n > most) {
    return fail(
        make_error(ErrorCode::corruption, 3702, "a size of the model is missing or cannot be")
            .at(path.string() + ":/" + std::string(key))
            .got(n ? std::to_string(*n) : "")
            .to_fix("fetch the model again"));
  }
  return static_cast<int>(*n);
}

Error unsupported(const std::filesystem::path& path, std::string_view key, std::string_view value) {
  return make_error(ErrorCode::unsupported, 3701, "this option of an encoder is not implemented")
      .at(path.string() + ":/" + std::string(key))
      .got(value)
      .to_fix("use a BERT model with GELU, absolute positions, and mean or CLS pooling");
}

Result<EncoderConfig> read_config(const std::filesystem::path& folder) {
  EncoderConfig c;
  const std::filesystem::path path = folder / "config.json";
  CONSORT_ASSIGN(const contract::Value json, read_json(path));
  if (const std::string type = json.string_or("model_type", ""); type != "bert") {
    return fail(unsupported(path, "model_type", type));
  }
  if (const std::string act = json.string_or("hidden_act", "gelu"); act != "gelu") {
    return fail(unsupported(path, "hidden_act", act));
  }
  if (const std::string p = json.string_or("position_embedding_type", "absolute");
      p != "absolute") {
    return fail(unsupported(path, "position_embedding_type", p));
  }
  CONSORT_ASSIGN(c.n_layer, number(json, path, "num_hidden_layers", 1, 256));
  CONSORT_ASSIGN(c.n_embd, number(json, path, "hidden_size", 32, 1 << 14));
  CONSORT_ASSIGN(c.n_head, number(json, path, "num_attention_heads", 1, 1024));
  CONSORT_ASSIGN(c.n_ff, number(json, path, "intermediate_size", 32, 1 << 18));
  CONSORT_ASSIGN(c.n_vocab, number(json, path, "vocab_size", 1, 1 << 24));
  CONSORT_ASSIGN(c.n_positions, number(json, path, "max_position_embeddings", 8, 1 << 16));
  if (json.find("type_vocab_size") != nullptr) {
    CONSORT_ASSIGN(c.n_types, number(json, path, "type_vocab_size", 1, 1024));
  } else {
    c.n_types = 2;  // As transformers fills it in.
  }
  if (const contract::Value* epsilon = json.find("layer_norm_eps");
      epsilon != nullptr && epsilon->is_number()) {
    c.norm_epsilon = static_cast<float>(epsilon->as_number().as_double());
  }
  if (c.n_embd % 32 != 0 || c.n_ff % 32 != 0 || c.n_embd % c.n_head != 0 ||
      c.head_dim() % 16 != 0 || !(c.norm_epsilon >= 0 && c.norm_epsilon < 1)) {
    return fail(
        make_error(ErrorCode::corruption, 3702, "the sizes of the model do not fit together")
            .at(path.string()));
  }
  c.tokens_max = c.n_positions;
  const std::filesystem::path sentence = folder / "sentence_bert_config.json";
  if (std::filesystem::exists(sentence)) {
    CONSORT_ASSIGN(const contract::Value s, read_json(sentence));
    CONSORT_ASSIGN(c.tokens_max, number(s, sentence, "max_seq_length", 8, c.n_positions));
  }
  const std::filesystem::path pooling = folder / "1_Pooling" / "config.json";
  if (std::filesystem::exists(pooling)) {
    CONSORT_ASSIGN(const contract::Value p, read_json(pooling));
    bool mean = false, cls = false;
    for (const auto& [key, value] : p.as_object()) {
      if (!key.starts_with("pooling_mode")) continue;
      // Newer files name one mode, older ones say of each whether it is on.
      std::string mode(value.is_string() ? std::string_view(value.as_string()) : key);
      if (!value.is_string() && !(value.is_bool() && value.as_bool())) continue;
      if (mode == "mean" || mode == "pooling_mode_mean_tokens") {
        mean = true;
      } else if (mode == "cls" || mode == "pooling_mode_cls_token") {
        cls = true;
      } else {
        return fail(unsupported(pooling, key, contract::to_json(value)));
      }
    }
    if (mean == cls)
      return fail(unsupported(pooling, "pooling_mode", "not exactly one of mean and CLS"));
    c.pooling = mean ? EncoderConfig::Pooling::mean : EncoderConfig::Pooling::cls;
  }
  return c;
}

Result<Encoder::Linear> linear(const SafetensorsFile& file, const std::string& name, int n_out,
                               int n_in) {
  Encoder::Linear out;
  CONSORT_ASSIGN(out.weight, pack_tensor(file, name + ".weight", n_out, n_in,
                                         tensor::PackedMatrix::Kind::bf16));
  CONSORT_ASSIGN(out.bias, read_vector(file, name + ".bias", n_out));
  return out;
}

Result<Encoder::Norm> norm(const SafetensorsFile& file, const std::string& name, int n) {
  Encoder::Norm out;
  CONSORT_ASSIGN(out.weight, read_vector(file, name + ".weight", n));
  CONSORT_ASSIGN(out.bias, read_vector(file, name + ".bias", n));
  return out;
}

}  // namespace

Result<std::unique_ptr<const Encoder>> Encoder::load(const std::filesystem::path& folder) {
  std::unique_ptr<Encoder> out(new Encoder);
  CONSORT_ASSIGN(out->config_, read_config(folder));
  const EncoderConfig& c = out->config_;
  CONSORT_ASSIGN(const auto file, SafetensorsFile::open(folder / "model.safetensors"));
  out->digest_ = file->digest();
  // Some files carry the prefix of the class that wrote them.
  const std::string p =
      file->find("bert.embeddings.word_embeddings.weight") != nullptr ? "bert." : "";
  CONSORT_ASSIGN(out->words_, pack_tensor(*file, p + "embeddings.word_embeddings.weight", c.n_vocab,
                                          c.n_embd, tensor::PackedMatrix::Kind::f32));
  CONSORT_ASSIGN(out->positions_, read_vector(*file, p + "embeddings.position_embeddings.weight",
                                              c.n_positions * c.n_embd));
  CONSORT_ASSIGN(out->types_, read_vector(*file, p + "embeddings.token_type_embeddings.weight",
                                          c.n_types * c.n_embd));
  CONSORT_ASSIGN(out->embedding_norm_, norm(*file, p + "embeddings.LayerNorm", c.n_embd));
  for (int i = 0; i < c.n_layer; ++i) {
    const std::string layer = p + "encoder.layer." + std::to_string(i) + ".";
    Layer w;
    CONSORT_ASSIGN(w.q, linear(*file, layer + "attention.self.query", c.n_embd, c.n_embd));
    CONSORT_ASSIGN(w.k, linear(*file, layer + "attention.self.key", c.n_embd, c.n_embd));
    CONSORT_ASSIGN(w.v, linear(*file, layer + "attention.self.value", c.n_embd, c.n_embd));
    CONSORT_ASSIGN(w.o, linear(*file, layer + "attention.output.dense", c.n_embd, c.n_embd));
    CONSORT_ASSIGN(w.attention_norm, norm(*file, layer + "attention.output.LayerNorm", c.n_embd));
    CONSORT_ASSIGN(w.up, linear(*file, layer + "intermediate.dense", c.n_ff, c.n_embd));
    CONSORT_ASSIGN(w.down, linear(*file, layer + "output.dense", c.n_embd, c.n_ff));
    CONSORT_ASSIGN(w.output_norm, norm(*file, layer + "output.LayerNorm", c.n_embd));
    out->layers_.push_back(std::move(w));
  }
  if (const SafetensorsTensor* classifier = file->find("classifier.weight")) {
    if (classifier->shape.size() != 2 || classifier->shape[0] < 1 ||
        classifier->shape[0] > kLabelsMax) {
      return fail(make_error(ErrorCode::unsupported, 3701,
                             "a classifier that gives no 1 to 1024 labels a text")
                      .at(file->name() + ":classifier.weight")
                      .to_fix("use a sequence classifier, as cross-encoders are"));
    }
    EncoderConfig& config = out->config_;
    config.n_labels = static_cast<int>(classifier->shape[0]);
    const auto dense = [&](const std::string& name, int n_out) -> Result<Dense> {
      Dense d;
      CONSORT_ASSIGN(d.weight, read_vector(*file, name + ".weight", n_out * c.n_embd));
      CONSORT_ASSIGN(d.bias, read_vector(*file, name + ".bias", n_out));
      return d;
    };
    CONSORT_ASSIGN(out->pooler_, dense(p + "pooler.dense", c.n_embd));
    CONSORT_ASSIGN(out->classifier_, dense("classifier", c.n_labels));
  }
  return out;
}

uint64_t Encoder::resident_bytes() const {
  uint64_t bytes = words_.resident_bytes() + 4 * positions_.size();
  bytes += 4 * (types_.size() + pooler_.weight.size() + classifier_.weight.size());
  for (const Layer& l : layers_) {
    for (const Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.up, &l.down})
      bytes += w->weight.resident_bytes();
  }
  return bytes;
}

void Encoder::embed(const tensor::Kernels& kernels, int32_t token, int position, int type,
                    float* out) const {
  const auto width = static_cast<size_t>(config_.n_embd);
  words_.row(token, out);
  kernels.add(out, types_.data() + static_cast<size_t>(type) * width, config_.n_embd);
  kernels.add(out, positions_.data() + static_cast<size_t>(position) * width, config_.n_embd);
  kernels.layer_norm(out, embedding_norm_.weight.data(), embedding_norm_.bias.data(),
                     config_.n_embd, config_.norm_epsilon, out);
}

std::vector<float> Encoder::classify(const float* first) const {
  const auto apply = [&](const Dense& dense, const float* x) {
    std::vector<float> out = dense.bias;
    const auto width = static_cast<size_t>(config_.n_embd);
    for (size_t i = 0; i < out.size(); ++i) {
      double sum = 0;
      for (size_t k = 0; k < width; ++k)
        sum += static_cast<double>(dense.weight[i * width + k]) * x[k];
      out[i] += static_cast<float>(sum);
    }
    return out;
  };
  std::vector<float> pooled = apply(pooler_, first);
  for (float& v : pooled) v = std::tanh(v);
  return apply(classifier_, pooled.data());
}

}  // namespace consort::model

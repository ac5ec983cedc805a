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

// "blk.N.PART.weight" of a layer that there is.
bool names_projection(std::string_view name, int n_layer) {
  for (int i = 0; i < n_layer; ++i)
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"})
      if (name == "blk." + std::to_string(i) + "." + part + ".weight") return true;
  return false;
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
  auto embeddings = std::make_shared<Embeddings>();
  CONSORT_ASSIGN(embeddings->words,
                 pack_tensor(*file, p + "embeddings.word_embeddings.weight", c.n_vocab, c.n_embd,
                             tensor::PackedMatrix::Kind::f32));
  CONSORT_ASSIGN(embeddings->positions,
                 read_vector(*file, p + "embeddings.position_embeddings.weight",
                             c.n_positions * c.n_embd));
  CONSORT_ASSIGN(embeddings->types, read_vector(*file, p + "embeddings.token_type_embeddings.weight",
                                                c.n_types * c.n_embd));
  CONSORT_ASSIGN(embeddings->norm, norm(*file, p + "embeddings.LayerNorm", c.n_embd));
  out->embeddings_ = std::move(embeddings);
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

Result<std::unique_ptr<const Encoder>> Encoder::with_adapter(const AdapterFile& adapter) const {
  const auto refuse = [](std::string message, std::string_view value) {
    return fail(make_error(ErrorCode::failed_precondition, 4106, std::move(message))
                    .got(value)
                    .to_fix("load the adapter on the base model that it was trained for"));
  };
  if (!adapter.architecture.empty() && adapter.architecture != "bert")
    return refuse("the adapter is for another architecture", adapter.architecture);
  if (!adapter.invocation_tokens.empty())
    return refuse("an encoder's adapter acts on whole texts, it is not invoked", "");
  if (adapter.head && adapter.head->n_embd != config_.n_embd)
    return refuse("the adapter's head has another width than the base's vectors",
                  std::to_string(adapter.head->n_embd));
  if (adapter.head && adapter.head->kind == AdapterHead::Kind::pairs && config_.n_types < 2)
    return refuse("the adapter scores pairs, which the base cannot read", "");
  std::unique_ptr<Encoder> out(new Encoder);
  out->config_ = config_;
  out->digest_ = digest_;
  out->embeddings_ = embeddings_;
  out->pooler_ = pooler_;
  out->classifier_ = classifier_;
  size_t bound = 0;
  // The base's weight, with its pair's product added where the adapter has one.
  const auto added = [&](const Linear& from, const std::string& name) -> Result<Linear> {
    Linear to;
    to.bias = from.bias;
    const int n_out = from.weight.n_out(), n_in = from.weight.n_in();
    const auto width = static_cast<size_t>(n_in);
    std::vector<float> w(static_cast<size_t>(n_out) * width);
    for (int i = 0; i < n_out; ++i)
      from.weight.row(i, w.data() + static_cast<size_t>(i) * width);
    if (const auto at = adapter.pairs.find(name); at != adapter.pairs.end()) {
      const LoraPair& pair = at->second;
      if (pair.n_in != n_in || pair.n_out != n_out)
        return refuse("the adapter's tensor has another shape than the base's", name);
      const auto rank = static_cast<size_t>(pair.rank);
      std::vector<double> row(width);
      for (size_t i = 0; i < static_cast<size_t>(n_out); ++i) {
        std::fill(row.begin(), row.end(), 0.0);
        for (size_t r = 0; r < rank; ++r)
          for (size_t j = 0; j < width; ++j)
            row[j] += static_cast<double>(pair.b[i * rank + r]) * pair.a[r * width + j];
        for (size_t j = 0; j < width; ++j)
          w[i * width + j] = static_cast<float>(w[i * width + j] + pair.scale * row[j]);
      }
      ++bound;
    }
    auto packed = tensor::PackedMatrix::round_to(tensor::PackedMatrix::Kind::bf16, w, n_out, n_in);
    if (!packed)
      return refuse("the adapter's numbers are so large that its weights overflow", name);
    to.weight = std::move(*packed);
    return to;
  };
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& from = layers_[i];
    const std::string blk = "blk." + std::to_string(i) + ".";
    Layer to;
    CONSORT_ASSIGN(to.q, added(from.q, blk + "attn_q.weight"));
    CONSORT_ASSIGN(to.k, added(from.k, blk + "attn_k.weight"));
    CONSORT_ASSIGN(to.v, added(from.v, blk + "attn_v.weight"));
    CONSORT_ASSIGN(to.o, added(from.o, blk + "attn_output.weight"));
    CONSORT_ASSIGN(to.up, added(from.up, blk + "ffn_up.weight"));
    CONSORT_ASSIGN(to.down, added(from.down, blk + "ffn_down.weight"));
    to.attention_norm = from.attention_norm;
    to.output_norm = from.output_norm;
    out->layers_.push_back(std::move(to));
  }
  if (bound != adapter.pairs.size()) {
    for (const auto& [name, pair] : adapter.pairs) {
      if (!names_projection(name, config_.n_layer))
        return refuse("the adapter's tensor belongs to no projection of the base", name);
    }
  }
  return std::unique_ptr<const Encoder>(std::move(out));
}

uint64_t Encoder::resident_bytes() const {
  const Embeddings& e = *embeddings_;
  uint64_t bytes = e.words.resident_bytes() + 4 * (e.positions.size() + e.types.size());
  bytes += 4 * (pooler_.weight.size() + classifier_.weight.size());
  return bytes + layer_bytes();
}

uint64_t Encoder::layer_bytes() const {
  uint64_t bytes = 0;
  for (const Layer& l : layers_) {
    for (const Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.up, &l.down})
      bytes += w->weight.resident_bytes();
  }
  return bytes;
}

void Encoder::embed(const tensor::Kernels& kernels, int32_t token, int position, int type,
                    float* out) const {
  const auto width = static_cast<size_t>(config_.n_embd);
  const Embeddings& e = *embeddings_;
  e.words.row(token, out);
  kernels.add(out, e.types.data() + static_cast<size_t>(type) * width, config_.n_embd);
  kernels.add(out, e.positions.data() + static_cast<size_t>(position) * width, config_.n_embd);
  kernels.layer_norm(out, e.norm.weight.data(), e.norm.bias.data(),
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

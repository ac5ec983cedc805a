#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <set>

#include "model/weights.h"

namespace consort::model {
namespace {

Error impossible(const GgufFile& file, std::string_view tensor, uint64_t value) {
  return make_error(ErrorCode::corruption, 3602, "a size of the model cannot be")
      .at(file.name() + ":" + std::string(tensor))
      .got(std::to_string(value))
      .to_fix("fetch the file again; its bytes are damaged");
}

// Vectors of the file, each of whose names is noted.
class Vectors {
 public:
  Vectors(const GgufFile& file, std::set<std::string, std::less<>>& known)
      : file_(file), known_(known) {}
  Result<std::vector<float>> read(const std::string& name, int n) {
    known_.insert(name);
    return read_vector(file_, name, n);
  }
  Result<void> read_layer(const DecoderConfig& c, int index, DecoderLayer* layer) {
    const std::string b = "blk." + std::to_string(index) + ".";
    CONSORT_ASSIGN(layer->attn_norm, read(b + "attn_norm.weight", c.n_embd));
    CONSORT_ASSIGN(layer->ffn_norm, read(b + "ffn_norm.weight", c.n_embd));
    if (c.family.post_norms) {
      CONSORT_ASSIGN(layer->attn_post_norm, read(b + "post_attention_norm.weight", c.n_embd));
      CONSORT_ASSIGN(layer->ffn_post_norm, read(b + "post_ffw_norm.weight", c.n_embd));
    }
    if (c.family.qk_norm) {
      CONSORT_ASSIGN(layer->q_norm, read(b + "attn_q_norm.weight", c.head_dim));
      CONSORT_ASSIGN(layer->k_norm, read(b + "attn_k_norm.weight", c.head_dim));
    }
    if (c.family.qkv_bias) {
      for (const auto& [name, n] : {std::pair{"attn_q.bias", c.n_q()},
                                    {"attn_k.bias", c.n_kv()},
                                    {"attn_v.bias", c.n_kv()}}) {
        CONSORT_ASSIGN(const std::vector<float> bias, read(b + name, n));
        layer->qkv_bias.insert(layer->qkv_bias.end(), bias.begin(), bias.end());
      }
    }
    return {};
  }
  // What llama3's scaling divides each frequency by; empty when the file has none.
  Result<std::vector<float>> read_rope_divisors(const DecoderConfig& c) {
    constexpr const char* kName = "rope_freqs.weight";
    if (file_.find_tensor(kName) == nullptr) return std::vector<float>();
    CONSORT_ASSIGN(std::vector<float> divisors, read(kName, c.n_rot / 2));
    for (const float d : divisors) {
      if (!(d > 1e-6f && d < 1e6f)) return fail(impossible(file_, kName, 0));
    }
    return divisors;
  }

 private:
  const GgufFile& file_;
  std::set<std::string, std::less<>>& known_;
};

// Bound of an element of scale * B A. Activations are far from what is left to the f32 range.
double largest_product(const LoraPair& lora) {
  const auto peak = [](const std::vector<float>& values) {
    float most = 0;
    for (const float v : values) most = std::max(most, std::fabs(v));
    return static_cast<double>(most);
  };
  return std::fabs(lora.scale) * peak(lora.a) * peak(lora.b) * lora.rank;
}
constexpr double kProductMax = 1e30;

}  // namespace

Result<std::unique_ptr<const Decoder>> Decoder::load(const GgufFile& file, int n_threads,
                                                     bool as_f32) {
  std::unique_ptr<Decoder> out(new Decoder);
  CONSORT_ASSIGN(out->config_, read_decoder_config(file));
  DecoderConfig& c = out->config_;
  CONSORT_ASSIGN(const GgufTensor* embedding, file.tensor("token_embd.weight"));
  if (embedding->dims[1] == 0 || embedding->dims[1] > (1u << 24)) {
    return fail(impossible(file, "token_embd.weight", embedding->dims[1]));
  }
  c.n_vocab = static_cast<int>(embedding->dims[1]);
  out->layers_.resize(static_cast<size_t>(c.n_layer));
  out->has_output_ = file.find_tensor("output.weight") != nullptr;

  struct Job {
    std::string name;
    tensor::PackedMatrix* to;
    MatrixShape shape;
  };
  std::vector<Job> jobs;
  std::set<std::string, std::less<>> known = {"token_embd.weight"};
  jobs.push_back({"token_embd.weight", &out->embedding_, {c.n_vocab, c.n_embd}});
  if (out->has_output_) {
    jobs.push_back({"output.weight", &out->output_, {c.n_vocab, c.n_embd}});
    known.insert("output.weight");
  }
  Vectors vectors(file, known);
  CONSORT_ASSIGN(out->output_norm_, vectors.read("output_norm.weight", c.n_embd));
  CONSORT_ASSIGN(const std::vector<float> divisors, vectors.read_rope_divisors(c));
  c.rope_divided = !divisors.empty();
  out->rope_[0] = rope_frequencies(c.rope_theta, c.n_rot, c.rope_scaling, divisors);
  out->rope_[1] = rope_frequencies(c.rope_theta_local, c.n_rot, {}, {});
  for (int i = 0; i < c.n_layer; ++i) {
    DecoderLayer& layer = out->layers_[static_cast<size_t>(i)];
    CONSORT_TRY(vectors.read_layer(c, i, &layer));
    for (int p = 0; p < kProjections; ++p) {
      const auto projection = static_cast<Projection>(p);
      jobs.push_back({projection_name(i, projection), &layer.weights[p], c.shape(projection)});
      known.insert(jobs.back().name);
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (!known.contains(tensor.name)) {
      return fail(
          make_error(ErrorCode::unsupported, 3601, "a tensor has no place in this architecture")
              .at(file.name())
              .got(tensor.name)
              .to_fix("use a text model without adapters or experts merged in"));
    }
  }
  const auto arena = std::make_shared<tensor::Arena>();
  std::mutex mutex;
  std::optional<Error> error;
  ThreadPool pool(n_threads);
  pool.parallel_for(static_cast<int>(jobs.size()), [&](int i) {
    const Job& job = jobs[static_cast<size_t>(i)];
    Result<tensor::PackedMatrix> packed =
        pack_tensor(file, job.name, job.shape.n_out, job.shape.n_in, as_f32, arena);
    if (packed) {
      *job.to = std::move(*packed);
    } else {
      std::lock_guard lock(mutex);
      if (!error) error = std::move(packed).error();
    }
  });
  if (error) return fail(std::move(*error));
  return out;
}

uint64_t Decoder::resident_bytes() const {
  uint64_t bytes = embedding_.resident_bytes() + output_.resident_bytes();
  for (const DecoderLayer& layer : layers_) {
    for (const tensor::PackedMatrix& w : layer.weights) bytes += w.resident_bytes();
    for (const auto* v : {&layer.attn_norm, &layer.ffn_norm, &layer.attn_post_norm,
                          &layer.ffn_post_norm, &layer.q_norm, &layer.k_norm, &layer.qkv_bias}) {
      bytes += 4 * v->size();
    }
  }
  return bytes;
}

size_t Decoder::page_bytes() const {
  return static_cast<size_t>(config_.n_layer) * 2 * static_cast<size_t>(config_.n_kv()) *
         tensor::kPageTokens * 2;
}
size_t Decoder::k_offset(int layer, int head_kv) const {
  return static_cast<size_t>((layer * 2 * config_.n_head_kv + head_kv) * config_.head_dim) *
         tensor::kPageTokens * 2;
}
size_t Decoder::v_offset(int layer, int head_kv) const {
  return k_offset(layer, head_kv + config_.n_head_kv);
}

Result<std::unique_ptr<const DecoderAdapter>> DecoderAdapter::bind(const Decoder& decoder,
                                                                   const AdapterFile& file) {
  std::unique_ptr<DecoderAdapter> out(new DecoderAdapter);
  const DecoderConfig& c = decoder.config();
  out->pairs_.resize(static_cast<size_t>(c.n_layer * kProjections));
  out->rank_ = file.rank;
  const auto refuse = [](std::string message, std::string_view tensor) {
    return fail(make_error(ErrorCode::failed_precondition, 4106, std::move(message))
                    .got(tensor)
                    .to_fix("load the adapter on the base model that it was trained for"));
  };
  if (!file.architecture.empty() && file.architecture != c.architecture) {
    return refuse("the adapter is for another architecture", file.architecture);
  }
  if (file.pairs.empty()) return refuse("the adapter has no weights", "");
  const auto arena = std::make_shared<tensor::Arena>();
  size_t bound = 0;
  for (int layer = 0; layer < c.n_layer; ++layer) {
    for (int p = 0; p < kProjections; ++p) {
      const auto projection = static_cast<Projection>(p);
      const auto at = file.pairs.find(projection_name(layer, projection));
      if (at == file.pairs.end()) continue;
      const LoraPair& lora = at->second;
      const MatrixShape wanted = c.shape(projection);
      if (lora.n_in != wanted.n_in || lora.n_out != wanted.n_out) {
        return refuse("the adapter's tensor has another shape than the base's", at->first);
      }
      if (largest_product(lora) > kProductMax)
        return refuse("the adapter's numbers are so large that its products overflow", at->first);
      const bool as_f32 = decoder.layer(layer).weights[p].kind() == tensor::PackedMatrix::Kind::f32;
      auto pair = std::make_unique<tensor::LowRank>();
      CONSORT_ASSIGN(*pair, tensor::LowRank::pack(lora.a, lora.b, lora.n_out, lora.n_in, lora.rank,
                                                  lora.scale, as_f32, arena));
      out->pairs_[static_cast<size_t>(layer * kProjections + p)] = std::move(pair);
      ++bound;
    }
  }
  if (bound != file.pairs.size()) {
    for (const auto& [name, pair] : file.pairs) {
      bool found = false;
      for (int layer = 0; layer < c.n_layer && !found; ++layer) {
        for (int p = 0; p < kProjections && !found; ++p) {
          found = projection_name(layer, static_cast<Projection>(p)) == name;
        }
      }
      if (!found) return refuse("the adapter's tensor belongs to no projection of the base", name);
    }
  }
  return out;
}

// Packed in this order into one arena: side by side unless a slab of it ends between them.
std::span<const uint8_t> DecoderAdapter::bytes_of(int layer, Projection first,
                                                  Projection last) const {
  const uint8_t* begin = nullptr;
  const uint8_t* end = nullptr;
  for (int p = static_cast<int>(first); p <= static_cast<int>(last); ++p) {
    const tensor::LowRank* pair = this->pair(layer, static_cast<Projection>(p));
    if (pair == nullptr) continue;
    for (const tensor::PackedMatrix* m : {&pair->a, &pair->b}) {
      const uint8_t* from = m->panel(0);
      if (end != nullptr && (from < end || from >= end + 64)) return {begin, end};
      if (begin == nullptr) begin = from;
      end = from + m->resident_bytes();
    }
  }
  return {begin, end};
}

uint64_t DecoderAdapter::resident_bytes() const {
  uint64_t bytes = 0;
  for (const auto& pair : pairs_) {
    if (pair) bytes += pair->resident_bytes();
  }
  return bytes;
}

}  // namespace consort::model

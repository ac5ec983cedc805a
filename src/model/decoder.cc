#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <set>

#include "model/weights.h"

namespace consort::model {
namespace {

constexpr std::string_view kProjectionNames[kProjections] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

Error unsupported(const GgufFile& file, std::string message) {
  return make_error(ErrorCode::unsupported, 3601, std::move(message))
      .at(file.name())
      .to_fix("use a model of the llama architecture without rotary scaling");
}

Error impossible(const GgufFile& file, std::string key, uint64_t value) {
  return make_error(ErrorCode::corruption, 3602, "a size of the model cannot be")
      .at(file.name() + ":" + key)
      .got(std::to_string(value))
      .to_fix("fetch the file again; its bytes are damaged");
}

// A whole number of the metadata within [least, most].
Result<int> number(const GgufFile& file, const std::string& key, uint32_t least, uint32_t most) {
  CONSORT_ASSIGN(const uint32_t value, file.get_u32(key));
  if (value < least || value > most) return fail(impossible(file, key, value));
  return static_cast<int>(value);
}

Result<DecoderConfig> read_config(const GgufFile& file) {
  DecoderConfig c;
  CONSORT_ASSIGN(const std::string_view architecture, file.get_string("general.architecture"));
  c.architecture = architecture;
  if (c.architecture != "llama") {
    return fail(unsupported(file, "this architecture is not implemented").got(architecture));
  }
  const std::string p = c.architecture + ".";
  CONSORT_ASSIGN(c.n_layer, number(file, p + "block_count", 1, 512));
  CONSORT_ASSIGN(c.n_ctx, number(file, p + "context_length", 1, 1 << 24));
  CONSORT_ASSIGN(c.n_embd, number(file, p + "embedding_length", 32, 1 << 16));
  CONSORT_ASSIGN(c.n_ff, number(file, p + "feed_forward_length", 32, 1 << 18));
  CONSORT_ASSIGN(c.n_head, number(file, p + "attention.head_count", 1, 1024));
  c.n_head_kv = c.n_head;
  if (file.has(p + "attention.head_count_kv")) {
    CONSORT_ASSIGN(c.n_head_kv, number(file, p + "attention.head_count_kv", 1, 1024));
  }
  CONSORT_ASSIGN(c.norm_epsilon, file.get_f32(p + "attention.layer_norm_rms_epsilon"));
  CONSORT_ASSIGN(c.rope_theta, file.get_f32_or(p + "rope.freq_base", 10000.0f));
  c.head_dim = c.n_embd / c.n_head;
  if (file.has(p + "attention.key_length")) {
    CONSORT_ASSIGN(c.head_dim, number(file, p + "attention.key_length", 16, 1024));
  }
  c.n_rot = c.head_dim;
  if (file.has(p + "rope.dimension_count")) {
    CONSORT_ASSIGN(c.n_rot, number(file, p + "rope.dimension_count", 2, 1024));
  }
  CONSORT_ASSIGN(const std::string_view scaling,
                 file.get_string_or(p + "rope.scaling.type", "none"));
  if (scaling != "none")
    return fail(unsupported(file, "rotary scaling is not implemented").got(scaling));
  CONSORT_ASSIGN(const float linear, file.get_f32_or(p + "rope.scale_linear", 1.0f));
  if (linear != 1.0f) return fail(unsupported(file, "rotary scaling is not implemented"));
  if (c.n_embd % 32 != 0)
    return fail(impossible(file, p + "embedding_length", static_cast<uint64_t>(c.n_embd)));
  if (c.n_ff % 32 != 0)
    return fail(impossible(file, p + "feed_forward_length", static_cast<uint64_t>(c.n_ff)));
  if (c.n_head % c.n_head_kv != 0) {
    return fail(
        impossible(file, p + "attention.head_count_kv", static_cast<uint64_t>(c.n_head_kv)));
  }
  if (c.head_dim % 16 != 0 || c.n_q() % 32 != 0) {
    return fail(impossible(file, p + "attention.key_length", static_cast<uint64_t>(c.head_dim)));
  }
  if (c.n_rot > c.head_dim || c.n_rot % 2 != 0) {
    return fail(impossible(file, p + "rope.dimension_count", static_cast<uint64_t>(c.n_rot)));
  }
  if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1) || !(c.rope_theta >= 1 && c.rope_theta < 1e12f)) {
    return fail(impossible(file, p + "rope.freq_base", 0));
  }
  return c;
}

struct Shape {
  int n_out, n_in;
};

Shape shape(const DecoderConfig& c, Projection projection) {
  switch (projection) {
    case Projection::q:
      return {c.n_q(), c.n_embd};
    case Projection::k:
    case Projection::v:
      return {c.n_kv(), c.n_embd};
    case Projection::o:
      return {c.n_embd, c.n_q()};
    case Projection::gate:
    case Projection::up:
      return {c.n_ff, c.n_embd};
    case Projection::down:
      break;
  }
  return {c.n_embd, c.n_ff};
}

std::string weight_name(int layer, Projection projection) {
  return "blk." + std::to_string(layer) + "." +
         std::string(kProjectionNames[static_cast<int>(projection)]) + ".weight";
}

}  // namespace

Result<std::unique_ptr<const Decoder>> Decoder::load(const GgufFile& file, int n_threads,
                                                     bool as_f32) {
  std::unique_ptr<Decoder> out(new Decoder);
  CONSORT_ASSIGN(out->config_, read_config(file));
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
    Shape shape;
  };
  std::vector<Job> jobs;
  std::set<std::string, std::less<>> known = {"token_embd.weight", "output_norm.weight"};
  jobs.push_back({"token_embd.weight", &out->embedding_, {c.n_vocab, c.n_embd}});
  if (out->has_output_) {
    jobs.push_back({"output.weight", &out->output_, {c.n_vocab, c.n_embd}});
    known.insert("output.weight");
  }
  CONSORT_ASSIGN(out->output_norm_, read_vector(file, "output_norm.weight", c.n_embd));
  for (int i = 0; i < c.n_layer; ++i) {
    DecoderLayer& layer = out->layers_[static_cast<size_t>(i)];
    const std::string block = "blk." + std::to_string(i) + ".";
    CONSORT_ASSIGN(layer.attn_norm, read_vector(file, block + "attn_norm.weight", c.n_embd));
    CONSORT_ASSIGN(layer.ffn_norm, read_vector(file, block + "ffn_norm.weight", c.n_embd));
    known.insert(block + "attn_norm.weight");
    known.insert(block + "ffn_norm.weight");
    for (int p = 0; p < kProjections; ++p) {
      const auto projection = static_cast<Projection>(p);
      jobs.push_back({weight_name(i, projection), &layer.weights[p], shape(c, projection)});
      known.insert(jobs.back().name);
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (!known.contains(tensor.name)) {
      return fail(unsupported(file, "a tensor has no place in this architecture").got(tensor.name));
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
    bytes += 4 * (layer.attn_norm.size() + layer.ffn_norm.size());
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
      const auto at = file.pairs.find(weight_name(layer, projection));
      if (at == file.pairs.end()) continue;
      const LoraPair& lora = at->second;
      const Shape wanted = shape(c, projection);
      if (lora.n_in != wanted.n_in || lora.n_out != wanted.n_out) {
        return refuse("the adapter's tensor has another shape than the base's", at->first);
      }
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
          found = weight_name(layer, static_cast<Projection>(p)) == name;
        }
      }
      if (!found) return refuse("the adapter's tensor does not exist in the base", name);
    }
  }
  return out;
}

uint64_t DecoderAdapter::resident_bytes() const {
  uint64_t bytes = 0;
  for (const auto& pair : pairs_) {
    if (pair) bytes += pair->resident_bytes();
  }
  return bytes;
}

}  // namespace consort::model

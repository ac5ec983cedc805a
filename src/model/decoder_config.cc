#include "model/decoder_config.h"

#include <algorithm>
#include <cmath>

namespace consort::model {
namespace {

constexpr DecoderFamily kFamilies[] = {
    {.architecture = "llama"},
    {.architecture = "qwen2", .half_pairs = true, .qkv_bias = true},
    {.architecture = "qwen3", .half_pairs = true, .qk_norm = true},
    {.architecture = "gemma3",
     .half_pairs = true,
     .qk_norm = true,
     .post_norms = true,
     .gelu = true,
     .scaled_embedding = true,
     .window_period = 6},
};
constexpr int kGemma27bLayers = 62;

constexpr std::string_view kProjectionNames[kProjections] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

Error unsupported(const GgufFile& file, const std::string& key, std::string_view value) {
  return make_error(ErrorCode::unsupported, 3601, "this option of a decoder is not implemented")
      .at(file.name() + ":" + key)
      .got(value)
      .to_fix("use a text model of the llama, qwen2, qwen3 or gemma3 architecture");
}

Error impossible(const GgufFile& file, const std::string& key, int64_t value) {
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

Result<int> number_or(const GgufFile& file, const std::string& key, int fallback, uint32_t least,
                      uint32_t most) {
  return file.has(key) ? number(file, key, least, most) : Result<int>(fallback);
}

// Options that would change what is computed: anything but their neutral value is refused.
Result<void> check_options(const GgufFile& file, const std::string& p) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping", "logit_scale",
                          "attention.max_alibi_bias", "attention.clamp_kqv"}) {
    if (!file.has(p + key)) continue;
    CONSORT_ASSIGN(const float value, file.get_f32(p + key));
    if (value != 0) return fail(unsupported(file, p + key, std::to_string(value)));
  }
  for (const char* key : {"expert_count", "pooling_type"}) {
    CONSORT_ASSIGN(const uint32_t value, file.get_u32_or(p + key, 0));
    if (value != 0) return fail(unsupported(file, p + key, std::to_string(value)));
  }
  CONSORT_ASSIGN(const bool causal, file.get_bool_or(p + "attention.causal", true));
  if (!causal) return fail(unsupported(file, p + "attention.causal", "false"));
  if (file.has(p + "rope.dimension_sections"))
    return fail(unsupported(file, p + "rope.dimension_sections", "present"));
  return {};
}

Result<void> read_window(const GgufFile& file, const std::string& p, DecoderConfig* c) {
  CONSORT_ASSIGN(c->window, number_or(file, p + "attention.sliding_window", 0, 0, 1u << 30));
  if (c->window == 0) return {};
  c->window_period = c->family.window_period;
  if (c->window_period == 0) {
    // A family whose published models see everything: a window that never ends is none.
    if (c->window < c->n_ctx)
      return fail(unsupported(file, p + "attention.sliding_window", std::to_string(c->window)));
    c->window = 0;
    return {};
  }
  const std::string pattern = p + "attention.sliding_window_pattern";
  CONSORT_ASSIGN(c->window_period, number_or(file, pattern, c->window_period, 1, 512));
  CONSORT_ASSIGN(c->rope_theta_local, file.get_f32_or(p + "rope.freq_base_swa", 10000.0f));
  return {};
}

Result<void> check_sizes(const GgufFile& file, const std::string& p, const DecoderConfig& c) {
  if (c.n_embd % 32 != 0) return fail(impossible(file, p + "embedding_length", c.n_embd));
  if (c.n_ff % 32 != 0) return fail(impossible(file, p + "feed_forward_length", c.n_ff));
  if (c.n_head % c.n_head_kv != 0)
    return fail(impossible(file, p + "attention.head_count_kv", c.n_head_kv));
  if (c.head_dim % 16 != 0 || c.n_q() % 32 != 0)
    return fail(impossible(file, p + "attention.key_length", c.head_dim));
  if (c.n_rot > c.head_dim || c.n_rot % 2 != 0)
    return fail(impossible(file, p + "rope.dimension_count", c.n_rot));
  // Yarn divides by the base's logarithm.
  const bool yarn = c.rope_scaling.kind == RopeScaling::Kind::yarn;
  const auto base = [yarn](float theta) {
    return (yarn ? theta > 1.001f : theta >= 1) && theta < 1e12f;
  };
  if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1) || !base(c.rope_theta) ||
      !base(c.rope_theta_local)) {
    return fail(impossible(file, p + "rope.freq_base", 0));
  }
  return {};
}

}  // namespace

MatrixShape DecoderConfig::shape(Projection projection) const {
  switch (projection) {
    case Projection::q:
      return {n_q(), n_embd};
    case Projection::k:
    case Projection::v:
      return {n_kv(), n_embd};
    case Projection::o:
      return {n_embd, n_q()};
    case Projection::gate:
    case Projection::up:
      return {n_ff, n_embd};
    case Projection::down:
      break;
  }
  return {n_embd, n_ff};
}

std::string projection_name(int layer, Projection projection) {
  return "blk." + std::to_string(layer) + "." +
         std::string(kProjectionNames[static_cast<int>(projection)]) + ".weight";
}

Result<DecoderConfig> read_decoder_config(const GgufFile& file) {
  DecoderConfig c;
  CONSORT_ASSIGN(const std::string_view architecture, file.get_string("general.architecture"));
  const auto family =
      std::find_if(std::begin(kFamilies), std::end(kFamilies),
                   [&](const DecoderFamily& known) { return known.architecture == architecture; });
  if (family == std::end(kFamilies))
    return fail(unsupported(file, "general.architecture", architecture));
  c.architecture = architecture;
  c.family = *family;
  const std::string p = c.architecture + ".";
  CONSORT_ASSIGN(c.n_layer, number(file, p + "block_count", 1, 512));
  CONSORT_ASSIGN(c.n_ctx, number(file, p + "context_length", 1, 1 << 24));
  CONSORT_ASSIGN(c.n_embd, number(file, p + "embedding_length", 32, 1 << 16));
  CONSORT_ASSIGN(c.n_ff, number(file, p + "feed_forward_length", 32, 1 << 18));
  CONSORT_ASSIGN(c.n_head, number(file, p + "attention.head_count", 1, 1024));
  CONSORT_ASSIGN(c.n_head_kv, number_or(file, p + "attention.head_count_kv", c.n_head, 1, 1024));
  CONSORT_ASSIGN(c.norm_epsilon, file.get_f32(p + "attention.layer_norm_rms_epsilon"));
  CONSORT_ASSIGN(c.rope_theta, file.get_f32_or(p + "rope.freq_base", 10000.0f));
  CONSORT_ASSIGN(c.head_dim,
                 number_or(file, p + "attention.key_length", c.n_embd / c.n_head, 16, 1024));
  CONSORT_ASSIGN(const int v_dim,
                 number_or(file, p + "attention.value_length", c.head_dim, 1, 1 << 16));
  if (v_dim != c.head_dim)
    return fail(unsupported(file, p + "attention.value_length", std::to_string(v_dim)));
  CONSORT_ASSIGN(c.n_rot, number_or(file, p + "rope.dimension_count", c.head_dim, 2, 1024));
  CONSORT_TRY(check_options(file, p));
  CONSORT_TRY(read_window(file, p, &c));
  CONSORT_ASSIGN(c.rope_scaling, read_rope_scaling(file, p, c.n_ctx));
  CONSORT_TRY(check_sizes(file, p, c));
  c.attention_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  // Gemma 3 27B alone scales by its width; no key of the file says so (llama.cpp goes by the
  // number of layers as well).
  if (c.family.scaled_embedding && c.n_layer == kGemma27bLayers)
    c.attention_scale = 1.0f / std::sqrt(static_cast<float>(c.n_embd / c.n_head));
  if (c.family.scaled_embedding) c.embedding_scale = std::sqrt(static_cast<float>(c.n_embd));
  return c;
}

}  // namespace consort::model

// What a decoder's file says about its sizes, and what its family is known to do.
//
// One forward pass serves all families (decoder_forward.cc); what differs is in this table:
//
//                       llama   qwen2   qwen3   gemma3
//   rotated pairs       2i,2i+1 i,i+n/2 i,i+n/2 i,i+n/2
//   bias of q, k, v             yes
//   norm of each q, k head              yes     yes
//   norms after blocks                          yes
//   activation          SiLU    SiLU    SiLU    GELU (tanh)
//   embedding scale                             sqrt(n_embd)
//   sliding window                              5 layers of 6
//
// Errors: unsupported 3601 (architecture or an option that is not implemented, named), corruption
// 3602 (a size that cannot be), those of rope.h and gguf.h.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/gguf.h"
#include "model/rope.h"

namespace consort::model {

struct DecoderFamily {
  std::string_view architecture;  // general.architecture
  bool half_pairs = false;  // A rotated pair is (i, i + n_rot / 2) of a head, else (2i, 2i + 1).
  bool qkv_bias = false;
  bool qk_norm = false;     // RMS norm of each head of q and k, before rotation.
  bool post_norms = false;  // RMS norm of what attention and feed-forward add.
  bool gelu = false;        // Of the gate, in its tanh form; else SiLU.
  bool scaled_embedding = false;
  int window_period = 0;  // Each window_period-th layer sees everything; 0 = all do.
};

// The seven products of a layer, in the order of use.
enum class Projection { q, k, v, o, gate, up, down };
constexpr int kProjections = 7;

struct MatrixShape {
  int n_out, n_in;
};

struct DecoderConfig {
  std::string architecture;
  DecoderFamily family;
  int n_layer = 0;
  int n_ctx = 0;  // What the model was trained for.
  int n_embd = 0;
  int n_head = 0;
  int n_head_kv = 0;
  int head_dim = 0;
  int n_ff = 0;
  int n_vocab = 0;
  float norm_epsilon = 1e-5f;
  float rope_theta = 10000.0f;
  float rope_theta_local = 10000.0f;  // Of layers with a window.
  int n_rot = 0;                      // Leading dimensions of a head that are rotated.
  RopeScaling rope_scaling;           // Of layers without a window.
  bool rope_divided = false;          // The file divides frequencies one by one (llama3).
  float attention_scale = 1.0f;
  float embedding_scale = 1.0f;
  int window = 0;         // Positions that a layer with a window sees, its own included; 0 = none.
  int window_period = 0;  // As in the family, or as the file says.

  int n_q() const { return n_head * head_dim; }
  int n_kv() const { return n_head_kv * head_dim; }
  bool has_window(int layer) const {
    return window > 0 && layer % window_period < window_period - 1;
  }
  // Whether the forward pass is llama's, nothing more: what training can differentiate.
  bool is_plain_llama() const {
    return architecture == "llama" && rope_scaling.kind == RopeScaling::Kind::none &&
           rope_scaling.magnitude == 1 && !rope_divided;
  }
  MatrixShape shape(Projection projection) const;
};

// All but n_vocab, which the embedding tells.
Result<DecoderConfig> read_decoder_config(const GgufFile& file);

// "blk.3.attn_q.weight"
std::string projection_name(int layer, Projection projection);

}  // namespace consort::model

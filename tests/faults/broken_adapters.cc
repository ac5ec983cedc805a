#include "broken_adapters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "model/gguf_writer.h"
#include "tensor/kernels.h"

namespace consort {
namespace {

using Tensor = DraftAdapter::Tensor;
using Type = DraftAdapter::Type;

struct Target {
  const char *gguf, *peft;
  uint64_t n_out, n_in;
};
// The projections of llama.gguf: n_embd 32, 4 heads and 2 KV heads of 16, n_ff 64.
constexpr Target kTargets[] = {
    {"attn_q", "self_attn.q_proj", 64, 32}, {"attn_k", "self_attn.k_proj", 32, 32},
    {"attn_v", "self_attn.v_proj", 32, 32}, {"attn_output", "self_attn.o_proj", 32, 64},
    {"ffn_gate", "mlp.gate_proj", 64, 32},  {"ffn_up", "mlp.up_proj", 64, 32},
    {"ffn_down", "mlp.down_proj", 32, 64}};

std::string half_bytes(const std::vector<float>& values, bool bf16) {
  std::vector<uint16_t> halves(values.size());
  const tensor::Kernels& k = *tensor::scalar_kernels();
  (bf16 ? k.f32_to_bf16 : k.f32_to_f16)(values.data(), static_cast<int>(values.size()),
                                        halves.data());
  return {reinterpret_cast<const char*>(halves.data()), halves.size() * 2};
}

// Blocks of 32: an f16 scale, 32 signed codes.
std::string q8_bytes(const std::vector<float>& values) {
  std::string out;
  for (size_t b = 0; b < values.size(); b += 32) {
    float peak = 0;
    for (size_t i = b; i < b + 32; ++i) peak = std::max(peak, std::fabs(values[i]));
    out += half_bytes({peak / 127}, false);
    for (size_t i = b; i < b + 32; ++i) {
      const float code = peak > 0 ? std::nearbyintf(values[i] / peak * 127) : 0;
      out += static_cast<char>(static_cast<int8_t>(code));
    }
  }
  return out;
}

std::string bytes_of(const Tensor& t, Type type) {
  switch (type) {
    case Type::f16:
    case Type::bf16:
      return half_bytes(t.values, type == Type::bf16);
    case Type::q8_0:
      return q8_bytes(t.values);
    case Type::f32:
      break;
  }
  return {reinterpret_cast<const char*>(t.values.data()), t.values.size() * 4};
}

std::string peft_name(const Tensor& t) {
  if (!t.name.empty()) return t.name;
  const size_t dot = t.weight.find('.', 4);
  const std::string layer = t.weight.substr(4, dot - 4);
  const std::string part = t.weight.substr(dot + 1, t.weight.size() - dot - 8);
  for (const Target& target : kTargets) {
    if (part == target.gguf) {
      return fmt::format("base_model.model.model.layers.{}.{}.lora_{}.weight", layer, target.peft,
                         t.side == 'a' ? 'A' : 'B');
    }
  }
  return t.weight;
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void rename_layer(DraftAdapter& d, int layer) {
  for (Tensor& t : d.tensors) {
    const size_t dot = t.weight.find('.', 4);
    t.weight = fmt::format("blk.{}{}", layer, t.weight.substr(dot));
  }
}

void rename_weight(DraftAdapter& d, const std::string& weight) {
  const std::string old = d.tensors[0].weight;
  for (Tensor& t : d.tensors)
    if (t.weight == old) t.weight = weight;
}

// Room for `rows` x `columns`, filled up with small numbers.
void reshape(Tensor& t, uint64_t rows, uint64_t columns) {
  t.shape = {rows, columns};
  t.values.resize(rows * columns, 0.01f);
  if (t.type == Type::q8_0) t.type = Type::f32;
}

void spoil(DraftAdapter& d, Dice& dice, float with) {
  Tensor& t = d.tensors[dice() % d.tensors.size()];
  if (t.type == Type::q8_0) t.type = Type::f32;
  t.values[dice() % t.values.size()] = with;
}

void clear_side(DraftAdapter& d, char side) {
  for (Tensor& t : d.tensors)
    if (t.side == side) std::fill(t.values.begin(), t.values.end(), 0.0f);
}

// A's rows and B's columns are 0 by turns: neither is 0, their product is.
void make_disjoint(DraftAdapter& d) {
  for (Tensor& t : d.tensors) {
    for (size_t i = 0; i < t.values.size(); ++i) {
      const size_t k = t.side == 'a' ? i / t.shape[1] : i % t.shape[1];
      if (k % 2 == (t.side == 'a' ? 0u : 1u)) t.values[i] = 0;
    }
  }
}

void drop_one(DraftAdapter& d, Dice& dice) {
  d.tensors.erase(d.tensors.begin() + static_cast<ptrdiff_t>(dice() % d.tensors.size()));
}

// A second tensor whose name the writer takes for another one, and the reader for the same.
void duplicate(DraftAdapter& d, const std::string& from, const std::string& to) {
  d.damage = [from, to](std::string& bytes) {
    const size_t at = bytes.find(from);
    if (at != std::string::npos) bytes.replace(at, to.size(), to);
  };
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

void add_base(std::vector<Breakage>& out) {
  const std::string c = "wrong base";
  out.push_back({c, "another architecture", false, 4106, "another architecture",
                 [](DraftAdapter& d, Dice& dice) {
                   d.architecture = std::vector{"qwen2", "gemma3", "gpt2"}[dice() % 3];
                 }});
  out.push_back({c, "another base's digest", false, 4106, "names another base",
                 [](DraftAdapter& d, Dice& dice) {
                   for (int i = 0; i < 64; ++i) d.base_sha256 += "0123456789abcdef"[dice() % 16];
                 }});
  for (const bool peft : {false, true}) {
    out.push_back(
        {c, "a layer that the base lacks", peft, 4106, "no projection of the base",
         [](DraftAdapter& d, Dice& dice) { rename_layer(d, 2 + static_cast<int>(dice() % 40)); }});
    out.push_back({c, "an invocation token that the base lacks", peft, 4106,
                   "outside the vocabulary", [](DraftAdapter& d, Dice& dice) {
                     const auto token = static_cast<uint32_t>(320 + dice() % 100000);
                     d.invocation = {1, token};
                     d.options["alora_invocation_tokens"] = fmt::format("[1, {}]", token);
                   }});
  }
}

void add_shape(std::vector<Breakage>& out) {
  const std::string c = "wrong shape";
  for (const bool peft : {false, true}) {
    out.push_back(
        {c, "made for a wider base", peft, 4106, "another shape", [](DraftAdapter& d, Dice&) {
           Tensor& a = d.first('a');
           reshape(a, a.shape[0], a.shape[1] * 2);
         }});
    out.push_back({c, "more rows than the base", peft, 4106, "another shape",
                   [](DraftAdapter& d, Dice& dice) {
                     Tensor& b = d.first('b');
                     reshape(b, b.shape[0] + 64 * (1 + dice() % 3), b.shape[1]);
                   }});
    out.push_back({c, "ranks that disagree", peft, 3501, "disagree", [](DraftAdapter& d, Dice&) {
                     Tensor& b = d.first('b');
                     reshape(b, b.shape[0], b.shape[1] + 1);
                   }});
    out.push_back({c, "a rank beyond the limit", peft, 3503, "rank is at most 64",
                   [](DraftAdapter& d, Dice& dice) {
                     const uint64_t rank = 65 + dice() % 64;
                     for (Tensor& t : d.tensors)
                       reshape(t, t.side == 'a' ? rank : t.shape[0],
                               t.side == 'a' ? t.shape[1] : rank);
                     d.rank = static_cast<int>(rank);
                   }});
  }
  out.push_back(
      {c, "three dimensions", false, 3501, "more than two dimensions", [](DraftAdapter& d, Dice&) {
         Tensor& a = d.first('a');
         a.shape = {2, a.shape[0], a.shape[1]};
         reshape(a, 2 * a.shape[1], a.shape[2]);
         a.shape = {2, a.shape[0] / 2, a.shape[1]};
       }});
  out.push_back({c, "another rank than r", true, 3501, "configuration's r is",
                 [](DraftAdapter& d, Dice& dice) { d.rank += 1 + static_cast<int>(dice() % 8); }});
  out.push_back({c, "rows that are no whole heads", true, 3501, "do not divide into",
                 [](DraftAdapter& d, Dice&) {
                   d.tensors.resize(2);
                   d.tensors[0].weight = d.tensors[1].weight = "blk.0.attn_q.weight";
                   reshape(d.first('a'), d.first('a').shape[0], 32);
                   reshape(d.first('b'), 60, d.first('b').shape[1]);
                 }});
}

void add_numbers(std::vector<Breakage>& out) {
  const std::string c = "not a number";
  for (const bool peft : {false, true}) {
    for (const float with : {kNan, kInfinity, -kInfinity}) {
      out.push_back({c, fmt::format("{} in a tensor", with), peft, 3501, "not finite",
                     [with](DraftAdapter& d, Dice& dice) { spoil(d, dice, with); }});
    }
    out.push_back(
        {c, "numbers whose product overflows", peft, 4106, "overflow", [](DraftAdapter& d, Dice&) {
           for (Tensor& t : d.tensors) {
             t.type = Type::f32;
             std::fill(t.values.begin(), t.values.end(), 1e30f);
           }
         }});
  }
  out.push_back({c, "alpha is NaN", false, 3501, "alpha is not finite",
                 [](DraftAdapter& d, Dice&) { d.alpha = kNan; }});
  out.push_back({c, "alpha is infinite", false, 3501, "alpha is not finite",
                 [](DraftAdapter& d, Dice&) { d.alpha = kInfinity; }});
  out.push_back({c, "alpha is negative", true, 3504, "lora_alpha",
                 [](DraftAdapter& d, Dice&) { d.alpha = -8; }});
}

void add_zero(std::vector<Breakage>& out) {
  const std::string c = "zero effect";
  for (const bool peft : {false, true}) {
    out.push_back({c, "B is 0, as before training", peft, 4106, "does not change",
                   [](DraftAdapter& d, Dice&) { clear_side(d, 'b'); }});
    out.push_back({c, "A is 0", peft, 4106, "does not change",
                   [](DraftAdapter& d, Dice&) { clear_side(d, 'a'); }});
    out.push_back({c, "the product is 0, neither factor is", peft, 4106, "does not change",
                   [](DraftAdapter& d, Dice&) { make_disjoint(d); }});
    out.push_back({c, "a scale of nothing", peft, 4106, "does not change",
                   [](DraftAdapter& d, Dice&) { d.alpha = 1e-30f; }});
  }
}

void add_missing(std::vector<Breakage>& out) {
  const std::string c = "missing half";
  for (const bool peft : {false, true}) {
    out.push_back({c, "one tensor left out", peft, 3501, "without its partner",
                   [](DraftAdapter& d, Dice& dice) { drop_one(d, dice); }});
    out.push_back(
        {c, "every B left out", peft, 3501, "without its partner", [](DraftAdapter& d, Dice&) {
           std::erase_if(d.tensors, [](const Tensor& t) { return t.side == 'b'; });
         }});
    out.push_back({c, "no tensors at all", peft, 3501, "has no tensors",
                   [](DraftAdapter& d, Dice&) { d.tensors.clear(); }});
  }
  out.push_back({c, "no alpha", false, 3105, "adapter.lora.alpha",
                 [](DraftAdapter& d, Dice&) { d.has_alpha = false; }});
  out.push_back({c, "no lora_alpha", true, 3504, "lora_alpha",
                 [](DraftAdapter& d, Dice&) { d.has_alpha = false; }});
  out.push_back({c, "the second half of the file", false, 3101, "past the end",
                 [](DraftAdapter& d, Dice& dice) {
                   const size_t cut = 32 + dice() % 256;
                   d.damage = [cut](std::string& bytes) { bytes.resize(bytes.size() - cut); };
                 }});
  out.push_back({c, "no configuration", true, 1101, "adapter_config.json",
                 [](DraftAdapter& d, Dice&) { d.no_config = true; }});
}

void add_unknown(std::vector<Breakage>& out) {
  const std::string c = "unknown tensor";
  for (const char* weight : {"blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "output.weight",
                             "blk.00.attn_q.weight", "v.blk.0.attn_q.weight"}) {
    out.push_back({c, weight, false, 4106, weight,
                   [weight](DraftAdapter& d, Dice&) { rename_weight(d, weight); }});
  }
  out.push_back({c, "the embedding", false, 3502, "token_embd",
                 [](DraftAdapter& d, Dice&) { rename_weight(d, "token_embd.weight"); }});
  for (const char* suffix : {".lora_magnitude", ".lora_A", ".bias"}) {
    out.push_back({c, fmt::format("a tensor NAME{}", suffix), false, 3502, suffix,
                   [suffix](DraftAdapter& d, Dice&) {
                     Tensor extra = d.tensors[0];
                     extra.name = extra.weight + suffix;
                     d.tensors.push_back(extra);
                   }});
  }
  out.push_back({c, "a type that adapters may not have", false, 3502, "F32, F16, BF16 or Q8_0",
                 [](DraftAdapter& d, Dice&) { d.first('a').opaque = true; }});
  for (const char* name : {"base_model.model.model.embed_tokens.lora_embedding_A",
                           "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
                           "base_model.model.model.layers.0.mlp.router.lora_A.weight",
                           "base_model.model.model.layers.x.mlp.up_proj.lora_A.weight",
                           "base_model.model.vision_tower.layers.0.mlp.up_proj.lora_A.weight"}) {
    out.push_back({c, name, true, 3502, name, [name](DraftAdapter& d, Dice&) {
                     Tensor extra = d.tensors[0];
                     extra.name = name;
                     d.tensors.push_back(extra);
                   }});
  }
}

void add_duplicates(std::vector<Breakage>& out) {
  const std::string c = "duplicate";
  out.push_back({c, "a tensor twice", false, 3101, "appears twice", [](DraftAdapter& d, Dice&) {
                   Tensor again = d.tensors[0];
                   again.name = again.weight + ".lora_Z";
                   d.tensors.push_back(again);
                   duplicate(d, again.name, again.weight + ".lora_a");
                 }});
  out.push_back({c, "a key twice", false, 3101, "appears twice", [](DraftAdapter& d, Dice&) {
                   d.damage = [](std::string& bytes) {
                     // Key lengths stay: "adapter.type" is as long as "general.type".
                     bytes.replace(bytes.find("adapter.type"), 12, "general.type");
                   };
                 }});
  for (const char* name :
       {"model.layers.{}.{}.lora_A.weight", "base_model.model.model.layers.{}.{}.lora_A",
        "base_model.model.model.layers.{}.{}.lora_A.default"}) {
    out.push_back(
        {c, "a matrix under two names", true, 3501, "two tensors for one matrix",
         [pattern = std::string(name)](DraftAdapter& d, Dice&) {
           Tensor again = d.first('a');
           const std::string usual = peft_name(again);
           const std::string middle = usual.substr(
               std::strlen("base_model.model.model.layers."),
               usual.size() - std::strlen("base_model.model.model.layers..lora_A.weight"));
           const size_t dot = middle.find('.');
           again.name =
               fmt::format(fmt::runtime(pattern), middle.substr(0, dot), middle.substr(dot + 1));
           d.tensors.push_back(again);
         }});
  }
  out.push_back(
      {c, "a tensor twice in the header", true, 3202, "duplicate key", [](DraftAdapter& d, Dice&) {
         Tensor again = d.first('a');
         const std::string usual = peft_name(again);
         again.name = usual;
         again.name[0] = 'X';
         d.tensors.push_back(again);
         duplicate(d, again.name, usual);
       }});
}

void add_options(std::vector<Breakage>& out) {
  const std::string c = "another kind";
  out.push_back({c, "a model, no adapter", false, 3504, "no adapter",
                 [](DraftAdapter& d, Dice&) { d.type = "model"; }});
  out.push_back({c, "no LoRA", false, 3502, "no LoRA",
                 [](DraftAdapter& d, Dice& dice) { d.kind = dice() % 2 ? "ia3" : "dora"; }});
  out.push_back({c, "no GGUF", false, 3102, "GGUF", [](DraftAdapter& d, Dice& dice) {
                   const size_t at = dice() % 4;
                   d.damage = [at](std::string& bytes) { bytes[at] ^= 0x20; };
                 }});
  for (const auto& [key, text] :
       std::map<std::string, std::string>{{"use_dora", "true"},
                                          {"fan_in_fan_out", "true"},
                                          {"lora_bias", "true"},
                                          {"bias", "\"all\""},
                                          {"modules_to_save", "[\"lm_head\"]"},
                                          {"rank_pattern", "{\"q_proj\": 2}"},
                                          {"alpha_pattern", "{\"q_proj\": 2}"},
                                          {"layer_replication", "[[0, 2]]"},
                                          {"trainable_token_indices", "[1, 2]"}}) {
    out.push_back({c, key, true, 3502, "PEFT option",
                   [key, text](DraftAdapter& d, Dice&) { d.options[key] = text; }});
  }
  out.push_back({c, "another PEFT method", true, 3504, "peft_type",
                 [](DraftAdapter& d, Dice&) { d.options["peft_type"] = "\"IA3\""; }});
  out.push_back({c, "an empty invocation", true, 3504, "alora_invocation_tokens",
                 [](DraftAdapter& d, Dice&) { d.options["alora_invocation_tokens"] = "[]"; }});
}

}  // namespace

Tensor& DraftAdapter::first(char side) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [side](const Tensor& t) { return t.side == side; });
}

std::string DraftAdapter::gguf() const {
  model::GgufWriter w;
  w.set_string("general.type", type);
  w.set_string("general.architecture", architecture);
  w.set_string("adapter.type", kind);
  if (has_alpha) w.set_f32("adapter.lora.alpha", alpha);
  if (!invocation.empty()) w.set_u32_array("adapter.alora.invocation_tokens", invocation);
  if (!base_sha256.empty()) w.set_string("consort.base.sha256", base_sha256);
  constexpr model::TensorType kTypes[] = {model::TensorType::f32, model::TensorType::f16,
                                          model::TensorType::bf16, model::TensorType::q8_0};
  for (const Tensor& t : tensors) {
    const std::string name = t.name.empty() ? t.weight + ".lora_" + t.side : t.name;
    const std::vector<uint64_t> dims(t.shape.rbegin(), t.shape.rend());
    std::string bytes = bytes_of(t, t.type);
    model::TensorType written = kTypes[static_cast<int>(t.type)];
    if (t.opaque) {
      written = model::TensorType::q4_0;
      bytes.assign(t.values.size() / 32 * 18, '\1');
    }
    w.add_tensor(name, written, dims,
                 {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  std::string out = w.finish().value();
  if (damage) damage(out);
  return out;
}

void DraftAdapter::write_peft(const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  std::map<std::string, std::string> config = {{"peft_type", "\"LORA\""}, {"bias", "\"none\""}};
  config["r"] = std::to_string(rank);
  if (has_alpha) config["lora_alpha"] = fmt::format("{}", alpha);
  for (const auto& [key, text] : options) config[key] = text;
  std::string json;
  for (const auto& [key, text] : config)
    json += fmt::format("{}\"{}\": {}", json.empty() ? "{" : ", ", key, text);
  if (!no_config) write(folder / "adapter_config.json", json + "}");
  std::string header, data;
  for (const Tensor& t : tensors) {
    const Type as = t.type == Type::q8_0 ? Type::f32 : t.type;
    constexpr const char* kNames[] = {"F32", "F16", "BF16"};
    const size_t at = data.size();
    data += bytes_of(t, as);
    std::string shape;
    for (const uint64_t n : t.shape) shape += fmt::format("{}{}", shape.empty() ? "" : ",", n);
    header += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.empty() ? "{" : ",", peft_name(t), kNames[static_cast<int>(as)],
                          shape, at, data.size());
  }
  header += header.empty() ? "{}" : "}";
  const uint64_t n = header.size();
  std::string bytes(reinterpret_cast<const char*>(&n), 8);
  bytes += header + data;
  if (damage) damage(bytes);
  write(folder / "adapter_model.safetensors", bytes);
}

DraftAdapter whole_adapter(Dice& dice, bool peft) {
  DraftAdapter d;
  d.rank = 2 << dice() % 4;
  const size_t n_pairs = 1 + dice() % 3, start = dice() % 14;
  for (size_t i = 0; i < n_pairs; ++i) {
    const size_t which = (start + i * 5) % 14;
    const Target& target = kTargets[which % 7];
    const std::string weight = fmt::format("blk.{}.{}.weight", which / 7, target.gguf);
    const auto type = static_cast<Type>(dice() % (peft ? 3 : 4));
    const auto rank = static_cast<uint64_t>(d.rank);
    for (const char side : {'a', 'b'}) {
      Tensor t{
          .weight = weight,
          .side = side,
          .shape = side == 'a' ? std::vector{rank, target.n_in} : std::vector{target.n_out, rank},
          .type = type};
      // Rows of B are too short for blocks of 32.
      if (type == Type::q8_0 && side == 'b') t.type = Type::f16;
      for (uint64_t k = 0; k < t.shape[0] * t.shape[1]; ++k)
        t.values.push_back((static_cast<float>(dice() % 2001) - 1000) / 4000);
      d.tensors.push_back(std::move(t));
    }
  }
  return d;
}

const std::vector<Breakage>& breakages() {
  static const std::vector<Breakage> all = [] {
    std::vector<Breakage> out;
    for (const auto add : {add_base, add_shape, add_numbers, add_zero, add_missing, add_unknown,
                           add_duplicates, add_options})
      add(out);
    return out;
  }();
  return all;
}

}  // namespace consort

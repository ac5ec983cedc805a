// Small model files made in memory. For tests and fuzz seeds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/gguf_writer.h"

namespace consort::model {

inline std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A GGUF with one key of every kind that the readers take, an F32, a Q8_0 and a Q4_1 tensor.
inline std::string small_gguf() {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.set_u32("llama.block_count", 3);
  writer.set_u64("wide", 5);
  writer.set_i32("negative", -7);
  writer.set_f32("eps", 0.5f);
  writer.set_bool("flag", true);
  writer.set_string_array("names", std::vector<std::string>{"a", "", "ccc"});
  writer.set_i32_array("ints", std::vector<int32_t>{-1, 2});
  writer.set_f32_array("floats", std::vector<float>{1.5f});
  const uint64_t dims[] = {2, 3};
  writer.add_tensor_f32("weights", dims, std::vector<float>{1, 2, 3, 4, 5, 6});
  const uint64_t row[] = {32};
  writer.add_tensor("q8", TensorType::q8_0, row, std::vector<uint8_t>(34, 1));
  writer.add_tensor("q4", TensorType::q4_1, row, std::vector<uint8_t>(20, 2));
  return writer.finish().value();
}

// Byte-level BPE: the 256 byte tokens, "th", "the", " the" and two control tokens.
inline std::string small_bpe_gguf(std::string_view pre = "smollm") {
  GgufWriter writer;
  std::vector<std::string> tokens;
  std::vector<int32_t> kinds;
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool shown = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    const uint32_t c = shown ? b : next++;
    std::string text;
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else {
      text += static_cast<char>(0xc0 | c >> 6);
      text += static_cast<char>(0x80 | (c & 0x3f));
    }
    tokens.push_back(text);
    kinds.push_back(1);
  }
  const std::string blank = "\xc4\xa0";  // U+0120, the space.
  for (const std::string& text : {std::string("th"), std::string("the"), blank + "the"}) {
    tokens.push_back(text);
    kinds.push_back(1);
  }
  for (const char* text : {"<|start|>", "<|im_end|>"}) {
    tokens.emplace_back(text);
    kinds.push_back(3);
  }
  writer.set_string("tokenizer.ggml.model", "gpt2");
  writer.set_string("tokenizer.ggml.pre", pre);
  writer.set_string_array("tokenizer.ggml.tokens", tokens);
  writer.set_i32_array("tokenizer.ggml.token_type", kinds);
  writer.set_string_array("tokenizer.ggml.merges",
                          std::vector<std::string>{"t h", "th e", blank + " the"});
  writer.set_u32("tokenizer.ggml.bos_token_id", 259);
  writer.set_u32("tokenizer.ggml.eos_token_id", 260);
  writer.set_bool("tokenizer.ggml.add_bos_token", true);
  return writer.finish().value();
}

// `header` as it stands, then `data`.
inline std::string safetensors_of(std::string_view header, std::string_view data) {
  std::string out;
  const uint64_t n = header.size();
  out.append(reinterpret_cast<const char*>(&n), 8).append(header).append(data);
  return out;
}

inline std::string small_safetensors() {
  return safetensors_of(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F16","shape":[2,1],"data_offsets":[8,12]},"c":{"dtype":"U8","shape":[0],"data_offsets":[12,12]}})",
      std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x3c\x00\xc0", 12));
}

// One pair on blk.0.attn_q.weight: rank 2, n_in 3, n_out 4.
inline std::string small_adapter_gguf(uint32_t rank = 2) {
  GgufWriter writer;
  writer.set_string("general.type", "adapter");
  writer.set_string("general.architecture", "llama");
  writer.set_string("adapter.type", "lora");
  writer.set_f32("adapter.lora.alpha", 8);
  writer.set_string("consort.base.sha256", std::string(64, 'a'));
  writer.set_string("consort.contract", "planner@1");
  writer.set_u32_array("adapter.alora.invocation_tokens", std::vector<uint32_t>{1, 520});
  const uint64_t a[] = {3, rank}, b[] = {rank, 4};
  writer.add_tensor_f32("blk.0.attn_q.weight.lora_a", a, std::vector<float>(3 * rank, 0.5f));
  writer.add_tensor_f32("blk.0.attn_q.weight.lora_b", b, std::vector<float>(4 * rank, 0.25f));
  return writer.finish().value();
}

}  // namespace consort::model

// A GGUF file from outside: parsed, every key and tensor read, then read as an adapter and as a
// decoder.
#include <cstdint>

#include "model/adapter_file.h"
#include "model/decoder.h"
#include "model/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort::model;
  const auto file = GgufFile::parse({data, size});
  if (!file) return 0;
  for (const std::string_view key : (*file)->keys()) {
    (void)(*file)->get_u32(key);
    (void)(*file)->get_f32(key);
    (void)(*file)->get_bool(key);
    (void)(*file)->get_string(key);
    (void)(*file)->get_string_array(key);
    (void)(*file)->get_i32_array(key);
    (void)(*file)->get_f32_array(key);
  }
  volatile uint8_t last = 0;
  for (const GgufTensor& tensor : (*file)->tensors())
    if (!tensor.data.empty()) last = tensor.data.back();
  (void)last;
  if (const auto adapter = read_adapter(**file)) (void)write_adapter(*adapter);
  if (read_decoder_config(**file)) (void)Decoder::load(**file, 1);
  return 0;
}

// A safetensors file from outside: parsed, every tensor converted.
#include <cstdint>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort::model;
  if (const auto file = SafetensorsFile::parse({data, size}))
    for (const SafetensorsTensor& tensor : (*file)->tensors()) (void)to_f32(tensor);
  return 0;
}

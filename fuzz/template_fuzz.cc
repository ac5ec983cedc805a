// Any bytes as a template, rendered with a conversation in both modes.
#include <cstdint>
#include <string_view>

#include "model/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort;
  static const contract::Value variables =
      contract::parse_json(
          R"({"messages":[{"role":"user","content":"hi"},{"role":"bot","content":"a b"}],
                               "n":3,"x":1.5,"t":true,"z":null,"names":["a","b"]})")
          .value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const model::TemplateLimits limits{.steps_max = 20000, .output_bytes_max = 1 << 20};
  for (const auto mode : {model::Undefined::strict, model::Undefined::lenient})
    if (const auto parsed = model::Template::parse(text, "fuzz", mode, limits))
      (void)(*parsed)->render(variables);
  return 0;
}

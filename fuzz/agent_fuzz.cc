// Agent files and expressions: any bytes give a definition or a typed error.
#include <cstdint>
#include <string_view>

#include "agent/definition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)consort::agent::parse_definition(text, "fuzz/agent.yaml");
  (void)consort::agent::parse_yaml(text, "fuzz.yaml");
  auto expression = consort::agent::parse_expression(text);
  if (expression) {
    consort::contract::Value input = consort::contract::Value::object({{"a", 1}});
    (void)consort::agent::evaluate(*expression, [&](const std::string&) { return &input; });
  }
  return 0;
}

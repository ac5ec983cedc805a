// What calls cost and how they read in a trace; apart from component.cc so that a program which brings its
// own components links no engine.
#include "agent/component.h"

namespace consort::agent {

using contract::Value;

Usage& Usage::operator+=(const Usage& other) {
  prompt_tokens += other.prompt_tokens;
  cached_tokens += other.cached_tokens;
  output_tokens += other.output_tokens;
  tool_calls += other.tool_calls;
  violations += other.violations;
  model_ms += other.model_ms;
  return *this;
}

Value Usage::to_value() const {
  return Value::object({{"prompt_tokens", prompt_tokens},
                        {"cached_tokens", cached_tokens},
                        {"output_tokens", output_tokens},
                        {"tool_calls", tool_calls},
                        {"violations", violations},
                        {"model_ms", model_ms}});
}

Value Call::to_value() const {
  contract::Array broken;
  for (const contract::Violation& v : violations) {
    broken.push_back(Value::object({{"instance", v.instance}, {"schema", v.schema}, {"message", v.message}}));
  }
  return Value::object({{"kind", kind},
                        {"name", name},
                        {"prompt", prompt},
                        {"text", text},
                        {"ms", ms},
                        {"first_token_ms", first_token_ms},
                        {"usage", usage.to_value()},
                        {"violations", std::move(broken)}});
}

}  // namespace consort::agent

// First line: a schema; each further one: a value. The walk that only answers, the walk that
// explains, spellings that mean the same, and a plain second reading of the standard must agree.
#include <cstdint>
#include <string>

#include "contract/program.h"
#include "contract/program_validate.h"
#include "plain_validator.h"

namespace {

using namespace consort::contract;

// {"KEYWORD": schema}, or [schema] where the keyword takes a list.
bool answers(const Value& document, const Value& value) {
  CompileOptions options;
  options.assert_formats = false;
  const auto program = compile_program(document, Value(), options);
  CONSORT_CHECK(program.has_value());
  return is_valid(**program, value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&] {
    const std::string_view result = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), result.size() + 1));
    return result;
  };
  const auto document = parse_json(line());
  if (!document) return 0;
  // References would lead elsewhere from inside another document.
  const std::string text = to_json(*document);
  const bool moves = text.find("\"$") == std::string::npos;
  const bool is_2020 = text.find("$schema") == std::string::npos;
  CompileOptions options;
  options.assert_formats = false;
  const auto program = compile_program(*document, Value(), options);
  if (!program) return 0;
  consort::fuzz::PlainValidator plain(*document);
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    const auto value = parse_json(line());
    if (!value) continue;
    const bool valid = is_valid(**program, *value);
    CONSORT_CHECK(valid == validate(**program, *value).empty());
    CONSORT_CHECK(valid == validate(**program, *value, 1).empty());
    if (is_2020) {
      const auto expected = plain.valid(*value);
      if (expected) CONSORT_CHECK(valid == *expected);
    }
    if (!moves) continue;
    CONSORT_CHECK(answers(Value::object({{"not", *document}}), *value) != valid);
    CONSORT_CHECK(answers(Value::object({{"oneOf", Array{*document, Value(false)}}}), *value) == valid);
    CONSORT_CHECK(answers(Value::object({{"if", *document}, {"then", true}, {"else", false}}), *value) == valid);
    CONSORT_CHECK(answers(Value::object({{"items", *document}}), Value(Array{*value})) == valid);
    CONSORT_CHECK(answers(Value::object({{"additionalProperties", *document}}),
                          Value::object({{"k", *value}})) == valid);
  }
  return 0;
}

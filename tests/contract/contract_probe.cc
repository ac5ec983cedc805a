// Answers questions about schemas, one JSON document a line in, one out: the bridge by which the
// suites and the peers in Python check this kernel.
//
//   {"op":"parse","text":T}                      -> {"ok":bool}           T: the bytes in hex
//   {"op":"register","uri":U,"schema":S}         -> {"ok":true}           reachable by `$ref` from then on
//   {"op":"validate","schema":S,"values":[...]}  -> {"verdicts":[bool]}   or a refusal
//   {"op":"standard","schema":S,"dialect":0..4,"formats":bool,"values":[...]}  the standard's reading:
//       unknown keywords are notes; adds "told", what the walk that explains says
//   {"op":"contains","consumer":S,"producer":S}  -> {"verdict","witness","reason"}
//   {"op":"examples","schema":S,"seed":N,"n":N}  -> {"values":[...]}
//   {"op":"timed", as standard, "repeat":N}      -> {"verdicts","ns"}
//   {"op":"cost","schema":S,"value":V}           -> {"outcome","compile_us","validate_us","contains_us"}: what
//       one schema costs: to compile or refuse it, to validate V, to compare it with itself under another name;
//       processor time
//   {"op":"standard_contains","a":S,"b":S,"dialect":0..4,"formats":bool}  is A within B?
//       -> {"answer","witness","reason","us"}
// A refusal is {"refused":number,"message","place"}.
#include <ctime>

#include <chrono>
#include <iostream>

#include "contract/program_validate.h"
#include "contract/schema.h"

namespace consort::contract {
namespace {

Value refusal(const Error& error) {
  return Value::object(
      {{"refused", error.number}, {"message", error.message}, {"place", error.place}});
}

Result<std::shared_ptr<const Schema>> schema_at(const Value& request, std::string_view key) {
  const Value* document = request.find(key);
  if (!document) return fail(ErrorCode::invalid_argument, 2102, "no schema");
  return Schema::compile(*document, std::string(key));
}

std::string bytes_of(const std::string& hex) {
  std::string result;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    result += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return result;
}

Result<Value> standard(const Value& request, const Registry& registry) {
  CompileOptions options;
  options.dialect = static_cast<Dialect>(*request.find("dialect")->as_number().as_int64());
  options.assert_formats = request.find("formats")->as_bool();
  options.registry = &registry;
  CONSORT_ASSIGN(const auto program, compile_program(*request.find("schema"), Value(), options));
  Array verdicts, told;
  for (const Value& value : request.find("values")->as_array()) {
    verdicts.push_back(is_valid(*program, value));
    told.push_back(validate(*program, value).empty());
  }
  return Value::object({{"verdicts", std::move(verdicts)}, {"told", std::move(told)}});
}

// As `standard`, with the least time of `repeat` answers for each value.
Result<Value> timed(const Value& request) {
  CompileOptions options;
  options.dialect = static_cast<Dialect>(*request.find("dialect")->as_number().as_int64());
  options.assert_formats = request.find("formats")->as_bool();
  CONSORT_ASSIGN(const auto program, compile_program(*request.find("schema"), Value(), options));
  Array verdicts, ns;
  for (const Value& value : request.find("values")->as_array()) {
    int64_t best = INT64_MAX;
    bool verdict = false;
    for (int64_t i = 0; i < *request.find("repeat")->as_number().as_int64(); ++i) {
      const auto started = std::chrono::steady_clock::now();
      verdict = is_valid(*program, value);
      const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - started;
      best = std::min<int64_t>(best, took.count());
    }
    verdicts.push_back(verdict);
    ns.push_back(best);
  }
  return Value::object({{"verdicts", std::move(verdicts)}, {"ns", std::move(ns)}});
}

Result<Value> cost(const Value& request) {
  CompileOptions options;
  options.assert_formats = false;
  const Value& document = *request.find("schema");
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) * 1e6 + double(t.tv_nsec) / 1e3;
  };
  const auto since = [&](double started) { return now() - started; };
  double started = now();
  auto compiled = Schema::compile(document, "hostile", Value(), options);
  const double compile_us = since(started);
  if (!compiled) {
    return Value::object({{"outcome", compiled.error().number}, {"compile_us", compile_us}});
  }
  const auto schema = std::move(*compiled);
  started = now();
  const bool valid = validate(*schema, *request.find("value")).empty();
  const double validate_us = since(started);
  // A note makes another document of the same language.
  Object noted = document.as_object();
  noted.set("title", "twin");
  CONSORT_ASSIGN(const auto twin, Schema::compile(Value(std::move(noted)), "twin", Value(), options));
  started = now();
  const Containment result = contains(*schema, *twin);
  const double contains_us = since(started);
  constexpr const char* kNames[] = {"contained", "refuted", "unknown"};
  return Value::object({{"outcome", valid ? "valid" : "invalid"},
                        {"compile_us", compile_us},
                        {"validate_us", validate_us},
                        {"contains_us", contains_us},
                        {"contains", kNames[static_cast<int>(result.verdict)]}});
}

// As `standard`; "dialect" and "formats" hold for both schemas.
Result<Value> standard_contains(const Value& request, const Registry& registry) {
  CompileOptions options;
  options.dialect = static_cast<Dialect>(*request.find("dialect")->as_number().as_int64());
  options.assert_formats = request.find("formats")->as_bool();
  options.registry = &registry;
  CONSORT_ASSIGN(const auto a, Schema::compile(*request.find("a"), "a", Value(), options));
  CONSORT_ASSIGN(const auto b, Schema::compile(*request.find("b"), "b", Value(), options));
  const auto started = std::chrono::steady_clock::now();
  const Containment result = contains(*b, *a);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - started;
  constexpr const char* kNames[] = {"contained", "refuted", "unknown"};
  return Value::object({{"answer", kNames[static_cast<int>(result.verdict)]},
                        {"witness", result.witness.value_or(Value())},
                        {"reason", result.reason},
                        {"us", took.count()}});
}

Result<Value> answer(const Value& request, Registry& registry) {
  const std::string op = request.string_or("op", "");
  if (op == "register") {
    CONSORT_TRY(registry.add(request.string_or("uri", ""), *request.find("schema")));
    return Value::object({{"ok", true}});
  }
  if (op == "standard") return standard(request, registry);
  if (op == "timed") return timed(request);
  if (op == "cost") return cost(request);
  if (op == "standard_contains") return standard_contains(request, registry);
  if (op == "parse") {
    const auto value =
        parse_json(bytes_of(request.string_or("text", "")), {.allow_duplicate_keys = true});
    return Value::object({{"ok", value.has_value()}});
  }
  if (op == "validate") {
    CONSORT_ASSIGN(const auto schema, schema_at(request, "schema"));
    Array verdicts;
    for (const Value& value : request.find("values")->as_array()) {
      verdicts.push_back(validate(*schema, value, 1).empty());
    }
    return Value::object({{"verdicts", std::move(verdicts)}});
  }
  if (op == "contains") {
    CONSORT_ASSIGN(const auto consumer, schema_at(request, "consumer"));
    CONSORT_ASSIGN(const auto producer, schema_at(request, "producer"));
    const Containment result = contains(*consumer, *producer);
    constexpr const char* kNames[] = {"proved", "refuted", "unknown"};
    return Value::object({{"verdict", kNames[static_cast<int>(result.verdict)]},
                          {"witness", result.witness.value_or(Value())},
                          {"reason", result.reason}});
  }
  if (op == "examples") {
    CONSORT_ASSIGN(const auto schema, schema_at(request, "schema"));
    Array values;
    const auto seed = static_cast<uint64_t>(*request.find("seed")->as_number().as_int64());
    for (int64_t i = 0; i < *request.find("n")->as_number().as_int64(); ++i) {
      auto value = example(*schema, seed + static_cast<uint64_t>(i));
      if (value) values.push_back(std::move(*value));
    }
    return Value::object({{"values", std::move(values)}});
  }
  return fail(ErrorCode::invalid_argument, 2102, "unknown op");
}

}  // namespace
}  // namespace consort::contract

int main() {
  using namespace consort::contract;
  std::string line;
  Registry registry;
  while (std::getline(std::cin, line)) {
    auto request = parse_json(line, {.depth_max = 4096});
    auto result =
        request ? answer(*request, registry) : consort::Result<Value>(consort::fail(request.error()));
    std::cout << to_json(result ? *result : refusal(result.error())) << "\n" << std::flush;
  }
}

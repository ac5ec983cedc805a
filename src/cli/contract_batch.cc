#include "cli/contract_batch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "cli/models.h"
#include "contract/program.h"
#include "mask/accepts.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace consort::cli {
namespace {

using contract::Object;
using contract::Schema;
using contract::Value;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kLineBytesMax = 100'000'000;
constexpr int kLineDepthMax = 512;
constexpr int64_t kLineExamplesMax = 1'000;

double microseconds(Clock::time_point since) {
  const std::chrono::duration<double, std::micro> took = Clock::now() - since;
  return std::round(took.count() * 10) / 10;
}

// The next line of stdin, without its end. False at the end of the input; `too_long` once it is past
// the bound: the rest of it is read and dropped.
bool next_line(std::string& line, bool& too_long) {
  line.clear();
  too_long = false;
  std::streambuf& in = *std::cin.rdbuf();
  constexpr int kEnd = std::streambuf::traits_type::eof();
  int c = in.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd && c != '\n'; c = in.sbumpc()) {
    too_long |= line.size() >= kLineBytesMax;
    if (!too_long) line += static_cast<char>(c);
  }
  return true;
}

// Blank lines are answered too (by an error), so that line n out is for line n in.
template <typename Answer>
Result<int> each(Answer answer) {
  std::string line;
  bool too_long = false;
  while (next_line(line, too_long)) {
    auto request = contract::parse_json(too_long ? std::string_view() : line, {kLineBytesMax, kLineDepthMax, false});
    if (too_long) {
      request = fail(make_error(ErrorCode::resource_exhausted, 2002,
                                "the line is longer than " + std::to_string(kLineBytesMax) + " bytes"));
    }
    auto result = request ? answer(*request) : Result<Value>(fail(request.error()));
    print_json(result ? *result : error_value(result.error()));
  }
  return kExitOk;
}

Result<const Value*> member(const Value& line, const char* key) {
  const Value* found = line.find(key);
  if (found) return found;
  return fail(usage(std::string("the line has no \"") + key + "\""));
}

Result<std::shared_ptr<const Schema>> schema_of(const Value& line, const char* key,
                                                contract::CompileOptions options) {
  CONSORT_ASSIGN(const Value* document, member(line, key));
  if (const Value* formats = line.find("formats"); formats && formats->get_bool()) {
    options.assert_formats = *formats->get_bool();
  }
  return Schema::compile(*document, key, Value(), options);
}

Result<Value> validate_line(const Value& line, const contract::CompileOptions& options) {
  CONSORT_ASSIGN(const auto schema, schema_of(line, "schema", options));
  CONSORT_ASSIGN(const Value* instance, member(line, "instance"));
  const auto violations = contract::validate(*schema, *instance);
  return Value::object({{"valid", violations.empty()}, {"errors", violations_value(violations)}});
}

Result<Value> contains_line(const Value& line, const contract::CompileOptions& options) {
  CONSORT_ASSIGN(const auto consumer, schema_of(line, "a", options));
  CONSORT_ASSIGN(const auto producer, schema_of(line, "b", options));
  const auto started = Clock::now();
  const contract::Containment answer = contract::contains(*consumer, *producer);
  const double took = microseconds(started);
  constexpr const char* kAnswers[] = {"contained", "refuted", "unknown"};
  return Value::object({{"answer", kAnswers[static_cast<int>(answer.verdict)]},
                        {"witness", answer.witness.value_or(Value())},
                        {"reason", answer.reason},
                        {"us", took}});
}

Value check_line(const Value& line, const contract::CompileOptions& options) {
  const auto schema = schema_of(line, "schema", options);
  if (!schema && !line.find("schema")) return error_value(schema.error());
  if (!schema) {
    return Value::object({{"valid", false}, {"error", *error_value(schema.error()).find("error")}});
  }
  return Value::object({{"valid", true}, {"digest", (*schema)->digest().hex()}});
}

Result<Value> diff_line(const Value& line, const contract::CompileOptions& options, bool output) {
  CONSORT_ASSIGN(const auto before, schema_of(line, "a", options));
  CONSORT_ASSIGN(const auto after, schema_of(line, "b", options));
  if (const Value* given = line.find("output"); given && given->get_bool()) output = given->as_bool();
  contract::ContractDiff answer;
  if (output) {
    CONSORT_ASSIGN(answer, contract::diff_output(*before, *after));
  } else {
    answer = contract::diff_input(*before, *after);
  }
  return Value::object(
      {{"level", contract::name(answer.level)}, {"changes", changes_value(answer.changes)}});
}

// A whole number from `min` to `max`; `fallback` if the line has none.
Result<int64_t> number_or(const Value& line, const char* key, int64_t fallback, int64_t min,
                          int64_t max) {
  const Value* found = line.find(key);
  if (!found) return fallback;
  const auto number = found->is_number() ? found->as_number().as_int64() : std::nullopt;
  if (number && *number >= min && *number <= max) return *number;
  return fail(usage("\"" + std::string(key) + "\" is an integer from " + std::to_string(min) + " to " +
                    std::to_string(max)));
}

Result<Value> example_line(const Value& line, const contract::CompileOptions& options, uint64_t seed,
                           int count) {
  CONSORT_ASSIGN(const auto schema, schema_of(line, "schema", options));
  CONSORT_ASSIGN(const int64_t first,
                 number_or(line, "seed", static_cast<int64_t>(seed & INT64_MAX), 0, INT64_MAX));
  CONSORT_ASSIGN(const int64_t n, number_or(line, "n", count, 1, kLineExamplesMax));
  contract::Array values;
  for (int64_t i = 0; i < n; ++i) {
    CONSORT_ASSIGN(Value value,
                   contract::example(*schema, static_cast<uint64_t>(first) + static_cast<uint64_t>(i)));
    values.push_back(std::move(value));
  }
  return Value::object({{"values", std::move(values)}});
}

struct Tokens {
  std::unique_ptr<const model::Tokenizer> tokenizer;
  std::shared_ptr<const mask::Vocabulary> vocabulary;
};

Result<Tokens> load_tokens(Context& context, const std::string& name) {
  std::filesystem::path path = name;
  if (!std::filesystem::exists(path)) {
    CONSORT_ASSIGN(const auto models, known_models(context.home()));
    const auto found = std::find_if(models.begin(), models.end(),
                                    [&](const KnownModel& m) { return m.ref == name; });
    if (found == models.end() || !found->present) {
      return fail(make_error(ErrorCode::not_found, 8003, "no such model is here")
                      .got(name)
                      .to_fix("name a model that `consort ls models` shows as ready"));
    }
    path = found->path;
  }
  CONSORT_ASSIGN(const auto file, model::GgufFile::open(path.string()));
  Tokens tokens;
  CONSORT_ASSIGN(tokens.tokenizer, model::load_tokenizer(*file));
  std::vector<std::string> pieces;
  for (size_t i = 0; i < tokens.tokenizer->n_vocab(); ++i) {
    const auto id = static_cast<int32_t>(i);
    pieces.emplace_back(tokens.tokenizer->is_special(id) ? "" : tokens.tokenizer->piece(id));
  }
  CONSORT_ASSIGN(tokens.vocabulary, mask::Vocabulary::create(std::move(pieces),
                                                             tokens.tokenizer->end_tokens()));
  return tokens;
}

// A mask's refusal names the keyword as the value and its schema as the place; a loader's points at
// the keyword itself.
std::string keyword_of(const Error& error) {
  if (error.number >= 2201) return error.value;
  const size_t slash = error.place.rfind('/');
  return slash == std::string::npos ? "" : error.place.substr(slash + 1);
}

Value refusal(const Error& error) {
  return Value::object(
      {{"code", error.number},
       {"keyword", keyword_of(error)},
       {"pointer", error.place},
       {"message", error.message}});
}

struct MaskQuestion {
  contract::CompileOptions options;
  mask::MaskOptions mask;
};

Result<MaskQuestion> question_of(const MaskReading& reading) {
  MaskQuestion question;
  CONSORT_ASSIGN(question.options, compile_options({reading.dialect, reading.formats}));
  if (!reading.emitted) {
    question.mask = {.whitespace_max = reading.blanks,
                     .newlines = reading.blanks > 1,
                     .open = true,
                     .any_spelling = true,
                     .any_order = true};
  }
  return question;
}

Result<Value> accepts_text(const Tokens& tokens, const MaskQuestion& question,
                           const Value& document, const std::string& text) {
  Object out;
  const auto started = Clock::now();
  auto schema = Schema::compile(document, "schema", Value(), question.options);
  auto compiled = schema ? mask::compile(*schema, tokens.vocabulary, question.mask)
                         : Result<std::shared_ptr<const mask::CompiledMask>>(fail(schema.error()));
  const double compile_us = microseconds(started);
  out.set("compiled", compiled.has_value());
  out.set("refused", compiled ? Value() : refusal(compiled.error()));
  out.set("accepted", false);
  out.set("rejected_at_byte", Value());
  out.set("tokens", 0);
  out.set("forced", 0);
  out.set("compile_us", compile_us);
  out.set("mask_us", Value());
  if (!compiled) return Value(std::move(out));
  CONSORT_ASSIGN(const std::vector<int32_t> ids, tokens.tokenizer->encode(text));
  mask::Acceptance result = mask::accepts(*compiled, *tokens.vocabulary, ids, {.count_forced = true});
  out.set("accepted", result.accepted);
  if (result.rejected_at_byte >= 0) out.set("rejected_at_byte", result.rejected_at_byte);
  out.set("tokens", static_cast<uint64_t>(result.n_tokens));
  out.set("forced", static_cast<uint64_t>(result.n_forced));
  std::vector<float>& us = result.mask_us;
  std::sort(us.begin(), us.end());
  if (!us.empty()) {
    const auto rank = [&](double share) {
      return std::round(double{us[static_cast<size_t>(share * double(us.size() - 1))]} * 100) / 100;
    };
    out.set("mask_us", Value::object({{"p50", rank(0.5)}, {"p99", rank(0.99)}, {"max", rank(1)}}));
  }
  return Value(std::move(out));
}

}  // namespace

Result<contract::CompileOptions> compile_options(const StandardReading& reading) {
  using contract::Dialect;
  contract::CompileOptions options;
  options.assert_formats = reading.formats;
  std::string known;
  for (Dialect dialect : {Dialect::draft4, Dialect::draft6, Dialect::draft7, Dialect::draft2019_09,
                          Dialect::draft2020_12}) {
    options.dialect = dialect;
    if (contract::name(dialect) == reading.dialect) return options;
    known += (known.empty() ? "" : ", ") + std::string(contract::name(dialect));
  }
  return fail(usage("unknown dialect '" + reading.dialect + "'").to_fix("one of " + known));
}

Value changes_value(const std::vector<contract::Change>& changes) {
  contract::Array list;
  for (const contract::Change& c : changes) {
    list.push_back(Value::object({{"rule", c.rule},
                                  {"level", contract::name(c.level)},
                                  {"reason", c.reason},
                                  {"witness", c.witness.value_or(Value())}}));
    if (!c.witness) list.back().get_object()->erase("witness");
  }
  return Value(std::move(list));
}

Value violations_value(const std::vector<contract::Violation>& violations) {
  contract::Array list;
  for (const auto& v : violations) {
    list.push_back(Value::object({{"instance", v.instance},
                                  {"schema", v.schema},
                                  {"keyword", v.keyword},
                                  {"message", v.message}}));
  }
  return Value(std::move(list));
}

Result<int> batch_validate(const StandardReading& reading) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  return each([&](const Value& line) { return validate_line(line, options); });
}

Result<int> batch_contains(const StandardReading& reading) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  return each([&](const Value& line) { return contains_line(line, options); });
}

Result<int> batch_check(const StandardReading& reading) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  return each([&](const Value& line) -> Result<Value> { return check_line(line, options); });
}

Result<int> batch_diff(const StandardReading& reading, bool output) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  return each([&](const Value& line) { return diff_line(line, options, output); });
}

Result<int> batch_example(const StandardReading& reading, uint64_t seed, int count) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  return each([&](const Value& line) { return example_line(line, options, seed, count); });
}

Result<int> batch_accepts(Context& context, const MaskReading& reading) {
  CONSORT_ASSIGN(const Tokens tokens, load_tokens(context, reading.model));
  CONSORT_ASSIGN(const MaskQuestion question, question_of(reading));
  return each([&](const Value& line) -> Result<Value> {
    CONSORT_ASSIGN(const Value* document, member(line, "schema"));
    CONSORT_ASSIGN(const Value* text, member(line, "text"));
    if (!text->is_string()) return fail(usage("\"text\" is a string"));
    MaskQuestion own = question;
    if (const Value* formats = line.find("formats"); formats && formats->get_bool()) {
      own.options.assert_formats = *formats->get_bool();
    }
    return accepts_text(tokens, own, *document, text->as_string());
  });
}

Result<Value> accepts_once(Context& context, const MaskReading& reading, const Value& schema,
                           const std::string& text) {
  CONSORT_ASSIGN(const Tokens tokens, load_tokens(context, reading.model));
  CONSORT_ASSIGN(const MaskQuestion question, question_of(reading));
  return accepts_text(tokens, question, schema, text);
}

}  // namespace consort::cli

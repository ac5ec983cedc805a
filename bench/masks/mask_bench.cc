// Runs masks over labelled instances.
//
//   mask_bench MODEL.gguf vocabulary  -> one line {"pieces": [hex, ...], "end": id}
//   mask_bench MODEL.gguf < CASES     -> one line per case
//
// A case is {"name","schema","texts":[...]}; the answer {"name","compiled","refused","compile_us",
// "tests":[{"accepted","rejected_at_byte","n_forced","tokens":[...],"us":[...]}]}.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>

#include "contract/program.h"
#include "mask/accepts.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace consort::mask {
namespace {

using contract::Array;
using contract::Object;
using contract::Value;
using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

void print_vocabulary(const Vocabulary& vocabulary) {
  constexpr std::string_view kHex = "0123456789abcdef";
  Array pieces;
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    std::string hex;
    for (const char c : vocabulary.piece(static_cast<int32_t>(i))) {
      hex += kHex[static_cast<uint8_t>(c) >> 4];
      hex += kHex[static_cast<uint8_t>(c) & 15];
    }
    pieces.emplace_back(std::move(hex));
  }
  std::cout << contract::to_json(Value::object(
                   {{"pieces", std::move(pieces)}, {"end", int64_t{vocabulary.end_tokens()[0]}}}))
            << "\n";
}

// CONSORT_CPU_TIME: the thread's time instead of the wall's.
bool cpu_time() {
  static const bool set = std::getenv("CONSORT_CPU_TIME") != nullptr;
  return set;
}

double microseconds_now() {
  if (!cpu_time()) return microseconds(Clock::time_point());
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e6 + double(time.tv_nsec) / 1e3;
}

Value refusal(const Error& error) {
  return Value::object({{"code", error.number},
                        {"keyword", error.value},
                        {"pointer", error.place},
                        {"message", error.message}});
}

Value run_test(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
               const model::Tokenizer& tokenizer, const std::string& text) {
  const auto tokens = tokenizer.encode(text);
  Object out;
  if (!tokens) {
    out.set("error", tokens.error().to_string());
    return out;
  }
  Array ids;
  for (const int32_t token : *tokens) ids.emplace_back(int64_t{token});
  out.set("tokens", std::move(ids));
  if (!mask) return out;
  const Acceptance result = accepts(mask, vocabulary, *tokens, {.count_forced = true, .cpu_time = cpu_time()});
  out.set("accepted", result.accepted);
  out.set("rejected_at_byte", result.rejected_at_byte);
  out.set("n_forced", static_cast<int64_t>(result.n_forced));
  Array us;
  for (const float t : result.mask_us) us.emplace_back(std::round(double{t} * 100) / 100);
  out.set("us", std::move(us));
  return out;
}

Value run_case(const Value& one, const std::shared_ptr<const Vocabulary>& vocabulary,
               const model::Tokenizer& tokenizer) {
  Object out;
  out.set("name", one.string_or("name", ""));
  const Value* document = one.find("schema");
  const Value* texts = one.find("texts");
  if (!document || !texts || !texts->is_array()) return out;
  const double started = microseconds_now();
  std::shared_ptr<const CompiledMask> mask;
  auto schema = contract::Schema::compile(*document, "case", contract::Value(), contract::CompileOptions());
  if (schema) {
    auto compiled = compile(*schema, vocabulary, {.open = true, .any_spelling = true, .any_order = true});
    if (compiled) {
      mask = std::move(*compiled);
    } else {
      out.set("refused", refusal(compiled.error()));
    }
  } else {
    out.set("refused", refusal(schema.error()));
  }
  out.set("compile_us", std::round(microseconds_now() - started));
  out.set("compiled", mask != nullptr);
  Array tests;
  for (const Value& text : texts->as_array()) {
    if (text.is_string()) {
      tests.push_back(run_test(mask, *vocabulary, tokenizer, text.as_string()));
    }
  }
  out.set("tests", std::move(tests));
  return out;
}

int run(const char* path, bool only_vocabulary) {
  auto file = model::GgufFile::open(path);
  if (!file) return std::cerr << file.error().to_string() << "\n", 1;
  auto tokenizer = model::load_tokenizer(**file);
  if (!tokenizer) return std::cerr << tokenizer.error().to_string() << "\n", 1;
  std::vector<std::string> pieces;
  for (size_t i = 0; i < (*tokenizer)->n_vocab(); ++i) {
    const auto id = static_cast<int32_t>(i);
    pieces.emplace_back((*tokenizer)->is_special(id) ? "" : (*tokenizer)->piece(id));
  }
  const auto started = Clock::now();
  auto vocabulary = Vocabulary::create(std::move(pieces), (*tokenizer)->end_tokens());
  if (!vocabulary) return std::cerr << vocabulary.error().to_string() << "\n", 1;
  std::cerr << "vocabulary ready in " << microseconds(started) / 1000 << " ms\n";
  if (only_vocabulary) return print_vocabulary(**vocabulary), 0;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto one = contract::parse_json(line);
    if (!one) return std::cerr << one.error().to_string() << "\n", 1;
    std::cout << contract::to_json(run_case(*one, *vocabulary, **tokenizer)) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace consort::mask

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return consort::mask::run(argv[1], argc > 2);
}

// Answers questions about masks over a synthetic vocabulary, one JSON document a line in, one out.
//
//   {"op":"register","uri":U,"schema":S}      -> {"ok":true}
//   {"op":"accepts","schema":S,"dialect":0..4,"formats":bool,"texts":[T,...]}
//       -> {"accepted":[bool,...]}: fed byte by byte, then again in the longest tokens that fit; null
//       where the two differ.
//   {"op":"pairs","schema":S,"seed":N,"n":N,"texts":[T,...]}
//       -> {"pairs":[{"text","allowed"},...]}, the token's bytes at the end of the text: states on random walks under the mask, or along
//       the texts, and tokens that are as likely allowed as not. Bytes that are no UTF-8 are left out.
// A refusal is {"refused":number,"message","place","keyword"}.
#include <iostream>

#include "contract/program.h"
#include "contract/utf8.h"
#include "mask/test_support.h"

namespace consort::mask {
namespace {

using contract::Array;
using contract::Value;

constexpr MaskOptions kOptions = {
    .whitespace_max = 40, .newlines = true, .open = true, .any_spelling = true, .any_order = true};

std::vector<int32_t> bytes_of(const std::string& text) {
  std::vector<int32_t> tokens;
  for (const char c : text) tokens.push_back(static_cast<uint8_t>(c));
  return tokens;
}

std::vector<int32_t> longest_of(const std::string& text, const Vocabulary& vocabulary) {
  std::vector<int32_t> tokens;
  for (size_t at = 0; at < text.size();) {
    int32_t best = static_cast<uint8_t>(text[at]);
    for (size_t i = 256; i < vocabulary.size(); ++i) {
      const std::string& piece = vocabulary.piece(static_cast<int32_t>(i));
      if (piece.size() > vocabulary.piece(best).size() && text.compare(at, piece.size(), piece) == 0) {
        best = static_cast<int32_t>(i);
      }
    }
    tokens.push_back(best);
    at += vocabulary.piece(best).size();
  }
  return tokens;
}

bool has(const std::vector<uint64_t>& bits, int32_t token) {
  return bits[static_cast<size_t>(token) / 64] >> (token % 64) & 1;
}

// Every token must be in the mask, not only be taken by `commit`.
bool is_accepted(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                 std::vector<int32_t> tokens) {
  Matcher matcher(mask);
  std::vector<uint64_t> bits((vocabulary.size() + 63) / 64);
  tokens.push_back(vocabulary.end_tokens()[0]);
  return std::all_of(tokens.begin(), tokens.end(), [&](int32_t token) {
    return matcher.allowed(1 << 28, bits).has_value() && has(bits, token) &&
           matcher.commit(token).has_value();
  });
}

Array pairs(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
            const Value& request) {
  Rng rng(static_cast<uint64_t>(*request.find("seed")->as_number().as_int64()));
  const int64_t n = *request.find("n")->as_number().as_int64();
  const Array& texts = request.find("texts")->as_array();
  std::vector<uint64_t> bits((vocabulary.size() + 63) / 64);
  Array result;
  for (int tries = 0; static_cast<int64_t>(result.size()) < n && tries < 4 * n; ++tries) {
    Matcher matcher(mask);
    std::string text;
    std::vector<int32_t> along;
    if (!texts.empty() && rng.below(2)) {
      along = longest_of(texts[rng.below(texts.size())].as_string(), vocabulary);
    }
    const size_t steps = rng.below(along.empty() ? 24 : along.size() + 1);
    for (size_t i = 0; i < steps; ++i) {
      if (!matcher.allowed(1 << 28, bits)) break;
      int32_t token = i < along.size() ? along[i] : 0;
      if (along.empty()) {
        std::vector<int32_t> all;
        for (int32_t t = 0; t < static_cast<int32_t>(vocabulary.size()) - 1; ++t) {
          if (has(bits, t)) all.push_back(t);
        }
        if (all.empty()) break;
        token = all[rng.below(all.size())];
      }
      if (!has(bits, token) || !matcher.commit(token)) break;
      text += vocabulary.piece(token);
    }
    if (!matcher.allowed(1 << 28, bits)) continue;
    std::vector<int32_t> sides[2];
    for (int32_t t = 0; t < static_cast<int32_t>(vocabulary.size()) - 1; ++t) {
      sides[has(bits, t)].push_back(t);
    }
    // A token that is refused is the more telling the more of it fits: half are one bytes.
    for (const bool allowed : {false, true}) {
      if (sides[allowed].empty()) continue;
      const int32_t token = sides[allowed][rng.below(rng.below(2) ? sides[allowed].size()
                                                                  : std::min<size_t>(sides[allowed].size(), 128))];
      const std::string whole = text + vocabulary.piece(token);
      if (contract::find_ill_formed(whole) != std::string::npos) continue;
      result.push_back(Value::object(
          {{"text", whole}, {"allowed", allowed}}));
    }
  }
  return result;
}

Result<Value> answer(const Value& request, contract::Registry& registry,
                     const std::shared_ptr<const Vocabulary>& vocabulary) {
  const std::string op = request.string_or("op", "");
  if (op == "register") {
    CONSORT_TRY(registry.add(request.string_or("uri", ""), *request.find("schema")));
    return Value::object({{"ok", true}});
  }
  contract::CompileOptions options;
  if (const Value* dialect = request.find("dialect")) {
    options.dialect = static_cast<contract::Dialect>(*dialect->as_number().as_int64());
  }
  if (const Value* formats = request.find("formats")) options.assert_formats = formats->as_bool();
  options.registry = &registry;
  CONSORT_ASSIGN(const auto schema,
                 contract::Schema::compile(*request.find("schema"), "case", Value(), options));
  CONSORT_ASSIGN(const auto mask, compile(schema, vocabulary, kOptions));
  if (op == "pairs") return Value::object({{"pairs", pairs(mask, *vocabulary, request)}});
  Array accepted;
  for (const Value& text : request.find("texts")->as_array()) {
    const bool bytes = is_accepted(mask, *vocabulary, bytes_of(text.as_string()));
    const bool longest =
        is_accepted(mask, *vocabulary, longest_of(text.as_string(), *vocabulary));
    accepted.push_back(bytes == longest ? Value(bytes) : Value());
  }
  return Value::object({{"accepted", std::move(accepted)}});
}

}  // namespace
}  // namespace consort::mask

int main() {
  using namespace consort;
  const auto vocabulary = mask::testing::synthetic_vocabulary(7, 1000);
  contract::Registry registry;
  std::string line;
  while (std::getline(std::cin, line)) {
    auto request = contract::parse_json(line, {.depth_max = 4096});
    auto result = request ? mask::answer(*request, registry, vocabulary)
                          : Result<contract::Value>(fail(request.error()));
    if (!result) {
      const Error& error = result.error();
      result = contract::Value::object({{"refused", error.number},
                                        {"message", error.message},
                                        {"place", error.place},
                                        {"keyword", error.value}});
    }
    std::cout << contract::to_json(*result) << "\n" << std::flush;
  }
}

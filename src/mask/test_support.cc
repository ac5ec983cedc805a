#include "mask/test_support.h"

#include <bit>

namespace consort::mask::testing {

using contract::Array;
using contract::Object;
using contract::Value;

std::shared_ptr<const Vocabulary> synthetic_vocabulary(uint64_t seed, int n_pieces) {
  Rng rng(seed);
  static constexpr std::string_view kText =
      "{\"name\": \"value\", \"items\":[1, 2.5,-30,true,false,null],\"a\":{\"b\":\"\\n\\u00e9\"}}"
      " the report says 2024-02-29 \xC3\xA9t\xC3\xA9 \xE2\x82\xAC 12,345.67 \xF0\x9F\x98\x80 "
      "\"},{\""
      "\":\"\",\"id\":[[\"x\"],[]]}]}\"]}\n  \n red green maybe yes no \\\"quoted\\\\ AB-12@cd";
  std::vector<std::string> pieces;
  for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
  for (int i = 0; i < n_pieces; ++i) {
    const size_t length = 2 + rng.below(9);
    pieces.emplace_back(kText.substr(rng.below(kText.size() - length), length));
  }
  pieces.emplace_back("<end>");
  const auto end = static_cast<int32_t>(pieces.size() - 1);
  auto vocabulary = Vocabulary::create(std::move(pieces), {end});
  CONSORT_CHECK(vocabulary.has_value());
  return *vocabulary;
}

namespace {

Value random_scalar(Rng& rng) {
  switch (rng.below(6)) {
    case 0: {
      Object s;
      s.set("type", rng.below(2) ? "integer" : "number");
      const int64_t low = static_cast<int64_t>(rng.below(3000)) - 1000;
      if (rng.below(2)) s.set(rng.below(2) ? "minimum" : "exclusiveMinimum", low);
      if (rng.below(2)) {
        s.set(rng.below(2) ? "maximum" : "exclusiveMaximum", low + 2 + int64_t(rng.below(500)));
      }
      if (rng.below(4) == 0) s.set("multipleOf", rng.below(2) ? Value(5) : Value(0.25));
      return s;
    }
    case 1: {
      Object s;
      s.set("type", "string");
      const uint64_t low = rng.below(5);
      if (rng.below(2)) s.set("minLength", low);
      if (rng.below(2)) s.set("maxLength", low + rng.below(20));
      return s;
    }
    case 2: {
      static constexpr const char* kPatterns[] = {
          "^[A-Z]{2,4}$",           "^(yes|no|maybe)$",        "^[^\"\\\\]{1,8}$", "a",
          "^-?[0-9]+(\\.[0-9]+)?$", "^[\\s\\S]{0,5}\xC3\xA9$", "^\\p{L}+$",        "^(a|b)*c",
          "^\"quoted\\\\ +\"$"};
      Object s;
      s.set("type", "string");
      s.set("pattern", kPatterns[rng.below(std::size(kPatterns))]);
      if (rng.below(4) == 0) s.set("maxLength", 5 + rng.below(10));
      return s;
    }
    case 3: {
      static const Value kPool[] = {Value("red"),
                                    Value("green"),
                                    Value(1),
                                    Value(1.5),
                                    Value(12),
                                    Value(true),
                                    Value(),
                                    Value("b\"l\\ue\n"),
                                    Value(""),
                                    Value(Array{Value(1), Value("x")}),
                                    Value::object({{"k", 1}})};
      Array values;
      for (uint64_t i = 0; i < 1 + rng.below(5); ++i) {
        values.push_back(kPool[rng.below(std::size(kPool))]);
      }
      return Value::object({{"enum", values}});
    }
    case 4:
      return Value::object({{"type", "string"}, {"format", "date"}});
    default: {
      static constexpr const char* kNames[] = {"null", "boolean", "integer", "string"};
      Array types;
      for (uint64_t i = 0; i < 1 + rng.below(3); ++i) types.push_back(kNames[rng.below(4)]);
      return Value::object({{"type", types}});
    }
  }
}

// Keywords that say what some items or members must be, or that the rest must be.
void add_array_rules(Rng& rng, Object& s) {
  if (rng.below(3) == 0) {
    s.set("contains", random_scalar(rng));
    if (rng.below(2)) s.set("minContains", rng.below(3));
    if (rng.below(3) == 0) s.set("maxContains", 1 + rng.below(3));
  }
  if (rng.below(6) == 0) s.set("unevaluatedItems", random_scalar(rng));
}

void add_object_rules(Rng& rng, Object& s) {
  static constexpr const char* kPatterns[] = {"^[a-c]", "e$", "^x[0-9]{1,2}$"};
  const auto pattern = [&] { return kPatterns[rng.below(std::size(kPatterns))]; };
  if (rng.below(4) == 0) {
    s.set("patternProperties", Value::object({{pattern(), random_scalar(rng)}}));
  }
  if (rng.below(6) == 0) s.set("propertyNames", Value::object({{"maxLength", 1 + rng.below(5)}}));
  if (rng.below(6) == 0) s.set("dependentRequired", Value::object({{"a", Array{"id"}}}));
  if (rng.below(5) == 0) {
    // Some member is unlike that; with two of them, perhaps one and the same.
    Object broken;
    if (rng.below(2)) {
      broken.set("patternProperties", Value::object({{pattern(), random_scalar(rng)}}));
    } else {
      broken.set("additionalProperties", random_scalar(rng));
    }
    s.set("not", std::move(broken));
  }
  if (rng.below(5) == 0) {
    const auto branch = [&](const char* key) {
      return Value::object({{"properties", Value::object({{key, random_scalar(rng)}})},
                            {"required", Array{key}}});
    };
    s.set("anyOf", Array{branch("a"), branch("more")});
    if (rng.below(2)) s.set("unevaluatedProperties", rng.below(2) ? Value(false) : random_scalar(rng));
  }
}

}  // namespace

Value random_schema(Rng& rng, int depth) {
  if (depth == 0 || rng.below(3) == 0) return random_scalar(rng);
  switch (rng.below(6)) {
    case 5: {
      const char* const keyword = rng.below(2) ? "oneOf" : "allOf";
      Array parts = {random_schema(rng, depth - 1)};
      parts.push_back(rng.below(2) ? random_schema(rng, depth - 1)
                                   : Value::object({{"not", random_schema(rng, depth - 1)}}));
      return Value::object({{keyword, parts}});
    }
    case 0: {
      Object s;
      s.set("type", "array");
      s.set("items", random_schema(rng, depth - 1));
      if (rng.below(3) == 0) {
        s.set("prefixItems", Array{random_schema(rng, depth - 1), random_schema(rng, depth - 1)});
      }
      const uint64_t low = rng.below(4);
      if (rng.below(2)) s.set("minItems", low);
      if (rng.below(2)) s.set("maxItems", low + rng.below(4));
      add_array_rules(rng, s);
      return s;
    }
    case 1:
    case 2: {
      static constexpr const char* kKeys[] = {"name",  "a",        "id",   "items",
                                              "\"q\"", "\xC3\xA9", "value"};
      Object s, properties;
      Array required;
      for (const char* key : kKeys) {
        if (rng.below(2)) continue;
        properties.set(key, random_schema(rng, depth - 1));
        if (rng.below(2)) required.push_back(key);
      }
      const uint64_t n = properties.size();
      s.set("type", "object");
      s.set("properties", std::move(properties));
      if (rng.below(5) == 0) s.set("minProperties", rng.below(n + 1));
      if (rng.below(5) == 0) s.set("maxProperties", required.size() + rng.below(2));
      s.set("required", std::move(required));
      if (rng.below(2)) s.set("additionalProperties", false);
      add_object_rules(rng, s);
      return s;
    }
    case 3: {
      Array branches;
      for (uint64_t i = 0; i < 2 + rng.below(3); ++i)
        branches.push_back(random_schema(rng, depth - 1));
      return Value::object({{"anyOf", branches}});
    }
    default: {
      // Recursion, as trees have it.
      Object node;
      node.set("type", "object");
      node.set(
          "properties",
          Value::object({{"v", random_scalar(rng)},
                         {"kids", Value::object({{"type", "array"},
                                                 {"items", Value::object({{"$ref", "#"}})}})}}));
      node.set("required", Array{"v"});
      return depth < 3 ? random_scalar(rng) : Value(node);
    }
  }
}

Generation generate(const std::shared_ptr<const CompiledMask>& mask, const Vocabulary& vocabulary,
                    int tokens_max, Rng& rng) {
  Generation result;
  Matcher matcher(mask);
  std::vector<uint64_t> bits((vocabulary.size() + 63) / 64);
  std::vector<int32_t> choices;
  for (int left = tokens_max; left > 0; --left) {
    if (auto allowed = matcher.allowed(left, bits); !allowed) {
      result.error = allowed.error().to_string();
      return result;
    }
    choices.clear();
    for (size_t w = 0; w < bits.size(); ++w) {
      for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
        choices.push_back(
            static_cast<int32_t>(w * 64 + static_cast<size_t>(std::countr_zero(word))));
      }
    }
    if (choices.empty()) {
      result.error = "no token allowed after: " + result.text;
      return result;
    }
    const int32_t token = choices[rng.below(choices.size())];
    if (auto done = matcher.commit(token); !done) {
      result.error = done.error().to_string() + " after: " + result.text;
      return result;
    }
    ++result.n_tokens;
    if (matcher.ended()) {
      result.ended = true;
      return result;
    }
    result.text += vocabulary.piece(token);
  }
  result.error = "truncated: " + result.text;
  return result;
}

}  // namespace consort::mask::testing

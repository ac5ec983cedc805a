#include "model/tokenizer.h"

#include <gtest/gtest.h>

#include "model/gguf.h"
#include "model/pre_tokenizer.h"
#include "model/test_fixtures.h"
#include "model/unicode.h"

namespace consort::model {
namespace {

std::unique_ptr<const Tokenizer> load(const std::string& bytes) {
  const auto file = GgufFile::parse(as_bytes(bytes));
  auto tokenizer = load_tokenizer(**file);
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return std::move(*tokenizer);
}

std::vector<std::string> words(PreTokenizer kind, std::string_view text) {
  std::vector<uint32_t> code_points;
  for (size_t at = 0; at < text.size();) {
    const LenientChar c = decode_lenient(text.substr(at));
    code_points.push_back(c.code_point);
    at += c.bytes;
  }
  std::vector<std::string> out;
  size_t at = 0;
  for (const uint32_t n : pre_tokenize(kind, code_points)) {
    out.emplace_back();
    for (uint32_t i = 0; i < n; ++i) append_utf8(code_points[at + i], out.back());
    at += n;
  }
  return out;
}
using Words = std::vector<std::string>;

// Expected splits follow the regular expressions beside each kind in pre_tokenizer.h, applied by
// hand.
TEST(PreTokenizer, SplitsAsTheGpt2ExpressionDoes) {
  EXPECT_EQ(words(PreTokenizer::gpt2, "Hello world's  end 2024!\n"),
            (Words{"Hello", " world", "'s", " ", " end", " 2024", "!", "\n"}));
  EXPECT_EQ(words(PreTokenizer::gpt2, "a\n\n b"), (Words{"a", "\n\n", " b"}));
}
TEST(PreTokenizer, SmollmSetsEveryDigitApart) {
  EXPECT_EQ(words(PreTokenizer::smollm, "in 2024  ok"),
            (Words{"in", " ", "2", "0", "2", "4", " ", " ok"}));
  EXPECT_EQ(words(PreTokenizer::smollm, "x   7"), (Words{"x", "   ", "7"}));
}
TEST(PreTokenizer, Llama3TakesThreeDigitsAndQwen2One) {
  EXPECT_EQ(words(PreTokenizer::llama3, "12345 IT'S\r\n\n x"),
            (Words{"123", "45", " IT", "'S", "\r\n\n", " x"}));
  EXPECT_EQ(words(PreTokenizer::qwen2, "12 a.b;\nc"), (Words{"1", "2", " a", ".b", ";\n", "c"}));
}

TEST(Bpe, MergesByRankInsideWords) {
  const auto tokenizer = load(small_bpe_gguf());
  EXPECT_EQ(tokenizer->encode("the the").value(), (std::vector<int32_t>{257, 258}));
  EXPECT_EQ(tokenizer->encode("th").value(), (std::vector<int32_t>{256}));
  EXPECT_EQ(tokenizer->encode("").value(), std::vector<int32_t>{});
}

TEST(Bpe, GivesBackAnyWellFormedText) {
  const auto tokenizer = load(small_bpe_gguf());
  for (const std::string text : {"the quick", "\t\r\n \x01", "日本 ünï 😀", "a'll 'S 12"})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).value()).value(), text);
}

TEST(Bpe, ReadsAnIllFormedByteAsTheReplacementCharacter) {
  const auto tokenizer = load(small_bpe_gguf());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xff\xe2\x82z").value()).value(),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
}

TEST(Bpe, ReadsSpecialTokensOnlyWhenAsked) {
  const auto tokenizer = load(small_bpe_gguf());
  const auto plain = tokenizer->encode("<|im_end|>").value();
  EXPECT_EQ(plain.size(), 10u);
  for (const int32_t id : plain) EXPECT_FALSE(tokenizer->is_special(id));
  EXPECT_EQ(
      tokenizer->encode("x<|im_end|>the", {.add_special = true, .parse_special = true}).value(),
      (std::vector<int32_t>{259, 'x' - 0, 260, 257}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{257, 260}).value(), "the");
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{257, 260}, true).value(), "the<|im_end|>");
  EXPECT_EQ(tokenizer->end_tokens(), std::vector<int32_t>{260});
}

TEST(Bpe, RefusesAnIdOutsideTheVocabulary) {
  const auto tokenizer = load(small_bpe_gguf());
  for (const int32_t id : {-1, 261, INT32_MAX})
    EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{id}).error().number, 3303);
}

TEST(Bpe, TakesAWordOfAMegabyteWithoutQuadraticWork) {
  const auto tokenizer = load(small_bpe_gguf());
  std::string text;
  while (text.size() < 1000000) text += "the";
  const auto ids = tokenizer->encode(text).value();
  EXPECT_EQ(ids.size(), text.size() / 3);
}

TEST(Tokenizer, RefusesTablesThatDoNotFitTogetherAndUnknownKinds) {
  const auto error_of = [](const std::string& bytes) {
    const auto file = GgufFile::parse(as_bytes(bytes));
    const auto tokenizer = load_tokenizer(**file);
    return tokenizer ? 0 : tokenizer.error().number;
  };
  EXPECT_EQ(error_of(small_bpe_gguf("no-such")), 3302);
  const auto with = [](std::string_view kind, std::vector<int32_t> kinds,
                       std::vector<std::string> merges, uint32_t eos) {
    GgufWriter writer;
    writer.set_string("tokenizer.ggml.model", kind);
    writer.set_string_array("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
    writer.set_i32_array("tokenizer.ggml.token_type", kinds);
    writer.set_string_array("tokenizer.ggml.merges", merges);
    writer.set_u32("tokenizer.ggml.eos_token_id", eos);
    return writer.finish().value();
  };
  EXPECT_EQ(error_of(with("gpt2", {1, 1}, {"a b"}, 1)), 0);
  EXPECT_EQ(error_of(with("gpt2", {1}, {"a b"}, 1)), 3301);
  EXPECT_EQ(error_of(with("gpt2", {1, 9}, {"a b"}, 1)), 3301);
  EXPECT_EQ(error_of(with("gpt2", {1, 1}, {"ab"}, 1)), 3301);
  EXPECT_EQ(error_of(with("gpt2", {1, 1}, {"a b"}, 2)), 3301);
  EXPECT_EQ(error_of(with("rwkv", {1, 1}, {"a b"}, 1)), 3302);
  EXPECT_EQ(error_of(with("llama", {1, 1}, {"a b"}, 1)), 3105);  // No scores.
}

TEST(SentencePiece, JoinsTheBestScoreFirstAndFallsBackToBytes) {
  GgufWriter writer;
  const std::string blank = "\xe2\x96\x81";
  writer.set_string("tokenizer.ggml.model", "llama");
  writer.set_string_array("tokenizer.ggml.tokens",
                          std::vector<std::string>{"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "a",
                                                   "b", "ab", blank, blank + "a"});
  writer.set_i32_array("tokenizer.ggml.token_type",
                       std::vector<int32_t>{2, 3, 3, 6, 6, 1, 1, 1, 1, 1});
  writer.set_f32_array("tokenizer.ggml.scores",
                       std::vector<float>{0, 0, 0, 0, 0, -9, -9, -1, -9, -2});
  writer.set_u32("tokenizer.ggml.bos_token_id", 1);
  writer.set_u32("tokenizer.ggml.unknown_token_id", 0);
  const auto tokenizer = load(writer.finish().value());
  // "▁ab": "ab" (-1) wins over "▁a" (-2).
  EXPECT_EQ(tokenizer->encode("ab", {.add_special = true}).value(),
            (std::vector<int32_t>{1, 8, 7}));
  EXPECT_EQ(tokenizer->encode("a\xc3\xa9").value(), (std::vector<int32_t>{9, 3, 4}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{9, 3, 4}).value(), " a\xc3\xa9");
  EXPECT_EQ(tokenizer->encode("z").value(), (std::vector<int32_t>{8, 0}));
}

TEST(Utf8Stream, HoldsBackWhatIsNotComplete) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xe6\x97"), "a");
  EXPECT_EQ(stream.push("\xa5"), "\xe6\x97\xa5");
  EXPECT_EQ(stream.push("\xf0\x9f"), "");
  EXPECT_EQ(stream.push("x"), "\xef\xbf\xbdx");
  EXPECT_EQ(stream.push("\xff\x80"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(stream.push("\xc3"), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace consort::model

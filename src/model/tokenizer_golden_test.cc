// Token ids against the reference tokenizers (tools/golden/make_tokenizer.py, make_wordpiece.py)
// and rendered chats against Jinja2 (make_chat.py), with the real models' files.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

#include "base/file.h"
#include "contract/json.h"
#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

namespace consort::model {
namespace {

const std::filesystem::path kSource = CONSORT_SOURCE_DIR;
const std::filesystem::path kSmol = kSource / "models/cache/smollm2-135m-q4_1/model.gguf";
const std::filesystem::path kMiniLm = kSource / "models/cache/minilm-l6-f32";

std::string gunzip(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string out;
  if (file == nullptr) return out;
  char buffer[1 << 16];
  for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;) out.append(buffer, n);
  gzclose(file);
  return out;
}

std::string unbase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int n = 0;
  for (const char c : text) {
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    n += 6;
    if (n >= 8) out += static_cast<char>(bits >> (n -= 8));
  }
  return out;
}

std::vector<int32_t> ids_of(const contract::Value& value) {
  std::vector<int32_t> ids;
  for (const contract::Value& id : value.as_array())
    ids.push_back(static_cast<int32_t>(*id.as_number().as_int64()));
  return ids;
}

// Calls `each(line object)`; the header line is checked to claim as many lines as there are.
template <typename F>
void for_each_line(const std::filesystem::path& path, size_t lines_min, F each) {
  const std::string text = gunzip(path);
  ASSERT_FALSE(text.empty()) << path << " is missing or empty";
  size_t at = 0, n = 0;
  int64_t claimed = -1;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    auto line = contract::parse_json(std::string_view(text).substr(at, end - at));
    ASSERT_TRUE(line) << line.error().to_string();
    at = end + 1;
    if (claimed < 0) {
      claimed = *line->find("lines")->as_number().as_int64();
      continue;
    }
    each(*line);
    ++n;
  }
  EXPECT_EQ(static_cast<int64_t>(n), claimed);
  EXPECT_GE(n, lines_min);
}

std::unique_ptr<const Tokenizer> smol() {
  auto file = GgufFile::open(kSmol);
  if (!file) {
    ADD_FAILURE() << file.error().to_string()
                  << "; fetch the models: python3 tools/fetch_models.py";
    return nullptr;
  }
  auto tokenizer = load_tokenizer(**file);
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().to_string();
    return nullptr;
  }
  return std::move(*tokenizer);
}

bool valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t n = utf8_length(text.substr(at));
    if (n == 0) return false;
    at += n;
  }
  return true;
}

TEST(SmolTokenizer, GivesTheIdsOfLlamaCppOnEveryLine) {
  const auto tokenizer = smol();
  ASSERT_NE(tokenizer, nullptr);
  int differ = 0;
  for_each_line(
      kSource / "tests/golden/smollm2_tokens.jsonl.gz", 10000, [&](const contract::Value& line) {
        std::string text = unbase64(line.find("b64")->as_string());
        const auto want = ids_of(*line.find("ids"));
        const auto got = tokenizer->encode(text, {.parse_special = true});
        ASSERT_TRUE(got);
        const contract::Value* plain = line.find("plain");
        const auto got_plain = tokenizer->encode(text);
        ASSERT_TRUE(got_plain);
        if (*got != want || *got_plain != (plain ? ids_of(*plain) : want)) {
          if (++differ < 10)
            ADD_FAILURE() << contract::to_json(line) << "\ngot " << testing::PrintToString(*got)
                          << "\nplain " << testing::PrintToString(*got_plain);
        }
        if (valid_utf8(text)) {
          // Bytes that the vocabulary has no token for are lost, in the reference too.
          std::erase_if(text, [](char c) {
            return std::string_view("\x04\x06\x13\x14\x16\x1d\xf1\xf2", 8).find(c) !=
                   std::string_view::npos;
          });
          ASSERT_EQ(tokenizer->decode(*got, true).value_or(""), text) << contract::to_json(line);
        }
      });
  EXPECT_EQ(differ, 0);
}

TEST(SmolTokenizer, StreamsTheSameTextThatItDecodes) {
  const auto tokenizer = smol();
  ASSERT_NE(tokenizer, nullptr);
  const std::string text = "Ünïcödé 日本語 👩‍👩‍👧‍👦 naïve";
  const auto ids = tokenizer->encode(text);
  ASSERT_TRUE(ids);
  Utf8Stream stream;
  std::string out;
  for (const int32_t id : *ids) {
    const std::string part = stream.push(tokenizer->piece(id));
    EXPECT_TRUE(valid_utf8(part));
    out += part;
  }
  EXPECT_EQ(out + stream.finish(), text);
}

TEST(SmolTokenizer, KnowsItsSpecialTokens) {
  const auto tokenizer = smol();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->n_vocab(), 49152u);
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_EQ(tokenizer->find("<|im_end|>"), 2);
  EXPECT_TRUE(tokenizer->is_special(2));
  EXPECT_FALSE(tokenizer->is_special(1000));
  EXPECT_NE(std::find(tokenizer->end_tokens().begin(), tokenizer->end_tokens().end(), 2),
            tokenizer->end_tokens().end());
}

TEST(SmolChatTemplate, RendersAsJinja2AndTokenisesAsLlamaCpp) {
  const auto tokenizer = smol();
  ASSERT_NE(tokenizer, nullptr);
  const auto text = read_file(kSource / "tests/golden/smollm2_chat.json", 64 << 20);
  ASSERT_TRUE(text) << text.error().to_string();
  const auto golden = contract::parse_json(*text);
  ASSERT_TRUE(golden);
  auto file = GgufFile::open(kSmol);
  ASSERT_TRUE(file);
  const auto source = (*file)->get_string("tokenizer.chat_template");
  ASSERT_TRUE(source);
  EXPECT_EQ(*source, golden->find("template")->as_string());
  const auto chat = ChatTemplate::parse(*source, "<|im_start|>", "<|im_end|>");
  ASSERT_TRUE(chat) << chat.error().to_string();
  size_t n = 0;
  for (const contract::Value& example : golden->find("cases")->as_array()) {
    const auto rendered = (*chat)->render(*example.find("messages"),
                                          example.find("add_generation_prompt")->as_bool());
    ASSERT_TRUE(rendered) << rendered.error().to_string();
    EXPECT_EQ(*rendered, example.find("rendered")->as_string());
    EXPECT_EQ(tokenizer->encode(*rendered, {.parse_special = true}).value(),
              ids_of(*example.find("ids")));
    ++n;
  }
  EXPECT_GT(n, 5u);
}

TEST(MiniLmTokenizer, GivesTheIdsOfHuggingFaceOnEveryLine) {
  for (const auto& path : {kMiniLm, kMiniLm / "vocab.txt"}) {
    const auto tokenizer = load_wordpiece(path);
    ASSERT_TRUE(tokenizer) << tokenizer.error().to_string()
                           << "; fetch the models: python3 tools/fetch_models.py";
    EXPECT_EQ((*tokenizer)->n_vocab(), 30522u);
    int differ = 0;
    for_each_line(
        kSource / "tests/golden/minilm_tokens.jsonl.gz", 5000, [&](const contract::Value& line) {
          const std::string text = unbase64(line.find("b64")->as_string());
          // The reference always recognises the literal "[SEP]" in its input.
          const auto got =
              (*tokenizer)
                  ->encode(text, {.add_special = true, .parse_special = true, .tokens_max = 256});
          ASSERT_TRUE(got) << got.error().to_string();
          if (*got != ids_of(*line.find("ids")) && ++differ < 10)
            ADD_FAILURE() << contract::to_json(line) << "\n"
                          << text << "\ngot " << testing::PrintToString(*got);
        });
    EXPECT_EQ(differ, 0);
  }
}

}  // namespace
}  // namespace consort::model

// Any bytes: as text for a small byte-level BPE, whose decode must give valid UTF-8 input back; and
// as a GGUF whose tables make a tokenizer.
#include <cstdint>
#include <cstdlib>

#include "model/gguf.h"
#include "model/test_fixtures.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace consort::model;
  static const std::string bytes = small_bpe_gguf();
  static const auto tokenizer = load_tokenizer(**GgufFile::parse(as_bytes(bytes))).value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool valid = true;
  for (size_t at = 0; at < text.size() && valid;) {
    const size_t n = utf8_length(text.substr(at));
    valid = n > 0;
    at += n;
  }
  for (const bool parse_special : {false, true}) {
    const auto ids = tokenizer->encode(text, {.parse_special = parse_special});
    if (!ids) std::abort();
    const auto decoded = tokenizer->decode(*ids, true);
    if (!decoded || (valid && *decoded != text)) std::abort();
    Utf8Stream stream;
    std::string streamed;
    for (const int32_t id : *ids) streamed += stream.push(tokenizer->piece(id));
    streamed += stream.finish();
    if (valid && streamed != text) std::abort();
  }
  if (const auto file = GgufFile::parse({data, size}))
    if (const auto other = load_tokenizer(**file))
      (void)(*other)->encode("the quick <|im_end|> 12\n",
                             {.add_special = true, .parse_special = true});
  return 0;
}

#include "model/tokenizer.h"
#include "model/unicode.h"

namespace consort::model {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Bytes at the start of ill-formed `text` that one U+FFFD stands for: the longest prefix of some
// well-formed sequence, at least 1. `open` is set when more bytes could still complete it.
size_t maximal_subpart(std::string_view text, bool& open) {
  open = false;
  const uint8_t lead = text[0];
  const size_t n = lead >= 0xc2 && lead < 0xe0   ? 2
                   : lead >= 0xe0 && lead < 0xf0 ? 3
                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                 : 0;
  if (n == 0) return 1;
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  size_t i = 1;
  while (i < n && i < text.size()) {
    const uint8_t byte = text[i];
    if (byte < (i == 1 ? low : 0x80) || byte > (i == 1 ? high : 0xbf)) return i;
    ++i;
  }
  open = i < n;
  return i;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  held_.append(bytes);
  std::string out;
  size_t at = 0;
  while (at < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(at);
    if (const size_t n = utf8_length(rest); n > 0) {
      out.append(rest.substr(0, n));
      at += n;
      continue;
    }
    bool open = false;
    const size_t n = maximal_subpart(rest, open);
    if (open) break;
    out.append(kReplacement);
    at += n;
  }
  held_.erase(0, at);
  return out;
}

std::string Utf8Stream::finish() {
  const bool any = !held_.empty();
  held_.clear();
  return any ? std::string(kReplacement) : std::string();
}

}  // namespace consort::model

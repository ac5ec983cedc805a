#include "model/text_pair.h"

#include <algorithm>

namespace consort::model {

Result<TextPair> encode_pair(const Tokenizer& tokenizer, std::string_view first,
                             std::string_view second, int tokens_max) {
  constexpr int kSpecials = 3;
  CONSORT_CHECK(tokens_max >= kSpecials + 2);
  CONSORT_ASSIGN(std::vector<int32_t> a, tokenizer.encode(first));
  CONSORT_ASSIGN(std::vector<int32_t> b, tokenizer.encode(second));
  const auto room = static_cast<size_t>(tokens_max - kSpecials);
  TextPair out;
  if (a.size() + b.size() > room) {
    // The shorter text is kept whole where the other can make room, else both get half.
    const size_t whole = a.size() + b.size();
    std::vector<int32_t>& shorter = a.size() > b.size() ? b : a;
    std::vector<int32_t>& longer = a.size() > b.size() ? a : b;
    size_t n_shorter = shorter.size();
    size_t n_longer = n_shorter > room ? n_shorter : std::max(n_shorter, room - n_shorter);
    if (n_shorter + n_longer > room) {
      n_shorter = room / 2;
      n_longer = n_shorter + room % 2;
    }
    shorter.resize(n_shorter);
    longer.resize(n_longer);
    out.n_cut = static_cast<int>(whole - room);
  }
  const SpecialTokens& special = tokenizer.special();
  out.ids.push_back(special.cls);
  out.ids.insert(out.ids.end(), a.begin(), a.end());
  out.ids.push_back(special.sep);
  out.n_first = static_cast<int>(out.ids.size());
  out.ids.insert(out.ids.end(), b.begin(), b.end());
  out.ids.push_back(special.sep);
  return out;
}

}  // namespace consort::model

#include "contract/idna.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace consort::contract {
namespace {

using CodePoints = std::vector<int32_t>;

// RFC 3492, section 5.
constexpr uint32_t kBase = 36, kTMin = 1, kTMax = 26, kSkew = 38, kDamp = 700, kInitialBias = 72,
                   kInitialN = 128;
constexpr size_t kLabelMax = 63;

uint32_t adapt(uint32_t delta, uint32_t n_points, bool first) {
  delta = first ? delta / kDamp : delta / 2;
  delta += delta / n_points;
  uint32_t k = 0;
  for (; delta > (kBase - kTMin) * kTMax / 2; k += kBase) delta /= kBase - kTMin;
  return k + (kBase - kTMin + 1) * delta / (delta + kSkew);
}

uint32_t threshold(uint32_t k, uint32_t bias) {
  return k <= bias ? kTMin : k >= bias + kTMax ? kTMax : k - bias;
}

// At most 63 characters come in, so that no sum below passes 64 bits.
std::optional<CodePoints> decode(std::string_view text) {
  CodePoints out;
  size_t at = 0;
  if (const size_t dash = text.rfind('-'); dash != std::string_view::npos) {
    out.assign(text.begin(), text.begin() + static_cast<int64_t>(dash));
    at = dash + 1;
  }
  uint64_t n = kInitialN, i = 0;
  uint32_t bias = kInitialBias;
  while (at < text.size()) {
    const uint64_t before = i;
    uint64_t weight = 1;
    for (uint32_t k = kBase;; k += kBase) {
      if (at >= text.size()) return std::nullopt;
      const char c = text[at++];
      const char low = static_cast<char>(c | 32);
      const int digit = low >= 'a' && low <= 'z' ? low - 'a' : c >= '0' && c <= '9' ? c - '0' + 26 : -1;
      if (digit < 0) return std::nullopt;
      i += static_cast<uint64_t>(digit) * weight;
      const uint32_t t = threshold(k, bias);
      if (i > UINT32_MAX) return std::nullopt;
      if (static_cast<uint32_t>(digit) < t) break;
      weight *= kBase - t;
      if (weight > UINT32_MAX) return std::nullopt;
    }
    const auto n_points = static_cast<uint32_t>(out.size() + 1);
    bias = adapt(static_cast<uint32_t>(i - before), n_points, before == 0);
    n += i / n_points;
    i %= n_points;
    if (n > 0x10FFFF) return std::nullopt;
    out.insert(out.begin() + static_cast<int64_t>(i), static_cast<int32_t>(n));
    ++i;
  }
  return out;
}

bool in(int32_t c, std::initializer_list<std::pair<int32_t, int32_t>> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const auto& r) { return r.first <= c && c <= r.second; });
}
bool is_greek(int32_t c) { return in(c, {{0x370, 0x373}, {0x375, 0x3E1}, {0x3F0, 0x3FF}, {0x1F00, 0x1FFF}}); }
bool is_hebrew(int32_t c) { return in(c, {{0x591, 0x5F4}, {0xFB1D, 0xFB4F}}); }
bool is_kana_or_han(int32_t c) {
  return in(c, {{0x3005, 0x3005}, {0x3007, 0x3007}, {0x3041, 0x3096}, {0x309D, 0x309F},
                {0x30A1, 0x30FA}, {0x30FD, 0x30FF}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF},
                {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}});
}
bool is_virama(int32_t c) { return utf8proc_get_property(c)->combining_class == 9; }

bool is_mark(int32_t c) {
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

// Does normalising with case folding change the code point? Such are never permitted.
bool is_unstable(int32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(c, bytes);
  utf8proc_uint8_t* mapped = nullptr;
  const auto mapped_size = utf8proc_map(
      bytes, size, &mapped,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                     UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
  const bool same = mapped_size == size && std::equal(bytes, bytes + size, mapped);
  free(mapped);
  return !same;
}

// RFC 5892, section 2.6 and appendix A, then section 3.
bool is_permitted(const CodePoints& label, size_t at) {
  const int32_t c = label[at];
  const auto before = [&](size_t n) { return at >= n ? label[at - n] : -1; };
  const int32_t after = at + 1 < label.size() ? label[at + 1] : -1;
  switch (c) {
    case 0xDF: case 0x3C2: case 0x6FD: case 0x6FE: case 0xF0B: case 0x3007:
      return true;
    case 0x640: case 0x7FA: case 0x302E: case 0x302F: case 0x3031: case 0x3032: case 0x3033:
    case 0x3034: case 0x3035: case 0x303B:
      return false;
    case 0xB7:
      return before(1) == 'l' && after == 'l';
    case 0x375:
      return after >= 0 && is_greek(after);
    case 0x5F3: case 0x5F4:
      return before(1) >= 0 && is_hebrew(before(1));
    case 0x30FB:
      return std::any_of(label.begin(), label.end(), is_kana_or_han);
    case 0x200C:
      // Between letters that join (Arabic, Syriac and their kin), or after a virama.
      return before(1) >= 0 && (is_virama(before(1)) || (in(before(1), {{0x620, 0x7FF}}) &&
                                                         in(after, {{0x620, 0x7FF}})));
    case 0x200D:
      return before(1) >= 0 && is_virama(before(1));
    default:
      break;
  }
  const bool arabic = in(c, {{0x660, 0x669}}), extended = in(c, {{0x6F0, 0x6F9}});
  if (arabic || extended) {
    return std::none_of(label.begin(), label.end(), [&](int32_t other) {
      return arabic ? in(other, {{0x6F0, 0x6F9}}) : in(other, {{0x660, 0x669}});
    });
  }
  if (c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) return true;
  if (is_unstable(c)) return false;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ND:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool is_a_label(std::string_view encoded) {
  if (encoded.size() > kLabelMax) return false;
  const auto label = decode(encoded);
  if (!label || label->empty() || is_mark(label->front())) return false;
  if (label->front() == '-' || label->back() == '-') return false;
  // A U-label holds something beyond ASCII, and no "--" in the third and fourth place.
  if (std::all_of(label->begin(), label->end(), [](int32_t c) { return c < 0x80; })) return false;
  if (label->size() >= 4 && (*label)[2] == '-' && (*label)[3] == '-') return false;
  for (size_t i = 0; i < label->size(); ++i) {
    if (!is_permitted(*label, i)) return false;
  }
  return true;
}

}  // namespace consort::contract

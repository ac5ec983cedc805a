// CodeSet: a set of Unicode code points as sorted, disjoint, non-adjacent ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace consort::contract {

struct CodeRange {
  uint32_t first = 0;
  uint32_t last = 0;  // Included.
  bool operator==(const CodeRange&) const = default;
};

class CodeSet {
 public:
  CodeSet() = default;
  CodeSet(std::initializer_list<CodeRange> ranges);
  void add(uint32_t first, uint32_t last);
  void add(const CodeSet& other);
  CodeSet complement() const;  // Within U+0000..U+10FFFF.
  // Sorted and merged; without surrogates, which no UTF-8 text holds.
  std::vector<CodeRange> ranges() const;

 private:
  std::vector<CodeRange> ranges_;
};

// \p{name}: a Unicode general category by short or long name ("Lu", "Letter"), optionally as
// "General_Category=..." or "gc=...", and Any, ASCII. Nullopt for other properties.
std::optional<CodeSet> unicode_property(std::string_view name);
CodeSet white_space();  // \s of ECMA-262.

}  // namespace consort::contract

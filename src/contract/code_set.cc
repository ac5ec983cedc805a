#include "contract/code_set.h"

#include <utf8proc.h>

#include <algorithm>
#include <map>
#include <string>

namespace consort::contract {
namespace {

constexpr uint32_t kLast = 0x10FFFF;

std::vector<CodeRange> merged(std::vector<CodeRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CodeRange& a, const CodeRange& b) { return a.first < b.first; });
  std::vector<CodeRange> result;
  for (const CodeRange& range : ranges) {
    if (!result.empty() && range.first <= result.back().last + 1) {
      result.back().last = std::max(result.back().last, range.last);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

// Long names of the general categories (PropertyValueAliases.txt) that ECMA-262 accepts.
const std::map<std::string_view, std::string_view>& long_names() {
  static const std::map<std::string_view, std::string_view> names = {
      {"Letter", "L"},
      {"Cased_Letter", "LC"},
      {"Uppercase_Letter", "Lu"},
      {"Lowercase_Letter", "Ll"},
      {"Titlecase_Letter", "Lt"},
      {"Modifier_Letter", "Lm"},
      {"Other_Letter", "Lo"},
      {"Mark", "M"},
      {"Combining_Mark", "M"},
      {"Nonspacing_Mark", "Mn"},
      {"Spacing_Mark", "Mc"},
      {"Enclosing_Mark", "Me"},
      {"Number", "N"},
      {"Decimal_Number", "Nd"},
      {"digit", "Nd"},
      {"Letter_Number", "Nl"},
      {"Other_Number", "No"},
      {"Punctuation", "P"},
      {"punct", "P"},
      {"Connector_Punctuation", "Pc"},
      {"Dash_Punctuation", "Pd"},
      {"Open_Punctuation", "Ps"},
      {"Close_Punctuation", "Pe"},
      {"Initial_Punctuation", "Pi"},
      {"Final_Punctuation", "Pf"},
      {"Other_Punctuation", "Po"},
      {"Symbol", "S"},
      {"Math_Symbol", "Sm"},
      {"Currency_Symbol", "Sc"},
      {"Modifier_Symbol", "Sk"},
      {"Other_Symbol", "So"},
      {"Separator", "Z"},
      {"Space_Separator", "Zs"},
      {"Line_Separator", "Zl"},
      {"Paragraph_Separator", "Zp"},
      {"Other", "C"},
      {"Control", "Cc"},
      {"cntrl", "Cc"},
      {"Format", "Cf"},
      {"Private_Use", "Co"},
      {"Unassigned", "Cn"}};
  return names;
}

bool is_category_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"L",  "LC", "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc",
                                         "Me", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe",
                                         "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs",
                                         "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool in_category(std::string_view name, std::string_view category) {
  if (name == "LC") return category == "Lu" || category == "Ll" || category == "Lt";
  return name.size() == 1 ? category[0] == name[0] : category == name;
}

// All code points by their two-letter category, found in one pass over Unicode.
const std::map<std::string, CodeSet, std::less<>>& by_category() {
  static const auto sets = [] {
    std::map<std::string, CodeSet, std::less<>> result;
    std::string_view current;
    uint32_t first = 0;
    for (uint32_t c = 0; c <= kLast + 1; ++c) {
      const std::string_view category =
          c <= kLast ? utf8proc_category_string(static_cast<int>(c)) : "";
      if (category == current) continue;
      if (c > 0) result[std::string(current)].add(first, c - 1);
      current = category;
      first = c;
    }
    return result;
  }();
  return sets;
}

}  // namespace

CodeSet::CodeSet(std::initializer_list<CodeRange> ranges) : ranges_(ranges) {}

void CodeSet::add(uint32_t first, uint32_t last) { ranges_.push_back({first, last}); }

void CodeSet::add(const CodeSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
}

CodeSet CodeSet::complement() const {
  CodeSet result;
  uint32_t next = 0;
  for (const CodeRange& range : merged(ranges_)) {
    if (range.first > next) result.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLast) result.add(next, kLast);
  return result;
}

std::vector<CodeRange> CodeSet::ranges() const {
  std::vector<CodeRange> result;
  for (const CodeRange& range : merged(ranges_)) {
    if (range.first < 0xD800) result.push_back({range.first, std::min(range.last, 0xD7FFu)});
    if (range.last > 0xDFFF) result.push_back({std::max(range.first, 0xE000u), range.last});
  }
  return result;
}

std::optional<CodeSet> unicode_property(std::string_view name) {
  if (name == "Any") return CodeSet{{0, kLast}};
  if (name == "ASCII") return CodeSet{{0, 0x7F}};
  for (std::string_view prefix : {"General_Category=", "gc="}) {
    if (name.substr(0, prefix.size()) == prefix) name.remove_prefix(prefix.size());
  }
  if (auto found = long_names().find(name); found != long_names().end()) name = found->second;
  if (!is_category_name(name)) return std::nullopt;
  CodeSet result;
  for (const auto& [category, set] : by_category()) {
    if (in_category(name, category)) result.add(set);
  }
  return result;
}

CodeSet white_space() {
  return {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}

}  // namespace consort::contract

// The syntax tree of a pattern. Internal to this folder.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/code_set.h"

namespace consort::contract {

struct Tree;
using TreePtr = std::shared_ptr<const Tree>;

struct Tree {
  enum class Kind { empty, set, concat, alternate, repeat, at_start, at_end } kind = Kind::empty;
  std::vector<CodeRange> set;
  std::vector<TreePtr> parts;
  uint32_t min = 0;
  std::optional<uint32_t> max;
};

// One character of `set`.
TreePtr set_of(const CodeSet& set);
// Errors 2101 and 2102, as compile_pattern.
Result<TreePtr> parse_pattern(std::string_view pattern);

}  // namespace consort::contract

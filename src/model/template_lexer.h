// Tokens of a template's source: text, the marks of tags and expressions, and what stands in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::model::jinja {

struct Token {
  enum Kind {
    plain,
    block_begin,
    block_end,
    output_begin,
    output_end,
    name,
    string,
    integer,
    real,
    op,
    end
  };
  Kind kind = end;
  size_t at = 0;
  std::string text;
};

// The last token is `end`. Blanks that '-', and the ends of tags, take away are gone. Errors 3401
// and 3402 with place.
Result<std::vector<Token>> tokenize(std::string_view source, std::string_view name);

}  // namespace consort::model::jinja

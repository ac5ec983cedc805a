// HTML (gumbo) and Markdown (md4c) -> text with headings, paragraphs and tables. Scripts, styles and
// navigation are dropped. Neither format has pages.
#pragma once

#include <string>

#include "base/result.h"
#include "memory/extract.h"

namespace consort::memory {

// HTML 5 is error-tolerant: any text parses. Nesting deeper than kMarkupDepthMax is refused: 5121.
Result<Extracted> read_html(const std::string& html);
// CommonMark with tables. Errors: 5122 when md4c gives up.
Result<Extracted> read_markdown(const std::string& markdown);

inline constexpr int kMarkupDepthMax = 400;

}  // namespace consort::memory

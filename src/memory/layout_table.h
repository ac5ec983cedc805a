// Groups the rows of one page into grids. See layout.h for what a row is.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "memory/layout.h"

namespace consort::memory {

// What one line of laid-out text is, seen alone.
enum class LineKind { blank, text, heading, prose, header, note, row };

LineKind classify_line(const LayoutLine& line);

// A heading: short, no final period, capitals or title case.
bool looks_like_heading(std::string_view text);
// Names a period or a date: "Year Ended", "Fiscal 2022", "December 31,".
bool mentions_period(std::string_view text);
// "(in millions, except per share data)" and the like.
bool is_unit_note(std::string_view text);

// `title`: what stands over the page so far (the last heading of earlier pages).
std::vector<Grid> grids_of_page(std::span<const LayoutLine> lines, std::optional<int> page,
                                std::string title);

}  // namespace consort::memory

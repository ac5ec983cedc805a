// Error catalogue: what each number of the form E1234 means and what to do about it, for
// `consort explain`. The message of an error tells about one case; the page here tells about all of
// them.
//
// Thousands: 1 files, processes, and the store; 2 JSON, schemas, and masks; 3 contracts at run time
// and model files; 4 engine; 5 memory and tools; 6 agent files; 7 runs; 8 the command line.
// tests/error_catalog_test.py finds numbers of the sources that are missing here.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace consort {

struct ErrorPage {
  int number = 0;
  std::string_view meaning;  // A sentence.
  std::string_view action;   // What to do: a sentence.
};

// Ascending by number.
std::span<const ErrorPage> error_pages();
std::optional<ErrorPage> error_page(int number);

}  // namespace consort

// The text of `consort --help` and `consort version`: no parser is built to print them.
#pragma once

#include <string>

namespace consort::cli {

std::string top_help();
std::string version_text(bool json);

}  // namespace consort::cli

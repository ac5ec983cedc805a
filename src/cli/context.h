// Context: what every command of the program shares, and how it speaks.
//
// Data goes to stdout, talk to stderr. A command file adds its sub-command to the parser and leaves
// an action; main() runs the one that was chosen and turns its answer into an exit code. Nothing
// heavy happens before that.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/progress.h"
#include "base/result.h"
#include "contract/json.h"

namespace CLI {
class App;
}

namespace consort::cli {

// Exit codes that no ErrorCode stands for.
inline constexpr int kExitOk = 0;
inline constexpr int kExitRunFailed = 1;
inline constexpr int kExitContract = 3;
inline constexpr int kExitInterrupted = 130;

struct Context {
  std::string home_option;  // --home; empty: $CONSORT_HOME, then ./.consort.
  bool json = false;
  bool quiet = false;                    // No progress.
  std::optional<uint64_t> memory_bytes;  // --memory
  SystemClock clock;
  std::stop_source stop;  // Ctrl-C.
  std::unique_ptr<Progress> bar;
  // The chosen command. Its value is the exit code.
  std::function<Result<int>()> action;

  std::filesystem::path home() const;
  Progress& progress();  // Made on first use.
};

// Writes to stdout. A reader that went away (EPIPE) ends the program with code 0, as `head`
// expects.
void print(std::string_view text);
void print_line(std::string_view text);
void print_json(const contract::Value& value);  // One line.
void print_document(const Context& context,
                    const contract::Value& value);  // Indented on a terminal.
// How many signals have asked to stop. Counted by the handler alone, which can reach nothing else.
std::atomic<int>& interrupts();
// One line to stderr, unless --quiet.
void say(Context& context, std::string_view text);

// {"error": {"code", "number", "message", "place", "value", "fix"}}
contract::Value error_value(const Error& error);
// "error: E2101 unsupported at ...", or its JSON on one line with --json. To stderr.
void print_error(const Context& context, const Error& error);

// The bytes of a file, or of stdin for "-". Errors: those of read_file.
Result<std::string> read_text(const std::string& path);
// A JSON or YAML document: by extension, else by its first character. Places are "file:line:col".
Result<contract::Value> read_document(const std::string& path);
// As read_document, and a text that is no file is taken as JSON itself.
Result<contract::Value> read_value(const std::string& argument);
// Calls `each` for every non-blank line of a file or stdin, with its number from 1.
Result<void> each_line(const std::string& path,
                       const std::function<Result<void>(int, const std::string&)>& each);

// Columns padded to their widest cell, two spaces between; cells are cut at 80 characters.
std::string table(const std::vector<std::vector<std::string>>& rows);

// Usage error 8001.
Error usage(std::string message);

}  // namespace consort::cli

#include "cli/context.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "agent/definition.h"
#include "base/error_catalog.h"
#include "base/file.h"

namespace consort::cli {
namespace {

constexpr uint64_t kInputBytesMax = 256ull << 20;

// Everything, or the end of the program when nobody reads any more.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) std::_Exit(kExitOk);
    if (n < 0) {
      std::fprintf(stderr, "error: E1105 unavailable: cannot write the output: %s\n",
                   std::strerror(errno));
      std::_Exit(4);
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
}

std::string located(const std::string& path, const Error& error) {
  std::string name = path == "-" ? "stdin" : path;
  return error.place.empty() ? name : name + ":" + error.place;
}

bool has_extension(const std::string& path, std::string_view a, std::string_view b) {
  std::string extension = std::filesystem::path(path).extension().string();
  return extension == a || extension == b;
}

}  // namespace

std::filesystem::path Context::home() const {
  if (!home_option.empty()) return home_option;
  const char* env = std::getenv("CONSORT_HOME");
  if (env != nullptr && env[0] != '\0') return env;
  return ".consort";
}

Progress& Context::progress() {
  if (!bar) bar = std::make_unique<Progress>(progress_for_stderr(quiet), clock);
  return *bar;
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text); }
void print_line(std::string_view text) { print(std::string(text) + "\n"); }
void print_json(const contract::Value& value) { print_line(contract::to_json(value)); }

void print_document(const Context& /*context*/, const contract::Value& value) {
  print_line(isatty(STDOUT_FILENO) == 1 ? contract::to_json_pretty(value)
                                        : contract::to_json(value));
}

void say(Context& context, std::string_view text) { context.progress().line(text); }

std::atomic<int>& interrupts() {
  static std::atomic<int> count{0};
  return count;
}

namespace {

// What to do, also where the place that failed did not know better than the number's page.
std::string fix_of(const Error& error) {
  if (!error.fix.empty()) return error.fix;
  std::optional<ErrorPage> page = error_page(error.number);
  return page ? std::string(page->action) : "";
}

}  // namespace

contract::Value error_value(const Error& error) {
  using contract::Value;
  return Value::object({{"error", Value::object({{"code", traits(error.code).name},
                                                 {"number", error.number},
                                                 {"message", error.message},
                                                 {"place", error.place},
                                                 {"value", error.value},
                                                 {"fix", fix_of(error)}})}});
}

void print_error(const Context& context, const Error& error) {
  Error complete = error;
  complete.fix = fix_of(error);
  std::string text =
      context.json ? contract::to_json(error_value(error)) : "error: " + complete.to_string();
  text += '\n';
  std::fflush(stderr);
  write_all(STDERR_FILENO, text);
}

Result<std::string> read_text(const std::string& path) {
  if (path != "-") return read_file(path, kInputBytesMax);
  std::string out;
  char buffer[1 << 16];
  while (true) {
    ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    // The only signals with handlers ask to stop; one may also have come just before the read.
    bool stopped = (n < 0 && errno == EINTR) || (n == 0 && interrupts() > 0);
    if (stopped) {
      return fail(make_error(ErrorCode::cancelled, 7011, "interrupted while reading stdin"));
    }
    if (n < 0)
      return fail(
          make_error(ErrorCode::unavailable, 1102, "cannot read stdin").got(std::strerror(errno)));
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > kInputBytesMax) {
      return fail(make_error(ErrorCode::resource_exhausted, 1104, "stdin has more than 256 MiB"));
    }
  }
}

Result<contract::Value> read_document(const std::string& path) {
  CONSORT_ASSIGN(std::string text, read_text(path));
  size_t first = text.find_first_not_of(" \t\r\n");
  bool json = has_extension(path, ".json", ".jsonl") ||
              (!has_extension(path, ".yaml", ".yml") && first != std::string::npos &&
               std::string_view("{[\"").find(text[first]) != std::string_view::npos);
  if (!json) return agent::parse_yaml(text, path == "-" ? "stdin" : path);
  auto value = contract::parse_json(text);
  if (!value) return fail(std::move(value).error().at(located(path, value.error())));
  return value;
}

Result<contract::Value> read_value(const std::string& argument) {
  std::error_code ec;
  if (argument == "-" || std::filesystem::is_regular_file(argument, ec))
    return read_document(argument);
  auto value = contract::parse_json(argument);
  if (value) return value;
  Error error = std::move(value).error();
  if (error.value.empty()) error.value = cut_utf8(argument, 200);
  if (error.fix.empty())
    error.fix = "give a file, - for stdin, or JSON; strings need their quotes: '\"text\"'";
  return fail(std::move(error).with_context("neither a file nor JSON"));
}

Result<void> each_line(const std::string& path,
                       const std::function<Result<void>(int, const std::string&)>& each) {
  int number = 0;
  auto take = [&](std::string& line) -> Result<void> {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) return {};
    return each(number, line);
  };
  std::string line;
  if (path == "-") {  // As it comes: one line out for one line in.
    while (std::getline(std::cin, line)) CONSORT_TRY(take(line));
    return {};
  }
  CONSORT_ASSIGN(std::string text, read_text(path));
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    line = text.substr(begin, end - begin);
    CONSORT_TRY(take(line));
    begin = end + 1;
  }
  return {};
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> width;
  auto columns = [](const std::string& s) {
    return static_cast<size_t>(
        std::count_if(s.begin(), s.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
  };
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      width[i] = std::max(width[i], columns(cut_utf8(row[i], 80)));
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      std::string cell = cut_utf8(row[i], 80);
      out += cell;
      if (i + 1 < row.size()) out += std::string(width[i] - columns(cell) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

Error usage(std::string message) {
  return make_error(ErrorCode::invalid_argument, 8001, std::move(message));
}

}  // namespace consort::cli

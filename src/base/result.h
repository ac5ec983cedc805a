// Result and Error: how every fallible function of Consort answers.
//
// A function that can fail returns `Result<T>`: a value, or one `Error` that a person can act on.
// Errors are values: they travel up by `CONSORT_TRY`, gain context on the way ("loading adapter
// 'planner': ..."), and are printed once, at the edge. Exceptions of libraries stop at the call that
// throws them.
//
// Not for: a model's bad output (that is data, see contract/validate.h), absence that is normal
// (`std::optional`), or our own bugs (`CONSORT_CHECK`, which no file, request, config or token can
// reach).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace consort {

// The closed set of reasons. What is retried, and what HTTP answers, follows from the reason alone:
// see `traits`.
enum class ErrorCode {
  invalid_argument,     // The caller's input is malformed or out of range.
  contract_violation,   // A value does not match the schema that its place demands.
  not_found,            // A named thing does not exist.
  already_exists,       // A named thing exists with other content.
  failed_precondition,  // Right input, wrong state: locked home, finished run, encrypted file.
  resource_exhausted,   // A declared limit was reached; the message names the limit.
  deadline_exceeded,    // The time budget ran out.
  cancelled,            // The caller, or Ctrl-C, asked to stop.
  unavailable,          // A model, tool, or backend cannot answer now.
  corruption,           // Stored or downloaded bytes are not what they claim to be.
  unsupported,          // Understood, and not implemented here: named, never ignored.
  internal,             // A bug of ours.
};

struct ErrorTraits {
  std::string_view name;  // As in the enum; stable, used in JSON output.
  bool retryable;         // True if the same call may succeed later, unchanged.
  int http_status;
  int exit_code;  // Of the `consort` program: 1 run failed, 2 usage, 3 contract, 4 unavailable, 130.
};

const ErrorTraits& traits(ErrorCode code);

// One failure, complete: what happened, where, which value, and what to do. Value type.
struct Error {
  ErrorCode code = ErrorCode::internal;
  int number = 0;       // The `E1234` of `consort explain`; 0 when no page exists. See error_catalog.h.
  std::string message;  // One sentence fragment, no final period, context first: "loading X: ...".
  std::string place;    // file:line:col, JSON Pointer, or page; empty if the message says it.
  std::string value;    // The offending value, cut to 200 bytes on a character boundary.
  std::string fix;      // What the user can do; an imperative sentence fragment.

  // "E2101 invalid_argument at agent.yaml:3:5: unknown key 'modles' (got: modles). Fix: ..."
  std::string to_string() const;
  // Puts "context: " before the message. Chains on temporaries.
  Error with_context(std::string_view context) &&;
  Error at(std::string place) &&;
  Error got(std::string_view value) &&;
  Error to_fix(std::string fix) &&;
  bool operator==(const Error&) const = default;
};

// Starts an Error: `return fail(make_error(ErrorCode::not_found, 2104, "no such
// component").at(place).to_fix("..."))`.
Error make_error(ErrorCode code, int number, std::string message);

template <typename T>
using Result = tl::expected<T, Error>;

using tl::unexpected;

// Returned where a Result is expected: `return fail(...)`.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(ErrorCode code, int number, std::string message) {
  return fail(make_error(code, number, std::move(message)));
}

// Cuts `text` to at most `bytes_max` bytes without splitting a UTF-8 sequence; marks a cut by "...".
std::string cut_utf8(std::string_view text, size_t bytes_max);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace consort

// Our own bugs only. Prints the condition and aborts; never reachable from outside input.
#define CONSORT_CHECK(condition)                                                    \
  (static_cast<bool>(condition) ? static_cast<void>(0)                              \
                                : ::consort::check_failed(#condition, __FILE__, __LINE__))

#define CONSORT_CONCAT_INNER(a, b) a##b
#define CONSORT_CONCAT(a, b) CONSORT_CONCAT_INNER(a, b)

// CONSORT_TRY(expr): returns the error of a Result<...>, discards its value.
#define CONSORT_TRY(expression)                                           \
  do {                                                                    \
    auto consort_result = (expression);                                   \
    if (!consort_result) return ::consort::fail(std::move(consort_result).error()); \
  } while (false)

// CONSORT_TRY_CONTEXT(expr, "loading x"): as CONSORT_TRY, with context.
#define CONSORT_TRY_CONTEXT(expression, context)                                            \
  do {                                                                                      \
    auto consort_result = (expression);                                                     \
    if (!consort_result)                                                                    \
      return ::consort::fail(std::move(consort_result).error().with_context(context));      \
  } while (false)

// CONSORT_ASSIGN(auto x, expr): declares or assigns the value, or returns the error.
#define CONSORT_ASSIGN_INNER(result, target, expression)                  \
  auto result = (expression);                                             \
  if (!result) return ::consort::fail(std::move(result).error());         \
  target = std::move(*result)
#define CONSORT_ASSIGN(target, ...) \
  CONSORT_ASSIGN_INNER(CONSORT_CONCAT(consort_result_, __LINE__), target, (__VA_ARGS__))

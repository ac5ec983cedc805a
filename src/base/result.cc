#include "base/result.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace consort {

const ErrorTraits& traits(ErrorCode code) {
  static constexpr std::array<ErrorTraits, 12> kTable = {{
      {"invalid_argument", false, 400, 2},
      {"contract_violation", false, 422, 3},
      {"not_found", false, 404, 2},
      {"already_exists", false, 409, 2},
      {"failed_precondition", false, 409, 1},
      {"resource_exhausted", true, 429, 1},
      {"deadline_exceeded", true, 504, 1},
      {"cancelled", false, 499, 130},
      {"unavailable", true, 503, 4},
      {"corruption", false, 500, 4},
      {"unsupported", false, 501, 2},
      {"internal", false, 500, 1},
  }};
  return kTable[static_cast<size_t>(code)];
}

std::string cut_utf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

Error make_error(ErrorCode code, int number, std::string message) {
  return Error{.code = code, .number = number, .message = std::move(message)};
}

Error Error::with_context(std::string_view context) && {
  message = std::string(context) + ": " + message;
  return std::move(*this);
}

Error Error::at(std::string new_place) && {
  place = std::move(new_place);
  return std::move(*this);
}

Error Error::got(std::string_view new_value) && {
  value = cut_utf8(new_value, 200);
  return std::move(*this);
}

Error Error::to_fix(std::string new_fix) && {
  fix = std::move(new_fix);
  return std::move(*this);
}

std::string Error::to_string() const {
  std::string out;
  if (number != 0) out += "E" + std::to_string(number) + " ";
  out += traits(code).name;
  if (!place.empty()) out += " at " + place;
  out += ": " + message;
  if (!value.empty()) out += " (got: " + value + ")";
  if (!fix.empty()) out += ". Fix: " + fix;
  return out;
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "consort: internal check failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace consort

#include "memory/numeric.h"

#include <cctype>
#include <cstdlib>

#include "memory/text.h"

namespace consort::memory {
namespace {

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void skip_space(std::string_view& text) {
  while (take(text, " ") || take(text, "\t") || take(text, "\xC2\xA0")) {
  }
}

bool take_currency(std::string_view& text, std::string& currency) {
  static constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
      {"US$", "USD"}, {"$", "USD"}, {"€", "EUR"}, {"£", "GBP"}, {"¥", "JPY"}};
  for (auto [sign, code] : kSigns) {
    if (take(text, sign)) {
      currency = code;
      return true;
    }
  }
  return false;
}

bool take_dash(std::string_view& text) {
  return take(text, "—") || take(text, "–") || take(text, "-") || take(text, "−") || take(text, "‑");
}

// Digits with separators at threes and one decimal point; false when malformed or absent.
bool take_digits(std::string_view& text, std::string& out) {
  size_t i = 0, group = 0;
  bool separated = false;
  std::string digits;
  while (i < text.size()) {
    if (isdigit(static_cast<unsigned char>(text[i]))) {
      digits += text[i++];
      ++group;
    } else if (text[i] == ',' && i + 1 < text.size() && isdigit(static_cast<unsigned char>(text[i + 1]))) {
      if (group == 0 || group > 3 || (separated && group != 3)) return false;
      separated = true;
      group = 0;
      ++i;
    } else {
      break;
    }
  }
  if (separated && group != 3) return false;
  if (i + 1 < text.size() && text[i] == '.' && isdigit(static_cast<unsigned char>(text[i + 1]))) {
    if (digits.empty()) digits = "0";
    digits += '.';
    ++i;
    while (i < text.size() && isdigit(static_cast<unsigned char>(text[i]))) digits += text[i++];
  }
  if (digits.empty()) return false;
  size_t zeros = 0;
  while (zeros + 1 < digits.size() && digits[zeros] == '0' && digits[zeros + 1] != '.') ++zeros;
  out = digits.substr(zeros);
  text.remove_prefix(i);
  return true;
}

// "(1)", "(a)", "*", "†", "[2]": marks after a number.
void skip_marks(std::string_view& text) {
  for (;;) {
    skip_space(text);
    if (take(text, "*") || take(text, "†") || take(text, "‡")) continue;
    if (text.size() >= 3 && (text[0] == '(' || text[0] == '[') && isalnum(static_cast<unsigned char>(text[1])) &&
        (text[2] == ')' || text[2] == ']')) {
      text.remove_prefix(3);
      continue;
    }
    return;
  }
}

}  // namespace

double PrintedNumber::as_double() const { return std::strtod(amount.c_str(), nullptr); }

std::optional<PrintedNumber> parse_number(std::string_view text) {
  PrintedNumber number;
  text = trim(text);
  if (text.empty()) return std::nullopt;
  bool negative = false, parenthesis = false;
  take_currency(text, number.currency);
  skip_space(text);
  if (take(text, "(")) negative = parenthesis = true;
  skip_space(text);
  if (take_dash(text)) {
    skip_space(text);
    std::string_view rest = text;
    take(rest, "%");
    skip_space(rest);
    if (!parenthesis && rest.empty()) {
      number.percent = text.starts_with("%");
      number.is_dash = true;
      number.amount = "0";
      return number;
    }
    negative = true;
  } else if (!parenthesis) {
    take(text, "+");
  }
  if (number.currency.empty()) take_currency(text, number.currency);
  skip_space(text);
  std::string digits;
  if (!take_digits(text, digits)) return std::nullopt;
  skip_space(text);
  number.percent = take(text, "%");
  skip_space(text);
  if (parenthesis) {
    if (!take(text, ")")) return std::nullopt;
    skip_space(text);
    if (take(text, "%")) number.percent = true;
  }
  skip_marks(text);
  if (!text.empty()) return std::nullopt;
  bool zero = digits.find_first_not_of("0.") == std::string::npos;
  number.amount = (negative && !zero ? "-" : "") + digits;
  return number;
}

bool is_year(std::string_view text) {
  if (text.size() != 4) return false;
  for (char c : text) {
    if (!isdigit(static_cast<unsigned char>(c))) return false;
  }
  return text.starts_with("19") || text.starts_with("20");
}

}  // namespace consort::memory

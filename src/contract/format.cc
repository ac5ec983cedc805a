#include "contract/format.h"

#include <map>
#include <mutex>
#include <string>

#include "contract/idna.h"
#include "contract/regex.h"
#include "contract/regex_tree.h"

namespace consort::contract {
namespace {

#define CONSORT_DATE                                                                          \
  "(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"     \
  "|[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"                                \
  "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))"
#define CONSORT_OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define CONSORT_IPV4 CONSORT_OCTET "(?:\\." CONSORT_OCTET "){3}"
#define CONSORT_H "[0-9A-Fa-f]{1,4}"
#define CONSORT_LS "(?:" CONSORT_H ":" CONSORT_H "|" CONSORT_IPV4 ")"
#define CONSORT_IPV6                                                                          \
  "(?:(?:" CONSORT_H ":){6}" CONSORT_LS "|::(?:" CONSORT_H ":){5}" CONSORT_LS                 \
  "|(?:" CONSORT_H ")?::(?:" CONSORT_H ":){4}" CONSORT_LS                                     \
  "|(?:(?:" CONSORT_H ":){0,1}" CONSORT_H ")?::(?:" CONSORT_H ":){3}" CONSORT_LS              \
  "|(?:(?:" CONSORT_H ":){0,2}" CONSORT_H ")?::(?:" CONSORT_H ":){2}" CONSORT_LS              \
  "|(?:(?:" CONSORT_H ":){0,3}" CONSORT_H ")?::" CONSORT_H ":" CONSORT_LS                     \
  "|(?:(?:" CONSORT_H ":){0,4}" CONSORT_H ")?::" CONSORT_LS                                   \
  "|(?:(?:" CONSORT_H ":){0,5}" CONSORT_H ")?::" CONSORT_H                                    \
  "|(?:(?:" CONSORT_H ":){0,6}" CONSORT_H ")?::)"
#define CONSORT_PCT "%[0-9A-Fa-f]{2}"
#define CONSORT_PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" CONSORT_PCT ")"
#define CONSORT_AUTHORITY                                                                     \
  "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" CONSORT_PCT ")*@)?"                                    \
  "(?:\\[(?:" CONSORT_IPV6 "|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]"             \
  "|(?:[A-Za-z0-9._~!$&'()*+,;=-]|" CONSORT_PCT ")*)(?::[0-9]*)?"
#define CONSORT_ABEMPTY "(?:/" CONSORT_PCHAR "*)*"
#define CONSORT_TAIL                                                                          \
  "(?:\\?(?:" CONSORT_PCHAR "|[/?])*)?(?:#(?:" CONSORT_PCHAR "|[/?])*)?"
#define CONSORT_ABSOLUTE "/(?:" CONSORT_PCHAR "+" CONSORT_ABEMPTY ")?"
#define CONSORT_URI                                                                           \
  "[A-Za-z][A-Za-z0-9+.-]*:(?://" CONSORT_AUTHORITY CONSORT_ABEMPTY "|" CONSORT_ABSOLUTE      \
  "|" CONSORT_PCHAR "+" CONSORT_ABEMPTY "|)" CONSORT_TAIL
#define CONSORT_RELATIVE                                                                      \
  "(?://" CONSORT_AUTHORITY CONSORT_ABEMPTY "|" CONSORT_ABSOLUTE                              \
  "|(?:[A-Za-z0-9._~!$&'()*+,;=@-]|" CONSORT_PCT ")+" CONSORT_ABEMPTY "|)" CONSORT_TAIL
#define CONSORT_POINTER "(?:/(?:[^~/]|~[01])*)*"

#define CONSORT_CLOCK                                                                         \
  "(?:(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?"                           \
  "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))|23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))"
// Short enough for any number of labels that is allowed here, and without "--".
#define CONSORT_HOST                                                                          \
  "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,20}(?:\\.[A-Za-z0-9](?:-?[A-Za-z0-9]){0,20}){0,5}"
#define CONSORT_ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"

// A leap second ends a day of UTC: the local time less its offset is 23:59:60.
bool is_time(std::string_view t) {
  const auto two = [&](size_t at) {
    if (at + 2 > t.size() || t[at] < '0' || t[at] > '9' || t[at + 1] < '0' || t[at + 1] > '9') {
      return -1;
    }
    return (t[at] - '0') * 10 + (t[at + 1] - '0');
  };
  const int hour = two(0), minute = two(3), second = two(6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  if (t[2] != ':' || t[5] != ':') return false;
  size_t at = 8;
  if (at < t.size() && t[at] == '.') {
    const size_t first = ++at;
    while (at < t.size() && t[at] >= '0' && t[at] <= '9') ++at;
    if (at == first) return false;
  }
  if (at >= t.size()) return false;
  int offset = 0;
  if (t[at] == 'Z' || t[at] == 'z') {
    if (at + 1 != t.size()) return false;
  } else {
    if ((t[at] != '+' && t[at] != '-') || at + 6 != t.size() || t[at + 3] != ':') return false;
    const int hours = two(at + 1), minutes = two(at + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    offset = (hours * 60 + minutes) * (t[at] == '+' ? 1 : -1);
  }
  return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 == 1439;
}

bool is_date_time(std::string_view t) {
  return t.size() > 11 && (t[10] == 'T' || t[10] == 't') &&
         find_format("date")->accepts(t.substr(0, 10)) && is_time(t.substr(11));
}

// `with_idna`: labels with "--" in the third and fourth place are A-labels (RFC 5890).
bool is_hostname_of(std::string_view t, bool with_idna) {
  if (t.empty() || t.size() > 253) return false;
  size_t length = 0;
  for (size_t i = 0; i <= t.size(); ++i) {
    if (i == t.size() || t[i] == '.') {
      if (length == 0 || length > 63 || t[i - 1] == '-' || t[i - length] == '-') return false;
      const std::string_view label = t.substr(i - length, length);
      if (with_idna && length >= 4 && label.substr(2, 2) == "--" &&
          !((label[0] | 32) == 'x' && (label[1] | 32) == 'n' && is_a_label(label.substr(4)))) {
        return false;
      }
      length = 0;
      continue;
    }
    const char c = t[i];
    if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-')) return false;
    ++length;
  }
  return true;
}

bool is_hostname(std::string_view t) { return is_hostname_of(t, true); }
bool is_ascii_hostname(std::string_view t) { return is_hostname_of(t, false); }

bool is_email(std::string_view t) {
  static const Dfa local = *compile_pattern(
      "^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
      "|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")$");
  static const Dfa literal = *compile_pattern("^\\[(?:" CONSORT_IPV4 "|IPv6:" CONSORT_IPV6 ")\\]$");
  const size_t at = t.rfind('@');
  if (at == std::string_view::npos || at > 64) return false;
  const std::string_view host = t.substr(at + 1);
  return local.matches(t.substr(0, at)) && (is_hostname(host) || literal.matches(host));
}

bool is_regex(std::string_view t) {
  const auto tree = parse_pattern(t);
  return tree.has_value() || tree.error().number != 2102;
}

constexpr Format kFormats[] = {
    {"date", "^" CONSORT_DATE "$", nullptr},
    {"time", "", is_time, "^" CONSORT_CLOCK "$"},
    {"date-time", "", is_date_time, "^" CONSORT_DATE "[Tt]" CONSORT_CLOCK "$"},
    {"duration",
     "^P(?:[0-9]+W|(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
     "(?:T(?:[0-9]+S|[0-9]+M(?:[0-9]+S)?|[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?))?"
     "|T(?:[0-9]+S|[0-9]+M(?:[0-9]+S)?|[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?))$",
     nullptr},
    {"email", "", is_email,
     "^(?:" CONSORT_ATEXT "{1,64}|" CONSORT_ATEXT "(?:\\.?" CONSORT_ATEXT "){0,31})@" CONSORT_HOST "$"},
    {"hostname", "", is_hostname, "^" CONSORT_HOST "$"},
    {"ipv4", "^" CONSORT_IPV4 "$", nullptr},
    {"ipv6", "^" CONSORT_IPV6 "$", nullptr},
    {"uri", "^" CONSORT_URI "$", nullptr},
    {"uri-reference", "^(?:" CONSORT_URI "|" CONSORT_RELATIVE ")$", nullptr},
    {"uuid", "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", nullptr},
    {"json-pointer", "^" CONSORT_POINTER "$", nullptr},
    {"relative-json-pointer", "^(?:0|[1-9][0-9]*)(?:#|" CONSORT_POINTER ")$", nullptr},
    {"regex", "", is_regex},
};

constexpr Format kAsciiHostname = {"hostname", "", is_ascii_hostname, "^" CONSORT_HOST "$"};

}  // namespace

bool Format::accepts(std::string_view text) const {
  return check ? check(text) : language()->matches(text);
}

namespace {

const Dfa* built_once(std::string_view pattern) {
  if (pattern.empty()) return nullptr;
  static std::mutex mutex;
  static std::map<std::string_view, Dfa> built;
  const std::lock_guard lock(mutex);
  auto found = built.find(pattern);
  if (found == built.end()) found = built.emplace(pattern, compile_pattern(pattern).value()).first;
  return &found->second;
}

}  // namespace

const Dfa* Format::language() const { return built_once(pattern); }
const Dfa* Format::emitted_language() const {
  return built_once(pattern.empty() ? emitted : pattern);
}

const Format* find_format(std::string_view name, bool before_draft7) {
  if (before_draft7 && name == "hostname") return &kAsciiHostname;
  for (const Format& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

}  // namespace consort::contract

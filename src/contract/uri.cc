#include "contract/uri.h"

namespace consort::contract {
namespace {

struct Parts {
  std::string_view scheme, authority, path, query, fragment;
  bool has_authority = false, has_query = false, has_fragment = false;
};

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Parts split(std::string_view uri) {
  Parts parts;
  if (const size_t at = uri.find('#'); at != std::string_view::npos) {
    parts.fragment = uri.substr(at + 1);
    parts.has_fragment = true;
    uri = uri.substr(0, at);
  }
  if (const size_t at = uri.find('?'); at != std::string_view::npos) {
    parts.query = uri.substr(at + 1);
    parts.has_query = true;
    uri = uri.substr(0, at);
  }
  const size_t colon = uri.find(':');
  if (colon != std::string_view::npos && colon > 0 && is_alpha(uri[0]) &&
      uri.substr(0, colon).find('/') == std::string_view::npos) {
    parts.scheme = uri.substr(0, colon);
    uri = uri.substr(colon + 1);
  }
  if (uri.substr(0, 2) == "//") {
    uri = uri.substr(2);
    const size_t slash = std::min(uri.find('/'), uri.size());
    parts.authority = uri.substr(0, slash);
    parts.has_authority = true;
    uri = uri.substr(slash);
  }
  parts.path = uri;
  return parts;
}

// Section 5.2.4.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (path.substr(0, 3) == "../") {
      path.remove_prefix(3);
    } else if (path.substr(0, 2) == "./") {
      path.remove_prefix(2);
    } else if (path.substr(0, 3) == "/./") {
      path.remove_prefix(2);
    } else if (path == "/.") {
      path = "/";
    } else if (path.substr(0, 4) == "/../" || path == "/..") {
      path = path.size() == 3 ? std::string_view("/") : path.substr(3);
      const size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
    } else if (path == "." || path == "..") {
      path = {};
    } else {
      const size_t next = std::min(path.find('/', 1), path.size());
      out += path.substr(0, next);
      path.remove_prefix(next);
    }
  }
  return out;
}

}  // namespace

std::pair<std::string_view, std::string_view> split_fragment(std::string_view uri) {
  const size_t hash = uri.find('#');
  if (hash == std::string_view::npos) return {uri, {}};
  return {uri.substr(0, hash), uri.substr(hash + 1)};
}

bool has_scheme(std::string_view uri) { return !split(uri).scheme.empty(); }

std::string resolve_uri(std::string_view base_text, std::string_view reference_text) {
  const Parts base = split(base_text);
  const Parts ref = split(reference_text);
  Parts to = ref;
  std::string path;
  if (!ref.scheme.empty() || ref.has_authority) {
    path = without_dots(ref.path);
    if (ref.scheme.empty()) to.scheme = base.scheme;
  } else {
    to.scheme = base.scheme;
    to.authority = base.authority;
    to.has_authority = base.has_authority;
    if (ref.path.empty()) {
      path = base.path;
      if (!ref.has_query) {
        to.query = base.query;
        to.has_query = base.has_query;
      }
    } else if (ref.path[0] == '/') {
      path = without_dots(ref.path);
    } else {
      std::string merged;
      if (base.has_authority && base.path.empty()) {
        merged = "/";
      } else if (const size_t slash = base.path.rfind('/'); slash != std::string_view::npos) {
        merged = base.path.substr(0, slash + 1);
      }
      path = without_dots(merged + std::string(ref.path));
    }
  }
  std::string out;
  if (!to.scheme.empty()) out += std::string(to.scheme) + ":";
  if (to.has_authority) out += "//" + std::string(to.authority);
  out += path;
  if (to.has_query) out += "?" + std::string(to.query);
  if (to.has_fragment) out += "#" + std::string(to.fragment);
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    unsigned value = 0;
    for (size_t k = 1; k <= 2; ++k) {
      const char c = i + k < text.size() ? text[i + k] : '?';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return std::nullopt;
      value = value * 16 + static_cast<unsigned>(digit);
    }
    result += static_cast<char>(value);
    i += 2;
  }
  return result;
}

}  // namespace consort::contract

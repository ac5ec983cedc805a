// JSON text from values: compact, for people, and canonical (RFC 8785).
#include <algorithm>
#include <charconv>

#include "contract/decimal.h"
#include "contract/json.h"
#include "contract/utf8.h"

namespace consort::contract {
namespace {

void write_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  uint32_t code_point = 0;
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const int length = decode_utf8(text, at, &code_point);
      if (length == 0) {
        out += "\xEF\xBF\xBD";
        ++at;
      } else {
        out += text.substr(at, static_cast<size_t>(length));
        at += static_cast<size_t>(length);
      }
      continue;
    }
    ++at;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c >= 0x20) {
      out += static_cast<char>(c);
    } else if (const size_t short_form = std::string_view("\b\f\n\r\t").find(static_cast<char>(c));
               short_form != std::string_view::npos) {
      out += '\\';
      out += "bfnrt"[short_form];
    } else {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  out += '"';
}

// Number::toString of ECMA-262 for a double, from the shortest digits that read back the same.
std::string ecmascript_number(const Number& number) {
  double value = 0;
  auto [end, error] =
      std::from_chars(number.text.data(), number.text.data() + number.text.size(), value);
  if (error == std::errc::result_out_of_range) {
    const Decimal decimal = Decimal::parse(number.text);
    if (decimal.point > 0) return decimal.text();
    value = 0;
  }
  if (value == 0) return "0";
  char buffer[40];
  const auto written =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const Decimal decimal = Decimal::parse(std::string_view(buffer, written.ptr));
  const auto n_digits = static_cast<int64_t>(decimal.digits.size());
  if (decimal.point > -6 && decimal.point <= 21) return *decimal.plain();
  std::string result = decimal.negative ? "-" : "";
  result += decimal.digits[0];
  if (n_digits > 1) result += "." + decimal.digits.substr(1);
  const int64_t exponent = decimal.point - 1;
  return result + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
}

// UTF-16 code unit order: as UTF-8 bytes, except that U+E000..U+FFFF sort after the astral planes.
bool utf16_less(const std::string& a, const std::string& b) {
  const auto mismatch = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (mismatch.first == a.end() || mismatch.second == b.end()) return a.size() < b.size();
  auto x = static_cast<unsigned char>(*mismatch.first);
  auto y = static_cast<unsigned char>(*mismatch.second);
  const bool x_high_bmp = x == 0xEE || x == 0xEF;
  const bool y_high_bmp = y == 0xEE || y == 0xEF;
  if (x_high_bmp && y >= 0xF0) return false;
  if (y_high_bmp && x >= 0xF0) return true;
  return x < y;
}

struct Style {
  bool pretty = false;
  bool canonical = false;
};

class Writer {
 public:
  explicit Writer(Style style) : style_(style) {}

  void write(const Value& value, int depth) {
    switch (value.type()) {
      case Type::null:
        out_ += "null";
        break;
      case Type::boolean:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Type::number:
        out_ += style_.canonical ? ecmascript_number(value.as_number()) : value.as_number().text;
        break;
      case Type::string:
        write_string(out_, value.as_string());
        break;
      case Type::array:
        write_array(value.as_array(), depth);
        break;
      case Type::object:
        write_object(value.as_object(), depth);
        break;
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void line(int depth) {
    if (!style_.pretty) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(depth) * 2, ' ');
  }

  void write_array(const Array& array, int depth) {
    out_ += '[';
    for (size_t i = 0; i < array.size(); ++i) {
      if (i > 0) out_ += ',';
      line(depth + 1);
      write(array[i], depth + 1);
    }
    if (!array.empty()) line(depth);
    out_ += ']';
  }

  void write_object(const Object& object, int depth) {
    std::vector<const Member*> members;
    members.reserve(object.size());
    for (const Member& member : object) members.push_back(&member);
    if (style_.canonical) {
      std::sort(members.begin(), members.end(),
                [](const Member* a, const Member* b) { return utf16_less(a->first, b->first); });
    }
    out_ += '{';
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out_ += ',';
      line(depth + 1);
      write_string(out_, members[i]->first);
      out_ += style_.pretty ? ": " : ":";
      write(members[i]->second, depth + 1);
    }
    if (!members.empty()) line(depth);
    out_ += '}';
  }

  Style style_;
  std::string out_;
};

std::string write_with(const Value& value, Style style) {
  Writer writer(style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace

std::string to_json(const Value& value) { return write_with(value, {}); }
std::string to_json_pretty(const Value& value) { return write_with(value, {.pretty = true}); }
std::string canonical_json(const Value& value) { return write_with(value, {.canonical = true}); }

}  // namespace consort::contract

#include "eval/text_scores.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace consort::eval {
namespace {

using contract::Value;

bool same_number(const Value& a, const Value& b, double tolerance) {
  double x = a.as_number().as_double(), y = b.as_number().as_double();
  return a == b || std::abs(x - y) <= tolerance * std::abs(x);
}

struct Leaves {
  int64_t right = 0, all = 0;
};

void count_leaves(const Value& expected, const Value* answer, double tolerance, Leaves& out) {
  if (expected.is_object() && expected.as_object().size() > 0) {
    for (const auto& [key, member] : expected.as_object())
      count_leaves(member, answer != nullptr ? answer->find(key) : nullptr, tolerance, out);
    return;
  }
  if (expected.is_array() && !expected.as_array().empty()) {
    const contract::Array* list = answer != nullptr ? answer->get_array() : nullptr;
    for (size_t i = 0; i < expected.as_array().size(); ++i) {
      const Value* at = list != nullptr && i < list->size() ? &(*list)[i] : nullptr;
      count_leaves(expected.as_array()[i], at, tolerance, out);
    }
    return;
  }
  ++out.all;
  if (answer == nullptr) return;
  bool numbers = expected.is_number() && answer->is_number();
  out.right += (numbers ? same_number(expected, *answer, tolerance) : expected == *answer) ? 1 : 0;
}

void add_text(const Value& value, std::string& out) {
  if (const std::string* text = value.get_string()) {
    out += (out.empty() ? "" : "\n") + *text;
  } else if (value.is_array()) {
    for (const Value& v : value.as_array()) add_text(v, out);
  } else if (value.is_object()) {
    for (const auto& [key, v] : value.as_object()) add_text(v, out);
  }
}

std::vector<std::string> words(std::string_view text, bool other_scripts) {
  std::vector<std::string> out;
  bool open = false;
  for (unsigned char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<unsigned char>(c + 32);
    bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (other_scripts && c >= 0x80);
    if (part && !open) out.emplace_back();
    if (part) out.back() += static_cast<char>(c);
    open = part;
  }
  return out;
}

double f_score(double precision, double recall, double beta) {
  double b2 = beta * beta;
  return precision + recall > 0 ? (1 + b2) * precision * recall / (b2 * precision + recall) : 0;
}

// UTF-8 sequences without ASCII white space.
std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (unsigned char c : text) {
    if (c == ' ' || (c >= 9 && c <= 13)) continue;
    if ((c & 0xC0) == 0x80 && !out.empty())
      out.back() += static_cast<char>(c);
    else
      out.emplace_back(1, static_cast<char>(c));
  }
  return out;
}

std::map<std::string, int64_t> grams(const std::vector<std::string>& list, size_t order) {
  std::map<std::string, int64_t> out;
  for (size_t i = 0; i + order <= list.size(); ++i) {
    std::string gram;
    for (size_t k = 0; k < order; ++k) gram += list[i + k];
    ++out[gram];
  }
  return out;
}

struct Overlap {
  int64_t common = 0, expected = 0, answer = 0;
};
Overlap overlap(const std::map<std::string, int64_t>& expected,
                const std::map<std::string, int64_t>& answer) {
  Overlap out;
  for (const auto& [gram, n] : expected) out.expected += n;
  for (const auto& [gram, n] : answer) {
    out.answer += n;
    auto found = expected.find(gram);
    if (found != expected.end()) out.common += std::min(n, found->second);
  }
  return out;
}

bool same_cell(const Value& a, const Value& b) {
  return a.is_number() && b.is_number() ? same_number(a, b, 1e-9) : a == b;
}

// Order in which equal rows meet: by type and text, numbers by size.
bool cell_before(const Value& a, const Value& b) {
  if (a.type() != b.type()) return a.type() < b.type();
  if (a.is_number()) return a.as_number().as_double() < b.as_number().as_double();
  return contract::to_json(a) < contract::to_json(b);
}

}  // namespace

bool exact_match(const Value& expected, const Value& answer) {
  return contract::canonical_json(expected) == contract::canonical_json(answer);
}

bool covers(const Value& expected, const Value& answer, double tolerance) {
  if (expected.is_object() && answer.is_object()) {
    for (const auto& [key, member] : expected.as_object()) {
      const Value* there = answer.find(key);
      if (there == nullptr || !covers(member, *there, tolerance)) return false;
    }
    return true;
  }
  if (expected.is_array() && answer.is_array()) {
    const contract::Array &a = expected.as_array(), &b = answer.as_array();
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!covers(a[i], b[i], tolerance)) return false;
    }
    return true;
  }
  if (expected.is_number() && answer.is_number()) return same_number(expected, answer, tolerance);
  return expected == answer;
}

double field_share(const Value& expected, const Value& answer, double tolerance) {
  Leaves leaves;
  count_leaves(expected, &answer, tolerance, leaves);
  return static_cast<double>(leaves.right) / static_cast<double>(leaves.all);
}

std::string text_of(const Value& value) {
  std::string out;
  add_text(value, out);
  return out;
}

double token_f1(std::string_view expected, std::string_view answer) {
  std::vector<std::string> a = words(expected, true), b = words(answer, true);
  if (a.empty() && b.empty()) return 1;
  std::map<std::string, int64_t> bag_a, bag_b;
  for (const std::string& w : a) ++bag_a[w];
  for (const std::string& w : b) ++bag_b[w];
  Overlap o = overlap(bag_a, bag_b);
  return o.answer == 0 || o.expected == 0
             ? 0
             : f_score(static_cast<double>(o.common) / static_cast<double>(o.answer),
                       static_cast<double>(o.common) / static_cast<double>(o.expected), 1);
}

double rouge_l(std::string_view expected, std::string_view answer) {
  std::vector<std::string> a = words(expected, false), b = words(answer, false);
  if (a.empty() || b.empty()) return 0;
  std::vector<int64_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    int64_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      int64_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(row[j], row[j - 1]);
      diagonal = above;
    }
  }
  auto common = static_cast<double>(row.back());
  return f_score(common / static_cast<double>(b.size()), common / static_cast<double>(a.size()), 1);
}

double chrf(std::string_view expected, std::string_view answer) {
  std::vector<std::string> a = characters(expected), b = characters(answer);
  double precision = 0, recall = 0;
  int orders = 0;  // Those that both texts are long enough for.
  for (size_t order = 1; order <= 6; ++order) {
    Overlap o = overlap(grams(a, order), grams(b, order));
    if (o.expected == 0 || o.answer == 0) continue;
    precision += static_cast<double>(o.common) / static_cast<double>(o.answer);
    recall += static_cast<double>(o.common) / static_cast<double>(o.expected);
    ++orders;
  }
  return orders == 0 ? 0 : f_score(precision / orders, recall / orders, 2);
}

bool same_rows(const Value& expected, const Value& answer) {
  if (!expected.is_array() || !answer.is_array()) return false;
  contract::Array a = expected.as_array(), b = answer.as_array();
  if (a.size() != b.size()) return false;
  auto before = [](const Value& x, const Value& y) {
    if (!x.is_array() || !y.is_array()) return x.type() < y.type();
    const contract::Array &p = x.as_array(), &q = y.as_array();
    return std::lexicographical_compare(p.begin(), p.end(), q.begin(), q.end(), cell_before);
  };
  std::sort(a.begin(), a.end(), before);
  std::sort(b.begin(), b.end(), before);
  for (size_t i = 0; i < a.size(); ++i) {
    const contract::Array *p = a[i].get_array(), *q = b[i].get_array();
    if (p == nullptr || q == nullptr || p->size() != q->size() ||
        !std::equal(p->begin(), p->end(), q->begin(), same_cell))
      return false;
  }
  return true;
}

}  // namespace consort::eval

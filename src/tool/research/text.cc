#include "tool/research/text.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace consort::tool::research {

namespace {
bool letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }
}  // namespace

const std::vector<std::string>& function_words() {
  static const std::vector<std::string> kWords = {
      "a",     "an",    "the",   "of",    "in",    "on",    "at",    "to",    "for",  "from",  "by",
      "with",  "and",   "or",    "as",    "is",    "are",   "was",   "were",  "be",   "been",  "has",
      "have",  "had",   "its",   "it",    "their", "they",  "this",  "that",  "which", "while", "than",
      "more",  "less",  "not",   "no",    "also",  "into",  "over",  "under", "between", "through", "such",
      "other", "these", "those", "both",  "each",  "including", "says", "said", "reports", "reported"};
  return kWords;
}

bool is_stop_word(std::string_view word) {
  static const std::set<std::string, std::less<>> kStop = [] {
    std::set<std::string, std::less<>> out(function_words().begin(), function_words().end());
    for (const char* w : {"how", "what", "does", "do", "did", "who", "when", "where", "why", "much", "many",
                          "fast", "large", "there", "we", "our", "you", "your", "s"}) {
      out.insert(w);
    }
    return out;
  }();
  return kStop.contains(word);
}

std::vector<std::string> words(std::string_view text, bool drop_stop_words) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    if (!letter(text[i])) {
      ++i;
      continue;
    }
    std::string word;
    auto take = [&] {
      while (i < text.size() && letter(text[i])) word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i++]))));
    };
    take();
    // "e-commerce" is one word, the same as "eCommerce".
    const bool prefix = word.size() == 1 && std::isalpha(static_cast<unsigned char>(word[0])) != 0;
    if (prefix && i + 1 < text.size() && text[i] == '-' && letter(text[i + 1])) {
      ++i;
      take();
    }
    if (!drop_stop_words || !is_stop_word(word)) out.push_back(std::move(word));
  }
  return out;
}

double overlap(std::string_view query, std::string_view text) {
  auto stems = [](std::string_view t) {
    std::set<std::string> out;
    for (std::string& w : words(t, true)) {
      if (w.size() > 3 && w.ends_with("s") && !w.ends_with("ss")) w.pop_back();
      out.insert(w == "profit" ? "income" : w.substr(0, 6));
    }
    return out;
  };
  std::set<std::string> wanted = stems(query), there = stems(text);
  if (wanted.empty()) return 0;
  size_t hit = 0;
  for (const std::string& w : wanted) hit += there.count(w);
  return static_cast<double>(hit) / static_cast<double>(wanted.size());
}

std::string squeeze(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out.push_back(blank ? ' ' : c);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string> sentences(std::string_view text) {
  // A short line without a stop, before a capital, is a heading: it is no part of the sentence after it.
  std::string without_headings;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = squeeze(text.substr(at, end - at));
    size_t next = end + 1;
    bool short_line = line.size() < 60 && !line.empty() && std::string_view(".,;:!?").find(line.back()) == std::string_view::npos;
    while (next < text.size() && std::isspace(static_cast<unsigned char>(text[next]))) ++next;
    bool before_capital = next < text.size() && std::isupper(static_cast<unsigned char>(text[next]));
    if (!(short_line && before_capital)) without_headings += line + "\n";
    at = end + 1;
  }
  std::string flat = squeeze(without_headings);
  std::vector<std::string> out;
  size_t begin = 0;
  for (size_t i = 0; i < flat.size(); ++i) {
    bool end = flat[i] == '.' || flat[i] == '!' || flat[i] == '?';
    bool last = i + 1 == flat.size();
    bool next = i + 2 < flat.size() && flat[i + 1] == ' ' && std::isupper(static_cast<unsigned char>(flat[i + 2]));
    // "U.S. Steel", "Inc. Walmart": one or two letters before the stop are an abbreviation.
    bool abbreviation = i >= 2 && std::isupper(static_cast<unsigned char>(flat[i - 1])) &&
                        !std::isalpha(static_cast<unsigned char>(flat[i - 2]));
    if (!end || abbreviation || !(last || next)) continue;
    out.push_back(flat.substr(begin, i + 1 - begin));
    begin = i + 2;
  }
  return out;
}

const contract::Array& list(const contract::Value& value, std::string_view key) {
  static const contract::Array kEmpty;
  const contract::Value* v = value.find(key);
  return v == nullptr || v->get_array() == nullptr ? kEmpty : v->as_array();
}

std::string text(const contract::Value& value, std::string_view key) { return value.string_or(key, ""); }

}  // namespace consort::tool::research

#include "memory/query.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <unordered_set>

#include "memory/text.h"

namespace consort::memory {
namespace {

const std::unordered_set<std::string_view>& stop_words() {
  static const std::unordered_set<std::string_view> kWords = {
      "a",    "about", "an",   "and",  "any",  "are",  "as",    "at",   "be",    "been",  "by",   "can",   "could", "did",
      "do",   "does",  "for",  "from", "had",  "has",  "have",  "how",  "i",     "if",    "in",   "into",  "is",    "it",
      "its",  "me",    "much", "many", "of",   "on",   "or",    "our",  "should", "so",   "such", "than",  "that",  "the",
      "their", "them", "then", "there", "these", "they", "this", "those", "to",   "was",  "we",   "were",  "what",  "when",
      "where", "which", "who", "why",  "will", "with", "would", "you",  "your"};
  return kWords;
}

void add_scaled(std::span<const RankedHit> hits, double weight, std::map<int64_t, double>& sums) {
  if (hits.empty()) return;
  double best = hits[0].score, worst = hits[0].score;
  for (const auto& hit : hits) best = std::max(best, hit.score), worst = std::min(worst, hit.score);
  double range = best - worst;
  for (const auto& hit : hits) sums[hit.id] += weight * (range > 0 ? (hit.score - worst) / range : 1.0);
}

}  // namespace

std::vector<std::string> query_terms(std::string_view text) {
  std::vector<std::string> all, kept;
  std::string term;
  auto finish = [&] {
    if (!term.empty() && all.size() < kQueryTermsMax) {
      if (!stop_words().contains(term)) kept.push_back(term);
      all.push_back(term);
    }
    term.clear();
  };
  for (char c : lower_ascii(text)) {
    auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) || u >= 0x80) {
      term += c;
    } else {
      finish();
    }
  }
  finish();
  return kept.empty() ? all : kept;
}

std::string match_expression(std::span<const std::string> terms) {
  std::string out;
  for (const auto& term : terms) {
    if (!out.empty()) out += " OR ";
    out += '"';
    for (char c : term) {
      if (c == '"') out += '"';
      if (c != '\0') out += c;
    }
    out += '"';
  }
  return out;
}

std::vector<RankedHit> fuse(std::span<const RankedHit> words, std::span<const RankedHit> vectors, double word_weight) {
  std::map<int64_t, double> sums;
  add_scaled(words, word_weight, sums);
  add_scaled(vectors, 1 - word_weight, sums);
  std::vector<RankedHit> out;
  for (const auto& [id, score] : sums) out.push_back({id, score});
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return out;
}

}  // namespace consort::memory

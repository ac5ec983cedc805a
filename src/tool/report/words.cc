#include "tool/report/words.h"

#include <algorithm>
#include <map>

#include "tool/report/numerals.h"

namespace consort::tool {
namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_alpha(c) || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80; }

struct Word {
  size_t begin, end;
};
std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> out;
  for (size_t i = 0; i < text.size();) {
    if (!is_word(text[i])) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < text.size() && is_word(text[j])) ++j;
    out.push_back({i, j});
    i = j;
  }
  return out;
}

bool ends(std::string_view w, std::string_view tail) { return w.size() > tail.size() + 2 && w.ends_with(tail); }

// A light stemmer: plural, past, gerund, adverb. Same stem on both sides is all that matters.
std::string stem(std::string w) {
  static const std::map<std::string, std::string, std::less<>> kIrregular = {
      {"grew", "grow"}, {"grown", "grow"}, {"growth", "grow"}, {"rose", "rise"}, {"risen", "rise"}, {"fell", "fall"}, {"fallen", "fall"},
      {"bought", "buy"}, {"sold", "sell"}, {"sales", "sell"}, {"sale", "sell"}, {"paid", "pay"}, {"held", "hold"}, {"made", "make"},
      {"took", "take"}, {"taken", "take"}, {"brought", "bring"}, {"lost", "lose"}, {"losses", "loss"}, {"won", "win"}, {"spent", "spend"},
      {"spending", "spend"}, {"led", "lead"}, {"began", "begin"}, {"people", "employe"}, {"employees", "employe"}, {"employee", "employe"},
      {"employed", "employ"}, {"acquisition", "acquir"}, {"acquired", "acquir"}, {"revenues", "revenu"}, {"costs", "cost"}, {"higher", "high"},
      {"lower", "low"}, {"ecommerce", "commerc"}, {"kept", "keep"}, {"ran", "run"}, {"came", "come"}, {"saw", "see"}, {"seen", "see"}};
  if (const auto found = kIrregular.find(w); found != kIrregular.end()) return found->second;
  if (ends(w, "ies")) w = w.substr(0, w.size() - 3) + "y";
  else if (ends(w, "sses")) w.resize(w.size() - 2);
  else if (ends(w, "s") && !w.ends_with("ss")) w.pop_back();
  if (ends(w, "ing")) w.resize(w.size() - 3);
  else if (ends(w, "ed")) w.resize(w.size() - 2);
  else if (ends(w, "ly")) w.resize(w.size() - 2);
  if (w.size() > 4 && w[w.size() - 1] == w[w.size() - 2] && w.back() != 's' && w.back() != 'l') w.pop_back();
  if (w.size() > 3 && w.back() == 'e') w.pop_back();
  return w;
}

const std::set<std::string, std::less<>>& stop_words() {
  static const std::set<std::string, std::less<>> kStop = {
      "the", "and", "for", "with", "that", "this", "from", "its", "was", "were", "are", "has", "had", "have", "been", "being", "which",
      "whose", "than", "then", "their", "they", "them", "our", "ours", "into", "over", "under", "about", "approximately", "against", "also",
      "all", "any", "both", "but", "can", "could", "did", "does", "each", "end", "ended", "not", "one", "two", "other", "others", "out", "per",
      "such", "there", "these", "those", "through", "too", "until", "very", "when", "where", "while", "who", "year", "years", "quarter",
      "month", "months", "week", "weeks", "fiscal", "million", "billion", "thousand", "trillion", "percent", "percentage", "points", "times",
      "came", "reached", "amounted", "equalled", "equaled", "stood", "totalled", "totaled", "made", "some", "more", "less", "most", "least",
      "company", "companies", "inc", "corporation", "corp", "latest", "same", "only", "just", "nearly", "almost", "down", "during", "after",
      "before", "between", "since", "late", "early", "counted", "reported", "reports", "says", "said", "posted", "exceeded", "part", "around",
      "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "you", "your"};
  return kStop;
}

}  // namespace

int direction_of(std::string_view word) {
  static const std::map<std::string, int, std::less<>> kDirections = {
      {"rose", 1}, {"rise", 1}, {"rises", 1}, {"rising", 1}, {"risen", 1}, {"grew", 1}, {"grow", 1}, {"grows", 1}, {"growing", 1}, {"growth", 1},
      {"grown", 1}, {"increase", 1}, {"increased", 1}, {"increases", 1}, {"increasing", 1}, {"gain", 1}, {"gained", 1}, {"gains", 1}, {"climbed", 1}, {"expanding", 1}, {"jumping", 1}, {"advancing", 1}, {"gaining", 1}, {"surging", 1},
      {"jumped", 1}, {"up", 1}, {"higher", 1}, {"expanded", 1}, {"exceeded", 1}, {"exceeds", 1}, {"surpassed", 1}, {"added", 1},
      {"more", 1}, {"above", 1}, {"advanced", 1}, {"surged", 1}, {"greater", 1}, {"climbs", 1}, {"climb", 1}, {"climbing", 1}, {"lengthened", 1}, {"widened", 1}, {"widening", 1}, {"soared", 1},
      {"swelled", 1}, {"rallied", 1}, {"accelerated", 1}, {"doubled", 1}, {"tripled", 1}, {"raised", 1}, {"raise", 1}, {"lifted", 1},
      {"rebounded", 1}, {"recovered", 1}, {"leapt", 1}, {"mounted", 1}, {"boosted", 1}, {"ballooned", 1}, {"outpaced", 1}, {"jump", 1}, {"surge", 1},
      {"fell", -1}, {"fall", -1}, {"falls", -1}, {"falling", -1}, {"fallen", -1}, {"declined", -1}, {"decline", -1}, {"declines", -1}, {"declining", -1},
      {"decreased", -1}, {"decrease", -1}, {"decreases", -1}, {"decreasing", -1}, {"dropped", -1}, {"dropping", -1}, {"slipping", -1}, {"sliding", -1}, {"contracting", -1}, {"easing", -1}, {"narrowing", -1}, {"sinking", -1}, {"dipping", -1}, {"drop", -1}, {"down", -1}, {"lower", -1}, {"shrank", -1}, {"shrunk", -1},
      {"reduced", -1}, {"reduction", -1}, {"slipped", -1}, {"plunged", -1}, {"below", -1}, {"contracted", -1}, {"less", -1}, {"fewer", -1}, {"cut", -1}, {"cost", 0}, {"slid", -1}, {"negatively", -1}, {"sank", -1}, {"tumbled", -1},
      {"eased", -1}, {"narrowed", -1}, {"slumped", -1}, {"dipped", -1}, {"receded", -1}, {"halved", -1}, {"trimmed", -1}, {"diminished", -1},
      {"softened", -1}, {"plummeted", -1}, {"shed", -1}, {"retreated", -1}, {"slowed", -1}, {"dwindled", -1}, {"lowered", -1}, {"shortened", -1}, {"shrinking", -1}};
  const auto found = kDirections.find(word);
  return found == kDirections.end() ? 0 : found->second;
}

std::vector<Directed> find_directions(std::string_view text) {
  std::vector<Directed> out;
  const std::string lowered = lower_ascii(text);
  const auto words = words_of(lowered);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view w = std::string_view(lowered).substr(words[i].begin, words[i].end - words[i].begin);
    const int d = direction_of(w);
    if (d == 0) continue;
    const std::string_view next = i + 1 < words.size() ? std::string_view(lowered).substr(words[i + 1].begin, words[i + 1].end - words[i + 1].begin) : "";
    const std::string_view before = i > 0 ? std::string_view(lowered).substr(words[i - 1].begin, words[i - 1].end - words[i - 1].begin) : "";
    const bool moved = before == "went" || before == "moved" || before == "edged" || before == "ticked" || before == "crept";
    if (w == "up" && ((next == "to" && !moved) || before == "made" || before == "make" || before == "makes" || before == "set")) continue;
    if ((w == "more" || w == "less" || w == "fewer") && before != "times" && next == "than" && before != "was" && before != "is" && before != "were") continue;
    if (w == "more" && next != "than") continue;
    // "a gain of $354 million" is a result, no movement; "a gain of 1.6%" is one.
    const std::string_view rest = std::string_view(lowered).substr(words[i].end, 14);
    if (rest.find('%') != std::string_view::npos || rest.find("percent") != std::string_view::npos) {
      out.push_back({words[i].begin, words[i].end, d});
      continue;
    }
    if ((w == "gain" || w == "gains") && (before == "a" || next == "of" || next == "on" || next == "from")) continue;
    out.push_back({words[i].begin, words[i].end, d});
  }
  return out;
}

std::set<std::string> content_words(std::string_view text) {
  std::set<std::string> out;
  const std::string lowered = lower_ascii(normalise_text(text));
  for (const Word& w : words_of(lowered)) {
    const std::string word = lowered.substr(w.begin, w.end - w.begin);
    const bool digit = std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (word.size() < 3 || digit || stop_words().count(word) > 0) continue;
    if (direction_of(word) != 0) continue;
    out.insert(stem(word));
  }
  return out;
}

std::set<std::string> modal_words(std::string_view text) {
  static const std::map<std::string, std::string, std::less<>> kModal = {
      {"will", "future"}, {"expects", "future"}, {"expect", "future"}, {"expected", "future"}, {"plans", "future"}, {"plan", "future"},
      {"planned", "future"}, {"intends", "future"}, {"intend", "future"}, {"forecasts", "future"}, {"decided", "decision"}, {"announced", "decision"},
      {"because", "cause"}, {"due", "cause"}, {"thanks", "cause"}, {"owing", "cause"}, {"caused", "cause"}, {"driven", "cause"}, {"drove", "cause"},
      {"result", "cause"}, {"resulting", "cause"}, {"reflecting", "cause"}, {"helped", "cause"}, {"primarily", "cause"}, {"attributable", "cause"},
      {"next", "future"}, {"soon", "future"}, {"aims", "future"}, {"hopes", "future"}, {"anticipate", "future"}, {"anticipates", "future"},
      {"estimate", "future"}, {"believe", "future"}, {"reflects", "cause"}, {"led", "cause"}, {"leading", "cause"}};
  std::set<std::string> out;
  const std::string lowered = lower_ascii(normalise_text(text));
  for (const Word& w : words_of(lowered)) {
    const auto found = kModal.find(std::string_view(lowered).substr(w.begin, w.end - w.begin));
    if (found == kModal.end()) continue;
    const std::string_view after = std::string_view(lowered).substr(w.end);
    // "due in 2025", "the plan's assets", "the next five years" explain and foretell nothing.
    if (found->first == "due" && (!after.starts_with(" to ") || after.starts_with(" to repay") || after.starts_with(" to pay") || after.starts_with(" to be "))) continue;
    if (found->first.starts_with("plan") && !after.starts_with(" to ")) continue;
    if (found->first == "next" && std::min(after.find("years"), after.find("months")) < 18) continue;
    out.insert(found->second);
  }
  return out;
}

double overlap(const std::set<std::string>& wanted, const std::set<std::string>& given) {
  if (wanted.empty()) return 1;
  size_t n = 0;
  for (const std::string& w : wanted) n += given.count(w);
  return static_cast<double>(n) / static_cast<double>(wanted.size());
}

std::vector<std::string> capitalised_words(std::string_view text) {
  std::vector<std::string> out;
  const std::string clean = normalise_text(text);
  bool starts = true;
  for (const Word& w : words_of(clean)) {
    std::string word = clean.substr(w.begin, w.end - w.begin);
    if (w.begin > 0) {
      // A sentence starts after ". ", but not after "U.S. ".
      size_t k = w.begin;
      while (k > 0 && (clean[k - 1] == ' ' || clean[k - 1] == '"' || clean[k - 1] == '(')) --k;
      starts = k >= 2 && (clean[k - 1] == '.' || clean[k - 1] == '!' || clean[k - 1] == '?') && !(clean[k - 2] >= 'A' && clean[k - 2] <= 'Z');
    }
    // "FY2023", "H1" are periods.
    const bool period = (word.starts_with("FY") || word.starts_with("H") || word.starts_with("Q")) && word.size() > 1 && word.back() >= '0' && word.back() <= '9';
    const bool upper = !period && std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!starts && upper && word.size() >= 2 && month_number(word) == 0 && lower_ascii(word) != "fy" && !(word.size() == 2 && word[0] == 'Q'))
      out.push_back(std::move(word));
    starts = false;
  }
  return out;
}

size_t find_name(std::string_view text, std::string_view name, size_t from) {
  if (name.empty()) return std::string::npos;
  const std::string t = lower_ascii(text), n = lower_ascii(name);
  for (size_t at = t.find(n, from); at != std::string::npos; at = t.find(n, at + 1)) {
    const bool left = at == 0 || !is_word(t[at - 1]);
    const bool right = at + n.size() >= t.size() || !is_word(t[at + n.size()]);
    if (left && right) return at;
  }
  return std::string::npos;
}

bool mentions_name(std::string_view text, std::string_view name) { return find_name(text, name) != std::string::npos; }

}  // namespace consort::tool
